"""Logging: trackers, runs, and the dialect of `init`, `log`, `finish`."""

from mooring.tracker.assets import AssetEntry, Assets, AssetsManager
from mooring.tracker.backends import get_backend, set_backend, use_backend
from mooring.tracker.cache import Cache, CacheEntry
from mooring.tracker.constants import SCHEMA_PARAMS, TRACKER_CONSTANTS
from mooring.tracker.copying import copy
from mooring.tracker.dialect import InitRun, finish, init, log
from mooring.tracker.files import File
from mooring.tracker.handle import AttributeHandle
from mooring.tracker.logs import Logger
from mooring.tracker.reader import Reader
from mooring.tracker.run import Run
from mooring.tracker.tracker import Tracker

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
