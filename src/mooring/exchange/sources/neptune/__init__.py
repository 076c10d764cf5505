"""Offline and unsent data of the `neptune` client (1.x), from its folder `.neptune`."""

from mooring.exchange.sources.neptune.source import NeptuneSource, open_neptune

__all__ = ["NeptuneSource", "open_neptune"]
