"""Files of xetrack, read in place: tables of events, and pickled assets that stay pickled."""

from mooring.tracker.xetrack.assets import XetrackAsset
from mooring.tracker.xetrack.file import XetrackFile, is_xetrack_file
from mooring.tracker.xetrack.tables import XetrackColumn

__all__ = ["XetrackAsset", "XetrackColumn", "XetrackFile", "is_xetrack_file"]
