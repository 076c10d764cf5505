"""A run that comes into a hub whole: staged here, sent in one request, entered there or not at all.

What a SIGKILL leaves behind: of this process, a temporary folder; of the hub before its commit,
what `mooring.store.transfer.RunImport` tells; after it, the run.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mooring.errors import InvalidInput, StoreClosed
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    AttributeType,
    Histogram,
    RunInfo,
    RunSpec,
    Typed,
    Value,
)
from mooring.store.contract import Store
from mooring.store.hub.messages import CODEC
from mooring.store.transfer import RunImport, SealedSeries, TransfersRuns

if TYPE_CHECKING:
    import pyarrow as pa

IMPORT_TYPE = "application/vnd.mooring.import.v1"
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of an import: what to do, and a file that belongs to it.

    On the wire: length of the message (8 bytes, little-endian), length of the file (8 bytes), the
    message (name and arguments of a method of `RunImport`), the file. An import is a frame
    ("begin", spec), frames, and a frame ("commit"), without which nothing is entered.
    """

    message: bytes
    file: Path | None = None

    @property
    def head(self) -> bytes:
        """The lengths."""
        size = 0 if self.file is None else self.file.stat().st_size
        return len(self.message).to_bytes(8, "little") + size.to_bytes(8, "little")


class HubRunImport:
    """The `RunImport` of a hub's store.

    What comes in is tried on an empty store in a temporary folder first, so that each call raises
    what it would on any store.
    """

    def __init__(
        self, spec: RunSpec, open_staging: Callable[[str], Store], send: Callable[..., RunInfo]
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-import-"))
        self._send = send
        self._frames: list[Frame] = [Frame(CODEC.encode(["begin", spec]))]
        self._staging = open_staging(str(self._folder / "staging.db"))
        assert isinstance(self._staging, TransfersRuns)
        alone = replace(spec, parent=None, fork_step=None, sys_id=None)
        self._trial: RunImport = self._staging.import_run(alone)
        self._done = False

    def set_values(self, values: Mapping[str, Value | Typed]) -> None:
        """Set attributes that hold a single value. See `RunImport.set_values`."""
        self._check_open()
        self._trial.set_values(values)
        self._add("set_values", dict(values))

    def write_points(self, type: AttributeType, points: pa.Table) -> int:
        """Add points of series. See `RunImport.write_points`."""
        self._check_open()
        count = self._trial.write_points(type, points)
        self._add_table("write_points", points, type)
        return count

    def attach(self, file: Path, series: Sequence[SealedSeries], *, digest: str, how: str) -> int:
        """Send a Parquet file as it is. See `RunImport.attach`."""
        self._check_open()
        count = self._trial.attach(
            file, series, digest=digest, how="copy" if how == "refer" else how
        )
        kept = self._folder / f"attached-{len(self._frames)}.parquet"
        try:
            kept.hardlink_to(file)
        except OSError:
            shutil.copyfile(file, kept)
        self._frames.append(Frame(CODEC.encode(["attach", list(series), digest]), kept))
        return count

    def write_rows(self, rows: pa.Table) -> int:
        """Add rows of a tracker's table. See `RunImport.write_rows`."""
        self._check_open()
        count = self._trial.write_rows(rows)
        self._add_table("write_rows", rows)
        return count

    def write_previews(self, points: pa.Table) -> int:
        """Add provisional points. See `RunImport.write_previews`."""
        self._check_open()
        count = self._trial.write_previews(points)
        self._add_table("write_previews", points)
        return count

    def do_not_inherit(self, paths: Sequence[str]) -> None:
        """Name what a fork deleted. See `RunImport.do_not_inherit`."""
        self._check_open()
        self._trial.do_not_inherit(paths)
        self._add("do_not_inherit", list(paths))

    def commit(self) -> RunInfo:
        """Enter the run. See `RunImport.commit`."""
        self._check_open()
        run = self._send(lambda: self._stream([*self._frames, Frame(CODEC.encode(["commit"]))]))
        self._close()
        return run

    def _add(self, name: str, *arguments: object) -> None:
        self._frames.append(Frame(CODEC.encode([name, *arguments])))

    def _add_table(self, name: str, table: pa.Table, *arguments: object) -> None:
        """Keep a table on the disk until it is sent."""
        from mooring.wire.native.columns import stream_table

        kept = self._folder / f"table-{len(self._frames)}.arrow"
        _, pieces = stream_table(table)
        with kept.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        self._frames.append(Frame(CODEC.encode([name, *arguments]), kept))

    @staticmethod
    def _stream(frames: Sequence[Frame]) -> Iterator[bytes]:
        for frame in frames:
            yield frame.head + frame.message
            if frame.file is not None:
                with frame.file.open("rb") as file:
                    while piece := file.read(_PIECE):
                        yield piece

    def _check_open(self) -> None:
        if self._done:
            raise StoreClosed("this import has been finished; begin another")

    def _close(self) -> None:
        if not self._done:
            self._done = True
            self._trial.__exit__(None, None, None)
            self._staging.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()


class ImportReceiver:
    """The hub's end: takes the bytes of an import as they come, and does what they say.

    One thread at a time. `begin` is called with the run's spec. Leaving it as a context manager
    before the frame "commit" drops everything.
    """

    def __init__(
        self, begin: Callable[[RunSpec], RunImport], folder: Path, *, max_message: int
    ) -> None:
        self._begin = begin
        self._folder = folder
        self._max_message = max_message
        self._import: RunImport | None = None
        self._buffer = bytearray()
        self._message: bytes | None = None
        self._file: Any = None
        self._left = 0
        self._sizes: tuple[int, int] | None = None
        self.run: RunInfo | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._buffer += piece
        while self._step():
            pass

    def _step(self) -> bool:
        if self._sizes is None:
            if len(self._buffer) < 16:
                return False
            message = int.from_bytes(self._buffer[:8], "little")
            size = int.from_bytes(self._buffer[8:16], "little")
            if message > self._max_message:
                raise InvalidInput("a step of the import is too long")
            del self._buffer[:16]
            self._sizes = (message, size)
        if self._message is None:
            if len(self._buffer) < self._sizes[0]:
                return False
            self._message = bytes(self._buffer[: self._sizes[0]])
            del self._buffer[: self._sizes[0]]
            self._left = self._sizes[1]
            self._file = (
                tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part")  # noqa: SIM115
                if self._left
                else None
            )
        if self._left:
            part = self._buffer[: self._left]
            self._file.write(part)
            self._left -= len(part)
            del self._buffer[: len(part)]
            if self._left:
                return False
        try:
            self._act(CODEC.decode(self._message))
        finally:
            if self._file is not None:
                self._file.close()
        self._sizes = self._message = self._file = None
        return True

    def _act(self, step: Any) -> None:
        if not isinstance(step, list) or not step or self.run is not None:
            raise InvalidInput("the import is not of its form")
        name, arguments = step[0], step[1:]
        if self._import is None:
            if name != "begin" or len(arguments) != 1 or not isinstance(arguments[0], RunSpec):
                raise InvalidInput("an import begins with what the run is")
            self._import = self._begin(arguments[0])
            return
        act = _STEPS.get(name)
        if (
            act is None
            or not all(isinstance(one, kind) for one, kind in zip(arguments, act[1], strict=False))
            or len(arguments) != len(act[1])
        ):
            raise InvalidInput(f"an import has no step {str(name)[:40]!r} with these arguments")
        act[0](self, *arguments)

    def _table(self) -> pa.Table:
        from mooring.wire.native.columns import read_table

        if self._file is None:
            raise InvalidInput("a step of the import lacks its table")
        self._file.flush()
        return read_table(Path(self._file.name).read_bytes())

    def _attach(self, series: Sequence[SealedSeries], digest: str) -> None:
        assert self._import is not None
        if self._file is None or not all(isinstance(one, SealedSeries) for one in series):
            raise InvalidInput("a step of the import lacks its file")
        self._file.flush()
        with Path(self._file.name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise InvalidInput("a file of the import arrived with other bytes than were sent")
        # What the sender tells of the values is computed here: a file that holds something else
        # than it says is refused now, and not found when somebody reads it.
        own = [replace(one, stats=None) for one in series]
        self._import.attach(Path(self._file.name), own, digest=digest, how="copy")

    def _set_values(self, values: dict[str, Any]) -> None:
        assert self._import is not None
        self._import.set_values(values)

    def _write_points(self, type: AttributeType) -> None:
        assert self._import is not None
        kinds = _VALUES.get(type)
        if kinds is None:
            raise InvalidInput(f"{type} is no type of a series")
        points = _points(self._table(), {"value": kinds})
        if type is AttributeType.HISTOGRAM_SERIES:
            for held in points["value"].to_pylist():
                Histogram(**held)  # which refuses what is none
        self._import.write_points(type, points)

    def _write_rows(self) -> None:
        assert self._import is not None
        self._import.write_rows(_rows(self._table()))

    def _write_previews(self) -> None:
        assert self._import is not None
        numbers = {"value": ("double",), "completion": ("double",)}
        self._import.write_previews(_points(self._table(), numbers))

    def _do_not_inherit(self, paths: list[str]) -> None:
        assert self._import is not None
        self._import.do_not_inherit(paths)

    def _commit(self) -> None:
        assert self._import is not None
        self.run = self._import.commit()

    def close(self) -> None:
        """Drop what was not committed."""
        if self._file is not None:
            self._file.close()
        if self._import is not None:
            self._import.__exit__(None, None, None)


_STEPS: Mapping[str, tuple[Callable[..., None], tuple[type, ...]]] = {
    "set_values": (ImportReceiver._set_values, (dict,)),
    "write_points": (ImportReceiver._write_points, (AttributeType,)),
    "attach": (ImportReceiver._attach, (list, str)),
    "write_rows": (ImportReceiver._write_rows, ()),
    "write_previews": (ImportReceiver._write_previews, ()),
    "do_not_inherit": (ImportReceiver._do_not_inherit, (list,)),
    "commit": (ImportReceiver._commit, ()),
}


_TEXTS = ("string", "large_string", "dictionary<values=string, indices=int32, ordered=0>")
_VALUES: Mapping[AttributeType, tuple[str, ...]] = {
    AttributeType.FLOAT_SERIES: ("double",),
    AttributeType.STRING_SERIES: _TEXTS,
    AttributeType.HISTOGRAM_SERIES: (
        "struct<kind: string, edges: list<item: double>, values: list<item: double>>",
    ),
    AttributeType.FILE_SERIES: (
        "struct<digest: string, size_bytes: int64, mime_type: string, name: string>",
    ),
}
"""Types of the values of series, as Arrow writes them."""
_INSTANT = "timestamp[us, tz=UTC]"
_MOMENTS = {"step": (-MAX_STEP * STEP_SCALE, MAX_STEP * STEP_SCALE), "time": (MIN_TIME, MAX_TIME)}


def _points(table: pa.Table, values: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """Return a table of points, if it is of the form that the contract tells of."""
    _check_column(table, "path", _TEXTS)
    for name, bounds in _MOMENTS.items():
        _check_column(table, name, ("int64",), bounds)
    for name, kinds in values.items():
        _check_column(table, name, kinds)
    return table


def _rows(table: pa.Table) -> pa.Table:
    """Return a table of rows, if it is of the form that the contract tells of."""
    from mooring.store.tables import check_cells

    _check_column(table, "mooring:sequence", ("int64",))
    _check_column(table, "mooring:step", ("int64",), _MOMENTS["step"], nullable=True)
    _check_column(table, "timestamp", (_INSTANT, "int64"), _MOMENTS["time"])
    for name in table.column_names:
        kinds = ("bool", "int64", "double", "string", "binary", "null", _INSTANT)
        _check_column(table, name, kinds, nullable=True)
    check_cells(table)
    return table


def _check_column(
    table: pa.Table,
    name: str,
    kinds: tuple[str, ...],
    bounds: tuple[int, int] | None = None,
    *,
    nullable: bool = False,
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if table.column_names.count(name) != 1:
        raise InvalidInput(f"a table of the import has not one column {name!r}")
    column = table[name]
    kind = str(column.type)
    if kind not in kinds:
        raise InvalidInput(f"column {name!r} of the import cannot be of the type {kind:.80}")
    if not nullable and _lacks(column):
        raise InvalidInput(f"column {name!r} of the import lacks values")
    if bounds is not None and len(column) > column.null_count:
        low, high = (one.as_py() for one in pc.min_max(column.cast(pa.int64())).values())
        if low < bounds[0] or high > bounds[1]:
            raise InvalidInput(f"column {name!r} of the import is out of range")


def _lacks(column: pa.ChunkedArray) -> bool:
    """Return whether a value, or one inside of a value, is null."""
    import pyarrow as pa

    if column.null_count:
        return True
    if pa.types.is_struct(column.type):
        return any(map(_lacks, column.flatten()))
    if pa.types.is_list(column.type):
        return any(chunk.flatten().null_count for chunk in column.chunks)
    return False
