"""One Parquet file of an export: opened, checked, read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mooring.errors import SourceUnreadable
from mooring.model import AttributeType
from mooring.wire.exporter import SCHEMA

REQUIRED = frozenset({"project_id", "run_id", "attribute_path", "attribute_type"})
_MANY_ROWS = 50_000
SERIES_TYPES = frozenset(str(type) for type in AttributeType if type.is_series)
_TEXTS = ("project_id", "run_id", "attribute_path", "attribute_type")
_OF_POINTS = ("step", "timestamp", "histogram_value")
_NO_ROWS = pa.table([pa.array([], field.type) for field in SCHEMA], schema=SCHEMA)
_TYPES = {field.name: field.type for field in SCHEMA}


class Part:
    """A part. Raises `SourceUnreadable` for a file that is damaged or is no part of an export."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_values: dict[str, str] = {}
        """Columns of single values that cannot be read in some rows, and why."""
        missing = REQUIRED - set(self._schema.names)
        if missing:
            raise SourceUnreadable(
                f"{path} is no part of an export: it lacks the column {sorted(missing)[0]!r}",
                where=str(path),
            )
        self._check_types()

    def _check_types(self) -> None:
        for field in self._schema:
            wanted = _TYPES.get(field.name)
            if wanted is not None and not _fits(field.type, wanted):
                raise SourceUnreadable(
                    f"{self.path} is no part of an export: its column {field.name!r} is "
                    f"{field.type}, not {wanted}",
                    where=str(self.path),
                )

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        try:
            return pq.read_metadata(self.path)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    @cached_property
    def _schema(self) -> pa.Schema:
        try:
            return self._metadata.schema.to_arrow_schema()
        except (pa.ArrowException, ValueError) as error:  # ValueError: texts in no UTF-8
            raise _unreadable(self.path, error) from error

    @cached_property
    def _leaves(self) -> dict[str, int]:
        """Columns by place in a row group, where a column of structs has several."""
        columns = self._metadata.schema
        try:
            return {columns.column(i).path: i for i in range(len(columns))}
        except ValueError as error:
            raise _unreadable(self.path, error) from error

    def forget(self) -> None:
        """Free what was read of the file; it is read again when it is asked for."""
        for name in ("_metadata", "_schema", "_leaves", "value_rows"):
            self.__dict__.pop(name, None)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self._metadata.num_rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hex."""
        try:
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(self.path, error) from error

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def only(self, column: str) -> str | None:
        """Return the text that all rows have in a column, or None where they differ."""
        at = self._leaves[column]
        found: set[object] = set()
        for group in range(self._metadata.num_row_groups):
            chunk = self._metadata.row_group(group).column(at)
            statistics = chunk.statistics if chunk.is_stats_set else None
            if statistics is None or not statistics.has_min_max or statistics.null_count:
                return self._only_by_reading(column)
            found |= {statistics.min, statistics.max}
        texts = {one.decode() if isinstance(one, bytes) else one for one in found}
        return str(texts.pop()) if len(texts) == 1 else None

    def _only_by_reading(self, column: str) -> str | None:
        texts = self.read([column])[column].unique().to_pylist()
        return texts[0] if len(texts) == 1 else None

    def has(self, column: str) -> bool:
        """Return whether the file has a column."""
        return column in self._schema.names

    def type_of(self, column: str) -> pa.DataType:
        """Return the type of a column."""
        return self._schema.field(column).type

    def groups_with_values(self) -> list[tuple[int, int]]:
        """Return (row group, its first row) of those that can hold single values."""
        found = []
        first = 0
        at = self._leaves.get("step")
        for group in range(self._metadata.num_row_groups):
            rows = self._metadata.row_group(group)
            full = False
            if at is not None:
                chunk = rows.column(at)
                statistics = chunk.statistics if chunk.is_stats_set else None
                full = (
                    statistics is not None
                    and statistics.has_null_count
                    and statistics.null_count == 0
                )
            if not full:  # a row of a single value has no step
                found.append((group, first))
            first += rows.num_rows
        return found

    def groups_of(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        """Return the row groups that hold ranges of rows, each (first row, number of rows)."""
        found = []
        first = 0
        for group in range(self._metadata.num_row_groups):
            stop = first + self._metadata.row_group(group).num_rows
            if any(start < stop and start + count > first for start, count in ranges):
                found.append(group)
            first = stop
        return found

    @cached_property
    def value_rows(self) -> pa.Table:
        """Rows of single values, of all runs in the part."""
        groups = [group for group, _ in self.groups_with_values()]
        columns = [name for name in SCHEMA.names if name not in _OF_POINTS and self.has(name)]
        if not groups:
            return _NO_ROWS
        try:
            table = self.read(columns, groups)
        except SourceUnreadable:
            table = pa.concat_tables([self._read_values(columns, group) for group in groups])
        kinds, types = codes_of(table["attribute_type"])
        mask = np.array([name not in SERIES_TYPES for name in types] + [True])[kinds]
        return table.filter(pa.array(mask))

    def _read_values(self, columns: Sequence[str], group: int) -> pa.Table:
        """Return rows of a damaged group; what cannot be read of them is null."""
        with suppress(SourceUnreadable):
            return self.read(columns, [group])
        try:
            ids = self.read(_TEXTS, [group])
        except SourceUnreadable as error:
            self.lost_values[""] = str(error)
            return self._nothing(columns)
        found = []
        for name in columns:
            try:
                found.append(ids[name] if name in _TEXTS else self.read([name], [group])[name])
            except SourceUnreadable as error:
                self.lost_values[name] = str(error)
                found.append(pa.nulls(ids.num_rows, self._read_schema.field(name).type))
        return pa.table(found, names=list(columns))

    def read_groups(
        self, columns: Sequence[str], groups: Sequence[int] | None = None
    ) -> Iterator[tuple[int, pa.Table | None, str]]:
        """Yield (row group, its columns or None, why not) one by one, of a damaged file."""
        for group in range(self._metadata.num_row_groups) if groups is None else groups:
            try:
                yield group, self.read(columns, [group]), ""
            except SourceUnreadable as error:
                yield group, None, str(error)

    def _nothing(self, columns: Sequence[str]) -> pa.Table:
        return pa.schema([self._read_schema.field(name) for name in columns]).empty_table()

    @cached_property
    def _read_schema(self) -> pa.Schema:
        with pq.ParquetFile(
            self.path, metadata=self._metadata, read_dictionary=list(_TEXTS)
        ) as file:
            return file.schema_arrow

    def read(self, columns: Sequence[str] | None, groups: Sequence[int] | None = None) -> pa.Table:
        """Return columns of the file, those that it lacks left out."""
        names = None if columns is None else [name for name in columns if self.has(name)]
        try:
            with pq.ParquetFile(
                self.path, metadata=self._metadata, memory_map=True, read_dictionary=list(_TEXTS)
            ) as file:
                chosen = range(file.num_row_groups) if groups is None else groups
                rows = sum(self._metadata.row_group(group).num_rows for group in chosen)
                # Threads cost more than they save where there is little to read.
                table = file.read_row_groups(
                    list(chosen), columns=names, use_threads=rows > _MANY_ROWS
                )
            for name, column in zip(table.column_names, table.columns, strict=True):
                if len(column) != rows:  # of some damaged pages fewer values come, and no error
                    raise ValueError(f"column {name!r} has {len(column)} of {rows} values")
                if not pa.types.is_primitive(column.type):
                    column.validate(full=True)  # texts of damaged pages are no UTF-8
            return table
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error


def codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str | None]]:
    """Return a column of texts as numbers into its distinct texts; null is -1."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, np.int64), []
    names = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate(
        [c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in column.chunks]
    )
    return codes, names


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether a column can be read as what an export has there."""
    types = pa.types
    if types.is_dictionary(found):
        found = found.value_type
    if types.is_null(found):
        return True
    if types.is_struct(wanted):
        return types.is_struct(found) and all(
            found.get_field_index(field.name) >= 0
            and _fits(found.field(field.name).type, field.type)
            for field in wanted
        )
    if types.is_list(wanted):
        return bool(
            types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)
        ) and _fits(found.value_type, wanted.value_type)
    if types.is_string(wanted):
        return bool(
            types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)
        )
    if types.is_decimal(wanted):
        return bool(types.is_decimal(found) or types.is_floating(found) or types.is_integer(found))
    if types.is_timestamp(wanted):
        return bool(types.is_timestamp(found))
    if types.is_integer(wanted):
        return bool(types.is_integer(found))
    if types.is_floating(wanted):
        return bool(types.is_floating(found) or types.is_integer(found))
    return bool(types.is_boolean(found))


def _unreadable(path: Path, error: Exception) -> SourceUnreadable:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return SourceUnreadable(f"{path} cannot be read ({reason})", where=str(path))
