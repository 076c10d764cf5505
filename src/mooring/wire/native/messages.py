"""Messages: Python values as JSON, with columns of numbers and Arrow tables beside it.

A message without columns is JSON text. One with columns is::

    MOOR  length of the JSON (4 bytes)  JSON  { length (8 bytes)  Arrow IPC stream }*

Lengths are little-endian. What JSON has no word for is an object with one key:

========== =============================================================
``$f``     a float that is not finite: ``nan``, ``inf``, ``-inf``
``$i``     an integer beyond 64 bits, as decimal text
``$t``     an instant, in microseconds since 1970, UTC
``$n``     a time without zone, ISO 8601
``$b``     bytes, base64
``$s``     a frozenset; ``$u`` a tuple
``$m``     a dict whose keys are no texts, or begin with ``$``: pairs
``$e``     an enum's class and value
``$d``     a dataclass: its class and its fields
``$a``     the number of the column that is this NumPy array
``$p``     the number of the column that is this Arrow table
========== =============================================================

Classes are looked up in a list that the codec was made with; nothing else is ever constructed.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from mooring.errors import InvalidInput, InvalidValue, MooringError
from mooring.model import MAX_TIME, MIN_TIME, datetime_from_micros, micros_from_datetime
from mooring.wire.native.shapes import conforms, hints_of

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA_TYPE = "application/vnd.mooring.v1"
"""Of messages with columns; those without are `application/json`."""

_MAGIC = b"MOOR"
_INT64 = range(-(2**63), 2**63)
_MAX_DEPTH = 100


class MessageInvalid(InvalidInput):
    """Bytes that are no message, or hold something else than what was agreed on."""


class Codec:
    """Turns values into messages and back.

    Parameters
    ----------
    classes : the dataclasses and enums that may occur, known by the names of their classes
    """

    def __init__(self, classes: Sequence[type]) -> None:
        self._classes = {one.__name__: one for one in classes}
        self._fields = {
            one: tuple(field.name for field in dataclasses.fields(one))
            for one in classes
            if dataclasses.is_dataclass(one)
        }

    def encode(self, value: object) -> bytes:
        """Return a value as a message.

        Raises
        ------
        InvalidValue
            For what no message can hold: a foreign type, a text that UTF-8 cannot hold.
        """
        columns: list[bytes] = []
        plain = self._plain(value, columns, 0)
        try:
            text = orjson.dumps(plain)
        except TypeError as error:
            raise InvalidValue(f"a value cannot be sent: {error}") from None
        if not columns:
            return text
        parts = [_MAGIC, len(text).to_bytes(4, "little"), text]
        for column in columns:
            parts += [len(column).to_bytes(8, "little"), column]
        return b"".join(parts)

    def decode(self, message: bytes) -> Any:
        """Return the value of a message.

        Raises
        ------
        MessageInvalid
            When it is none, is cut off, or names a class that was not agreed on.
        """
        columns: list[memoryview] = []
        text: bytes | memoryview = message
        if message[:4] == _MAGIC:
            view = memoryview(message)
            length = int.from_bytes(view[4:8], "little")
            text, position = view[8 : 8 + length], 8 + length
            if len(text) < length:
                raise MessageInvalid("the message is cut off")
            while position < len(view):
                size = int.from_bytes(view[position : position + 8], "little")
                column = view[position + 8 : position + 8 + size]
                if len(column) < size:
                    raise MessageInvalid("the message is cut off")
                columns.append(column)
                position += 8 + size
        try:
            plain = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise MessageInvalid(f"the message is no JSON: {error}") from None
        try:
            return self.restore(plain, columns)
        except MessageInvalid:
            raise
        except MooringError as error:
            raise MessageInvalid(f"the message holds something impossible: {error}") from error

    def plain(self, value: object) -> Any:
        """Return a value as what JSON can say; it may hold no columns."""
        return self._plain(value, None, 0)

    def _plain(self, value: Any, columns: list[bytes] | None, depth: int) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if kind is int:
            return value if value in _INT64 else {"$i": str(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$f": str(value)}
        if depth > _MAX_DEPTH:
            raise InvalidValue(f"a value is nested more than {_MAX_DEPTH} deep")
        deeper = depth + 1
        if kind is list:
            return [self._plain(one, columns, deeper) for one in value]
        if kind is tuple:
            return {"$u": [self._plain(one, columns, deeper) for one in value]}
        if isinstance(value, Mapping):
            if all(type(key) is str and key[:1] != "$" for key in value):
                return {key: self._plain(one, columns, deeper) for key, one in value.items()}
            pairs = [
                [self._plain(key, columns, deeper), self._plain(one, columns, deeper)]
                for key, one in value.items()
            ]
            return {"$m": pairs}
        if isinstance(value, Enum):
            self._known(kind)
            return {"$e": [kind.__name__, value.value]}
        fields = self._fields.get(kind)
        if fields is not None:
            held = {name: self._plain(getattr(value, name), columns, deeper) for name in fields}
            return {"$d": [kind.__name__, held]}
        return self._plain_rarely(value, columns, deeper)

    def _plain_rarely(self, value: Any, columns: list[bytes] | None, depth: int) -> Any:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                return {"$n": value.isoformat()}
            return {"$t": micros_from_datetime(value)}
        if isinstance(value, (frozenset, set)):
            return {"$s": [self._plain(one, columns, depth) for one in value]}
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"$b": base64.b64encode(value).decode()}
        for plain in (str, bool, int, float):  # subclasses, such as NumPy's float64
            if isinstance(value, plain):
                return self._plain(plain(value), columns, depth)
        module = type(value).__module__.partition(".")[0]
        if module == "numpy":
            return self._plain_numpy(value, columns, depth)
        if module == "pyarrow" and columns is not None and hasattr(value, "schema"):
            columns.append(_ipc(value))
            return {"$p": len(columns) - 1}
        if isinstance(value, Sequence):
            return [self._plain(one, columns, depth) for one in value]
        raise InvalidValue(f"a {type(value).__name__} cannot be sent to a hub")

    def _plain_numpy(self, value: Any, columns: list[bytes] | None, depth: int) -> Any:
        import numpy as np
        import pyarrow as pa

        if not isinstance(value, np.ndarray):
            return self._plain(value.item(), columns, depth)
        if value.dtype.kind in "iufb" and value.ndim == 1 and columns is not None:
            columns.append(_ipc(pa.table({"": pa.array(value)})))
            return {"$a": len(columns) - 1}
        return [self._plain(one, columns, depth) for one in value.tolist()]

    def _known(self, kind: type) -> type:
        if self._classes.get(kind.__name__) is not kind:
            raise InvalidValue(f"a {kind.__name__} cannot be sent to a hub")
        return kind

    def restore(self, plain: Any, columns: Sequence[memoryview | bytes] = ()) -> Any:
        """Return the value that `plain` made of it."""
        kind = type(plain)
        if kind is list:
            return [self.restore(one, columns) for one in plain]
        if kind is not dict:
            return plain
        if len(plain) == 1:
            ((tag, held),) = plain.items()
            if tag[:1] == "$":
                return self._restore_tagged(tag, held, columns)
        return {key: self.restore(one, columns) for key, one in plain.items()}

    def _restore_tagged(self, tag: str, held: Any, columns: Sequence[memoryview | bytes]) -> Any:
        try:
            match tag:
                case "$f":
                    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[held]
                case "$i":
                    return int(held) if len(held) < 400 else _fail("an integer is too long")
                case "$t":
                    if type(held) is not int or not MIN_TIME <= held <= MAX_TIME:
                        _fail("an instant is out of range")
                    return datetime_from_micros(held)
                case "$n":
                    return datetime.fromisoformat(held)
                case "$b":
                    return base64.b64decode(held, validate=True)
                case "$s":
                    return frozenset(self.restore(one, columns) for one in held)
                case "$u":
                    return tuple(self.restore(one, columns) for one in held)
                case "$m":
                    return {
                        self.restore(key, columns): self.restore(one, columns) for key, one in held
                    }
                case "$e":
                    return self._class_named(held[0], Enum)(held[1])
                case "$d":
                    return self._restore_dataclass(held[0], held[1], columns)
                case "$a":
                    return _table(columns[held])[""].to_numpy()
                case "$p":
                    return _table(columns[held])
        except (KeyError, IndexError, TypeError, ValueError, binascii.Error, RecursionError):
            _fail(f"what is tagged {tag!r} is not of its form")
        return _fail(f"the tag {tag[:20]!r} is not known")

    def _class_named(self, name: Any, kind: type) -> Any:
        found = self._classes.get(name) if isinstance(name, str) else None
        if found is None or (kind is Enum) != issubclass(found, Enum):
            _fail(f"no {str(name)[:40]!r} is part of this protocol")
        return found

    def _restore_dataclass(
        self, name: Any, held: Any, columns: Sequence[memoryview | bytes]
    ) -> Any:
        found = self._class_named(name, object)
        values = {key: self.restore(one, columns) for key, one in held.items()}
        hints = hints_of(found)
        for key, value in values.items():
            if key not in hints:
                _fail(f"a {name} has no {key[:40]!r}")
            if not conforms(value, hints[key]):
                _fail(f"{key!r} of a {name} cannot be {value!r:.80}")
        return found(**values)


def _fail(message: str) -> Any:
    raise MessageInvalid(f"the message is invalid: {message}")


def _ipc(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue()).tobytes()


def _table(column: memoryview | bytes) -> pa.Table:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.py_buffer(column)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise MessageInvalid(f"a column of the message is no Arrow stream: {error}") from None
    return table
