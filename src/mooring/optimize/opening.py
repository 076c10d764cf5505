"""Where studies live: which store, and which project of it."""

from __future__ import annotations

import os

from mooring.model import ProjectName
from mooring.store import open_store
from mooring.store.contract import Store

StoreArgument = str | os.PathLike[str] | Store

DEFAULT_STORE = "mooring.db"
DEFAULT_PROJECT = "local/studies"


class StudyPlace:
    """A project of a store; the store is closed with it if it was opened here.

    The project is the argument, else `MOORING_PROJECT` or `NEPTUNE_PROJECT`, else the only one of
    the store, else `local/studies`. The store is the argument, else `MOORING_STORE`, else the file
    `mooring.db` in the working directory.
    """

    def __init__(self, store: StoreArgument | None, project: str | None) -> None:
        given = store or os.environ.get("MOORING_STORE") or DEFAULT_STORE
        self.store: Store
        if isinstance(given, (str, os.PathLike)):
            self.store, self._owned = open_store(os.fspath(given)), True
        else:
            self.store, self._owned = given, False
        try:
            self.project = self._choose(project)
        except BaseException:
            self.close()
            raise

    def _choose(self, project: str | None) -> str:
        named = project or os.environ.get("MOORING_PROJECT") or os.environ.get("NEPTUNE_PROJECT")
        if named:
            return str(ProjectName.parse(named))
        known = self.store.list_projects()
        return known[0] if len(known) == 1 else DEFAULT_PROJECT

    def close(self) -> None:
        """Close the store, if this opened it. Idempotent."""
        if self._owned:
            self.store.close()
