"""Numbered batches of updates from writers elsewhere, each applied once.

A batch is encoded first, without any lock on the file, and entered in one transaction: its rows
of the log, the number of its last update, what was refused of it. What a SIGKILL leaves behind:
before the commit nothing but perhaps interned paths, shapes and columns that nobody refers to;
after it the whole batch, also when nobody was told, so that it comes again and is passed over.

Two processes that get batches of one run at once: the second finds in its transaction that the
numbers, or the types of attributes, are no longer those it began with, and encodes anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput, InvalidStep, RunNotFound
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType, RunInfo
from mooring.store.appending import (
    Assign,
    ChangeSet,
    Delete,
    LogPoints,
    LogRows,
    LogSteps,
    Receipt,
    Refused,
    Update,
)
from mooring.store.sqlite import holders, receipts
from mooring.store.sqlite.columns import TableColumns
from mooring.store.sqlite.encoding import Row, UpdateEncoder
from mooring.store.sqlite.receipts import Progress, Refusal, check_name
from mooring.store.sqlite.writer import INSERT_ROW, Appender

if TYPE_CHECKING:
    from mooring.store.sqlite.catalog import Catalog

_KEPT_ENCODERS = 256
"""Runs whose encoders are kept. One that comes again later reads its types anew."""

_ONCE_BEFORE_DROPPING = 500

_STEPS = MAX_STEP * STEP_SCALE
_MAX_NUMBER = 2**63 - 1
_MAX_LEASE_S = 30 * 86_400.0


class _Overtaken(Exception):
    """Another process applied a batch to the run meanwhile."""


class _Encoder(UpdateEncoder):
    """Gathers the rows of batches. Its lock is held from the encoding to the commit."""

    def __init__(
        self,
        appender: Appender,
        catalog: Catalog,
        columns: TableColumns,
        run: RunInfo,
        load_types: Callable[[int, bool], dict[str, AttributeType]],
    ) -> None:
        self.lock = threading.Lock()
        self.rows: list[Row] = []
        self.once = 0
        """Single batches since old ones were dropped."""
        self.types: int | None = None
        """`Progress.types` that the known types agree with; None when they have to be read."""
        super().__init__(
            appender.database,
            catalog,
            columns,
            run,
            lambda: load_types(run.key, not self.types),
            self.rows.append,
            self.rows.extend,
        )

    def encode(
        self, updates: Sequence[Update], first: int, progress: Progress
    ) -> tuple[list[Row], list[Refusal]]:
        """Return the rows of updates, and which of them are refused."""
        if self.types != progress.types:
            self.forget_types()
            self.types = progress.types
        self.types_changed = False
        self.rows.clear()
        refused: list[Refusal] = []
        for number, update in enumerate(updates, first):
            try:
                self._apply(update)
            except InvalidInput as error:
                refused.append((number, error.with_traceback(None)))
        return self.rows, refused

    def _apply(self, update: Update) -> None:
        match update:
            case LogPoints():
                step = update.step
                if step is not None and (type(step) is not int or not -_STEPS <= step <= _STEPS):
                    raise InvalidStep(f"a step is an integer up to ±10^18 here, not {step!r}")
                self.log_at(update.values, step, update.time, update.preview_completion)
            case LogSteps():
                self.log_steps(update.paths, update.values, update.steps, update.times)
            case LogRows():
                self.log_events(update.rows)
            case Assign():
                self.assign(update.values, time=update.time)
            case ChangeSet():
                self.change_set(update.path, add=update.add, remove=update.remove, time=update.time)
            case Delete():
                self.delete(update.path, time=update.time)
            case Refused():
                raise update.error
            case _:
                raise InvalidInput(f"a {type(update).__qualname__} is no update of a run")


class BatchAppender:
    """Applies batches, and keeps the leases of their writers. Any thread may call."""

    def __init__(
        self,
        appender: Appender,
        catalog: Catalog,
        columns: TableColumns,
        find_run: Callable[[int], RunInfo],
        load_types: Callable[[int, bool], dict[str, AttributeType]],
    ) -> None:
        self._appender = appender
        self._database = appender.database
        self._catalog = catalog
        self._columns = columns
        self._find_run = find_run
        self._load_types = load_types
        self._lock = threading.Lock()
        self._encoders: OrderedDict[int, _Encoder] = OrderedDict()
        self._database.in_child.append(self._leave_to_parent)

    def append(self, key: int, writer: str, first: int, updates: Sequence[Update]) -> Receipt:
        """Apply updates of a writer. See `AppendsBatches.append_batch`."""
        check_name(writer, "writer")
        if type(first) is not int or not 1 <= first <= _MAX_NUMBER - len(updates):
            raise InvalidInput(f"updates are numbered from 1 on, not {first!r}")
        encoder = self._encoder(key)
        return self._enter(encoder, key, writer, first, updates)

    def append_once(self, key: int, name: str, updates: Sequence[Update]) -> Receipt:
        """Apply a single batch. See `TakesRequests.append_once`."""
        check_name(name, "request")
        return self._enter(self._encoder(key), key, name, 1, updates, once=True)

    def find_receipt(self, key: int, name: str) -> Receipt | None:
        """Return what became of a single batch. See `TakesRequests.find_receipt`."""
        check_name(name, "request")
        with self._database.read() as connection:
            last = self._progress(connection, key, name).last
            refused = receipts.find_refusals(connection, key, name, 1, last) if last else []
        return Receipt(last, refused) if last else None

    def _enter(
        self,
        encoder: _Encoder,
        key: int,
        writer: str,
        first: int,
        updates: Sequence[Update],
        *,
        once: bool = False,
    ) -> Receipt:
        with encoder.lock:
            while True:
                try:
                    receipt = self._append(encoder, key, writer, first, updates, once)
                    break
                except _Overtaken:
                    continue
                except BaseException:
                    # What it learned from updates that are not in the store.
                    encoder.types = None
                    raise
        if self._columns.behind:
            self._columns.refresh()
        return receipt

    def _append(
        self,
        encoder: _Encoder,
        key: int,
        writer: str,
        first: int,
        updates: Sequence[Update],
        once: bool,
    ) -> Receipt:
        last = first + len(updates) - 1
        before: list[Refusal] = []
        with self._database.read() as connection:
            progress = self._progress(connection, key, writer)
            if once and progress.last:
                last = progress.last  # whatever came now: it is the batch that was first
            if first <= progress.last:
                before = receipts.find_refusals(
                    connection, key, writer, first, min(last, progress.last)
                )
        if first > progress.last + 1:
            raise InvalidInput(
                f"update {first} of writer {writer!r} came, but the last one before it is "
                f"{progress.last}; send those from {progress.last + 1} on first"
            )
        if last <= progress.last:
            return Receipt(progress.last, before)
        passed = progress.last + 1 - first
        rows, refused = encoder.encode(
            updates[passed:] if passed else updates, first + passed, progress
        )
        if self._appender.relaxed:
            self._appender.flush()
        with self._database.write() as connection:
            if self._progress(connection, key, writer) != progress:
                encoder.types = None
                raise _Overtaken
            connection.executemany(INSERT_ROW, rows)
            types = None
            if encoder.types_changed:
                (types,) = connection.execute("SELECT max(seq) FROM log").fetchone()
            receipts.enter_batch(connection, key, writer, last, types, refused, once=once)
            encoder.once += once
            if encoder.once >= _ONCE_BEFORE_DROPPING:
                receipts.drop_single(connection, key)
                encoder.once = 0
            holders.renew(connection, key, writer)
        if types is not None:
            encoder.types = types
        return Receipt(last, [*before, *refused])

    def _progress(self, connection: Any, key: int, writer: str) -> Progress:
        progress = receipts.find_progress(connection, key, writer)
        if progress is None:
            with self._lock:
                self._encoders.pop(key, None)
            raise RunNotFound(str(key), where=str(self._database.path))
        return progress

    def _encoder(self, key: int) -> _Encoder:
        with self._lock:
            encoder = self._encoders.get(key)
            if encoder is not None:
                self._encoders.move_to_end(key)
                return encoder
        run = self._find_run(key)
        made = _Encoder(self._appender, self._catalog, self._columns, run, self._load_types)
        with self._lock:
            encoder = self._encoders.setdefault(key, made)
            while len(self._encoders) > _KEPT_ENCODERS:
                self._encoders.popitem(last=False)
        return encoder

    def last_applied(self, key: int, writer: str) -> int:
        """Return a writer's last number. See `AppendsBatches.last_applied`."""
        check_name(writer, "writer")
        with self._database.read() as connection:
            return self._progress(connection, key, writer).last

    # leases

    def hold(self, key: int, writer: str, seconds: float) -> None:
        """Make a run active for some time. See `AppendsBatches.hold_run`."""
        check_name(writer, "writer")
        if not 0 < seconds <= _MAX_LEASE_S:
            raise InvalidInput(f"a run is held for up to {_MAX_LEASE_S:.0f} seconds, not {seconds}")
        state = self._catalog.system("sys/state")
        with self._database.write() as connection:
            self._progress(connection, key, writer)
            holders.lease(connection, key, writer, max(1, int(seconds * 1_000_000)), state)

    def release(self, key: int, writer: str) -> None:
        """End a lease. See `AppendsBatches.release_run`."""
        check_name(writer, "writer")
        self._columns.finish()
        state = self._catalog.system("sys/state")
        with self._database.write() as connection:
            receipts.release(connection, key, writer)
            holders.end_lease(connection, key, writer, state)

    def close(self) -> None:
        """Make the views of tables anew that lag behind."""
        self._columns.finish()

    def _leave_to_parent(self) -> None:
        self._lock = threading.Lock()
        self._encoders = OrderedDict()
