"""Arrow tables as IPC streams, without a copy of their columns where that can be."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mooring.wire.native.messages import MessageInvalid

STREAM_TYPE = "application/vnd.apache.arrow.stream"

_PIECE = 4 << 20


class _Pieces:
    """A file that keeps what is written to it."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[memoryview] = []

    def write(self, piece: object) -> int:
        view = memoryview(piece)  # type: ignore[arg-type]
        self.pieces.append(view.cast("B") if view.nbytes else view)
        return view.nbytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def stream_table(table: pa.Table) -> tuple[int, Iterator[bytes | memoryview]]:
    """Return the length of a table's IPC stream in bytes, and its pieces."""
    kept = _Pieces()
    with pa.ipc.new_stream(pa.PythonFile(kept, "w"), table.schema) as writer:
        writer.write_table(table)
    pieces = [piece for piece in kept.pieces if piece.nbytes]
    return sum(piece.nbytes for piece in pieces), _cut(pieces)


def _cut(pieces: list[memoryview]) -> Iterator[bytes | memoryview]:
    """Yield pieces of some size: small ones joined, large ones cut."""
    small: list[memoryview] = []
    size = 0
    for piece in pieces:
        if piece.nbytes < _PIECE // 4:
            small.append(piece)
            size += piece.nbytes
            if size < _PIECE:
                continue
            piece = memoryview(b"")
        if small:
            yield b"".join(small)
            small, size = [], 0
        for start in range(0, piece.nbytes, _PIECE):
            yield piece[start : start + _PIECE]
    if small:
        yield b"".join(small)


def read_table(stream: bytes | bytearray | memoryview) -> pa.Table:
    """Return the table of an IPC stream; its columns lie in the memory that was given.

    Raises
    ------
    MessageInvalid
        When it is none, or is cut off.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
            table = reader.read_all()
        table.validate()
    except (pa.ArrowInvalid, pa.ArrowException, OSError, EOFError) as error:
        raise MessageInvalid(f"the body is no Arrow stream: {str(error)[:200]}") from None
    return table
