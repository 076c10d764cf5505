"""The time zone of this machine, by its name."""

from __future__ import annotations

import os
from pathlib import Path

from mooring.errors import InvalidInput
from mooring.exchange.backup.texts import UTC, check_zone

_LOCALTIME = Path("/etc/localtime")


def local_zone() -> str:
    """Return the name of this machine's time zone; UTC when it has none that is known."""
    name = os.environ.get("TZ", "").lstrip(":")
    if not name and _LOCALTIME.is_symlink():
        name = str(_LOCALTIME.readlink()).partition("zoneinfo/")[2]
    try:
        return check_zone(name) if name else UTC
    except InvalidInput:
        return UTC
