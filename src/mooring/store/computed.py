"""Attributes that a store keeps nowhere, and computes when they are asked for: a rare ability.

They cost nothing where runs are written to. Readers who want all attributes of a run are not given
them: they are asked for by name. Filters and sorts of such a store may name them as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mooring.model import AttributeType
from mooring.store.contract import AttributeColumn

_COUNTED: Mapping[str, tuple[AttributeType, ...]] = {
    "bool": (AttributeType.BOOL,),
    "file_ref": (AttributeType.FILE, AttributeType.FILE_SET, AttributeType.ARTIFACT),
    "file_ref_series": (AttributeType.FILE_SERIES,),
    "float": (AttributeType.FLOAT,),
    "float_series": (AttributeType.FLOAT_SERIES,),
    "histogram_series": (AttributeType.HISTOGRAM_SERIES,),
    "int": (AttributeType.INT,),
    "string": (AttributeType.STRING,),
    "string_series": (AttributeType.STRING_SERIES,),
    "string_set": (AttributeType.STRING_SET,),
}
_COUNTS = "sys/diagnostics/attributes"

COUNTERS: Mapping[str, tuple[AttributeType, ...] | None] = {
    **{f"{_COUNTS}/{kind}_count": types for kind, types in _COUNTED.items()},
    # No attribute can hold a single histogram here; Neptune's readers know the name.
    f"{_COUNTS}/histogram_count": (),
    f"{_COUNTS}/total_count": None,
}
"""How many attributes a run has of some types (None: of any), those below `sys/` left out."""

POINTS = f"{_COUNTS}/total_series_datapoints"
"""How many final points the series of a run have in all, inherited ones included."""
SIZE = "sys/size"
"""About how many bytes a run takes: its updates, points and files."""
RELATIVE_CREATION = "sys/relative_creation_time_ms"
"""Milliseconds from the creation of the oldest ancestor to that of the run; 0 without any."""
REQUESTED_PARENT = "sys/forking/requested_parent"
"""The parent's id, of forks."""
EXPERIMENT_TIME = "sys/experiment/running_time_seconds"
"""The running time, of runs of an experiment."""


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute of runs that have the one called `beside`."""

    path: str
    type: AttributeType
    beside: str = "sys/id"


COMPUTED: Mapping[str, Computed] = {
    each.path: each
    for each in (
        *(Computed(path, AttributeType.INT) for path in (*COUNTERS, POINTS, SIZE)),
        Computed(RELATIVE_CREATION, AttributeType.INT),
        Computed(REQUESTED_PARENT, AttributeType.STRING, "sys/forking/parent"),
        Computed(EXPERIMENT_TIME, AttributeType.FLOAT, "sys/experiment/name"),
    )
}
"""What is computed, by path."""


@runtime_checkable
class ComputesAttributes(Protocol):
    """A store that computes the attributes of `COMPUTED`."""

    def read_computed(self, keys: Sequence[int], paths: Sequence[str]) -> Sequence[AttributeColumn]:
        """Return a column for each of these paths of `COMPUTED` that some of the runs have."""
        ...
