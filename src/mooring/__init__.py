"""Mooring: the experiment store you own.

>>> import mooring
>>> with mooring.Run("digits", store=":memory:") as run:
...     run.log({"loss": 0.5}, step=1)

Everything here loads on first use, so that `import mooring` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "File",
    "FileRef",
    "Histogram",
    "HubClient",
    "ReadOnlyProject",
    "ReadOnlyRun",
    "Reader",
    "Run",
    "Study",
    "Tracker",
    "__version__",
    "copy",
    "errors",
    "finish",
    "get_backend",
    "init",
    "log",
    "open_store",
    "set_backend",
]

_HOMES = {
    "File": "mooring.tracker",
    "FileRef": "mooring.model",
    "Histogram": "mooring.model",
    "HubClient": "mooring.client.hub_client",
    "ReadOnlyProject": "mooring.fetch",
    "ReadOnlyRun": "mooring.fetch",
    "Reader": "mooring.tracker",
    "Run": "mooring.tracker",
    "Study": "mooring.optimize",
    "Tracker": "mooring.tracker",
    "copy": "mooring.tracker",
    "finish": "mooring.tracker",
    "get_backend": "mooring.tracker",
    "init": "mooring.tracker",
    "log": "mooring.tracker",
    "open_store": "mooring.store",
    "set_backend": "mooring.tracker",
}

if TYPE_CHECKING:
    from mooring import errors
    from mooring.client.hub_client import HubClient
    from mooring.fetch import ReadOnlyProject, ReadOnlyRun
    from mooring.model import FileRef, Histogram
    from mooring.optimize import Study
    from mooring.store import open_store
    from mooring.tracker import (
        File,
        Reader,
        Run,
        Tracker,
        copy,
        finish,
        get_backend,
        init,
        log,
        set_backend,
    )


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("mooring.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mooring' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
