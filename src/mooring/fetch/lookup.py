"""Finds the runs of one project that a reader names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mooring.errors import RunNotFound
from mooring.fetch.selection import RunSelection
from mooring.model import AttributeType, RunInfo
from mooring.query import field
from mooring.store.contract import PathSelector, RunQuery, Store

_COMPARED_RUNS = 1_000
"""Newest runs whose names are compared with an unknown one."""


@dataclass(frozen=True, slots=True)
class RunLookup:
    """The runs of one project. Whatever is named and not there raises `RunNotFound`."""

    store: Store
    project: str

    def query(self, selection: RunSelection) -> Sequence[RunInfo]:
        """Return the runs of a selection, newest first."""
        return self.store.query_runs(selection.to_query(self.project)).runs

    def by_sys_id(self, sys_id: str) -> RunInfo:
        """Return the run of a short id, such as `DIG-1`."""
        found = self.store.find_run(self.project, sys_id=sys_id)
        if found is None:
            raise self._not_found(sys_id)
        return found

    def by_run_id(self, run_id: str) -> RunInfo:
        """Return the run of this id of its own."""
        found = self.store.find_run(self.project, run_id=run_id)
        if found is None:
            raise self._not_found(run_id)
        return found

    def by_any_id(self, id: str) -> RunInfo:
        """Return the run of this id of its own, or else of this short id."""
        found = self.store.find_run(self.project, run_id=id)
        return self.by_sys_id(id) if found is None else found

    def by_experiment(self, name: str) -> RunInfo:
        """Return the newest run of an experiment."""
        same = field("sys/name").typed(AttributeType.STRING) == name
        found = self.query(RunSelection(query=same, heads_only=True))
        if not found:
            raise RunNotFound(
                name, where=f"the experiments of {self.project}", known=self._experiments()
            )
        return found[0]

    def _not_found(self, id: str) -> RunNotFound:
        known = [text for run in self._newest() for text in (run.sys_id, run.run_id)]
        return RunNotFound(id, where=self.project, known=known)

    def _experiments(self) -> list[str]:
        keys = [run.key for run in self._newest()]
        columns = self.store.read_attributes(keys, PathSelector(paths=("sys/name",)))
        return sorted({str(name) for column in columns for name in column.values})

    def _newest(self) -> Sequence[RunInfo]:
        query = RunQuery(project=self.project, trashed=None, limit=_COMPARED_RUNS)
        return self.store.query_runs(query).runs
