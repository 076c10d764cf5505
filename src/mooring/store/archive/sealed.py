"""Parts that a store can take as they are, rows of whatever order in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mooring.model import AttributeType, SeriesStats
from mooring.store.archive.cells import are_histograms, read_times
from mooring.store.archive.part import SERIES_TYPES, Part, codes_of
from mooring.store.transfer import SealedFile, SealedSeries
from mooring.wire.exporter import SCHEMA, VALUE_COLUMNS
from mooring.wire.exporter.columns import micros_of_decimals


@dataclass(frozen=True, slots=True)
class ArchivedSeries:
    """A series: in which parts it lies, and where in the last of them."""

    path: str
    type: AttributeType
    count: int
    parts: tuple[int, ...]
    first_row: int
    span: int
    stats: SeriesStats | None = None


def list_sealed(
    parts: Mapping[int, Part],
    plain: Sequence[ArchivedSeries],
    *,
    ids: tuple[str, str],
    trusted: bool,
) -> Sequence[SealedFile] | None:
    """Return parts as files that a store can take as they are, or None.

    That is possible where each series lies in one part by ascending step, and has no null.

    Parameters
    ----------
    parts, plain : the parts of a run by number, and the series in them
    ids : of the project and the run, which each row has to name
    trusted : whether Mooring wrote the parts, and they are the ones of the manifest
    """
    if any(len(one.parts) > 1 for one in plain):
        return None
    found = []
    for number in sorted({one.parts[0] for one in plain}):
        part = parts[number]
        members = [one for one in plain if one.parts[0] == number]
        if not (_has_columns(part, ids) and (trusted or _ascends(part, members))):
            return None
        found.append(
            SealedFile(
                file=part.path,
                rows=part.rows,
                size_bytes=part.size_bytes,
                digest=part.digest,
                series=_ranges(members),
            )
        )
    return found


def _ranges(members: Sequence[ArchivedSeries]) -> list[SealedSeries]:
    """Return where series lie; those that lie among each other's rows share one range.

    A reader sorts the rows of a range by path once, whatever it has of them.
    """
    ranges: dict[str, list[int]] = {}
    shared = [0, 0]
    for one in sorted(members, key=lambda one: one.first_row):
        stop = one.first_row + one.span
        if one.count == one.span:
            ranges[one.path] = [one.first_row, stop]
            continue
        if one.first_row >= shared[1]:
            shared = [one.first_row, stop]
        shared[1] = max(shared[1], stop)
        ranges[one.path] = shared  # which may still grow
    return [
        SealedSeries(one.path, one.type, first, one.count, stop - first, one.stats)
        for one in members
        for first, stop in [ranges[one.path]]
    ]


def _has_columns(part: Part, ids: tuple[str, str]) -> bool:
    """Return whether a part is of this run alone, and its steps and times as segments have them."""
    if (part.only("project_id"), part.only("run_id")) != ids:
        return False
    if not (part.has("step") and part.has("timestamp")):
        return False
    if part.type_of("step") != pa.decimal128(18, 6):
        return False
    times = part.type_of("timestamp")
    if not pa.types.is_timestamp(times) or times.unit not in ("ms", "us") or times.tz is None:
        return False
    return not (times.unit == "us" and part.has("timestamp_us"))


def _ascends(part: Part, members: Sequence[ArchivedSeries]) -> bool:
    table = part.read(["attribute_path", "attribute_type", "step", "timestamp"])
    paths, names = codes_of(table["attribute_path"])
    kinds, types = codes_of(table["attribute_type"])
    wanted = {one.path for one in members}
    mask = np.array([name in wanted for name in names] + [False])[paths]
    series = np.array([name in SERIES_TYPES for name in types] + [False])[kinds]
    if bool((mask & ~series).any()):
        return False  # a path that is a series and a value
    if not mask.all():
        table = table.filter(pa.array(mask))
        paths = paths[mask]
    if table["step"].null_count or table["timestamp"].null_count:
        return False
    if not read_times(table["timestamp"], otherwise=0)[1].all():
        return False
    steps = micros_of_decimals(table["step"])
    order = np.argsort(paths, kind="stable")
    ordered, sorted_steps = paths[order], steps[order]
    again = (ordered[1:] == ordered[:-1]) & (sorted_steps[1:] <= sorted_steps[:-1])
    if bool(again.any()):
        return False
    if len(ordered) != sum(one.count for one in members):
        return False  # a path that is a series of two types
    return all(
        _has_values(part, [one for one in members if one.type is type])
        for type in {one.type for one in members}
    )


def _has_values(part: Part, members: Sequence[ArchivedSeries]) -> bool:
    """Return whether each point of series of one type has a value as segments have it."""
    type = members[0].type
    name = VALUE_COLUMNS[type]
    if not part.has(name) or part.type_of(name) != SCHEMA.field(name).type:
        return False
    if type is AttributeType.FLOAT_SERIES:
        return True  # null is NaN
    table = part.read(["attribute_path", name])
    paths, names = codes_of(table["attribute_path"])
    wanted = {one.path for one in members}
    mask = np.array([one in wanted for one in names] + [False])[paths]
    values = table[name].filter(pa.array(mask))
    if type is AttributeType.HISTOGRAM_SERIES and not are_histograms(values).all():
        return False
    return not values.null_count
