"""How updates come in from afar: in numbered batches, each applied once, by writers with a lease.

A hub's store learns this; a writer of `RunWriter` that lives in another process uses it through the
hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mooring.errors import InvalidInput, MooringError
from mooring.model import AttributeType, Typed, Value

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LogPoints:
    """`RunWriter.log`. `step` in millionths, None for the next whole one; `time` in µs."""

    values: Mapping[str, object]
    step: int | None
    time: int
    preview_completion: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LogSteps:
    """`RunWriter.log` of the same metrics at many steps, one after the other: all or none.

    `values` are floats, a row for each step and a column for each path; `steps` in millionths and
    `times` in µs are integers.
    """

    paths: tuple[str, ...]
    values: np.ndarray
    steps: np.ndarray
    times: np.ndarray


@dataclass(frozen=True, slots=True)
class LogRows:
    """`RunWriter.log_events`: rows of a tracker's table with their times, all or none."""

    rows: Sequence[tuple[Mapping[str, object], int]]


@dataclass(frozen=True, slots=True)
class Assign:
    """`RunWriter.assign`."""

    values: Mapping[str, Value | Typed]
    time: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """`RunWriter.change_set`."""

    path: str
    add: Sequence[str] = ()
    remove: Sequence[str] = ()
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """`RunWriter.delete`."""

    path: str
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing that can be applied: the receipt tells it as refused with this error, ever again."""

    error: InvalidInput


Update = LogPoints | LogSteps | LogRows | Assign | ChangeSet | Delete | Refused


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch.

    `last` is the number of the writer's last update that the store has; `refused` are the numbers
    of updates of this batch that cannot be taken, each with the error that `RunWriter` would raise.
    A refused update is done with: it is not asked for again.
    """

    last: int
    refused: Sequence[tuple[int, MooringError]] = ()


@runtime_checkable
class AppendsBatches(Protocol):
    """A store that takes numbered batches of updates, and knows writers by name.

    A writer has a name of its own (a UUID in hex) and numbers its updates from 1 on, without gaps.
    """

    def append_batch(self, key: int, writer: str, first: int, updates: Sequence[Update]) -> Receipt:
        """Apply updates `first`, `first + 1`, … of a writer to a run, each once.

        One transaction for all of them. Those that the store has already are passed over, so that
        a repeated batch changes nothing. A batch that would leave a gap is `InvalidInput`: what
        comes before is missing. `RunNotFound` when the run is gone.
        """
        ...

    def last_applied(self, key: int, writer: str) -> int:
        """Return the number of a writer's last update that the store has; 0 for none."""
        ...

    def hold_run(self, key: int, writer: str, *, seconds: float) -> None:
        """Make a run active for so long, or longer than before: its writer lives elsewhere."""
        ...

    def release_run(self, key: int, writer: str) -> None:
        """End what `hold_run` began; the run becomes inactive with its last holder."""
        ...

    def attribute_types(self, key: int) -> Mapping[str, AttributeType]:
        """Return the type of each attribute of a run, as far as writers may set it."""
        ...

    def write_table_once(self, key: int, table: pa.Table, *, request: str) -> int:
        """Do what `Store.write_table` does, once for each name of a request (a UUID in hex).

        A request that was carried out already changes nothing, and answers what it did then.
        """
        ...

    def set_events_once(
        self,
        key: int,
        path: str,
        value: object,
        *,
        where: tuple[str, object] | None = None,
        request: str,
    ) -> int:
        """Do what `Store.set_events` does, once for each name of a request."""
        ...


@runtime_checkable
class TakesRequests(Protocol):
    """A store for a door whose writers send single batches, and may send each again.

    The door decides itself what of a batch can be taken; this tells it what a run has so far, and
    when to look again.
    """

    def append_once(self, key: int, name: str, updates: Sequence[Update]) -> Receipt:
        """Apply a batch of a name that stands for it alone, once, in one transaction.

        Sent again, it changes nothing and is told the same, for an hour at least; after that it
        may be applied again. `RunNotFound` when the run is gone.
        """
        ...

    def find_receipt(self, key: int, name: str) -> Receipt | None:
        """Return what became of the batch of a name; None when it is not known."""
        ...

    def series_ends(self, key: int) -> Mapping[str, tuple[int, float]]:
        """Return step (in millionths) and value of the last point of each series of a run.

        The value is that of numbers; of other series it is NaN. Previews do not count.
        """
        ...

    def mark_changes(self) -> tuple[int, int]:
        """Return what `changed_since` is to be asked with later."""
        ...

    def changed_since(self, key: int, mark: tuple[int, int]) -> bool:
        """Return whether anybody may have written to a run after a mark was taken.

        It costs nothing for what was written to other runs, but for segments.
        """
        ...
