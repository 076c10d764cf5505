"""Packages of other trackers: loaded when they are needed, and told things by the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mooring.errors import ExchangeError, MissingExtra


def require_package(module: str, *, extra: str, package: str = "") -> Any:
    """Return a module of another tracker's package; `MissingExtra` when it is not installed.

    `package` is its name where it is installed from, if that is not the name of the module. One
    that is installed and cannot be loaded, as when it does not know a newer dependency, raises
    `ExchangeError` with the reason.

    >>> require_package("json", extra="none").loads("1")
    1
    """
    named = package or module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(named, extra=extra) from error
    except ImportError as error:
        raise ExchangeError(f"{named} cannot be loaded here: {error}") from error


@contextmanager
def variable_set(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment, where a package reads it, for the time of a block.

    >>> with variable_set("MOORING_SOME_VARIABLE", "here"):
    ...     os.environ["MOORING_SOME_VARIABLE"]
    'here'
    >>> "MOORING_SOME_VARIABLE" in os.environ
    False
    """
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
