"""Logging: trackers, runs, and the dialect of `init`, `log`, `finish`."""

from mooring.tracker.dialect import InitRun, finish, init, log
from mooring.tracker.files import File
from mooring.tracker.handle import AttributeHandle
from mooring.tracker.reader import Reader
from mooring.tracker.run import Run
from mooring.tracker.tracker import Tracker

__all__ = [
    "AttributeHandle",
    "File",
    "InitRun",
    "Reader",
    "Run",
    "Tracker",
    "finish",
    "init",
    "log",
]
