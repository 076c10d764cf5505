"""Segments: immutable Parquet files of sealed points and events.

A segment of points has the columns of the Neptune Exporter's files (its readers ignore more) and
one more, `timestamp_us`: the microseconds below the millisecond of `timestamp`. NaN is stored as
NaN. Rows are sorted by run, series type, path and step, with no step twice in a series, so that
the store's index of row ranges finds a series without comparing a single text.

A segment of events has one row for each event of a tracker's table; `data` is a JSON object of
cells (see `codec`) by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mooring.errors import SegmentMissing, StoreCorrupt, StoreError
from mooring.model import AttributeType
from mooring.store.blobs import file_error, sync_folder
from mooring.wire.exporter import SCHEMA
from mooring.wire.exporter.columns import (
    PARQUET_OPTIONS,
    POINTS_ENCODING,
    ROW_GROUP,
    WRITTEN_SCHEMA,
    decimal_steps,
    micros_of_decimals,
    millis_and_rest,
    missing,
    repeated,
)

if TYPE_CHECKING:
    import sqlite3

    from mooring.store.sqlite.series import Series

MIXED_KEY = "mooring:mixed"
"""Key of a file's metadata: the columns of a segment of events that hold JSON cells."""
_VALUE_COLUMNS = {
    AttributeType.FLOAT_SERIES: "float_value",
    AttributeType.STRING_SERIES: "string_value",
    AttributeType.HISTOGRAM_SERIES: "histogram_value",
    AttributeType.FILE_SERIES: "file_blob",
}


@dataclass(frozen=True, slots=True)
class WrittenSegment:
    """A segment that lies in the folder and is not yet entered in the store."""

    name: str
    rows: int
    size_bytes: int
    digest: str


class SegmentFolder:
    """The folder of the segments. A file gets its final name when it is complete and synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, OpenSegment] = {}

    def path_of(self, name: str) -> Path:
        """Return where a segment lies."""
        return self.folder / name

    def write_points(
        self, names: dict[int, tuple[str, str]], paths: dict[int, str], series: Sequence[Series]
    ) -> WrittenSegment:
        """Write series, in the order given, as one segment.

        `names` maps a run's key to its project and run id, `paths` a path's number to the path.
        """

        def chunks(writer: pq.ParquetWriter) -> int:
            rows = 0
            start = 0
            while start < len(series):
                stop, points, kind = start, 0, series[start].type
                while stop < len(series) and series[stop].type is kind and points < 8 * ROW_GROUP:
                    points += len(series[stop].steps)
                    stop += 1
                table = _points_table(names, paths, series[start:stop], kind)
                writer.write_table(table, row_group_size=ROW_GROUP)
                rows += table.num_rows
                start = stop
            return rows

        return self._write("points", WRITTEN_SCHEMA, chunks, POINTS_ENCODING)

    def write_events(self, table: pa.Table, metadata: dict[str, str]) -> WrittenSegment:
        """Write the rows of tracker's tables as one segment."""

        def chunks(writer: pq.ParquetWriter) -> int:
            writer.write_table(table, row_group_size=ROW_GROUP)
            writer.add_key_value_metadata(metadata)
            return int(table.num_rows)

        encoding = {
            field.name: "DELTA_BINARY_PACKED"
            if field.type == pa.int64() or pa.types.is_timestamp(field.type)
            else "BYTE_STREAM_SPLIT"
            for field in table.schema
            if field.type in (pa.int64(), pa.float64()) or pa.types.is_timestamp(field.type)
        }
        # Named because a column cannot have both; texts repeat, numbers rarely do.
        texts = [f.name for f in table.schema if f.name not in encoding]
        return self._write("events", table.schema, chunks, encoding, dictionary=texts)

    def _write(
        self,
        kind: str,
        schema: pa.Schema,
        write: Any,
        encoding: dict[str, str],
        dictionary: list[str] | None = None,
    ) -> WrittenSegment:
        name = f"{kind}-{uuid.uuid4().hex}.parquet"
        final = self.folder / name
        temporary = self.folder / f".tmp-{name}"
        chosen = {**PARQUET_OPTIONS, "column_encoding": encoding or None}
        if dictionary is not None:
            chosen["use_dictionary"] = dictionary or False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(temporary, schema, **chosen) as writer:
                rows = write(writer)
            with temporary.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            size = temporary.stat().st_size
            temporary.replace(final)
            sync_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise file_error(error, self.folder) from error
        return WrittenSegment(name, rows, size, digest)

    def refuse_new_folder(self, connection: sqlite3.Connection) -> None:
        """Raise `SegmentMissing` when a folder that is missing should hold segments.

        A new one would have to be brought together with the old one when that is found again.
        """
        if connection.execute("SELECT 1 FROM segments LIMIT 1").fetchone():
            raise SegmentMissing(
                f"{self.folder} is missing; the folder {self.folder.parent.name} belongs to the "
                "store file and must be moved and copied with it",
                address=str(self.folder),
            )

    def open(self, name: str) -> OpenSegment:
        """Open a segment for reading; `SegmentMissing` or `StoreCorrupt` when it cannot be."""
        segment = self._open.get(name)
        if segment is None:
            if len(self._open) >= 256:
                self._open.clear()
            segment = self._open[name] = OpenSegment(self.path_of(name))
        return segment

    def remove(self, name: str) -> int:
        """Delete a segment's file; return the bytes freed."""
        self._open.pop(name, None)
        path = self.path_of(name)
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size


class OpenSegment:
    """A segment open for reading. Safe to use from several threads one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._metadata = pq.read_metadata(path)
        except FileNotFoundError:
            raise SegmentMissing(
                f"segment {path} is missing; the folder {path.parent.parent.name} belongs to the "
                "store file and must be moved and copied with it",
                address=str(path),
            ) from None
        except PermissionError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}", address=str(path)) from None
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, error) from error
        counts = [
            self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)
        ]
        self._starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        self._names = frozenset(self._metadata.schema.to_arrow_schema().names)

    @property
    def rows(self) -> int:
        """Number of rows of the file."""
        return int(self._metadata.num_rows)

    @property
    def mixed(self) -> list[str]:
        """Columns that hold JSON cells, of a segment of events."""
        found = (self._metadata.metadata or {}).get(MIXED_KEY.encode(), b"[]")
        return list(json.loads(found))

    def read(self, columns: list[str] | None, ranges: Sequence[tuple[int, int]]) -> SegmentRows:
        """Read the row groups that hold the ranges (first row, number of rows)."""
        firsts = np.fromiter((r[0] for r in ranges), np.int64, len(ranges))
        lasts = firsts + np.fromiter((r[1] for r in ranges), np.int64, len(ranges)) - 1
        low = np.searchsorted(self._starts, firsts, "right") - 1
        high = np.searchsorted(self._starts, lasts, "right") - 1
        wanted = np.zeros(len(self._starts), bool)
        for a, b in set(zip(low.tolist(), high.tolist(), strict=True)):
            wanted[a : b + 1] = True
        groups = np.flatnonzero(wanted)
        try:
            with pq.ParquetFile(self.path, metadata=self._metadata, memory_map=True) as file:
                if columns is not None:
                    # Files that were attached may lack the columns that only ours have.
                    columns = [name for name in columns if name in self._names]
                table = file.read_row_groups(groups.tolist(), columns=columns)
        except FileNotFoundError:
            raise SegmentMissing(
                f"segment {self.path} is missing", address=str(self.path)
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(self.path, error) from error
        sizes = self._starts[groups + 1] - self._starts[groups]
        offsets = np.zeros(len(self._starts), np.int64)
        offsets[groups] = np.concatenate(([0], np.cumsum(sizes)[:-1])) - self._starts[groups]
        return SegmentRows(table, firsts + offsets[low])


class SegmentRows:
    """Rows read from a segment; range *i* begins at `starts[i]`."""

    def __init__(self, table: pa.Table, starts: np.ndarray) -> None:
        self._table = table
        self.starts = starts.tolist()
        self._groups: dict[tuple[int, int], dict[str, np.ndarray]] = {}

    def rows_of(self, path: str, start: int, span: int) -> np.ndarray:
        """Return the rows of an attribute among `span` rows from `start` on, ascending."""
        groups = self._groups.get((start, span))
        if groups is None:
            part = self._table["attribute_path"].slice(start, span)
            groups = self._groups[start, span] = {
                name: rows + start for name, rows in group_rows(part).items()
            }
        return groups[path]

    def steps(self) -> np.ndarray:
        """Steps in millionths."""
        return micros_of_decimals(self._table["step"])

    def times(self) -> np.ndarray:
        """Times in microseconds since 1970."""
        times = self._table["timestamp"]
        if times.type.unit == "us":
            return _integers(times)
        micros = _integers(times) * 1000
        if "timestamp_us" in self._table.column_names:
            micros += _integers(self._table["timestamp_us"])
        return micros

    def values(self, type: AttributeType) -> np.ndarray:
        """Values: doubles for a float series, else objects."""
        column = self._table[_VALUE_COLUMNS[type]]
        if type is AttributeType.FLOAT_SERIES:
            numbers: np.ndarray = column.to_numpy()
            return numbers
        return object_array([_cell(type, value) for value in column.to_pylist()])

    @property
    def table(self) -> pa.Table:
        """All columns that were read, of the row groups that were read."""
        return self._table


def _integers(column: pa.ChunkedArray) -> np.ndarray:
    """Return integers; 0 for null, which rows beside those of a series can have."""
    numbers: np.ndarray = column.cast(pa.int64()).fill_null(0).to_numpy()
    return numbers


def group_rows(texts: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """Return for each distinct text its rows, ascending."""
    encoded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    encoded = encoded.unify_dictionaries()
    if not encoded.num_chunks:
        return {}
    names = encoded.chunk(0).dictionary.to_pylist()
    # Small integers are sorted by radix, ten times as fast.
    width = np.int16 if len(names) < 2**15 else np.int64
    codes = np.concatenate(
        [c.indices.to_numpy(zero_copy_only=False).astype(width) for c in encoded.chunks]
    )
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return {
        name: order[bounds[i] : bounds[i + 1]]
        for i, name in enumerate(names)
        if bounds[i] < bounds[i + 1]
    }


def object_array(values: Sequence[Any]) -> np.ndarray:
    """Return values as an array of objects, one dimension whatever they are."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def value_column(type: AttributeType) -> str:
    """Return the column that holds the values of a series type."""
    return _VALUE_COLUMNS[type]


def _cell(type: AttributeType, value: Any) -> Any:
    """Return a value as the JSON cell that the log would hold."""
    match type:
        case _ if value is None:  # of a row beside those of the series, in files of others
            return None
        case AttributeType.HISTOGRAM_SERIES:
            return ["h", value["edges"], value["values"], value["type"]]
        case AttributeType.FILE_SERIES:
            return ["f", value["digest"], value["size"], value["mime"], value["name"]]
        case _:
            return value


def _corrupt(path: Path, error: Exception) -> StoreCorrupt:
    return StoreCorrupt(
        f"segment {path} is damaged ({str(error).splitlines()[0]}); restore the file from a backup",
        address=str(path),
    )


def _points_table(
    names: dict[int, tuple[str, str]],
    paths: dict[int, str],
    series: Sequence[Series],
    type: AttributeType,
) -> pa.Table:
    counts = np.fromiter((len(s.steps) for s in series), np.int64, len(series))
    total = int(counts.sum())
    steps, times, values = (
        parts[0] if len(parts) == 1 else np.concatenate(parts)
        for parts in (
            [s.steps for s in series],
            [s.times for s in series],
            [s.values for s in series],
        )
    )
    millis, rest = millis_and_rest(times)
    columns: dict[str, pa.Array] = {
        "project_id": repeated([names[s.run][0] for s in series], counts),
        "run_id": repeated([names[s.run][1] for s in series], counts),
        "attribute_path": repeated([paths[s.path] for s in series], counts),
        "attribute_type": repeated([str(type)], np.array([total])),
        "step": decimal_steps(steps),
        "timestamp": millis,
        "timestamp_us": rest,
    }
    match type:
        case AttributeType.FLOAT_SERIES:
            columns["float_value"] = pa.array(values)
        case AttributeType.STRING_SERIES:
            columns["string_value"] = pa.array(values.tolist(), pa.string())
        case AttributeType.HISTOGRAM_SERIES:
            columns["histogram_value"] = pa.array(
                [
                    {
                        "type": c[3],
                        "edges": list(map(float, c[1])),
                        "values": list(map(float, c[2])),
                    }
                    for c in values
                ],
                SCHEMA.field("histogram_value").type,
            )
        case _:
            columns["file_blob"] = pa.array(
                [{"digest": c[1], "size": c[2], "mime": c[3], "name": c[4]} for c in values],
                SCHEMA.field("file_blob").type,
            )
            columns["file_value"] = pa.array(
                [{"path": f"{c[1][:2]}/{c[1]}"} for c in values],
                SCHEMA.field("file_value").type,
            )
    return pa.table(
        [
            columns[field.name] if field.name in columns else missing(field.type, total)
            for field in WRITTEN_SCHEMA
        ],
        schema=WRITTEN_SCHEMA,
    )
