"""Comparing what was handed over with what a target tells it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mooring.exchange.target import Inventory, Lost
from mooring.model import AttributeType


@dataclass(slots=True)
class Expected:
    """What a target should hold of a run: types, numbers of points, names and bytes of files."""

    values: dict[str, AttributeType] = field(default_factory=dict)
    series: dict[str, tuple[AttributeType, int]] = field(default_factory=dict)
    files: dict[tuple[str, int | None], tuple[str, int]] = field(default_factory=dict)


def compare(
    expected: Expected, held: Inventory, lost: Sequence[Lost], name_of: Callable[..., str]
) -> Iterator[tuple[str, str]]:
    """Yield path and reason of what should be there and is not.

    What a target itself reported as lost may be missing: of a series so many points, of a file or
    value the whole.
    """
    losses: Counter[str | None] = Counter()
    for loss in lost:
        losses[loss.path] += loss.count
    for path, type in expected.values.items():
        name = name_of(path, type)
        there = name in held.values or name in held.files or name in held.points
        if not there and not losses[path]:
            yield path, f"not found when it was read back (as {name!r})"
        elif name in held.different:
            yield path, _other(name, held)
    for path, (type, count) in expected.series.items():
        name = name_of(path, type)
        if name in held.different:
            yield path, _other(name, held)
        elif name in held.points:
            if not count - losses[path] <= held.points[name] <= count:
                yield path, f"{held.points[name]} points when it was read back, not {count}"
        elif name not in held.files and name not in held.values and losses[path] < count:
            yield path, f"not found when it was read back (as {name!r})"
    for (path, _), (name, size) in expected.files.items():
        if name not in held.files:
            if not losses[path]:
                yield path, f"no file {name!r} when it was read back"
        elif (found := held.files[name]) is not None and found != size and not losses[path]:
            yield path, f"{name!r} has {found} bytes when it was read back, not {size}"
        elif name in held.different:
            yield path, _other(name, held)


def _other(name: str, held: Inventory) -> str:
    return f"{name!r} differs when it was read back: {held.different[name]}"
