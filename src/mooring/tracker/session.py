"""One open run: its store, its writer, and what becomes of failures.

`Run` and `Tracker` are two faces of a session.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeGuard, TypeVar, get_args

from mooring.errors import InvalidInput, InvalidPath, InvalidStep, StoreError
from mooring.model import RunInfo, validate_path
from mooring.store import open_store
from mooring.store.contract import RunWriter, Store
from mooring.tracker.disabled import DiscardingStore
from mooring.tracker.failures import Failures

OnError = Literal["raise", "warn"]
DurabilityName = Literal["process", "power", "relaxed"]
StoreArgument = str | os.PathLike[str] | Store

FAILED_PATH = "sys/failed"
"""True in a run that an exception ended."""

TRACEBACK_PATH = "monitoring/traceback"
"""The text of that exception's traceback."""

_T = TypeVar("_T")


class StoreLease:
    """A store shared by several sessions; closed when the last one lets go.

    A store that the caller opened is the caller's to close, and is never closed here.
    """

    def __init__(self, store: StoreArgument, *, durability: DurabilityName = "process") -> None:
        self.store: Store
        if isinstance(store, (str, os.PathLike)):
            self.store, self._owned = open_store(os.fspath(store), durability=durability), True
        else:
            self.store, self._owned = store, isinstance(store, DiscardingStore)
        self._holders = 1
        self._lock = threading.Lock()

    def share(self) -> StoreLease:
        """Return the lease to one more holder."""
        with self._lock:
            self._holders += 1
        return self

    def release(self) -> None:
        """Let go; the last holder closes the store."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last and self._owned:
            self.store.close()


class Session:
    """A writer on one run.

    With `on_error="warn"` no method raises what goes wrong in writing: the values that could not
    be written are counted in `failures`, and told when the session closes. With `"raise"` the
    error is raised, and nothing of that call has been written.
    """

    def __init__(self, lease: StoreLease, run: RunInfo, *, on_error: OnError) -> None:
        self.lease = lease
        self.store = lease.store
        self.run = run
        self.raises = check_on_error(on_error) == "raise"
        self.failures = Failures(f"run {run.project}/{run.run_id}")
        self.writer: RunWriter = lease.store.open_writer(run.key)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closed = False

    def write(
        self,
        call: Callable[[dict[str, _T]], object],
        values: Mapping[str, _T],
        *,
        divisible: bool = True,
    ) -> dict[str, _T]:
        """Pass `values` to `call`, less those it cannot take; return what was written.

        `divisible`: several calls with parts of the values are as good as one.
        """
        left = dict(values)
        while left:
            try:
                call(left)
            except Exception as error:
                if self.raises:
                    raise
                if names := culprits(error, left):
                    self.failures.add(error, len(names))
                    for name in names:
                        del left[name]
                elif divisible and len(left) > 1:
                    return self._write_halves(call, left)
                else:
                    self.failures.add(error, len(left))
                    return {}
            else:
                break
        return left

    def _write_halves(
        self, call: Callable[[dict[str, _T]], object], values: Mapping[str, _T]
    ) -> dict[str, _T]:
        """Find the culprit that an error does not name."""
        pairs = list(values.items())
        middle = len(pairs) // 2
        return self.write(call, dict(pairs[:middle])) | self.write(call, dict(pairs[middle:]))

    def attempt(self, call: Callable[[], _T], *, values: int = 1) -> _T | None:
        """Make one call whose failure costs `values` values; return its result, else None."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - raised or counted there
            self.lose(error, values)
            return None

    def lose(self, error: BaseException, values: int = 1) -> None:
        """Raise `error`, or count the values it cost."""
        if self.raises:
            raise error
        self.failures.add(error, values)

    def refuse(self, refused: Mapping[str, Exception]) -> None:
        """Raise or count the errors of values that could not be converted."""
        for error in refused.values():
            self.lose(error)

    def fail(self, error: BaseException) -> None:
        """Mark the run as failed and keep the traceback. Never raises."""
        text = "".join(traceback.format_exception(error))
        text = text.encode("utf-8", "backslashreplace").decode()  # file names may be no UTF-8
        self.fail_with({FAILED_PATH: True, TRACEBACK_PATH: text})

    def fail_with(self, values: Mapping[str, Any]) -> None:
        """Assign what tells of a failure. Never raises: the user's error comes first."""
        try:
            self.writer.assign(values)
        except Exception as error:  # noqa: BLE001 - counted, and told at the end
            self.failures.add(error, len(values))

    def close(self, *, quiet: bool = False) -> None:
        """End the run's activity, tell what was not written, let go of the store. Idempotent.

        `quiet`: errors are counted, also with `on_error="raise"`, as another one is on its way.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        errors: list[Exception] = []
        for end in (self.writer.close, self.lease.release):
            try:
                end()
            except Exception as error:  # noqa: BLE001 - raised or told below
                errors.append(error)
        if not self.raises or quiet:
            for failure in errors:
                self.failures.add(failure)
            errors = []
        self.failures.tell()
        if errors:
            raise errors[0]

    def abandon(self) -> None:
        """Close a session that nobody closed: its owner is garbage, or the process ends.

        Takes no thread and waits for nothing but the store's own commit. A forked child leaves
        the run alone: it belongs to the parent.
        """
        if self._closed or os.getpid() != self._process:
            return
        if (error := _fatal_error()) is not None:
            self.fail(error)
        self.close(quiet=True)


def check_on_error(on_error: object) -> OnError:
    """Return `on_error`, or raise `InvalidInput`."""
    if on_error not in get_args(OnError):
        raise InvalidInput(f"on_error is 'raise' or 'warn', not {on_error!r}")
    return on_error  # type: ignore[return-value]


def is_failure(error: BaseException | None) -> TypeGuard[BaseException]:
    """Return whether an exception that leaves a block means that the run failed."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return error is not None and not isinstance(error, GeneratorExit)


def culprits(error: Exception, values: Mapping[str, object]) -> list[str]:
    """Return the names among `values` that caused `error`; none when that cannot be told."""
    if isinstance(error, (StoreError, InvalidStep)):
        return list(values)
    path = getattr(error, "path", None)
    if isinstance(path, str) and path in values:
        return [path]
    return [name for name in values if not _is_path(name)]


def _is_path(name: object) -> bool:
    try:
        validate_path(name)
    except InvalidPath:
        return False
    return True


def _fatal_error() -> BaseException | None:
    """Return the exception that ends this process, if one does.

    The interpreter keeps it when it prints it last of all; an interactive session keeps there
    the error of some earlier line.
    """
    ipython = sys.modules.get("IPython")
    if hasattr(sys, "ps1") or (ipython is not None and ipython.get_ipython() is not None):
        return None
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
