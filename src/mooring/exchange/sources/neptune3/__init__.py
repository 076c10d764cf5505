"""A Neptune 3 server as a source, read through the package `neptune-query`."""

from mooring.exchange.sources.neptune3.source import Neptune3Source

__all__ = ["Neptune3Source"]
