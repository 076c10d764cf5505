"""Writing files that xetrack reads."""

from mooring.exchange.targets.xetrack.exporting import export_xetrack

__all__ = ["export_xetrack"]
