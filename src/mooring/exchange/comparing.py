"""Compares runs of two sources, attribute by attribute, value by value."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.exchange.selection import type_of
from mooring.exchange.source import (
    FILE_TYPES,
    UNKNOWN_COUNT,
    HasExtras,
    Source,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.model import AttributeType, Typed

POINTS_AT_ONCE = 2_000_000
"""Points that are read together, of as many series as have so many."""


ROWS = "rows of the table"
"""What a difference names where it is no attribute; `previews` is another one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How an attribute of a run differs: `what` is "missing", "more", "type", "value", "points".

    It is "missing" where the right side has nothing of it, or of rows, only some of them.
    """

    path: str
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path!r}: {self.what}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What was compared of a run, and what differs."""

    values: int
    series: int
    points: int
    files: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def chunks(
    series: Sequence[SourceSeries], limit: int = POINTS_AT_ONCE
) -> Iterator[tuple[AttributeType, list[str]]]:
    """Yield (type, paths) of series that can be read together without much memory."""
    by_type: dict[AttributeType, list[SourceSeries]] = {}
    for one in series:
        by_type.setdefault(one.type, []).append(one)
    for type, members in by_type.items():
        paths: list[str] = []
        points = 0
        for one in sorted(members, key=lambda s: s.path):
            count = UNKNOWN_COUNT if one.count is None else one.count
            if paths and points + count > limit:
                yield type, paths
                paths, points = [], 0
            paths.append(one.path)
            points += count
        if paths:
            yield type, paths


def compare_runs(
    left: Source,
    left_run: SourceRun,
    right: Source,
    right_run: SourceRun,
    *,
    ignored: frozenset[str] = frozenset(),
    one_way: bool = False,
) -> RunComparison:
    """Compare a run with what is meant to be the same run elsewhere.

    NaN equals NaN; numbers equal bit by bit otherwise; times to the microsecond; files by their
    content, name, and media type where both know one. What is below `sys/` and only on the right
    is no difference, as a store keeps such attributes by itself.

    Parameters
    ----------
    ignored : paths that are not compared
    one_way : whether attributes that only the right has are no difference
    """
    differences: list[Difference] = []
    a, b = left.read_values(left_run), right.read_values(right_run)
    files = 0
    for path in sorted(a.keys() | b.keys()):
        if path in ignored:
            continue
        if path not in b:
            differences.append(Difference(path, "missing"))
        elif path not in a:
            if not one_way and not path.startswith("sys/"):
                differences.append(Difference(path, "more"))
        else:
            files += type_of(a[path]) in FILE_TYPES
            if found := _compare_values(left, a[path], right, b[path], path):
                differences.append(found)
    ours = {s.path: s for s in left.list_series(left_run)}
    theirs = {s.path: s for s in right.list_series(right_run)}
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in theirs:
            differences.append(Difference(path, "missing", f"{ours[path].count} points"))
        elif path not in ours:
            if not one_way:
                differences.append(Difference(path, "more", f"{theirs[path].count} points"))
        elif ours[path].type is not theirs[path].type:
            differences.append(_types(path, ours[path].type, theirs[path].type))
    both = [s for p, s in ours.items() if p in theirs and theirs[p].type is s.type]
    points = 0
    for type, paths in chunks(both):
        mine = left.read_points(left_run, type, paths)
        other = right.read_points(right_run, type, paths)
        points += mine.num_rows
        differences += compare_points(left, mine, right, other, type)
    differences += _compare_extras(left, left_run, right, right_run)
    return RunComparison(len(a), len(ours), points, files, tuple(differences))


def _types(path: str, ours: object, theirs: object) -> Difference:
    return Difference(path, "type", f"{ours} and {theirs}")


def _compare_values(
    left: Source, a: SourceValue, right: Source, b: SourceValue, path: str
) -> Difference | None:
    if type_of(a) is not type_of(b):
        return _types(path, type_of(a), type_of(b))
    if isinstance(a, Typed):
        a = a.value
    if isinstance(b, Typed):
        b = b.value
    if isinstance(a, SourceFile) and isinstance(b, SourceFile):
        if reason := _compare_files(left, a, right, b):
            return Difference(path, "value", reason)
        return None
    if isinstance(a, float) and isinstance(b, float):
        same = _bits(a) == _bits(b) or (math.isnan(a) and math.isnan(b))
    else:
        same = a == b
    return None if same else Difference(path, "value", f"{_short(a)} and {_short(b)}")


def _bits(number: float) -> tuple[float, float]:
    return number, math.copysign(1.0, number)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _compare_files(left: Source, a: SourceFile, right: Source, b: SourceFile) -> str:
    if a.name != b.name:
        return f"names {a.name!r} and {b.name!r}"
    if a.mime_type and b.mime_type and a.mime_type != b.mime_type:
        return f"media types {a.mime_type!r} and {b.mime_type!r}"
    if digest_of(left, a) != digest_of(right, b):
        return "contents differ"
    return ""


def digest_of(source: Source, file: SourceFile) -> str:
    """Return the SHA-256 of a file's content, in hex; read where the source does not know it."""
    if file.digest:
        return file.digest
    hasher = hashlib.sha256()
    with source.open_file(file) as stream:
        while chunk := stream.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def compare_points(
    left: Source, a: pa.Table, right: Source, b: pa.Table, type: AttributeType
) -> list[Difference]:
    """Return how points of series differ, one difference for each series.

    Tables are as `Source.read_points` returns them.
    """
    if a.num_rows == b.num_rows and _same_tables(a, b, type):
        return []
    ours, theirs = _by_path(a), _by_path(b)
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(path), theirs.get(path)
        if mine is None or other is None:
            count = (mine or other).num_rows  # type: ignore[union-attr]
            found.append(
                Difference(path, "missing" if other is None else "more", f"{count} points")
            )
        elif mine.num_rows != other.num_rows:
            found.append(Difference(path, "points", f"{mine.num_rows} and {other.num_rows} points"))
        elif detail := _first_difference(left, mine, right, other, type):
            found.append(Difference(path, "points", detail))
    return found


def _same_tables(a: pa.Table, b: pa.Table, type: AttributeType) -> bool:
    for name in ("step", "time"):
        if not np.array_equal(a[name].to_numpy(), b[name].to_numpy()):
            return False
    if not a["path"].cast(pa.string()).equals(b["path"].cast(pa.string())):
        return False
    return type is not AttributeType.FILE_SERIES and bool(np.all(_same_values(a, b, type)))


def _same_values(a: pa.Table, b: pa.Table, type: AttributeType) -> np.ndarray:
    """Return for each row whether its value is the same."""
    if type is AttributeType.FLOAT_SERIES:
        x, y = a["value"].to_numpy(), b["value"].to_numpy()
        same: np.ndarray = (x.view(np.int64) == y.view(np.int64)) | (np.isnan(x) & np.isnan(y))
        return same
    if type is AttributeType.STRING_SERIES:
        equal: np.ndarray = pc.equal(a["value"], b["value"]).to_numpy(zero_copy_only=False)
        return equal.astype(bool)
    pairs = zip(a["value"].to_pylist(), b["value"].to_pylist(), strict=True)
    return np.fromiter((_same_struct(x, y) for x, y in pairs), bool, a.num_rows)


def _same_struct(x: Mapping[str, Any], y: Mapping[str, Any]) -> bool:
    return x["kind"] == y["kind"] and all(
        np.array_equal(np.array(x[name]), np.array(y[name]), equal_nan=True)
        for name in ("edges", "values")
    )


def _by_path(table: pa.Table) -> dict[str, pa.Table]:
    from mooring.exchange.points import rows_by_path

    return {path: table.slice(first, count) for path, first, count in rows_by_path(table)}


def _first_difference(
    left: Source, a: pa.Table, right: Source, b: pa.Table, type: AttributeType
) -> str:
    for name, what in (("step", "step"), ("time", "time")):
        x, y = a[name].to_numpy(), b[name].to_numpy()
        where = np.flatnonzero(x != y)
        if len(where):
            at = int(where[0])
            return f"{what} of point {at}: {x[at]} and {y[at]}"
    if type is AttributeType.FILE_SERIES:
        pairs = zip(a["value"].to_pylist(), b["value"].to_pylist(), strict=True)
        for at, (x, y) in enumerate(pairs):
            if reason := _compare_files(left, _file(x), right, _file(y)):
                return f"file of point {at}: {reason}"
        return ""
    where = np.flatnonzero(~_same_values(a, b, type))
    if not len(where):
        return ""
    at = int(where[0])
    values = (_short(table["value"][at].as_py()) for table in (a, b))
    return f"value at step {a['step'][at].as_py() / 1e6:g}: {' and '.join(values)}"


def _file(value: Mapping[str, Any]) -> SourceFile:
    return SourceFile(
        location=value["location"],
        name=value["name"] or "",
        mime_type=value["mime_type"] or "",
        size_bytes=value["size_bytes"],
        digest=value["digest"],
    )


def _compare_extras(
    left: Source, left_run: SourceRun, right: Source, right_run: SourceRun
) -> list[Difference]:
    if not isinstance(left, HasExtras) or not isinstance(right, HasExtras):
        return []
    a, b = left.read_extras(left_run), right.read_extras(right_run)
    found = []
    for name, ours, theirs in (
        (ROWS, _rows(a.rows), _rows(b.rows)),
        ("previews", _rows(a.previews), _rows(b.previews)),
    ):
        if ours != theirs:
            lacks = Counter(theirs) < Counter(ours)
            found.append(Difference(name, "missing" if lacks else "points", "they differ"))
    if sorted(a.not_inherited) != sorted(b.not_inherited):
        found.append(Difference("", "value", "attributes that are not inherited differ"))
    return found


def _rows(table: pa.Table | None) -> list[str]:
    """Return rows as texts, less the numbers that a store gives them."""
    if table is None:
        return []
    names = sorted(set(table.column_names) - {"mooring:sequence"})
    return [
        repr([(name, value) for name, value in row.items() if value is not None])
        for row in table.select(names).to_pylist()
    ]
