"""Arrow tables as IPC streams, without a copy of their columns where that can be."""

from __future__ import annotations

import struct
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


def read_table(stream: bytes | bytearray | memoryview, *, trusted: bool = False) -> pa.Table:
    """Return the table of an IPC stream; its columns lie in the memory that was given.

    `trusted`: it comes from a hub, and is not searched for what would harm who reads it.

    Raises
    ------
    MessageInvalid
        When it is none, is cut off, or would take more memory than it is long: compressed, or of
        types whose rows take no bytes.
    """
    try:
        buffer = pa.py_buffer(stream)
        if not trusted and any(map(_is_compressed, _messages(buffer))):
            raise MessageInvalid("the Arrow stream is compressed; send it as it is")
        with pa.ipc.open_stream(buffer) as reader:
            table = reader.read_all()
        # Offsets and indices that lead astray would be read from foreign memory.
        table.validate(full=not trusted)
        plain = trusted or all(map(_is_plain, table.schema))
    except (pa.ArrowException, OSError, EOFError, struct.error, UnicodeDecodeError) as error:
        raise MessageInvalid(f"the body is no Arrow stream: {str(error)[:200]}") from None
    if not plain or (table.num_rows > 8 * buffer.size and not trusted):
        raise MessageInvalid("the Arrow stream is of types, or has rows, that no hub takes")
    return table


def _messages(buffer: pa.Buffer) -> Iterator[memoryview]:
    """Yield the metadata of each message of a stream."""
    reader = pa.ipc.MessageReader.open_stream(buffer)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        yield memoryview(message.metadata)


_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_COMPRESSION_FIELD = 3


def _is_compressed(message: memoryview) -> bool:
    """Return whether a message (a FlatBuffers table of Arrow's format) has compressed buffers."""
    root = _follow(message, 0)
    kind, header = _slot(message, root, 1), _slot(message, root, 2)
    if not kind or not header or message[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return False
    batch = _follow(message, header)
    if message[kind] == _DICTIONARY_BATCH:
        data = _slot(message, batch, 1)
        if not data:
            return False
        batch = _follow(message, data)
    return bool(_slot(message, batch, _COMPRESSION_FIELD))


def _follow(message: memoryview, at: int) -> int:
    return at + int(struct.unpack_from("<I", message, at)[0])


def _slot(message: memoryview, table: int, number: int) -> int:
    """Return where a field of a table lies, or 0 where it has none."""
    entries = table - int(struct.unpack_from("<i", message, table)[0])
    if entries < 0 or 4 + 2 * number >= struct.unpack_from("<H", message, entries)[0]:
        return 0
    offset = int(struct.unpack_from("<H", message, entries + 4 + 2 * number)[0])
    return table + offset if offset else 0


def _is_plain(field: pa.Field) -> bool:
    """Return whether a column has a name, and a type each of whose values takes a bit or more."""
    field.name.encode()  # raises where the name is no text
    return pa.types.is_null(field.type) or _takes_bytes(field.type)


def _takes_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _takes_bytes(kind.value_type)
    if pa.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        return bool(fields) and all(
            _takes_bytes(one.type) and bool(one.name.encode()) for one in fields
        )
    return bool(
        pa.types.is_primitive(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
