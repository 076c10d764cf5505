"""Repositories of Aim, read through the storage layer of the `aim` package."""

from mooring.exchange.sources.aim.source import AimSource, open_aim

__all__ = ["AimSource", "open_aim"]
