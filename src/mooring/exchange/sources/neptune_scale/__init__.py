"""Offline and unsent data of the `neptune-scale` client, from its SQLite files."""

from mooring.exchange.sources.neptune_scale.source import NeptuneScaleSource, open_neptune_scale

__all__ = ["NeptuneScaleSource", "open_neptune_scale"]
