"""The fetch door: runs and series as data frames, with the interface of Neptune Fetcher."""

from mooring.fetch.progress import ProgressBarCallback
from mooring.fetch.project import ReadOnlyProject
from mooring.fetch.run import ReadOnlyRun

__all__ = ["ProgressBarCallback", "ReadOnlyProject", "ReadOnlyRun"]
