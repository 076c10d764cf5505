"""Moving runs in and out, and proving that nothing was lost.

Whatever runs can be read from is a `Source` (`open_source`): a store, an export, a backup, another
tracker. From there they go into a store (`import_runs`), out as Parquet (`export_runs`), into a
tree of folders (`back_up`), or into another tracker (`load_runs` with a `Target` of `open_target`).
`verify_transfer` reads back and compares, `summarize` counts. Everything loads on first use.

>>> from contextlib import closing
>>> import mooring
>>> from mooring import exchange
>>> with mooring.Run("team/digits", store="runs.db", run_id="first") as run:
...     run.log({"loss": 0.5}, step=1)
>>> with closing(exchange.open_source("runs.db")) as runs:
...     report = exchange.export_runs(runs, "exports")
>>> with closing(exchange.open_source("exports")) as runs, closing(
...     mooring.open_store("again.db")
... ) as store:
...     report = exchange.import_runs(runs, store, verify=True)
>>> report.is_complete, report.points
(True, 1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "SOURCES",
    "TARGETS",
    "AttributeClass",
    "ExportPlaces",
    "ExportReport",
    "ImportReport",
    "LoadReport",
    "LoadSettings",
    "Outcome",
    "ParquetSource",
    "Problem",
    "Renamed",
    "RunOutcome",
    "Selection",
    "Source",
    "SourceOptions",
    "StoreSource",
    "Summary",
    "TableExport",
    "TableImport",
    "Target",
    "TargetOptions",
    "TransferReport",
    "back_up",
    "export_runs",
    "import_runs",
    "load_runs",
    "open_source",
    "open_target",
    "summarize",
    "verify_transfer",
]

_HOMES = {
    "mooring.exchange.exporting": ("export_runs",),
    "mooring.exchange.importing": ("import_runs",),
    "mooring.exchange.loading": ("LoadReport", "load_runs"),
    "mooring.exchange.reports": (
        "ExportReport",
        "ImportReport",
        "Outcome",
        "Problem",
        "Renamed",
        "RunOutcome",
        "TableExport",
        "TableImport",
        "TransferReport",
    ),
    "mooring.exchange.selection": ("AttributeClass", "Selection"),
    "mooring.exchange.source": ("Source",),
    "mooring.exchange.sources": ("SOURCES", "SourceOptions", "open_source"),
    "mooring.exchange.sources.parquet": ("ParquetSource",),
    "mooring.exchange.sources.store": ("StoreSource",),
    "mooring.exchange.summary": ("Summary", "summarize"),
    "mooring.exchange.target": ("LoadSettings", "Target"),
    "mooring.exchange.targets": ("TARGETS", "TargetOptions", "open_target"),
    "mooring.exchange.targets.backup": ("back_up",),
    "mooring.exchange.targets.parquet": ("ExportPlaces",),
    "mooring.exchange.verifying": ("verify_transfer",),
}
_PLACES = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from mooring.exchange.exporting import export_runs
    from mooring.exchange.importing import import_runs
    from mooring.exchange.loading import LoadReport, load_runs
    from mooring.exchange.reports import (
        ExportReport,
        ImportReport,
        Outcome,
        Problem,
        Renamed,
        RunOutcome,
        TableExport,
        TableImport,
        TransferReport,
    )
    from mooring.exchange.selection import AttributeClass, Selection
    from mooring.exchange.source import Source
    from mooring.exchange.sources import SOURCES, SourceOptions, open_source
    from mooring.exchange.sources.parquet import ParquetSource
    from mooring.exchange.sources.store import StoreSource
    from mooring.exchange.summary import Summary, summarize
    from mooring.exchange.target import LoadSettings, Target
    from mooring.exchange.targets import TARGETS, TargetOptions, open_target
    from mooring.exchange.targets.backup import back_up
    from mooring.exchange.targets.parquet import ExportPlaces
    from mooring.exchange.verifying import verify_transfer


def __getattr__(name: str) -> object:
    home = _PLACES.get(name)
    if home is None:
        raise AttributeError(f"module 'mooring.exchange' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
