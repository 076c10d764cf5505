"""What a store keeps of every series, of many runs and series at once: a rare ability of stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mooring.model import AttributeType, SeriesStats
from mooring.store.contract import PathSelector


@dataclass(frozen=True, slots=True)
class StatsColumn:
    """One series of many runs.

    `rows` are positions in the list of runs that was asked for, ascending; `stats[i]` belongs to
    `rows[i]`.
    """

    path: str
    type: AttributeType
    rows: Sequence[int]
    stats: Sequence[SeriesStats]


@runtime_checkable
class SummarisesSeries(Protocol):
    """A store that tells of many series at once what `Store.get_stats` tells of one."""

    def read_stats(self, keys: Sequence[int], select: PathSelector) -> Sequence[StatsColumn]:
        """Return what is kept of the selected series, sorted by path and type.

        Attributes that are no series, and series without any final point, are left out.
        """
        ...
