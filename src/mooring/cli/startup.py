"""A quick start: PyArrow without pandas.

PyArrow imports pandas, where it is installed, as soon as it is given an array: 0.25 s of the 1.1 s
of `mooring head`, for a table that never becomes a data frame. PyArrow asks once and remembers the
answer; so this is for a process of its own, in which nobody hands it data frames.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

OWN_PROCESS = "mooring:own-process"
"""Context object of a command that has the process for itself."""


def begin_without_pandas() -> None:
    """Import PyArrow, and let it find no pandas. Others import pandas afterwards as ever."""
    if "pandas" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        import pyarrow as pa

        pa.array([0])  # now it asks
    finally:
        sys.meta_path.remove(absent)


class _Absent(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)
        return None
