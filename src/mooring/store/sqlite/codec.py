"""Stored forms: how the value of an attribute lies in the file, and how it is read back.

An assigned value is written to the log as a list of its type and its stored form. Points and rows
of tables are cells, see `mooring.store.cells`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mooring.errors import InvalidValue
from mooring.model import (
    AttributeType,
    FileRef,
    Typed,
    datetime_from_micros,
    micros_from_datetime,
)
from mooring.store.cells import (
    SPECIAL,
    decode_cell,
    dumps,
    encode_text,
    file_cells,
    loads,
    plain_number,
)
from mooring.store.values import value_type


def typed_value(path: str, given: Typed) -> tuple[AttributeType, Any]:
    """Return the type that a value is given with and the value; `InvalidValue` if it is not one."""
    type, value = given.type, given.value
    if type.is_series:
        raise InvalidValue(f"attribute {path!r}: a {type} holds no single value")
    match type:
        case AttributeType.FILE | AttributeType.FILE_SET | AttributeType.ARTIFACT:
            fits = isinstance(value, FileRef)
        case AttributeType.RUN_STATE:
            fits = isinstance(value, str)
        case AttributeType.GIT_REF | AttributeType.NOTEBOOK_REF:
            fits = _is_object(value)
        case AttributeType.FLOAT:
            fits = value_type(path, value) in (AttributeType.INT, AttributeType.FLOAT)
            value = as_float(path, value) if fits else value
        case _:
            fits = value_type(path, value) is type
    if not fits:
        raise InvalidValue(f"attribute {path!r}: a {_name(value)} is no {type}")
    return type, value


def as_float(path: str, number: Any) -> float:
    """Return a number as a float; `InvalidValue` for an integer beyond every float."""
    try:
        return float(number)
    except OverflowError:
        raise InvalidValue(f"attribute {path!r}: an integer beyond every float") from None


def _is_object(value: object) -> bool:
    """Return whether a value is a dictionary that JSON can say."""
    try:
        return isinstance(value, dict) and bool(dumps(value))
    except TypeError:
        return False


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def store_value(path: str, type: AttributeType, value: Any) -> object:
    """Return the stored form of a single value: what SQLite and JSON can both hold.

    A float that is NaN is stored as None; infinities are the texts that `load_value` knows.
    """
    match type:
        case AttributeType.STRING | AttributeType.RUN_STATE:
            return encode_text(path, value)
        case AttributeType.DATETIME:
            return micros_from_datetime(value)
        case AttributeType.FILE | AttributeType.FILE_SET | AttributeType.ARTIFACT:
            return dumps(file_cells(path, value)).decode()
        case AttributeType.STRING_SET:
            if not all(isinstance(text, str) for text in value):
                raise InvalidValue(f"attribute {path!r}: a set holds texts only")
            return encode_set(encode_text(path, text) for text in value)
        case AttributeType.BOOL:
            return int(bool(value))
        case AttributeType.INT | AttributeType.FLOAT:
            try:
                number = plain_number(value)
            except InvalidValue as error:
                raise InvalidValue(f"attribute {path!r}: {error}") from None
            if isinstance(number, float) and not math.isfinite(number):
                return None if math.isnan(number) else repr(number)
            return number
        case _:
            return dumps(value).decode()


def encode_set(texts: Iterable[str]) -> str:
    """Return the stored form of a string set."""
    return dumps(sorted(set(texts))).decode()


def column_value(type: AttributeType, stored: Any) -> Any:
    """Return the stored form as a column of SQLite holds it: infinities are real there."""
    if type is AttributeType.FLOAT and isinstance(stored, str):
        return SPECIAL[stored]
    return stored


def load_value(type: AttributeType, stored: Any) -> Any:
    """Return the value of a stored form; of a series, its last value."""
    match type:
        case AttributeType.FLOAT | AttributeType.FLOAT_SERIES:
            return math.nan if stored is None else float(stored)
        case AttributeType.BOOL:
            return bool(stored)
        case AttributeType.DATETIME:
            return datetime_from_micros(stored)
        case AttributeType.STRING_SET:
            return frozenset(loads(stored))
        case AttributeType.FILE | AttributeType.FILE_SET | AttributeType.ARTIFACT:
            return FileRef(*loads(stored))
        case AttributeType.HISTOGRAM_SERIES | AttributeType.FILE_SERIES:
            return decode_cell(loads(stored))
        case AttributeType.INT | AttributeType.STRING | AttributeType.STRING_SERIES:
            return stored
        case AttributeType.RUN_STATE:
            return stored
        case _:
            return loads(stored)
