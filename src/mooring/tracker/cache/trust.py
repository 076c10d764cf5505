"""Whether content that runs when it is loaded can come from this user only."""

from __future__ import annotations

import functools
import logging
import os
import stat
from pathlib import Path

from mooring.errors import StoreError, UnsafePermissions

__all__ = ["check_trust"]

_logger = logging.getLogger("mooring")
_COMPANIONS = ("", "-wal", "-shm", "-journal")


def check_trust(folder: Path, name: str) -> None:
    """Raise `UnsafePermissions` unless a folder and a SQLite file in it are this user's alone.

    The file may be missing. Access lists beyond the usual rights are not looked at. On a platform
    whose files have no owner this cannot be told: a warning says so, once for each folder.
    """
    if not hasattr(os, "geteuid"):
        _warn_of_platform(folder)
        return
    _check(folder, folder)
    for ending in _COMPANIONS:
        path = folder / f"{name}{ending}"
        try:
            _check(path, folder)
        except FileNotFoundError:
            continue


def _check(path: Path, folder: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be looked at ({error})", address=str(path)) from None
    if found.st_uid != os.geteuid():
        raise UnsafePermissions(
            f"{path} belongs to another user (uid {found.st_uid}). Loading a cached result runs "
            "what the file says, so only your own is used: name another folder",
            address=str(folder),
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafePermissions(
            f"others may write to {path} (mode {stat.S_IMODE(found.st_mode):o}). Loading a cached "
            f"result runs what the file says: chmod go-w {str(path)!r} if you trust what is in "
            "it, or name another folder",
            address=str(folder),
        )


@functools.cache
def _warn_of_platform(folder: Path) -> None:
    _logger.warning(
        "this platform does not tell who owns %s; whoever may write to it can run code here when "
        "a cached result is loaded. Keep it where only you may write",
        folder,
    )
