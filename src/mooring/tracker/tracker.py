"""`Tracker`: rows of a table, one for each event."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    ProjectNotFound,
    StoreError,
    TypeConflict,
)
from mooring.model import ProjectName, RunInfo, now_micros, validate_path
from mooring.store.contract import EventTable, Store
from mooring.tracker.disabled import DiscardingStore
from mooring.tracker.frames import (
    RESERVED,
    TIMESTAMP,
    TRACK_ID,
    run_ids,
    to_frame,
    to_row,
    to_series,
)
from mooring.tracker.logs import Logger, PathArgument
from mooring.tracker.names import generate_track_id
from mooring.tracker.opening import RunRequest, open_run
from mooring.tracker.session import (
    DurabilityName,
    OnError,
    Session,
    StoreArgument,
    StoreLease,
    check_on_error,
    is_failure,
)
from mooring.tracker.settings import DEFAULT_TRACKER_STORE, Settings
from mooring.tracker.times import local_text
from mooring.tracker.values import PLAIN_TYPES, Cell, convert, to_cell

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_TABLE = "events"
_TEXT_ONLY = frozenset({str})


class Tracker:
    """Tracks events: each `log` is a row, all rows of one tracker are a run.

    Parameters
    ----------
    db : address of a store, or an open one (which stays the caller's to close). Default:
        `MOORING_STORE`, else the file `track.db` in the working directory.
        `Tracker.IN_MEMORY`: gone when closed. `Tracker.SKIP_INSERT`: nothing is stored
    params : values that are added to every row
    track_id : name of the run; one that is there is gone on with. Default: a new one, such as
        `quiet-heron-0042`
    table : table of the rows; it is the project `local/<table>` of the store
    reset : delete the table with all its runs first
    on_error : what a failing write does. "warn": it never stops a training; what was not written
        is counted (`failures`), and told when the tracker closes. "raise": it raises, and nothing
        of that call has been written
    durability : see `mooring.Run`

    Notes
    -----
    Cells are numbers, texts and bools. Numbers of NumPy and PyTorch, `Decimal`, `Enum`, `Path` and
    dates are brought to these; lists, tuples, sets and dicts become JSON text. Any key of up to
    1,024 bytes without control characters is kept as it is, but `timestamp` and `track_id`, which
    the tracker sets.

    Examples
    --------
    >>> from mooring import Tracker
    >>> tracker = Tracker(Tracker.IN_MEMORY, params={"model": "resnet18"})
    >>> row = tracker.log({"accuracy": 0.9, "loss": 0.1, "epoch": 1})
    >>> list(row)
    ['accuracy', 'loss', 'epoch', 'model', 'timestamp', 'track_id']
    >>> tracker.to_df()[["epoch", "accuracy", "model"]]
       epoch  accuracy     model
    0      1       0.9  resnet18
    >>> tracker.close()
    """

    IN_MEMORY = ":memory:"
    IN_MEMROY = ":memory:"
    SKIP_INSERT = "SKIP_INSERT"

    def __init__(
        self,
        db: StoreArgument | None = None,
        params: Mapping[str, object] | None = None,
        *,
        track_id: str | None = None,
        table: str = DEFAULT_TABLE,
        reset: bool = False,
        on_error: OnError = "warn",
        durability: DurabilityName = "process",
        logs_path: PathArgument | None = None,
        logs_file_format: str | None = None,
        logs_stdout: bool = False,
        jsonl: PathArgument | None = None,
        warnings: bool = True,
    ) -> None:
        check_on_error(on_error)
        self._logger = Logger(logs_stdout, logs_path, logs_file_format, jsonl=jsonl)
        self._warnings = warnings and bool(self._logger)
        project = table_project(table)
        address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
        if address == self.SKIP_INSERT:
            address = DiscardingStore()  # type: ignore[assignment]
        lease = StoreLease(address, durability=durability)
        try:
            if reset:
                with contextlib.suppress(ProjectNotFound):
                    lease.store.delete_project(project)
            run = _open_run(lease.store, project, track_id)
            self._session = Session(lease, run, on_error=on_error)
        except BaseException:
            lease.release()
            raise
        self._table = table
        self._logger.attach(self._session, warnings=warnings)
        self._log_event = self._session.writer.log_event
        self._params: dict[str, Cell] = {}
        self._latest: dict[str, Cell] = {}
        self._warned_reserved = False
        self._finalizer = weakref.finalize(self, self._session.abandon)
        try:
            self.set_params(params or {})
        except BaseException:
            self.close()
            raise

    # what it is

    @property
    def track_id(self) -> str:
        """Name of the run."""
        return self._session.run.run_id

    @property
    def params(self) -> Mapping[str, Cell]:
        """Values that are added to every row; changed by `set_params`."""
        return MappingProxyType(self._params)

    @property
    def latest(self) -> dict[str, Cell]:
        """The row that was logged last, `{}` before the first."""
        return dict(self._latest)

    @property
    def table(self) -> str:
        """Name of the table."""
        return self._table

    @property
    def store(self) -> Store:
        """The store that holds the table."""
        return self._session.store

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of values that were not written, by the name of the error."""
        return self._session.failures.counts

    @property
    def logger(self) -> Logger:
        """What the tracker also writes lines by: `monitor`, `experiment`, `info` and so on.

        It is false when no option of logs was given; what would write then raises `InvalidInput`.
        """
        return self._logger

    @property
    def jsonl_path(self) -> Path | None:
        """The JSONL file, if there is one."""
        return self._logger.jsonl

    @property
    def warnings(self) -> bool:
        """Whether the tracker's warnings are written as log lines too."""
        return self._warnings

    def __repr__(self) -> str:
        return f"Tracker({self.store.address!r}, track_id={self.track_id!r}, table={self._table!r})"

    def __str__(self) -> str:
        return repr(self.head())

    # writing

    def log(self, data: Mapping[str, object]) -> dict[str, Cell]:
        """Log one row and return it: data, params, `timestamp`, `track_id`.

        A key of `data` wins over a param of the same name. `{}` is returned when there was
        nothing to write, or nothing of it could be written.

        Raises
        ------
        InvalidInput, StoreError
            Only with `on_error="raise"`.
        """
        if not data:
            return {}
        time = now_micros()
        row = self._row(data)
        if not row:
            return {}
        try:
            self._log_event(row, time=time)
        except StoreError as error:
            self._session.lose(error, len(row))
            return {}
        except Exception:  # noqa: BLE001 - raised or counted by the next attempt
            row = self._write_row(row, time)
            if not row:
                return {}
        row[TIMESTAMP] = local_text(time)
        row[TRACK_ID] = self.track_id
        self._latest = row
        if self._logger:
            self._logger.write_rows([(row, time)])
        return dict(row)

    def log_batch(self, data: Sequence[Mapping[str, object]]) -> dict[str, Cell]:
        """Log many rows at once, all or none, and return the last one.

        A cell that cannot be held is left out of its row (or raises, see `on_error`).
        """
        rows: list[tuple[dict[str, Cell], int]] = []
        for one in data:
            if one and (row := self._row(one)):
                rows.append((row, now_micros()))
        if not rows or not self._log_rows(rows):
            return {}
        names = (TIMESTAMP, TRACK_ID)
        logged = [
            ({**row, **dict(zip(names, (local_text(time), self.track_id)))}, time)
            for row, time in rows
        ]
        self._latest = logged[-1][0]
        if self._logger:
            self._logger.write_rows(logged)
        return dict(self._latest)

    def set_params(self, params: Mapping[str, object]) -> None:
        """Add values to every row from now on.

        They are also attributes of the run, for `mooring.ReadOnlyRun` and filters.
        """
        if not isinstance(params, Mapping):
            return self._session.lose(InvalidInput(f"params are a dict, not {params!r}"))
        cells, refused = convert(self._allowed(params).items(), _to_param)
        self._session.refuse(refused)
        self._assign(cells)
        self._params.update(cells)
        return None

    def set_param(self, key: str, value: object) -> str:
        """Add one value to every row from now on; return its key."""
        self.set_params({key: value})
        return key

    def set_value(self, key: str, value: object) -> int:
        """Set a cell of every row that this run logged so far; return how many rows changed.

        It is also an attribute of the run, unless the run has a series of that name.
        """
        session = self._session
        if key in RESERVED:
            session.lose(InvalidInput(f"{key!r} is set by the tracker; choose another name"))
            return 0
        cells, refused = convert([(key, value)], _to_param)
        session.refuse(refused)
        if refused:
            return 0
        cell = cells[key]
        # Before the cells: a new column becomes a series unless it is an attribute by then.
        self._assign({key: cell})
        changed = session.attempt(lambda: self.store.set_events(session.run.key, key, cell)) or 0
        if self._latest:
            self._latest = {**self._latest, key: cell}
        return changed

    def _row(self, data: Mapping[str, object]) -> dict[str, Cell]:
        """Return data and params as cells. Plain values pass without a loop in Python."""
        try:
            row: dict[str, Any] = {**data, **self._params, **data}
        except TypeError:
            self._session.lose(InvalidInput(f"a row is a dict of names to values, not {data!r}"))
            return {}
        if not (
            PLAIN_TYPES.issuperset(map(type, row.values()))
            and _TEXT_ONLY.issuperset(map(type, row))
            and RESERVED.isdisjoint(row)
        ):
            row, refused = convert(self._allowed(row).items(), to_cell)
            self._session.refuse(refused)
        return row

    def _allowed(self, data: Mapping[Any, object]) -> dict[str, object]:
        """Return data with keys of text, less the names that are the tracker's own."""
        named = {str(key): value for key, value in data.items()}
        for name in RESERVED & named.keys():
            del named[name]
            if not self._warned_reserved:
                self._warned_reserved = True
                self._session.failures.add(
                    InvalidInput(f"{name!r} is set by the tracker; log yours under another name")
                )
        return named

    def _write_row(self, row: Mapping[str, Cell], time: int) -> dict[str, Cell]:
        """Log what can be logged of a row; return it."""
        call = partial(self._session.writer.log_event, time=time)
        return self._session.write(call, row, divisible=False)

    def _log_rows(self, rows: list[tuple[dict[str, Cell], int]]) -> bool:
        session = self._session
        try:
            session.writer.log_events(rows)
        except StoreError as error:
            session.lose(error, sum(len(row) for row, _ in rows))
            return False
        except Exception:
            if session.raises:
                raise
            # one row's fault: each for itself
            kept = []
            for row, time in rows:
                if written := self._write_row(row, time):
                    kept.append((written, time))
            rows[:] = kept
        return bool(rows)

    def _assign(self, cells: Mapping[str, Cell]) -> None:
        """Make cells attributes of the run, where no series has the name."""
        session = self._session
        left = {name: cell for name, cell in cells.items() if cell is not None}
        renewed: set[str] = set()
        while left:
            try:
                session.writer.assign(left)
            except TypeConflict as conflict:
                path = conflict.path
                if path in self._params and path not in renewed:
                    # a param may change its type; its attribute holds the latest value
                    renewed.add(path)
                    session.attempt(partial(session.writer.delete, path))
                else:
                    del left[path]  # a series has the name; the rows hold the value all the same
            except StoreError as error:
                return session.lose(error, len(left))
            except Exception:  # noqa: BLE001 - raised or counted by the next attempt
                session.write(session.writer.assign, left)
                return None
            else:
                break
        return None

    # reading

    def to_df(self, all: bool = False) -> pd.DataFrame:
        """Return the rows of this run, or those of every run of the table, oldest first.

        Columns: `track_id`, `timestamp` (local time, as text), then keys as they appeared.
        """
        return self._frame(self._read(all=all))

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first n rows of this run."""
        return self._frame(self._read(first=n))

    def tail(self, n: int = 5) -> pd.DataFrame:
        """Return the last n rows of this run, newest first."""
        return self._frame(self._read(last=n)).iloc[::-1]

    def __getitem__(self, key: str | int) -> Any:
        """Return a column of this run by its name, or a row of the table by its number.

        Rows count from 1, over all runs of the table, oldest first; a number past the end gives
        None. A column is a Series, a row a dict without the cells that it lacks.
        """
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, bool) or not isinstance(key, int):
            raise InvalidInput(f"a tracker takes the name of a column or a row number, not {key!r}")
        if key < 1:
            raise InvalidInput(f"rows count from 1; there is no row {key}")
        table = self._read(all=True, first=key)
        if key > len(table):
            return None
        return to_row(table, run_ids(self.store, table), key - 1)

    def __len__(self) -> int:
        """Return how many rows this run has."""
        run = self._session.run
        return self.store.count_events(run.project, [run.key])

    def __bool__(self) -> bool:
        return True

    __iter__ = None
    """Rows count from 1 and columns have names, so that iteration would surprise either way."""

    def _column(self, name: str) -> pd.Series:
        if name in RESERVED:
            return self._frame(self._read(columns=()))[name]
        table = self._read(columns=[name])
        return to_series(table.cells.schema.field(0), table.cells.column(0)).rename(name)

    def _read(
        self,
        *,
        all: bool = False,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        run = self._session.run
        keys = None if all else [run.key]
        return self.store.read_events(run.project, keys, columns=columns, first=first, last=last)

    def _frame(self, table: EventTable) -> pd.DataFrame:
        return to_frame(table, run_ids(self.store, table))

    # life

    def close(self) -> None:
        """End the run's activity; what was not written is told in one line. Idempotent."""
        self._finalizer.detach()
        try:
            self._session.close()
        finally:
            self._logger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if is_failure(error):
            self._session.fail(error)
        self._finalizer.detach()
        try:
            self._session.close(quiet=error is not None)
        finally:
            self._logger.close()

    @staticmethod
    def generate_track_id() -> str:
        """Return a new track id."""
        return generate_track_id()

    @staticmethod
    def get_timestamp() -> str:
        """Return the present as a row's timestamp."""
        return local_text(now_micros())


def _to_param(key: str, value: object) -> Cell:
    return to_cell(validate_path(key), value)


def table_project(table: str) -> str:
    """Return the project that a tracker's table is.

    >>> table_project("events")
    'local/events'
    """
    return str(ProjectName.parse(f"local/{table}"))


def _open_run(store: Store, project: str, track_id: str | None) -> RunInfo:
    if track_id is not None:
        return open_run(store, RunRequest(project=project, run_id=track_id, resume="allow"))[0]
    while True:
        try:
            request = RunRequest(project=project, run_id=generate_track_id())
            return open_run(store, request)[0]
        except AlreadyExists:  # one in 40 million for each run of the table
            continue
