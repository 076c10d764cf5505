"""Exports to Parquet, in the layout that Neptune Exporter made common."""

from mooring.exchange.targets.parquet.exporting import export_runs
from mooring.exchange.targets.parquet.places import ExportPlaces

__all__ = ["ExportPlaces", "export_runs"]
