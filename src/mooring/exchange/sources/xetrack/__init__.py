"""Bringing files of xetrack into a store."""

from mooring.exchange.sources.xetrack.importing import import_xetrack

__all__ = ["import_xetrack"]
