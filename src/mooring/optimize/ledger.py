"""Studies and trials of a project, read and written as runs of any store.

Every change is one transaction: a SIGKILL between any two lines leaves all of it or nothing.

- a trial comes in whole, with its number and parameters (`import_run`); its run's id holds the
  number, so that two processes never get the same one;
- what only one process may do is a numbered batch of a writer whose name all of them know
  (`append_batch`): the first one's is applied, the others' are passed over. Whoever gave out or
  finished a trial signs it, and reads who was first.

A process that is killed leaves its trials running, with runs that become inactive; see `died`.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    RunNotFound,
    StoreReadOnly,
    StudyError,
    StudyNotFound,
    TrialFinished,
)
from mooring.model import STEP_SCALE, AttributeType, RunInfo, RunKind, RunSpec, Value, now_micros
from mooring.optimize.observations import TrialState
from mooring.optimize.study_runs import NAME, RECORD, StudyRecord, StudySpec, read_study
from mooring.optimize.trial_runs import (
    PREFIX,
    STATE,
    VALUES,
    TrialRecord,
    encode_name,
    read_trials,
    with_values,
)
from mooring.query import Compare, Field, Operator
from mooring.store.appending import AppendsBatches, Assign
from mooring.store.contract import (
    Lineage,
    PathSelector,
    RunQuery,
    RunWriter,
    SeriesQuery,
    Store,
)
from mooring.store.processes import is_alive, process_start
from mooring.store.transfer import TransfersRuns

if TYPE_CHECKING:
    import pyarrow as pa

REMOTE_GRACE_S = 60.0
"""A trial of a process on another machine counts as dead when its run is not active so long after
it was begun: between the two its writer is opened. Clocks may differ by that much."""

_WRITERS = {
    what: uuid.uuid5(uuid.UUID("9b1f6e1c-1d5e-5b7a-8a55-0f6f8a3b9d21"), what).hex
    for what in ("claim", "end")
}
"""Names of the writers whose first batch decides who took a trial, and who ended it."""

_TRIAL_PATHS = f"^{PREFIX}"


class StudyStore(Store, AppendsBatches, TransfersRuns, Protocol):
    """What a store has to be able to do to hold studies."""


def need_study_store(store: Store) -> StudyStore:
    """Return the store, if it can hold studies; else raise `StoreReadOnly`."""
    if isinstance(store, AppendsBatches) and isinstance(store, TransfersRuns):
        return store
    raise StoreReadOnly(
        f"{store.address} can only be read, and studies write; copy it into a store first: "
        "mooring import",
        address=store.address,
    )


class Ledger:
    """The studies of one project. Any thread may call."""

    def __init__(self, store: Store, project: str) -> None:
        self.store = need_study_store(store)
        self.project = project

    def create_study(self, spec: StudySpec) -> StudyRecord:
        """Enter a study; `AlreadyExists` when the project has one of this name."""
        run = RunSpec(project=self.project, run_id=RECORD + spec.name, kind=RunKind.RECORD)
        try:
            with self.store.import_run(run) as incoming:
                incoming.set_values(spec.attributes())
                return StudyRecord(incoming.commit(), spec)
        except AlreadyExists:
            raise AlreadyExists(
                f"{self.project} has a study {spec.name!r} already; open it, or choose another name"
            ) from None

    def find_study(self, name: str) -> StudyRecord | None:
        """Return a study, or None."""
        if self.project not in self.store.list_projects():
            return None
        run = self.store.find_run(self.project, run_id=RECORD + name)
        if run is None or run.kind is not RunKind.RECORD or run.trashed:
            return None
        return next(iter(self.read_studies([run])), None)

    def get_study(self, name: str) -> StudyRecord:
        """Return a study; `StudyNotFound` with the closest names where there is none."""
        found = self.find_study(name)
        if found is None:
            known = [study.name for study in self.list_studies()]
            raise StudyNotFound(name, where=f"project {self.project}", known=known)
        return found

    def list_studies(self) -> list[StudyRecord]:
        """Return the studies of the project, oldest first."""
        if self.project not in self.store.list_projects():
            return []
        query = RunQuery(
            project=self.project,
            kinds=(RunKind.RECORD,),
            filter=Compare(Field("sys/custom_run_id"), Operator.MATCHES, f"^{re.escape(RECORD)}"),
        )
        runs = sorted(self.store.query_runs(query).runs, key=lambda run: run.key)
        return self.read_studies(runs)

    def read_studies(self, runs: Sequence[RunInfo]) -> list[StudyRecord]:
        """Return the studies that records are, as they are now."""
        if not runs:
            return []
        values: list[dict[str, object]] = [{} for _ in runs]
        select = PathSelector(patterns=(f"^{RECORD}",))
        for column in self.store.read_attributes([run.key for run in runs], select):
            for row, value in zip(column.rows, column.values, strict=True):
                values[int(row)][column.path] = value
        return [
            read_study(run, held) for run, held in zip(runs, values, strict=True) if NAME in held
        ]

    def update_study(self, key: int, values: Mapping[str, Value]) -> None:
        """Set attributes of a study, all or none."""
        _apply(self.store, key, uuid.uuid4().hex, 1, values)

    def delete_study(self, study: StudyRecord) -> None:
        """Delete a study with all its trials, for good."""
        keys = [run.key for run in _query_trials(self.store, self.project, study.name)]
        self.store.delete_runs([*keys, study.key])


class TrialLog:
    """The trials of one study, as they are now; finished ones are read once. Any thread may call.

    `changed` grows by a number each time a trial is seen in another state.
    """

    def __init__(self, ledger: Ledger, study: StudyRecord) -> None:
        self.store = ledger.store
        self.study = study
        self.changed: list[int] = []
        self._project = ledger.project
        self._trials: dict[int, TrialRecord] = {}
        self._next = 0
        self._open: dict[int, TrialRecord] = {}
        self._numbers: dict[int, int] = {}
        self._lock = threading.RLock()
        self._first = True
        self._new: dict[int, int] = {}
        self._sorted, self._last = True, -1
        self._writers: dict[int, RunWriter] = {}

    # reading

    def sync(self, *, held: bool = False) -> Sequence[TrialRecord]:
        """Read what is new, and return all trials in the order of their numbers.

        `held`: read also those that this process has, and knows of what it did to them itself.
        """
        with self._lock:
            self._find_new()
            self._read(held=held)
            return self.known()

    def get(self, number: int) -> TrialRecord:
        """Return a trial as it is now; `StudyError` where there is none of this number."""
        with self._lock:
            found = self._trials.get(number)
            if found is None:
                self._find_new()
                self._read()
                found = self._trials.get(number)
            elif not found.state.is_finished:
                found = self.read_again(found)
        if found is None:
            raise StudyError(f"study {self.study.name!r} has no trial {number}")
        return found

    def known(self) -> Sequence[TrialRecord]:
        """Return all trials as they were read last."""
        with self._lock:
            if not self._sorted:
                self._trials, self._sorted = dict(sorted(self._trials.items())), True
            return list(self._trials.values())

    def find(self, number: int) -> TrialRecord | None:
        """Return a trial as it was read last, or None."""
        return self._trials.get(number)

    def find_key(self, key: int) -> TrialRecord | None:
        """Return the trial that a run is, as it was read last, or None."""
        with self._lock:
            number = self._numbers.get(key)
            return None if number is None else self._trials.get(number)

    def find_next(self) -> int:
        """Return the number that the next trial gets, as far as is known now."""
        with self._lock:
            self._find_new()
            return self._next

    def _find_new(self) -> None:
        """Notice runs of numbers that were not known.

        The first time by a question of all; later by their ids, one after the other, which the
        store finds within microseconds.
        """
        if self._first:
            for run in _query_trials(self.store, self._project, self.study.name):
                self._notice(run)
            self._first = False
        while True:
            try:
                run_or_none = self.store.find_run(self._project, run_id=self._run_id(self._next))
            except RunNotFound:
                run_or_none = None
            if run_or_none is None:
                return
            self._notice(run_or_none)

    def _notice(self, run: RunInfo) -> None:
        number = self._number_in(run.run_id)
        if number is not None:
            self._next = max(self._next, number + 1)
            if not run.trashed:
                self._new[run.key] = number

    def _run_id(self, number: int) -> str:
        return f"{self.study.name}/{number}"

    def _number_in(self, run_id: str) -> int | None:
        text = run_id.removeprefix(f"{self.study.name}/")
        if text != run_id and text.isascii() and text.isdecimal():
            return int(text)
        return None

    def _read(self, *, held: bool = False) -> None:
        """Read trials that are new, and those that are not finished."""
        numbers = dict(self._new)
        for number, trial in self._open.items():
            if held or trial.key not in self._writers:
                numbers[trial.key] = number
        if numbers:
            self._read_keys(numbers)
        self._new.clear()

    def _read_keys(self, numbers: Mapping[int, int]) -> None:
        keys = self._living(list(numbers))
        series = self.study.spec.series
        select = PathSelector(patterns=(_TRIAL_PATHS,), paths=("sys/state", series))
        columns = self.store.read_attributes(keys, select)
        with_points = [
            keys[int(row)]
            for column in columns
            if column.path == series and column.type is AttributeType.FLOAT_SERIES
            for row in column.rows
        ]
        points = self._read_points(with_points, series)
        for key, fields in zip(keys, read_trials(keys, columns), strict=True):
            if fields.pop("study", None) == self.study.name and "state" in fields:
                fields["number"] = numbers[key]
                self._take(TrialRecord(key=key, intermediate=points.get(key, {}), **fields))

    def _living(self, keys: list[int]) -> list[int]:
        """Return the runs that are there; those that were deleted or trashed are forgotten."""
        try:
            runs = self.store.get_runs(keys)
        except RunNotFound:
            runs = [run for key in keys for run in self._find_one(key)]
        living = {run.key for run in runs if not run.trashed}
        for key in keys:
            if key not in living and (number := self._numbers.get(key)) is not None:
                self._forget(number)
        return [key for key in keys if key in living]

    def _find_one(self, key: int) -> Sequence[RunInfo]:
        try:
            return self.store.get_runs([key])
        except RunNotFound:
            return []

    def _forget(self, number: int) -> None:
        self._trials.pop(number, None)
        self._open.pop(number, None)
        self.changed.append(number)

    def _read_points(self, keys: list[int], series: str) -> dict[int, dict[int, float]]:
        if not keys:
            return {}
        table: pa.Table = self.store.read_series(
            keys,
            PathSelector(paths=(series,), types=frozenset({AttributeType.FLOAT_SERIES})),
            SeriesQuery(lineage=Lineage.OWN),
        )
        points: dict[int, dict[int, float]] = {}
        columns = (table[name].to_pylist() for name in ("run", "step", "value"))
        for key, step, value in zip(*columns, strict=True):
            points.setdefault(int(key), {})[step // STEP_SCALE] = value
        return points

    def _take(self, trial: TrialRecord) -> None:
        number = trial.number
        before = self._trials.get(number)
        self._trials[number] = trial
        self._numbers[trial.key] = number
        if before is None:
            self._sorted = self._sorted and number >= self._last
            self._last = max(self._last, number)
        if trial.state.is_finished:
            self._open.pop(number, None)
        else:
            self._open[number] = trial
        if before is None or before.state is not trial.state:
            self.changed.append(number)

    def died(self) -> list[TrialRecord]:
        """Return running trials whose process has ended.

        Their runs are not active, and the process is gone from this machine; of those on other
        machines, whose processes nobody here can see, such as were begun a minute ago.
        """
        with self._lock:
            return [
                trial
                for trial in self._open.values()
                if trial.state is TrialState.RUNNING
                and not trial.active
                and trial.worker is not None
                and trial.key not in self._writers
                and _is_gone(trial)
            ]

    def waiting(self) -> list[TrialRecord]:
        """Return the trials that wait to be given out, in the order of their numbers."""
        with self._lock:
            found = [t for t in self._open.values() if t.state is TrialState.WAITING]
            return sorted(found, key=lambda trial: trial.number)

    # writing

    def create(
        self, number: int, values: Mapping[str, Value], points: Mapping[int, float] = {}
    ) -> TrialRecord | None:
        """Enter a trial of this number; None where another process was first.

        `points`: values of the series that is watched, by step.
        """
        spec = RunSpec(
            project=self._project, run_id=self._run_id(number), name=self.study.name or None
        )
        try:
            held = {"trial/study": self.study.name, "trial/number": number, **values}
            with self.store.import_run(spec) as incoming:
                incoming.set_values(held)
                if points:
                    table = _points_table(self.study.spec.series, points)
                    incoming.write_points(AttributeType.FLOAT_SERIES, table)
                run = incoming.commit()
        except AlreadyExists:
            taken = self.store.find_run(self._project, run_id=self._run_id(number))
            if taken is not None and not self._is_trial(taken):
                raise StudyError(
                    f"run {taken.run_id!r} of {self._project} is no trial of the study "
                    f"{self.study.name!r}, and has the id of its next one; choose another name for "
                    "the study"
                ) from None
            return None
        with self._lock:
            self._next = max(self._next, number + 1)
            trial = TrialRecord(key=run.key, number=number, state=TrialState.WAITING)
            self._take(replace(with_values(trial, held), intermediate=dict(points)))
            return self._trials[number]

    def _is_trial(self, run: RunInfo) -> bool:
        select = PathSelector(paths=("trial/study",))
        return run.trashed or any(
            str(column.values[0]) == self.study.name
            for column in self.store.read_attributes([run.key], select)
        )

    def claim(self, trial: TrialRecord, values: Mapping[str, Value] = {}) -> bool:
        """Take a waiting trial; False where another process has it."""
        held = {STATE: str(TrialState.RUNNING), "trial/started": datetime.now(UTC), **values}
        return self._once(trial, "claim", held, (TrialState.WAITING,))

    def finish(
        self, trial: TrialRecord, state: TrialState, values: Mapping[str, Value] = {}
    ) -> None:
        """End a trial; `TrialFinished` where that was done before."""
        held: dict[str, Value] = {
            STATE: str(state),
            "trial/finished": datetime.now(UTC),
            **values,
        }
        if state is TrialState.FAILED:
            held["sys/failed"] = True
        if not self._once(trial, "end", held, (TrialState.WAITING, TrialState.RUNNING)):
            now = self.get(trial.number).state
            raise TrialFinished(
                f"trial {trial.number} of study {self.study.name!r} is {now} already"
            )
        self.let_go(trial)

    def objective_values(self, values: Sequence[float]) -> dict[str, Value]:
        """Return the attributes that hold what was reached of each objective."""
        names = self.study.spec.objectives
        if len(values) != len(names):
            raise InvalidInput(
                f"study {self.study.name!r} has {len(names)} objectives ({', '.join(names)}), "
                f"and {len(values)} values were given"
            )
        return {
            VALUES + encode_name(name): float(value)
            for name, value in zip(names, values, strict=True)
        }

    def _once(
        self,
        trial: TrialRecord,
        what: str,
        values: Mapping[str, Value],
        states: tuple[TrialState, ...],
    ) -> bool:
        """Do what only one process may do to a trial; return whether it was this one."""
        if self.current(trial).state not in states:
            return False
        mark = uuid.uuid4().hex
        path = f"trial/{what}"
        _apply(self.store, trial.key, _WRITERS[what], 1, {**values, path: mark})
        return bool(getattr(self.read_again(trial), what) == mark)

    def read_again(self, trial: TrialRecord) -> TrialRecord:
        """Return a trial as it is now."""
        with self._lock:
            self._read_keys({trial.key: trial.number})
            found = self._trials.get(trial.number)
        if found is None:
            raise StudyError(f"trial {trial.number} of study {self.study.name!r} was deleted")
        return found

    def current(self, trial: TrialRecord) -> TrialRecord:
        """Return a trial as it is now, as far as this process does not know that itself."""
        with self._lock:
            found = self._trials.get(trial.number)
            if found is not None and (found.state.is_finished or found.key in self._writers):
                return found
            return self.read_again(trial)

    def update(self, trial: TrialRecord, values: Mapping[str, Value]) -> None:
        """Set attributes of a trial that is not finished, all or none."""
        trial = self.current(trial)
        if trial.state.is_finished:
            raise TrialFinished(f"trial {trial.number} of study {self.study.name!r} is finished")
        writer = self._writers.get(trial.key)
        if writer is not None:
            writer.assign(values)
        else:
            _apply(self.store, trial.key, uuid.uuid4().hex, 1, values)
        with self._lock:
            self._take(with_values(self._trials[trial.number], values))

    def report(self, trial: TrialRecord, step: int, value: float) -> None:
        """Append a point to the series that is watched; at one step the last one counts."""
        path = self.study.spec.series
        writer = self._writers.get(trial.key)
        if writer is not None:
            writer.log({path: float(value)}, step=step)
        else:
            self.store.write_points(trial.key, path, steps=[step], values=[float(value)])
        with self._lock:
            now = self._trials[trial.number]
            points = {**now.intermediate, step: float(value)}
            self._trials[trial.number] = replace(now, intermediate=points)

    def hold(self, trial: TrialRecord) -> RunWriter:
        """Return a writer on a trial's run, which is active until `finish` or `let_go`."""
        with self._lock:
            writer = self._writers.get(trial.key)
            if writer is None:
                writer = self._writers[trial.key] = self.store.open_writer(trial.key)
            return writer

    def close(self) -> None:
        """Close every writer that `hold` opened."""
        with self._lock:
            writers = list(self._writers.values())
            self._writers.clear()
        for writer in writers:
            writer.close()

    def let_go(self, trial: TrialRecord) -> None:
        """Close the writer that `hold` opened, if it did."""
        with self._lock:
            writer = self._writers.pop(trial.key, None)
        if writer is not None:
            writer.close()


def this_worker() -> str:
    """Return what a trial says of the process that has it: host, number, and when it began."""
    pid = os.getpid()
    return f"{socket.gethostname()} {pid} {process_start(pid)}"


def _is_gone(trial: TrialRecord) -> bool:
    """Return whether the process is gone that has a trial whose run is not active."""
    host, _, process = (trial.worker or "").partition(" ")
    pid, _, started = process.partition(" ")
    if host == socket.gethostname() and pid.isdecimal():
        return not is_alive(int(pid), started)
    if trial.started is None:
        return True
    return (datetime.now(UTC) - trial.started).total_seconds() > REMOTE_GRACE_S


def _points_table(path: str, points: Mapping[int, float]) -> pa.Table:
    import pyarrow as pa

    now = now_micros()
    return pa.table(
        {
            "path": pa.array([path] * len(points)),
            "step": pa.array([step * STEP_SCALE for step in points], pa.int64()),
            "time": pa.array([now] * len(points), pa.int64()),
            "value": pa.array([float(value) for value in points.values()], pa.float64()),
        }
    )


def _apply(
    store: AppendsBatches, key: int, writer: str, number: int, values: Mapping[str, Value]
) -> None:
    receipt = store.append_batch(key, writer, number, [Assign(dict(values))])
    for _, error in receipt.refused:
        raise error


def _query_trials(store: Store, project: str, study: str) -> Iterable[RunInfo]:
    field = Field("trial/study", AttributeType.STRING)
    condition = Compare(field, Operator.EQ, study)
    return store.query_runs(RunQuery(project=project, filter=condition, trashed=None)).runs
