"""A source that reads a run whole, and keeps the one that it read last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceRun, SourceSeries, SourceValue
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa


class Content(Protocol):
    """All of a run, in memory."""

    @property
    def values(self) -> Mapping[str, SourceValue]:
        """Attributes that are no series."""
        ...

    def list_series(self) -> Sequence[SourceSeries]:
        """Return the series that have points, sorted by path."""
        ...

    def read_points(self, type: AttributeType, paths: Sequence[str] | None = None) -> pa.Table:
        """Return points as `Source.read_points` has to."""
        ...


C = TypeVar("C", bound=Content)


class LastRunSource(ABC, Generic[C]):
    """What sources have in common that read a run whole: one run is in memory at a time.

    A child lists runs, opens files, and reads a run in `_read`. Runs are told apart by project and
    id. What could not be read of a run is told once, also when the run is read again.
    """

    def __init__(self, address: Path) -> None:
        self._address = address
        self._problems = ProblemList()
        self._last: tuple[tuple[str, str], C] | None = None
        self._told: set[tuple[str, str]] = set()

    @property
    def address(self) -> str:
        """The folder or file that is read."""
        return str(self._address)

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series."""
        return dict(self._content(run).values)

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series that a run itself has points of."""
        return self._content(run).list_series()

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's own series of one type."""
        return self._content(run).read_points(type, paths)

    def close(self) -> None:
        """Drop what is kept of the run that was read last. Idempotent."""
        self._last = None

    @abstractmethod
    def _read(self, run: SourceRun, problems: ProblemList) -> C:
        """Return all of a run; what cannot be read of it is added to `problems`."""

    def _content(self, run: SourceRun) -> C:
        key = (run.project, run.run_id)
        if self._last is None or self._last[0] != key:
            self._last = None  # before the next one is read: both need not fit into memory
            problems = ProblemList() if key in self._told else self._problems
            self._told.add(key)
            self._last = (key, self._read(run, problems))
        return self._last[1]
