"""Cells: how a value of a point or of a tracker's row is written as JSON and read back.

A cell is a JSON number, text, boolean or null where JSON can say it, else a list whose first
element names what follows::

    ["n", "nan"]                      a float that JSON cannot hold: nan, inf, -inf
    ["b", hex digits]                 bytes
    ["h", edges, values, kind]        a histogram
    ["f", digest, size, mime, name]   a file
    ["j", text]                       a value that a tracker's table shows as text only
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import orjson

from mooring.errors import InvalidValue
from mooring.model import AttributeType, FileRef, Histogram

_INT64 = range(-(2**63), 2**63)
SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

dumps = orjson.dumps
loads = orjson.loads


def number_code(value: object) -> str | None:
    """Return the `struct` code of a number, or None for what is no number.

    NumPy's scalars count as numbers; so does everything with `__float__` that is no text.
    """
    kind = type(value)
    if kind is float:
        return "d"
    if kind is bool or kind.__name__ in ("bool_", "bool"):
        return "?"
    if isinstance(value, (str, bytes, bytearray, memoryview, Histogram, FileRef, datetime)):
        return None
    if hasattr(value, "__index__") and not getattr(value, "shape", ()):
        return "q"
    if hasattr(value, "__float__") and not getattr(value, "shape", ()):
        return "d"
    return None


def plain_number(value: Any) -> int | float | bool:
    """Return a number as Python's own; `InvalidValue` for integers beyond 64 bits."""
    code = number_code(value)
    try:
        if code == "?":
            return bool(value)
        if code == "d":
            return float(value)
        number = int(value)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidValue(f"{type(value).__qualname__} is no number here: {error}") from None
    if number not in _INT64:
        raise InvalidValue(f"integer {_shortened(number)} does not fit 64 bits")
    return number


def _shortened(number: int) -> str:
    # Python refuses to print integers of more than 4300 digits.
    return str(number) if number.bit_length() < 512 else f"of {number.bit_length()} bits"


def encode_cell(path: str, value: object) -> object:
    """Return a value of a point or event as JSON; `InvalidValue` for what has no form."""
    kind = type(value)
    if kind is float:
        if math.isfinite(value):  # type: ignore[arg-type]
            return value
        return ["n", repr(value)]
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return encode_text(path, value)
    if number_code(value) is not None:
        try:
            return encode_cell(path, plain_number(value)) if kind is not int else _int(value)
        except InvalidValue as error:
            raise InvalidValue(f"attribute {path!r}: {error}") from None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["b", bytes(value).hex()]
    if isinstance(value, Histogram):
        try:
            edges, values = ([_float(x) for x in part] for part in (value.edges, value.values))
        except (ArithmeticError, TypeError, ValueError) as error:
            raise InvalidValue(f"attribute {path!r}: histogram: {error}") from None
        return ["h", edges, values, value.kind]
    if isinstance(value, FileRef):
        return ["f", *file_cells(path, value)]
    raise InvalidValue(
        f"attribute {path!r}: a {type(value).__module__}.{type(value).__qualname__} cannot be "
        "logged as a point; give a number, a text, a Histogram or a file"
    )


def encode_point(path: str, value: object) -> object:
    """Return a value of a point as JSON: as `encode_cell`, and integers of any size as floats."""
    if number_code(value) == "q" and int(value) not in _INT64:  # type: ignore[call-overload]
        try:
            value = float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise InvalidValue(f"attribute {path!r}: an integer beyond every float") from None
    return encode_cell(path, value)


def _int(value: Any) -> int:
    if value not in _INT64:
        raise InvalidValue(f"integer {_shortened(value)} does not fit 64 bits")
    return int(value)


def _float(value: float) -> object:
    value = float(value)
    return value if math.isfinite(value) else repr(value)


def file_cells(path: str, file: FileRef) -> list[object]:
    size = file.size_bytes
    if type(size) is not int or size not in _INT64:
        raise InvalidValue(f"attribute {path!r}: {size!r} is no size of a file")
    texts = (file.digest, file.mime_type, file.name)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidValue(f"attribute {path!r}: digest, type and name of a file are texts")
    digest, mime_type, name = (encode_text(path, text) for text in texts)
    return [digest, size, mime_type, name]


def encode_text(path: str, value: str) -> str:
    """Return a text as it is; `InvalidValue` when it is no valid Unicode."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"attribute {path!r}: {error.reason} in the text") from None
    return str(value)


def decode_cell(cell: Any) -> Any:
    """Return the value of a JSON cell."""
    if type(cell) is not list:
        return cell
    match cell[0]:
        case "n":
            return SPECIAL[cell[1]]
        case "h":
            return Histogram(tuple(map(float, cell[1])), tuple(map(float, cell[2])), cell[3])
        case "f":
            return FileRef(*cell[1:])
        case "b":
            return bytes.fromhex(cell[1])
        case _:
            return cell[1]


def series_type(cell: Any) -> AttributeType | None:
    """Return the series type that a JSON cell is a point of; None for no point."""
    kind = type(cell)
    if kind is float or kind is int or kind is bool:
        return AttributeType.FLOAT_SERIES
    if kind is str:
        return AttributeType.STRING_SERIES
    if kind is list:
        return {
            "n": AttributeType.FLOAT_SERIES,
            "h": AttributeType.HISTOGRAM_SERIES,
            "f": AttributeType.FILE_SERIES,
        }.get(cell[0])
    return None
