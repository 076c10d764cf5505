"""Moving data in and out: sources that are imported, targets that are exported to."""

from mooring.exchange.reports import (
    ExportReport,
    ImportReport,
    Problem,
    Renamed,
    TableExport,
    TableImport,
)

__all__ = [
    "ExportReport",
    "ImportReport",
    "Problem",
    "Renamed",
    "TableExport",
    "TableImport",
]
