"""Exports to Parquet, in the layout that Neptune Exporter made common."""

from mooring.exchange.targets.parquet.exporting import write_export
from mooring.exchange.targets.parquet.places import ExportPlaces

__all__ = ["ExportPlaces", "write_export"]
