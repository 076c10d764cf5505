"""Logging: trackers, runs, and the dialect of `init`, `log`, `finish`.

Everything here loads on first use: a `Tracker` needs neither the result cache nor log files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "SCHEMA_PARAMS",
    "TRACKER_CONSTANTS",
    "AssetEntry",
    "Assets",
    "AssetsManager",
    "AttributeHandle",
    "Cache",
    "CacheEntry",
    "File",
    "InitRun",
    "Logger",
    "Reader",
    "Run",
    "Tracker",
    "copy",
    "finish",
    "get_backend",
    "init",
    "log",
    "set_backend",
    "use_backend",
]

_HOMES = {
    "AssetEntry": "assets.objects",
    "Assets": "assets.objects",
    "AssetsManager": "assets.objects",
    "AttributeHandle": "handle",
    "Cache": "cache.folder",
    "CacheEntry": "cache.folder",
    "File": "files",
    "InitRun": "dialect",
    "Logger": "logs.logger",
    "Reader": "reader",
    "Run": "run",
    "SCHEMA_PARAMS": "constants",
    "TRACKER_CONSTANTS": "constants",
    "Tracker": "tracker",
    "copy": "copying",
    "finish": "dialect",
    "get_backend": "backends",
    "init": "dialect",
    "log": "dialect",
    "set_backend": "backends",
    "use_backend": "backends",
}

if TYPE_CHECKING:
    from mooring.tracker.assets.objects import AssetEntry, Assets, AssetsManager
    from mooring.tracker.backends import get_backend, set_backend, use_backend
    from mooring.tracker.cache.folder import Cache, CacheEntry
    from mooring.tracker.constants import SCHEMA_PARAMS, TRACKER_CONSTANTS
    from mooring.tracker.copying import copy
    from mooring.tracker.dialect import InitRun, finish, init, log
    from mooring.tracker.files import File
    from mooring.tracker.handle import AttributeHandle
    from mooring.tracker.logs.logger import Logger
    from mooring.tracker.reader import Reader
    from mooring.tracker.run import Run
    from mooring.tracker.tracker import Tracker


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mooring.tracker' has no attribute {name!r}")
    value = getattr(import_module(f"mooring.tracker.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
