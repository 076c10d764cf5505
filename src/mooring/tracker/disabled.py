"""A store that keeps nothing: `mooring.init(mode="disabled")`, `Tracker.SKIP_INSERT`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from mooring.errors import AttributeNotFound
from mooring.model import RunInfo, RunSpec, now_micros, validate_path
from mooring.store.cells import encode_cell
from mooring.store.contract import EventTable, RunPage


class DiscardingWriter:
    """A `RunWriter` that keeps nothing. Of rows it takes what a store would."""

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self._names: set[str] = set()

    def log(self, values: Mapping[str, object], **options: object) -> None:
        """Discard points."""

    def log_event(self, values: Mapping[str, object], *, time: int | None = None) -> None:
        """Discard a row that a store would take; raise for another, as it may be logged too."""
        if not self._names.issuperset(values):
            self._names.update(map(validate_path, values))
        for name, value in values.items():
            if type(value) is not float:
                encode_cell(name, value)

    def log_events(self, rows: Sequence[tuple[Mapping[str, object], int | None]]) -> None:
        """Discard rows that a store would take."""
        for values, time in rows:
            self.log_event(values, time=time)

    def assign(self, values: Mapping[str, object]) -> None:
        """Discard values."""

    def change_set(self, path: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Discard a change."""

    def delete(self, path: str) -> None:
        """Delete nothing."""

    def close(self) -> None:
        """Do nothing."""


class DiscardingStore:
    """What the tracker asks of a `Store`, with nothing behind it."""

    address = "disabled"
    read_only = False

    def ensure_project(self, name: str) -> str:
        """Return the name."""
        return name

    def list_projects(self) -> Sequence[str]:
        """Return no project."""
        return ()

    def delete_project(self, name: str) -> None:
        """Delete nothing."""

    def create_run(self, spec: RunSpec) -> RunInfo:
        """Return a run that exists nowhere."""
        return RunInfo(
            key=0,
            project=spec.project,
            sys_id="DISABLED-0",
            run_id=spec.run_id or "disabled",
            kind=spec.kind,
            created=now_micros(),
        )

    def find_run(self, project: str, **names: str | None) -> None:
        """Find nothing."""

    def query_runs(self, query: object) -> RunPage:
        """Return no run."""
        return RunPage((), 0)

    def get_runs(self, keys: Sequence[int]) -> Sequence[RunInfo]:
        """Return no run."""
        return ()

    def open_writer(self, key: int) -> DiscardingWriter:
        """Return a writer that keeps nothing."""
        return DiscardingWriter(self.create_run(RunSpec(project="local/disabled")))

    def write_points(self, key: int, path: str, **points: Any) -> int:
        """Discard points."""
        return 0

    def set_events(self, key: int, path: str, value: object, **options: object) -> int:
        """Change no row."""
        return 0

    def read_events(
        self, project: str, keys: Sequence[int] | None = None, **options: object
    ) -> EventTable:
        """Return no rows."""
        import numpy as np

        from mooring.store.tables import empty

        none = np.empty(0, np.int64)
        return EventTable(sequence=none, runs=none, times=none, cells=empty(0))

    def count_events(self, project: str, keys: Sequence[int] | None = None) -> int:
        """Count no rows."""
        return 0

    def list_columns(self, project: str) -> Sequence[Any]:
        """Return no columns."""
        return ()

    def list_attributes(self, keys: object, select: object, **options: object) -> Sequence[Any]:
        """Return no attribute."""
        return ()

    def read_attributes(self, keys: Sequence[int], select: object) -> Sequence[Any]:
        """Return no columns."""
        return ()

    def get_value(self, key: int, path: str) -> tuple[Any, Any]:
        """Find nothing."""
        raise AttributeNotFound(path, where="a disabled run")

    def put_blob(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Read and keep nothing."""
        return "", 0

    def close(self) -> None:
        """Do nothing."""
