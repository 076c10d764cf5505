"""One run of an export: its values, series and points, read from its parts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mooring.errors import InvalidPath, InvalidStep, MooringError, SourceUnreadable
from mooring.model import (
    MAX_TIME,
    MIN_TIME,
    AttributeType,
    RunKind,
    Typed,
    datetime_from_micros,
    micros_from_datetime,
    step_to_micros,
    validate_path,
)
from mooring.store.archive.cells import (
    are_histograms,
    read_histograms,
    read_steps,
    read_times,
    rows_of_values,
)
from mooring.store.archive.files import ArchivedFile, find_file
from mooring.store.archive.part import SERIES_TYPES, Part, codes_of
from mooring.store.archive.places import RunParts
from mooring.store.archive.sealed import ArchivedSeries, list_sealed
from mooring.store.transfer import SealedFile
from mooring.wire.exporter import VALUE_COLUMNS
from mooring.wire.exporter.manifest import Manifest, PartEntry, decode_manifest

_KNOWN = frozenset(str(type) for type in AttributeType)


ArchivedValue = int | float | str | bool | datetime | frozenset[str] | ArchivedFile | Typed


class ArchivedRun:
    """A run of an export.

    Parameters
    ----------
    files : its files, as `find_parts` found them
    project, run_id : its ids, as the columns have them
    opened : the parts that can be read, by their position in `files.parts`
    manifest : what Mooring noted when it wrote the export
    series_zone : time zone that the times of points were noted in, without saying so
    """

    def __init__(
        self,
        files: RunParts,
        project: str,
        run_id: str,
        opened: Mapping[int, Part],
        manifest: Manifest | None,
        series_zone: tzinfo | None = None,
    ) -> None:
        self.files = files
        self.project = project
        self.run_id = run_id
        self.manifest = manifest
        self._parts = dict(opened)
        self.problems: list[tuple[str, str]] = []
        """What could not be read so far (an attribute, a file), and why, each told once."""
        self._told: set[tuple[str, str]] = set()
        # Where Mooring wrote the export, times are what they say.
        self._zone = series_zone if manifest is None else None
        self._damaged = False
        self.incomplete = self._why_incomplete()

    def _tell(self, what: str, why: str) -> None:
        if (what, why) not in self._told:
            self._told.add((what, why))
            self.problems.append((what, why))

    def _why_incomplete(self) -> str:
        reasons = []
        if self.files.missing:
            numbers = ", ".join(map(str, self.files.missing))
            reasons.append(f"part {numbers} is missing")
        lost = [p.name for i, p in enumerate(self.files.parts) if i not in self._parts]
        if lost:
            reasons.append(f"{', '.join(lost)} cannot be read")
        if self.manifest is not None:
            present = {path.name: i for i, path in enumerate(self.files.parts)}
            for entry in self.manifest.parts:
                at = present.get(entry.name)
                if at is None:
                    reasons.append(f"{entry.name} is missing")
                elif at in self._parts and self._parts[at].rows != entry.rows:
                    del self._parts[at]
                    reasons.append(f"{entry.name} does not have {entry.rows} rows")
                elif at in self._parts and not self._is_as_noted(self._parts[at], entry):
                    del self._parts[at]
                    reasons.append(
                        f"{entry.name} is not the file that its manifest tells of; restore it "
                        "from a backup, or remove the manifest to read it as it is"
                    )
            if self.manifest.missing:
                path, why = self.manifest.missing[0]
                more = len(self.manifest.missing) - 1
                told = f" and {more} more" if more else ""
                reasons.append(f"the export itself lacks {path} ({why}){told}")
        return "; ".join(reasons)

    @staticmethod
    def _is_as_noted(part: Part, entry: PartEntry) -> bool:
        return part.size_bytes == entry.size_bytes and part.digest == entry.digest

    @property
    def kind(self) -> RunKind:
        """What the run stands for."""
        return self.files.kind

    def forget(self) -> None:
        """Free what was read of the run; it is read again when it is asked for."""
        if not self.files.common:  # else it is read for many runs
            for name in ("values", "series"):
                self.__dict__.pop(name, None)
            for part in self._parts.values():
                part.forget()

    # values

    @cached_property
    def values(self) -> Mapping[str, ArchivedValue]:
        """Attributes that hold a single value."""
        found: dict[str, ArchivedValue] = {}
        types: dict[str, str] = {}
        for part in self._parts.values():
            for row in rows_of_values(self._of_run(part.value_rows)):
                path, kind = row["attribute_path"], row["attribute_type"]
                if not self._is_known(part, path, kind):
                    continue
                try:
                    value = self._value(AttributeType(kind), row)
                except MooringError as error:
                    self._tell(path, str(error))
                    continue
                column = VALUE_COLUMNS.get(AttributeType(kind), "")
                if value is None:  # the run has no such attribute
                    if column in part.lost_values:
                        self._tell(path, part.lost_values[column])
                elif types.setdefault(path, kind) == kind:
                    found[path] = value
                else:
                    self._tell(path, f"{part.path}: it is {types[path]} and {kind}")
            if "" in part.lost_values:
                self._tell(part.path.name, part.lost_values[""])
        for path, kind, value in self.manifest.others if self.manifest else ():
            found[path] = Typed(AttributeType(kind), value)
        return found

    def _is_known(self, part: Part, path: str | None, kind: str | None) -> bool:
        """Return whether a store can have such an attribute; else tell."""
        try:
            validate_path(path)
        except InvalidPath as error:
            self._tell(str(path)[:100], f"{part.path}: {error}")
            return False
        if kind not in _KNOWN:
            self._tell(str(path), f"{part.path} has an attribute of type {kind!r}")
        return kind in _KNOWN

    def _value(self, type: AttributeType, row: Mapping[str, Any]) -> ArchivedValue | None:
        if type not in VALUE_COLUMNS:
            return None
        cell = row.get(VALUE_COLUMNS[type])
        if cell is None:
            return None
        match type:
            case AttributeType.DATETIME:
                micros = cell + (row.get("timestamp_us") or 0)
                if not MIN_TIME <= micros <= MAX_TIME:
                    raise SourceUnreadable(
                        f"run {self.run_id!r}: a time that is not within the years 1 to 9999",
                        run=self.run_id,
                    )
                return datetime_from_micros(micros)
            case AttributeType.INT if not -(2**63) <= cell < 2**63:
                raise SourceUnreadable(f"{cell} does not fit 64 bits", run=self.run_id)
            case AttributeType.STRING_SET:
                return frozenset(text for text in cell if text is not None)
            case AttributeType.FILE | AttributeType.FILE_SET | AttributeType.ARTIFACT:
                file = self._file(type, cell["path"], row.get("file_blob"))
                return file if type is AttributeType.FILE else Typed(type, file)
            case AttributeType.FLOAT:
                return float(cell)
        return cell  # type: ignore[no-any-return]

    def _file(
        self, type: AttributeType, place: str | None, blob: Mapping[str, Any] | None
    ) -> ArchivedFile:
        return find_file(self.files.files, type, place, blob, run=self.run_id)

    def _of_run(self, table: pa.Table) -> pa.Table:
        if self.files.common:
            table = table.filter(
                pc.and_(
                    pc.equal(table["run_id"].cast(pa.string()), self.run_id),
                    pc.equal(table["project_id"].cast(pa.string()), self.project),
                )
            )
        return table

    @property
    def created(self) -> int | None:
        """Microseconds since 1970, where the run tells."""
        if self.manifest is not None:
            return self.manifest.created
        value = self.values.get("sys/creation_time")
        return micros_from_datetime(value) if isinstance(value, datetime) else None

    def text(self, path: str) -> str | None:
        """Return an attribute that is a text, or None."""
        value = self.values.get(path)
        return value if isinstance(value, str) else None

    @property
    def parent(self) -> str | None:
        """Id of the run that it was forked from."""
        return self.text("sys/forking/parent") if self.manifest is None else self.manifest.parent

    @property
    def sys_id(self) -> str | None:
        """Its short id."""
        return self.text("sys/id") if self.manifest is None else self.manifest.sys_id

    @property
    def name(self) -> str | None:
        """Its experiment."""
        return self.text("sys/name") if self.manifest is None else self.manifest.name

    @property
    def fork_step(self) -> int | None:
        """The step that it was forked at, in millionths."""
        if self.manifest is not None:
            return self.manifest.fork_step
        value = self.values.get("sys/forking/step")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            return None
        try:
            return step_to_micros(value)
        except InvalidStep as error:
            self._tell("sys/forking/step", str(error))
            return None

    @property
    def trashed(self) -> bool:
        """Whether it was in the trash, or archived."""
        if self.manifest is not None:
            return self.manifest.trashed
        return any(self.values.get(path) is True for path in ("sys/trashed", "sys/archived"))

    # series

    @cached_property
    def series(self) -> Sequence[ArchivedSeries]:
        """Series that have points, by path."""
        if self.manifest is not None:
            return self._noted_series(self.manifest)
        found: dict[str, ArchivedSeries] = {}
        for number, part in self._parts.items():
            for path, kind, first, last, count in self._scan(part):
                if not self._is_known(part, path, kind):
                    continue
                if path.startswith("sys/"):
                    self._tell(path, f"{part.path}: what lies below sys/ is no series")
                    continue
                old = found.get(path)
                if path in self.values or (old is not None and old.type != kind):
                    before = "a single value" if old is None else old.type
                    self._tell(path, f"{part.path}: it is {kind} there and {before} before")
                    continue
                found[path] = ArchivedSeries(
                    path,
                    AttributeType(kind),
                    count + (old.count if old else 0),
                    (*(old.parts if old else ()), number),
                    first,
                    last - first + 1,
                )
        return sorted(found.values(), key=lambda one: one.path)

    def _noted_series(self, manifest: Manifest) -> Sequence[ArchivedSeries]:
        at = {path.name: i for i, path in enumerate(self.files.parts)}
        numbers = [at.get(entry.name, -1) for entry in manifest.parts]
        found = []
        for one in manifest.series:
            number = numbers[one.part] if 0 <= one.part < len(numbers) else -1
            if number in self._parts:
                found.append(
                    ArchivedSeries(
                        one.path,
                        one.type,
                        one.count,
                        (number,),
                        one.first_row,
                        one.count,
                        one.stats,
                    )
                )
            else:
                self._tell(one.path, f"its {one.count} points cannot be read: {self.incomplete}")
        return sorted(found, key=lambda one: one.path)

    def _scan(self, part: Part) -> list[tuple[str, str, int, int, int]]:
        """Return (path, type, first row, last row, rows) of each series in a part."""
        columns = ["attribute_path", "attribute_type"]
        if self.files.common:
            columns += ["run_id", "project_id"]
        try:
            table = part.read(columns)
        except SourceUnreadable as error:
            self._damaged = True
            self._tell(part.path.name, str(error))
            groups = [table for _, table, _ in part.read_groups(columns) if table is not None]
            if not groups:
                return []
            table = pa.concat_tables(groups)
        paths, names = codes_of(table["attribute_path"])
        kinds, types = codes_of(table["attribute_type"])
        wanted = np.array([name in SERIES_TYPES for name in types] + [False])
        rows = np.flatnonzero(wanted[kinds] & (paths >= 0))
        self._tell_of_others(part, kinds, types, paths, names)
        if self.files.common:
            rows = rows[self._mask(table)[rows]]
        if AttributeType.FILE_SERIES in types and not self._damaged:
            # Files that a run lacks have rows all the same.
            files = self._files_in(part)
            is_file = np.array([name == AttributeType.FILE_SERIES for name in types] + [False])
            rows = rows[files[rows] | ~is_file[kinds[rows]]]
        if not len(rows):
            return []
        key = paths[rows].astype(np.int64) * (len(types) + 1) + kinds[rows]
        distinct, inverse = np.unique(key, return_inverse=True)
        counts = np.bincount(inverse, minlength=len(distinct))
        first = np.full(len(distinct), np.iinfo(np.int64).max)
        last = np.full(len(distinct), -1)
        np.minimum.at(first, inverse, rows)
        np.maximum.at(last, inverse, rows)
        return [
            (str(names[code // (len(types) + 1)]), str(types[code % (len(types) + 1)]), a, b, n)
            for code, a, b, n in zip(
                distinct.tolist(), first.tolist(), last.tolist(), counts.tolist(), strict=True
            )
        ]

    def _files_in(self, part: Part) -> np.ndarray:
        """Return which rows of a part have a file."""
        if not part.has("file_value"):
            return np.zeros(part.rows, bool)
        try:
            paths = pc.struct_field(part.read(["file_value"])["file_value"], "path")
        except SourceUnreadable:  # which reading the points will tell
            return np.ones(part.rows, bool)
        there: np.ndarray = pc.is_valid(paths).to_numpy(zero_copy_only=False)
        return there

    def _tell_of_others(
        self,
        part: Part,
        kinds: np.ndarray,
        types: Sequence[str | None],
        paths: np.ndarray,
        names: Sequence[str | None],
    ) -> None:
        """Tell of rows that are neither points of a known type nor single values."""
        for code, kind in enumerate(types):
            if kind not in _KNOWN:
                for at in np.unique(paths[kinds == code]).tolist():
                    self._is_known(part, names[at] if at >= 0 else None, kind)
        single = np.array([name not in SERIES_TYPES for name in types] + [True])[kinds]
        left_out = int(single.sum()) - part.value_rows.num_rows
        if left_out and not self._damaged:
            self._tell(part.path.name, f"{left_out} single values lie at a step, and are left out")

    def _mask(self, table: pa.Table) -> np.ndarray:
        result = np.ones(table.num_rows, bool)
        for column, id in (("run_id", self.run_id), ("project_id", self.project)):
            codes, names = codes_of(table[column])
            result &= np.array([name == id for name in names] + [False])[codes]
        return result

    # points

    def read_points(
        self, type: AttributeType, paths: Sequence[str] | None = None
    ) -> tuple[pa.Table, list[ArchivedFile]]:
        """Return points of series as they lie in the parts, in no order.

        Columns path, step, time, value as `RunImport.write_points` takes them; of a file series
        the value is the position in the list that is returned too.
        """
        chosen = [
            one
            for one in self.series
            if one.type is type and (paths is None or one.path in set(paths))
        ]
        wanted = {one.path for one in chosen}
        numbers = sorted({number for one in chosen for number in one.parts})
        pieces: list[pa.Table] = []
        files: list[ArchivedFile] = []
        for number in numbers:
            part = self._parts[number]
            here = [one for one in chosen if number in one.parts]
            groups = None
            if all(len(one.parts) == 1 for one in here):  # else only its last rows are known
                groups = part.groups_of([(one.first_row, one.span) for one in here])
            for table in self._rows_of_points(part, type, wanted, groups):
                piece, more = self._read_table(part, table, type, wanted, len(files))
                if piece.num_rows:
                    pieces.append(piece)
                    files += more
        empty = pa.table(
            {
                "path": pa.array([], pa.string()),
                "step": pa.array([], pa.int64()),
                "time": pa.array([], pa.int64()),
                "value": pa.array([], pa.int64()),
            }
        )
        return (pa.concat_tables(pieces) if pieces else empty), files

    def _rows_of_points(
        self, part: Part, type: AttributeType, wanted: set[str], groups: Sequence[int] | None
    ) -> Iterator[pa.Table]:
        """Yield the columns that points need, of a damaged part what can be read of them."""
        columns = ["attribute_path", "attribute_type", "step", "timestamp", "timestamp_us"]
        columns.append(VALUE_COLUMNS[type])
        if type is AttributeType.FILE_SERIES:
            columns.append("file_blob")
        if self.files.common:
            columns += ["run_id", "project_id"]
        try:
            yield part.read(columns, groups)
            return
        except SourceUnreadable:
            self._damaged = True
        for group, table, why in part.read_groups(columns, groups):
            if table is not None:
                yield table
                continue
            inside = wanted
            with suppress(SourceUnreadable):
                names = part.read(["attribute_path"], [group])["attribute_path"].unique()
                inside = wanted.intersection(names.to_pylist())
            for path in sorted(inside):
                self._tell(path, why)

    def _read_table(
        self, part: Part, table: pa.Table, type: AttributeType, wanted: set[str], base: int
    ) -> tuple[pa.Table, list[ArchivedFile]]:
        value = VALUE_COLUMNS[type]
        paths, names = codes_of(table["attribute_path"])
        kinds, types = codes_of(table["attribute_type"])
        mask = np.array([name in wanted for name in names] + [False])[paths]
        mask &= np.array([name == type for name in types] + [False])[kinds]
        if self.files.common:
            mask &= self._mask(table)
        for name in ("step", value):
            if not part.has(name):
                self._tell(", ".join(sorted(wanted)[:3]), f"{part.path} has no column {name!r}")
                mask[:] = False
        if not mask.all():
            table = table.filter(pa.array(mask))
        if table.num_rows and type is not AttributeType.FLOAT_SERIES:
            table = self._without_null(part, table, value, type)
        if table.num_rows:
            table = self._without_null(part, table, "step", type)
        if table.num_rows and type is AttributeType.HISTOGRAM_SERIES:
            table = self._only(part, table, are_histograms(table[value]), "value that is whole")
        if not table.num_rows:
            return _points(table["attribute_path"], [], [], pa.nulls(0, pa.int64())), []
        steps, can_be = read_steps(table["step"])
        times, in_time = self._times(part, table)
        if not (can_be & in_time).all():
            table = self._only(part, table, can_be, "step within ±10^12")
            steps, times = steps[can_be], times[can_be]
            table = self._only(part, table, in_time[can_be], "time within the years 1 to 9999")
            steps, times = steps[in_time[can_be]], times[in_time[can_be]]
        files: list[ArchivedFile] = []
        column = table[value]
        match type:
            case AttributeType.FLOAT_SERIES:
                column = pc.fill_null(column.cast(pa.float64()), math.nan)
            case AttributeType.STRING_SERIES:
                column = column.cast(pa.string())
            case AttributeType.HISTOGRAM_SERIES:
                column = read_histograms(column)
            case _:
                return self._file_points(part, table, steps, times, base)
        return _points(table["attribute_path"], steps, times, column), files

    def _file_points(
        self, part: Part, table: pa.Table, steps: np.ndarray, times: np.ndarray, base: int
    ) -> tuple[pa.Table, list[ArchivedFile]]:
        files: list[ArchivedFile] = []
        kept = []
        blobs = table["file_blob"].to_pylist() if part.has("file_blob") else [None] * len(steps)
        rows = zip(
            table["attribute_path"].to_pylist(), table["file_value"].to_pylist(), blobs, strict=True
        )
        for at, (path, place, blob) in enumerate(rows):
            if place["path"] is None:
                continue
            try:
                files.append(self._file(AttributeType.FILE_SERIES, place["path"], blob))
                kept.append(at)
            except SourceUnreadable as error:
                self._tell(path, str(error))
        numbers = pa.array(range(base, base + len(files)), pa.int64())
        column = table["attribute_path"].take(pa.array(kept, pa.int64()))
        return _points(column, steps[kept], times[kept], numbers), files

    def _without_null(
        self, part: Part, table: pa.Table, column: str, type: AttributeType
    ) -> pa.Table:
        if not table[column].null_count:
            return table
        valid = pc.is_valid(table[column])
        # Files that a run lacks have rows all the same; of other series they are lost values.
        if column != "step" and type is AttributeType.FILE_SERIES:
            return table.filter(valid)
        return self._only(part, table, valid.to_numpy(), column)

    def _only(self, part: Part, table: pa.Table, kept: np.ndarray, what: str) -> pa.Table:
        """Return the rows to be kept; tell how many points of which series have no `what`."""
        if kept.all():
            return table
        lost = table["attribute_path"].filter(pa.array(~kept)).cast(pa.string())
        for one in lost.value_counts().to_pylist():
            self._tell(one["values"], f"{part.path}: {one['counts']} points have no {what}")
        return table.filter(pa.array(kept))

    def _times(self, part: Part, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        created = self.created or 0  # of files of Neptune 2 no time is noted
        if not part.has("timestamp"):
            return np.full(table.num_rows, created), np.ones(table.num_rows, bool)
        times, good = read_times(table["timestamp"], otherwise=created, zone=self._zone)
        if part.has("timestamp_us"):
            times = times + pc.fill_null(table["timestamp_us"], 0).to_numpy()
        return times, good

    def tell_of_repetition(self, points: pa.Table) -> None:
        """Tell which series have several points at one step, of which the last one is taken."""
        # Parts have dictionaries of their own, which grouping does not join.
        named = pa.table({"path": points["path"].cast(pa.string()), "step": points["step"]})
        counts = named.group_by(["path", "step"]).aggregate([([], "count_all")])
        again = counts.filter(pc.greater(counts["count_all"], 1))
        of_series = again.group_by("path").aggregate([("count_all", "sum"), ("count_all", "count")])
        for row in of_series.to_pylist():
            count = row["count_all_sum"] - row["count_all_count"]
            self._tell(row["path"], f"{count} points at the step of a later one are left out")

    # files as they are

    def list_sealed(self) -> Sequence[SealedFile] | None:
        """Return the parts as files that a store can take as they are, or None."""
        plain = [one for one in self.series if one.type is not AttributeType.FILE_SERIES]
        if self.files.common or self._zone is not None or not plain or self._damaged:
            return None
        with suppress(SourceUnreadable):  # which reading the points will tell
            return list_sealed(
                self._parts, plain, ids=(self.project, self.run_id), trusted=bool(self.manifest)
            )
        return None

    # what only our own exports have

    def read_extra(self, entry: PartEntry | None, what: str) -> pa.Table | None:
        """Return rows or previews of the manifest's folder; tell where they cannot be read."""
        if entry is None or self.files.manifest is None:
            return None
        path = self.files.manifest.parent / entry.name
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != entry.digest:
                self._tell(what, f"{path} is not the file that its manifest tells of")
                return None
            return pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            self._tell(what, f"{path} cannot be read ({error})")
            return None


def _points(
    paths: pa.ChunkedArray, steps: Any, times: Any, values: pa.ChunkedArray | pa.Array
) -> pa.Table:
    return pa.table(
        {
            "path": paths.cast(pa.string()) if not len(paths) else paths,
            "step": pa.array(steps, pa.int64()),
            "time": pa.array(times, pa.int64()),
            "value": values,
        }
    )


def open_manifest(files: RunParts) -> Manifest | None:
    """Return the manifest of a run, or None where there is none; `ExportDamaged` for a bad one."""
    if files.manifest is None or not files.manifest.exists():
        return None
    return decode_manifest(files.manifest.read_bytes(), where=str(files.manifest))
