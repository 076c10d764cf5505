"""What the environment says when an argument does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from mooring.errors import InvalidInput
from mooring.model import ProjectName
from mooring.store.contract import Store

DEFAULT_STORE = "mooring.db"
"""Where a run goes when nothing else is said: a file in the working directory."""

DEFAULT_TRACKER_STORE = "track.db"
"""The same for a tracker; the name its users know."""

DEFAULT_PROJECT = "local/events"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the logging side, read once when a run or tracker is opened.

    Attributes
    ----------
    store : `MOORING_STORE`, the address of the store
    project : `MOORING_PROJECT`, else `NEPTUNE_PROJECT`; `workspace/name` or `name`
    """

    store: str | None = None
    project: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment; empty variables count as missing.

        >>> Settings.from_environment({"NEPTUNE_PROJECT": "team/digits", "MOORING_STORE": ""})
        Settings(store=None, project='team/digits')
        """
        environ = os.environ if environ is None else environ
        return cls(
            store=environ.get("MOORING_STORE") or None,
            project=environ.get("MOORING_PROJECT") or environ.get("NEPTUNE_PROJECT") or None,
        )


def choose_project(argument: str | None, settings: Settings, store: Store) -> str:
    """Return the full name of the project that a run goes to.

    The argument, else the environment, else the only project of the store, else `local/events`.
    """
    if named := argument or settings.project:
        return str(ProjectName.parse(named))
    projects = store.list_projects()
    return projects[0] if len(projects) == 1 else DEFAULT_PROJECT


def check_interval(interval_s: object) -> float:
    """Return an interval in seconds, or raise `InvalidInput` unless it is above 0."""
    if isinstance(interval_s, (int, float)) and 0 < interval_s < threading.TIMEOUT_MAX:
        return interval_s
    raise InvalidInput(f"measurement_interval is a number of seconds above 0, not {interval_s!r}")
