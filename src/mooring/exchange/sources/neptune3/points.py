"""The points of a run's series, fetched in blocks that memory holds whatever their lengths are.

The package keeps an answer as objects and then as a wide table of all its steps and series, which
for series on different steps is mostly empty. So a block is bounded by both: `_SERIES` series and
`_POINTS` points of each. Servers give the last points first: a series that has more is gone on with
below the lowest step that came, together with those that stand at the same step, as the series of
a training loop do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mooring.exchange.reports import ProblemList
from mooring.exchange.source import FILE_FIELDS, make_points
from mooring.exchange.sources.neptune3.reading import Column, Reader, RunName
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

SERIES = 128
"""Series that are fetched together."""

_CELLS = 16_000_000
"""Cells of the widest table that an answer may become: 128 MB for each of its columns."""

_MOST = 200_000
"""Points of an answer."""

_FEW = {
    AttributeType.STRING_SERIES: 20_000,
    AttributeType.HISTOGRAM_SERIES: 2_000,
    AttributeType.FILE_SERIES: 20_000,
}
"""Points of an answer whose values are objects."""

PROBED = 500
"""Series whose last point is fetched together."""

Fetch = Callable[[Sequence[str], int, float | None], list[Column]]
"""Takes paths, the most points of each, and the highest step; returns the last points."""


def fetch_points(
    reader: Reader,
    run: RunName,
    type: AttributeType,
    paths: Sequence[str],
    locate: Callable[[object], dict[str, object]],
    problems: ProblemList,
) -> pa.Table:
    """Return the points of a run's own series as `Source.read_points` has to.

    `locate` turns a file of the package into the fields of a file of a source.
    """
    if type is AttributeType.FLOAT_SERIES:

        def fetch(names: Sequence[str], most: int, until: float | None) -> list[Column]:
            return reader.read_numbers(run, names, most=most, until=until)

        blocks = iter_blocks(fetch, paths, _MOST)
    else:

        def fetch(names: Sequence[str], most: int, until: float | None) -> list[Column]:
            return reader.read_objects(run, type, names, most=most, until=until)

        blocks = iter_blocks(fetch, paths, _FEW[type])
    return make_table(type, blocks, run.run_id, locate, problems)


def iter_blocks(fetch: Fetch, paths: Sequence[str], most: int) -> Iterator[Column]:
    """Yield the points of series, block by block, none of them twice.

    >>> import numpy as np
    >>> steps = np.arange(5.0)
    >>> def fetch(paths, most, until):
    ...     kept = steps[steps <= (9 if until is None else until)][-most:]
    ...     return [Column(path, kept, kept, kept, kept) for path in paths]
    >>> [column.steps.tolist() for column in iter_blocks(fetch, ["loss"], 3)]
    [[2.0, 3.0, 4.0], [0.0, 1.0]]
    """
    waiting: list[tuple[float | None, Sequence[str]]] = [(None, paths)]
    while waiting:
        until, names = waiting.pop()
        if len(names) > SERIES:
            waiting.append((until, names[SERIES:]))
            names = names[:SERIES]
        # One more than is new: the point at `until` came before.
        limit = max(2, min(most // len(names), _CELLS // len(names) ** 2)) + (until is not None)
        following: dict[float, list[str]] = {}
        for column in fetch(names, limit, until):
            steps = column.steps
            if len(steps) >= limit:
                following.setdefault(float(steps[0]), []).append(column.path)
            new = len(steps) if until is None else int(np.searchsorted(steps, until))
            yield Column(
                column.path,
                steps[:new],
                column.times[:new],
                column.values[:new],
                column.completions[:new],
            )
        waiting += following.items()


def make_table(
    type: AttributeType,
    blocks: Iterator[Column],
    run_id: str,
    locate: Callable[[object], dict[str, object]],
    problems: ProblemList,
) -> pa.Table:
    """Return the points of blocks, sorted; steps that cannot be had are told and left out."""
    import pyarrow as pa

    names: dict[str, int] = {}
    codes: list[np.ndarray] = []
    steps: list[np.ndarray] = []
    times: list[np.ndarray] = []
    values: list[pa.Array] = []
    for column in blocks:
        micros, fits = to_micros(column.steps)
        if not fits.all():
            problems.add(
                f"run {run_id}, series {column.path!r}",
                f"{int((~fits).sum())} points have steps beyond ±10^12 and were left out",
                kind="steps",
            )
        code = names.setdefault(column.path, len(names))
        codes.append(np.full(int(fits.sum()), code, np.int32))
        steps.append(micros[fits])
        times.append(column.times[fits])
        values.append(_to_arrow(type, column.values[fits], locate))
    paths = pa.DictionaryArray.from_arrays(
        pa.array(np.concatenate([np.empty(0, np.int32), *codes])), pa.array(names, pa.string())
    )
    found = make_points(
        type,
        paths,
        pa.array(np.concatenate([np.empty(0, np.int64), *steps])),
        pa.array(np.concatenate([np.empty(0, np.int64), *times])),
        pa.chunked_array(values) if values else [],
    )
    if found.num_rows < len(paths):
        problems.add(
            f"run {run_id}",
            f"{len(paths) - found.num_rows} points of {type} were left out: a later one has the "
            "same step, to a millionth",
            kind="replaced",
        )
    return found


def to_micros(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return steps in millionths, and which of them can be had.

    >>> to_micros(np.array([3.0, 0.1, 1e9 + 0.000001, 1e13]))[0][:3].tolist()
    [3000000, 100000, 1000000000000001]
    """
    fits = np.isfinite(steps) & (np.abs(steps) <= MAX_STEP)
    kept = np.where(fits, steps, 0.0)
    whole = np.floor(kept)
    # The part behind the point by itself: of a large step the product loses its last digits.
    micros = whole.astype(np.int64) * STEP_SCALE + np.rint((kept - whole) * STEP_SCALE).astype(
        np.int64
    )
    return micros, fits


def _to_arrow(
    type: AttributeType, values: np.ndarray, locate: Callable[[object], dict[str, object]]
) -> pa.Array:
    import pyarrow as pa

    from mooring.exchange.source import value_type

    kind = value_type(type)
    match type:
        case AttributeType.FLOAT_SERIES:
            return pa.array(values.astype(np.float64))
        case AttributeType.STRING_SERIES:
            return pa.array(values.tolist(), kind)
        case AttributeType.HISTOGRAM_SERIES:
            return pa.array(
                [{"kind": v.type, "edges": v.edges, "values": v.values} for v in values], kind
            )
        case _:
            rows = [locate(value) for value in values]
            return pa.array([{name: row[name] for name in FILE_FIELDS} for row in rows], kind)
