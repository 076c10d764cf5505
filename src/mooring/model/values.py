"""Values of attributes and points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mooring.errors import InvalidValue
from mooring.model.types import AttributeType


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file held by the store.

    Attributes
    ----------
    digest : SHA-256 of the content, in hex; its address among the blobs. Empty while the content
        has not come, where it travels apart
    size_bytes : length of the content
    mime_type : media type, such as `image/png`
    name : file name it was logged under, extension included
    """

    digest: str
    size_bytes: int
    mime_type: str = "application/octet-stream"
    name: str = ""

    @property
    def has_content(self) -> bool:
        """Whether its content has come."""
        return bool(self.digest)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bin edges, ascending, and one count or density for each bin between them.

    >>> Histogram(edges=(0.0, 1.0, 2.0), values=(3.0, 4.0)).kind
    'COUNTING'
    """

    edges: tuple[float, ...]
    values: tuple[float, ...]
    kind: str = "COUNTING"

    def __post_init__(self) -> None:
        if self.kind not in ("COUNTING", "DENSITY"):
            raise InvalidValue(f"histogram kind {self.kind!r}; write COUNTING or DENSITY")
        if len(self.edges) != len(self.values) + 1 or not self.values:
            raise InvalidValue(
                f"a histogram of {len(self.values)} bins needs {len(self.values) + 1} edges, "
                f"not {len(self.edges)}"
            )
        if not all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise InvalidValue("histogram edges must ascend and cannot be NaN")


Value = int | float | str | bool | datetime | frozenset[str] | FileRef
"""What an attribute that is no series holds."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with the type of its attribute, where Python's type does not tell it.

    `file_set` and `artifact` hold a file (a zip; a JSON list of what was tracked), `run_state` a
    text, `git_ref` and `notebook_ref` a dict.

    >>> Typed(AttributeType.RUN_STATE, "inactive").value
    'inactive'
    """

    type: AttributeType
    value: Any


@dataclass(frozen=True, slots=True)
class SeriesStats:
    """What a store keeps of every series, inherited points included.

    Steps are in millionths, times in microseconds since 1970. `minimum` to `sum_squares` are
    over the finite values of a float series; None where there is none, and for other series.
    """

    count: int
    first_step: int
    last_step: int
    first: object
    last: object
    last_time: int
    minimum: float | None = None
    minimum_step: int | None = None
    maximum: float | None = None
    maximum_step: int | None = None
    sum: float = 0.0
    sum_squares: float = 0.0
    nan_count: int = 0
    positive_inf_count: int = 0
    negative_inf_count: int = 0

    @property
    def finite_count(self) -> int:
        """Number of points that are neither NaN nor infinite."""
        return self.count - self.nan_count - self.positive_inf_count - self.negative_inf_count

    @property
    def average(self) -> float | None:
        """Mean of the finite values."""
        return self.sum / self.finite_count if self.finite_count else None

    @property
    def variance(self) -> float | None:
        """Population variance of the finite values."""
        if not self.finite_count:
            return None
        mean = self.sum / self.finite_count
        return max(0.0, self.sum_squares / self.finite_count - mean * mean)

    @property
    def deviation(self) -> float | None:
        """Square root of the population variance."""
        return None if self.variance is None else math.sqrt(self.variance)
