"""`Tracker`: rows of a table, one for each event."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from mooring.errors import (
    InvalidInput,
    ProjectNotFound,
    StoreError,
)
from mooring.model import now_micros
from mooring.tracker.assets.writing import AssetWriter
from mooring.tracker.columns import check_engine, column_types, to_sql_type
from mooring.tracker.disabled import DiscardingStore
from mooring.tracker.edits import (
    assign_cells,
    check_key,
    is_equal_cell,
    set_cells,
    to_named_cell,
)
from mooring.tracker.frames import RESERVED, TIMESTAMP, TRACK_ID
from mooring.tracker.names import generate_track_id
from mooring.tracker.opening import DEFAULT_TABLE, open_tracker_run, table_project
from mooring.tracker.run_rows import RunRows
from mooring.tracker.session import (
    DurabilityName,
    OnError,
    Session,
    StoreArgument,
    StoreLease,
    check_on_error,
    is_failure,
)
from mooring.tracker.settings import DEFAULT_TRACKER_STORE, Settings, check_interval
from mooring.tracker.times import local_text
from mooring.tracker.values import PLAIN_TYPES, Cell

if TYPE_CHECKING:
    from mooring.tracker.cache.folder import Cache
    from mooring.tracker.calls.monitor import Monitor
    from mooring.tracker.logs.logger import Logger, PathArgument

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Result = TypeVar("_Result")
_TEXT_ONLY = frozenset({str})


class Tracker(RunRows):
    """Tracks events: each `log` is a row, all rows of one tracker are a run.

    Parameters
    ----------
    db : address of a store, or an open one (which stays the caller's to close). Default:
        `MOORING_STORE`, else the file `track.db` in the working directory.
        `Tracker.IN_MEMORY`: gone when closed. `Tracker.SKIP_INSERT`: nothing is stored, the log
        lines are the only copy of a row
    params : values that are added to every row
    track_id : name of the run; one that is there is gone on with. Default: a new one, such as
        `quiet-heron-0042`
    table : table of the rows; it is the project `local/<table>` of the store. `default` is
        another name of `events`
    reset : delete the table with all its runs first
    on_error : what a failing write does. "warn": it never stops a training; what was not written
        is counted (`failures`), and told when the tracker closes. "raise": it raises, and nothing
        of that call has been written
    durability : see `mooring.Run`
    compress : compress assets by zlib; readers need not know
    engine : "sqlite" or "duckdb", which are the same here: the store is written by the one and
        asked by the other
    raise_on_error : whether an exception of a tracked function is raised again. False: `track`
        returns None. What is no `Exception`, such as KeyboardInterrupt, is always raised
    log_system_params : measure processor, memory and disk, in `track` and with each `log`; see
        `Monitor` and `Sampler` of `mooring.tracker.calls.monitor` for the columns
    log_network_params : measure megabytes sent and received by the machine, likewise
    measurement_interval : seconds between two samples while a tracked function runs
    cache : folder of the result cache, or an open `Cache`: a tracked call that was made before
        with equal arguments and params is not made again. Results are pickled; keep it yours
    git_root : folder of a repository: its commit is the param `git_commit_hash` (None outside of
        one), and branch, changes and remote are attributes of the run under `source/git/`
    logs_path : folder of log files; each row that was logged is a line in them, see
        `mooring.tracker.Logger`
    logs_file_format : their names. Default: one for each day, `{time:YYYY-MM-DD}.log`
    logs_stdout : print each row that was logged, too
    jsonl : path of a file that takes each row that was logged as one JSON object a line
    warnings : write the tracker's own warnings to the logs too

    Notes
    -----
    Cells are numbers, texts and bools. Numbers of NumPy and PyTorch, `Decimal`, `Enum`, `Path` and
    dates are brought to these; lists, tuples, sets and dicts become JSON text. Any other object
    (a model, an array, a frame, a function) is pickled and stored once as an asset of the run; the
    row holds its hash, by which `get` gives it back. Where the hash alone is logged, the run has
    that asset too. Any key of up to
    1,024 bytes without control characters is kept as it is, but `timestamp` and `track_id`, which
    the tracker sets.

    The row is stored first, then its lines are written. A line that cannot be written costs
    nothing but itself: it is counted or raises `LogNotWritten`, as `on_error` says, and the row
    stays, `latest` too. When `log` returns, the lines are with the operating system: a killed
    process loses none of them; a power cut may cost the last seconds, also with `SKIP_INSERT`.

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
        compress: bool = False,
        engine: str = "sqlite",
        raise_on_error: bool = True,
        log_system_params: bool = False,
        log_network_params: bool = False,
        measurement_interval: float = 1,
        cache: str | os.PathLike[str] | Cache | None = None,
        git_root: str | os.PathLike[str] | None = None,
        logs_path: PathArgument | None = None,
        logs_file_format: str | None = None,
        logs_stdout: bool = False,
        jsonl: PathArgument | None = None,
        warnings: bool = True,
    ) -> None:
        check_on_error(on_error)
        self._engine = check_engine(engine)
        self._compress = compress
        self._logger: Logger | None = None
        if (
            logs_stdout
            or logs_path is not None
            or logs_file_format is not None
            or jsonl is not None
        ):
            self._logger = _make_logger(logs_stdout, logs_path, logs_file_format, jsonl)
        self._warnings = warnings and bool(self._logger)
        self.raise_on_error = raise_on_error
        self.log_system_params = log_system_params
        self.log_network_params = log_network_params
        self.measurement_interval = check_interval(measurement_interval)
        self.git_root = git_root
        self.cache: Cache | None = None if cache is None else _open_cache(cache)
        self._owns_cache = self.cache is not cache
        project = table_project(table)
        address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
        if address == self.SKIP_INSERT:
            address = DiscardingStore()  # type: ignore[assignment]
        lease = StoreLease(address, durability=durability)
        try:
            if reset:
                with contextlib.suppress(ProjectNotFound):
                    lease.store.delete_project(project)
            run = open_tracker_run(lease.store, project, track_id)
            session = Session(lease, run, on_error=on_error)
        except BaseException:
            lease.release()
            raise
        self._table = table
        self._params: dict[str, Cell] = {}
        self._latest: dict[str, Cell] = {}
        self._added: dict[str, type] = {}
        self._warned_reserved = False
        self._bind(session)
        try:
            self._record_git()
            self.set_params(params or {})
        except BaseException:
            self.close()
            raise

    def _bind(self, session: Session) -> None:
        self._session = session
        if self._logger is not None:
            self._logger.attach(session, warnings=self._warnings)
        self._log_event = session.writer.log_event
        self._asset_writer = AssetWriter(session, compress=self._compress)
        self._finalizer = weakref.finalize(self, session.abandon)
        self._monitor: Monitor | None = None
        if self.log_system_params or self.log_network_params:
            self._begin_to_measure()

    # what it is

    @property
    def track_id(self) -> str:
        """Name of the run. Assigned to: rows go to that run from now on, created if it is new.

        Params go along; `failures` begin anew, those of the run before are told.
        """
        return self._session.run.run_id

    @track_id.setter
    def track_id(self, track_id: str) -> None:
        before = self._session
        if track_id == before.run.run_id:
            return
        lease = before.lease.share()
        try:
            run = open_tracker_run(lease.store, before.run.project, track_id)
            session = Session(lease, run, on_error="raise" if before.raises else "warn")
        except BaseException:
            lease.release()
            raise
        self._finalizer.detach()
        self._bind(session)
        try:
            self._assign(self._params)
            self._asset_writer.adopt(self._params)
        finally:
            before.close()

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
    def table_name(self) -> str:
        """Name of the table."""
        return self._table

    @property
    def cache_path(self) -> str | None:
        """Folder of the result cache."""
        return None if self.cache is None else str(self.cache.folder)

    @property
    def db(self) -> str:
        """Address of the store; ":memory:" with `SKIP_INSERT` too."""
        return self.IN_MEMORY if self.skip_insert else self.store.address

    @property
    def engine(self) -> str:
        """The engine that was asked for, "sqlite" or "duckdb"."""
        return self._engine

    @property
    def skip_insert(self) -> bool:
        """Whether nothing is stored."""
        return isinstance(self.store, DiscardingStore)

    @property
    def columns(self) -> set[str]:
        """Names of the table's columns, those of all its runs, read anew each time."""
        return set(self.dtypes)

    @property
    def dtypes(self) -> dict[str, type]:
        """Python type of each column's cells; `object` where they are of several types."""
        types = column_types(self.store.list_columns(self._session.run.project))
        empty = {name for name, type_ in types.items() if type_ is type(None)}
        return {**types, **{name: self._added[name] for name in self._added.keys() & empty}}

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of values that were not written, by the name of the error."""
        return self._session.failures.counts

    @property
    def logger(self) -> Logger:
        """What the tracker also writes lines by: `monitor`, `experiment`, `info` and so on.

        It is false when no option of logs was given; what would write then raises `InvalidInput`.
        """
        if self._logger is None:
            self._logger = _make_logger(False, None, None, None)
            self._logger.attach(self._session, warnings=False)
        return self._logger

    @property
    def jsonl_path(self) -> Path | None:
        """The JSONL file, if there is one."""
        return None if self._logger is None else self._logger.jsonl

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
        if (self.log_system_params or self.log_network_params) and isinstance(data, Mapping):
            data = self._measured(data)
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
        self._latest = row = self._named(row, time)
        if self._logger:
            self._logger.write_rows([(row, time)])
        return dict(row)

    def track(
        self,
        func: Callable[..., _Result],
        params: Mapping[str, object] | None = None,
        args: Iterable[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        cache_force: bool = False,
    ) -> _Result:
        """Call `func(*args, **kwargs)`, log a row, and return what it returned.

        Columns: `function_name`, `args`, `kwargs` (as text), `error` (empty when there was none),
        `function_time` (s), the fields of arguments that are dataclasses or pydantic models as
        `<parameter>_<field>`, the items of a returned dict, else `function_result`, and `params`.
        An exception adds `error_type` and `error_traceback`, and is raised again (see
        `raise_on_error`). Where names clash, what the tracker measures keeps its name, then
        `params`, the result, and fields; the others get `param_`, `result_`, `argument_` in front.

        The object that a method belongs to is passed and is not among `args`, nor are its fields
        columns. Of async functions and generators the row is logged, and the time ends, when they
        have ended; until then `track` returns an awaitable or generator in their place.

        Parameters
        ----------
        func : anything that can be called
        params : values for this row
        args, kwargs : arguments of the function
        cache_force : compute, also when the cache has the result, and replace it

        Notes
        -----
        With a cache, `cache` is empty in the row of a call that was computed, and the track id of
        the run that computed it in one that was not; `function_time` is then 0. Generators,
        exceptions, and calls whose arguments cannot be hashed are not cached.

        Examples
        --------
        >>> from mooring import Tracker
        >>> tracker = Tracker(Tracker.IN_MEMORY)
        >>> tracker.track(lambda a, b: a + len(b), args=[1, "hello"], params={"name": "foofoo"})
        6
        >>> {key: tracker.latest[key] for key in ("args", "error", "function_result", "name")}
        {'args': "[1, 'hello']", 'error': '', 'function_result': 6, 'name': 'foofoo'}
        >>> tracker.close()
        """
        from mooring.tracker.calls.tracking import track_call

        result: _Result = track_call(
            self, func, params=params, args=args, kwargs=kwargs, cache_force=cache_force
        )
        return result

    @overload
    def wrap(self, params: _Function) -> _Function: ...
    @overload
    def wrap(
        self, params: Mapping[str, object] | None = None
    ) -> Callable[[_Function], _Function]: ...
    def wrap(self, params: Any = None) -> Any:
        """Decorate a function so that each of its calls is tracked; see `track`.

        Name, docstring and signature stay. Functions, methods, static and class methods, async
        functions, generators, partials and callable objects can be decorated.

        Examples
        --------
        >>> from mooring import Tracker
        >>> tracker = Tracker(Tracker.IN_MEMORY)
        >>> @tracker.wrap(params={"name": "foofoo"})
        ... def foo(a: int, b: str) -> int:
        ...     return a + len(b)
        >>> foo(1, "hello"), tracker.latest["function_name"]
        (6, 'foo')
        >>> tracker.close()
        """
        from mooring.tracker.calls.tracking import wrap_function

        if callable(params) or isinstance(params, (staticmethod, classmethod)):
            return wrap_function(self, params)
        return partial(wrap_function, self, params=params)

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
        row, time = rows[-1]
        self._latest = self._named(row, time)
        if self._logger:
            self._logger.write_rows((self._named(row, time), time) for row, time in rows)
        return dict(self._latest)

    def _named(self, row: dict[str, Cell], time: int) -> dict[str, Cell]:
        """Return a row with the cells that the tracker fills in."""
        row[TIMESTAMP] = local_text(time)
        row[TRACK_ID] = self.track_id
        return row

    def set_params(self, params: Mapping[str, object]) -> None:
        """Add values to every row from now on.

        They are also attributes of the run, for `mooring.ReadOnlyRun` and filters.
        """
        if not isinstance(params, Mapping):
            return self._session.lose(InvalidInput(f"params are a dict, not {params!r}"))
        cells = self._asset_writer.to_cells(self._allowed(params).items(), to_named_cell)
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
        if not (cells := self._named_cell(key, value)):
            return 0
        # Before the cells: a new column becomes a series unless it is an attribute by then.
        self._assign(cells)
        edit = partial(set_cells, self.store, session.run, key, cells[key])
        changed = session.attempt(edit) or 0
        if self._latest:
            self._latest = {**self._latest, **cells}
        return changed

    def set_where(self, key: str, value: object, where_key: str, where_value: object) -> int:
        """Set a cell of this run's rows whose cell `where_key` equals `where_value`.

        Returns how many rows changed. None equals a missing cell.
        """
        if not (cells := self._named_cell(key, value)):
            return 0
        where = (where_key, where_value)
        edit = partial(set_cells, self.store, self._session.run, key, cells[key], where)
        changed = self._session.attempt(edit) or 0
        if changed and is_equal_cell(self._latest.get(where_key), where_key, where_value):
            self._latest = {**self._latest, **cells}
        return changed

    def _named_cell(self, key: str, value: object) -> dict[str, Cell]:
        """Return a cell that may be set, under its name; none when it may not."""
        if self._session.attempt(lambda: check_key(key)) is None:
            return {}
        return self._asset_writer.to_cells([(key, value)], to_named_cell)

    def add_column(self, key: str, value: object) -> None:
        """Make a column known before a row has it; it has the type of `value`.

        Columns need no such call: they appear with the first row that has them. The rows of this
        run so far get a missing cell.
        """
        if self._session.attempt(lambda: check_key(key)) is not None and key not in self.columns:
            self._session.attempt(partial(set_cells, self.store, self._session.run, key, None))
            cell = self._asset_writer.to_cells([(key, value)], to_named_cell).get(key)
            self._added[key] = type(cell)

    def _tell(self, error: BaseException) -> None:
        """Count what went wrong beside a row."""
        self._session.failures.add(error)

    def _measured(self, data: Mapping[str, object]) -> Mapping[str, object]:
        """Return data and what the machine did since the last row; data wins."""
        monitor = self._monitor or self._begin_to_measure()
        values = monitor.read(system=self.log_system_params, network=self.log_network_params)
        return {**values, **data}

    def _begin_to_measure(self) -> Monitor:
        from mooring.tracker.calls.monitor import Monitor

        self._monitor = Monitor(self._session.failures.add)
        self._monitor.begin(system=self.log_system_params, network=self.log_network_params)
        return self._monitor

    def _record_git(self) -> None:
        """Say which code runs: the commit as a param, the rest as attributes of the run."""
        if self.git_root is None:
            return
        from mooring.tracker.git import read_git_state

        state = read_git_state(self.git_root)
        self.set_params({"git_commit_hash": None if state is None else state.commit})
        if state is not None:
            names = ("branch", "dirty", "remote")
            self._assign({f"source/git/{name}": getattr(state, name) for name in names})

    def _row(self, data: Mapping[str, object]) -> dict[str, Cell]:
        """Return data and params as cells. Plain values pass without a loop in Python."""
        try:
            row: dict[str, Any] = {**data, **self._params, **data}
        except TypeError:
            self._session.lose(InvalidInput(f"a row is a dict of names to values, not {data!r}"))
            return {}
        kinds = set(map(type, row.values()))
        if not (
            kinds <= PLAIN_TYPES
            and _TEXT_ONLY.issuperset(map(type, row))
            and RESERVED.isdisjoint(row)
        ):
            return self._asset_writer.to_cells(self._allowed(row).items())
        if str in kinds:
            self._asset_writer.adopt(row)
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
        cells = self._asset_writer.to_cells(row.items())
        return self._session.write(call, cells, divisible=False)

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
        assign_cells(self._session, cells)

    # assets

    def remove_asset(
        self, hash_value: str, column: str | None = None, remove_keys: bool = True
    ) -> bool:
        """Remove an asset from every run of the store; return whether there was one.

        Rows of this table lose the hash from `column`, when one is named. See
        `Assets.remove_hash`.
        """
        remove = partial(self.assets.remove_hash, hash_value, remove_keys, column=column)
        return self._session.attempt(remove) or False

    # life

    def close(self) -> None:
        """End the run's activity; what was not written is told in one line. Idempotent."""
        self._close_cache()
        self._finalizer.detach()
        try:
            self._session.close()
        finally:
            if self._logger is not None:
                self._logger.close()

    def _close_cache(self) -> None:
        if self.cache is not None and self._owns_cache:
            self.cache.close()

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
        self._close_cache()
        self._finalizer.detach()
        try:
            self._session.close(quiet=error is not None)
        finally:
            if self._logger is not None:
                self._logger.close()

    @staticmethod
    def to_mb(bytes: float) -> float:
        """Return bytes as megabytes of 1,048,576 bytes."""
        from mooring.tracker.calls.monitor import to_mb

        return to_mb(bytes)

    @staticmethod
    def generate_track_id() -> str:
        """Return a new track id."""
        return generate_track_id()

    @staticmethod
    def get_timestamp() -> str:
        """Return the present as a row's timestamp."""
        return local_text(now_micros())

    @staticmethod
    def to_sql_type(value: object) -> str:
        """Return the SQL type of a column that holds `value`."""
        return to_sql_type(value)


def _make_logger(
    stdout: bool, path: PathArgument | None, file_format: str | None, jsonl: PathArgument | None
) -> Logger:
    from mooring.tracker.logs.logger import Logger

    return Logger(stdout, path, file_format, jsonl=jsonl)


def _open_cache(cache: str | os.PathLike[str] | Cache) -> Cache:
    from mooring.tracker.cache.folder import Cache

    return cache if isinstance(cache, Cache) else Cache(cache)
