"""Messages: Python values as JSON, with columns of numbers and Arrow tables beside it.

A message without columns is JSON text. One with columns is::

    MOOR  length of the JSON (4 bytes)  JSON  { length (8 bytes)  padding  Arrow IPC stream }*

Lengths are little-endian; each stream begins at a multiple of 64 bytes. What JSON has no word for
is an object with one key:

========== =============================================================
``$f``     a float that is not finite: ``nan``, ``inf``, ``-inf``
``$i``     an integer beyond 64 bits, as decimal text
``$t``     an instant, in microseconds since 1970, UTC
``$n``     a time without zone, ISO 8601
``$b``     bytes, base64
``$s``     a frozenset; ``$u`` a tuple
``$m``     a dict whose keys are no texts, or begin with ``$``: pairs
``$e``     an enum's class and value; ``$k`` one of Python's own types, by name
``$d``     a dataclass: its class and its fields
``$a``     the number of the column that is this NumPy array
``$p``     the number of the column that is this Arrow table
========== =============================================================

Classes are looked up in a list that the codec was made with; nothing else is ever constructed.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
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
_ALIGNMENT = 64
_MAX_DEPTH = 100
_TYPES = {one.__name__: one for one in (int, float, bool, str, bytes, list, dict, type(None))}


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
        position = len(text) + 8
        for column in columns:
            padding = -(position + 8) % _ALIGNMENT
            parts += [len(column).to_bytes(8, "little"), bytes(padding), column]
            position += 8 + padding + len(column)
        return b"".join(parts)

    def decode(self, message: bytes, *, trusted: bool = False) -> Any:
        """Return the value of a message.

        `trusted`: the fields of dataclasses are taken as they come, not held to their annotations.

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
                position += 8 + -(position + 8) % _ALIGNMENT
                column = view[position : position + size]
                if len(column) < size:
                    raise MessageInvalid("the message is cut off")
                columns.append(column)
                position += size
        try:
            plain = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise MessageInvalid(f"the message is no JSON: {error}") from None
        try:
            return _Restoring(self, columns, trusted).value(plain)
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
        if isinstance(value, type) and value in _TYPES.values():
            return {"$k": value.__name__}
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

    def restore(self, plain: Any) -> Any:
        """Return the value that `plain` made of it."""
        return _Restoring(self, (), False).value(plain)

    def class_named(self, name: Any, *, enum: bool) -> Any:
        """Return the enum or dataclass of this name; `MessageInvalid` for any other."""
        found = self._classes.get(name) if isinstance(name, str) else None
        if found is None or enum != issubclass(found, Enum):
            _fail(f"no {str(name)[:40]!r} is part of this protocol")
        return found


class _Restoring:
    """Values of one message, with the columns beside it."""

    def __init__(self, codec: Codec, columns: Sequence[memoryview | bytes], trusted: bool) -> None:
        self._codec = codec
        self._columns = columns
        self._trusted = trusted
        self._depth = 0

    def value(self, plain: Any) -> Any:
        kind = type(plain)
        if kind is not list and kind is not dict:
            return plain
        if self._depth > _MAX_DEPTH:
            _fail(f"it is nested more than {_MAX_DEPTH} deep")
        self._depth += 1
        found = self._inside(plain)
        self._depth -= 1
        return found

    def _inside(self, plain: Any) -> Any:
        if type(plain) is list:
            return [self.value(one) for one in plain]
        if len(plain) == 1:
            ((tag, held),) = plain.items()
            if tag[:1] == "$":
                return self._tagged(tag, held)
        return {key: self.value(one) for key, one in plain.items()}

    def _tagged(self, tag: str, held: Any) -> Any:
        form = _FORMS.get(tag)
        if form is None:
            _fail(f"the tag {tag[:20]!r} is not known")
        try:
            return form(self, held)  # type: ignore[misc]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as e:
            if isinstance(e, MooringError):
                raise
            return _fail(f"what is tagged {tag!r} is not of its form")

    def _float(self, held: Any) -> float:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[held]

    def _integer(self, held: Any) -> int:
        return int(held) if len(held) < 400 else _fail("an integer is too long")

    def _instant(self, held: Any) -> datetime:
        if type(held) is not int or not MIN_TIME <= held <= MAX_TIME:
            _fail("an instant is out of range")
        return datetime_from_micros(held)

    def _enum(self, held: Any) -> Any:
        return self._codec.class_named(held[0], enum=True)(held[1])

    def _dataclass(self, held: Any) -> Any:
        name, fields = held
        found = self._codec.class_named(name, enum=False)
        values = {key: self.value(one) for key, one in fields.items()}
        if not self._trusted:
            hints = hints_of(found)
            for key, value in values.items():
                if key not in hints:
                    _fail(f"a {name} has no {key[:40]!r}")
                if not conforms(value, hints[key]):
                    _fail(f"{key!r} of a {name} cannot be {value!r:.80}")
        return found(**values)

    def _table(self, held: Any) -> pa.Table:
        return _table(self._columns[held], self._trusted)

    def _pairs(self, held: Any) -> dict[Any, Any]:
        return {self.value(key): self.value(one) for key, one in held}

    def _all(self, held: Any) -> list[Any]:
        if type(held) is not list:
            _fail("what should be a list is none")
        return [self.value(one) for one in held]


_FORMS: Mapping[str, Callable[[_Restoring, Any], Any]] = {
    "$f": _Restoring._float,
    "$i": _Restoring._integer,
    "$t": _Restoring._instant,
    "$n": lambda _, held: datetime.fromisoformat(held),
    "$b": lambda _, held: base64.b64decode(held, validate=True),
    "$s": lambda self, held: frozenset(self._all(held)),
    "$u": lambda self, held: tuple(self._all(held)),
    "$m": _Restoring._pairs,
    "$e": _Restoring._enum,
    "$k": lambda _, held: _TYPES[held],
    "$d": _Restoring._dataclass,
    "$a": lambda self, held: self._table(held)[""].to_numpy(),
    "$p": _Restoring._table,
}


def _fail(message: str) -> Any:
    raise MessageInvalid(f"the message is invalid: {message}")


def _ipc(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue()).tobytes()


def _table(column: memoryview | bytes, trusted: bool) -> pa.Table:
    from mooring.wire.native.columns import read_table

    return read_table(column, trusted=trusted)
