"""Projects of trackio, from its SQLite files."""

from mooring.exchange.sources.trackio.source import TrackioSource, open_trackio

__all__ = ["TrackioSource", "open_trackio"]
