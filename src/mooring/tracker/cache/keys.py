"""Keys of the result cache: a hash of what a call is, the same in every process and on every day.

Each value is hashed with its type, and a container by the hashes of its parts, so that `1`, `1.0`,
`True` and `"1"` differ, and the order of a dict or set plays no part. What has no form of its own
here is taken apart as pickle would (`__reduce_ex__`), and hashed by its parts.

What is called is known by its module and qualified name. A function that cannot be found under
that name (a lambda, a local function, one that a decorator hides), or that lives in a script, is
known by its code too: instructions, constants, defaults and closure. Global variables that it
uses are not part of the key.
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import hashlib
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

__all__ = ["TRACKED_MARK", "call_key"]

TRACKED_MARK = "__mooring_tracked__"
"""Attribute of a tracked function; a key is that of the function within."""

_DEEPEST = 200
_ATOMS = (datetime, date, time, timedelta, Decimal, Fraction, UUID)


def call_key(
    func: object,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    params: Mapping[str, object],
    tracker_params: Mapping[str, object],
) -> str | None:
    """Return 64 hex digits that stand for this call, or None when a part of it cannot be hashed.

    Two calls have one key when function, arguments, params of the call and params of the tracker
    are equal, types included.

    >>> call_key(len, ([1],), {}, {}, {}) == call_key(len, ([1.0],), {}, {}, {})
    False
    >>> call_key(len, ({"a": 1, "b": 2},), {}, {}, {}) == call_key(
    ...     len, ({"b": 2, "a": 1},), {}, {}, {}
    ... )
    True
    """
    call = ("mooring call 1", func, args, dict(kwargs), dict(params), dict(tracker_params))
    try:
        return _Hasher().digest(call).hex()
    except Exception:  # noqa: BLE001 - a part that no hash stands for; the row has no `cache` then
        return None


class _Unhashable(Exception):
    """No hash can stand for a value."""


class _Hasher:
    """Hashes values; remembers those it has seen, as one may be in many places."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}
        self._above: set[int] = set()

    def digest(self, value: Any) -> bytes:
        """Return 32 bytes for a value; raise what its parts raise."""
        kind = type(value)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return _join(kind.__name__, plain(value))
        key = id(value)
        known = self._known.get(key)
        if known is not None:
            return known[1]
        if key in self._above or len(self._above) > _DEEPEST:
            raise _Unhashable("it contains itself, or lies too deep")
        self._above.add(key)
        try:
            digest = self._digest(kind, value)
        finally:
            self._above.discard(key)
        # the value is kept: its id must not become another's
        self._known[key] = (value, digest)
        return digest

    def _digest(self, kind: type, value: Any) -> bytes:
        if kind in (list, tuple):
            return self._all(kind.__name__, value)
        if kind is dict:
            return self._unordered("dict", (self._all("", pair) for pair in value.items()))
        if kind in (set, frozenset):
            return self._unordered(kind.__name__, map(self.digest, value))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, Enum):
            return self._all("enum", (kind, value.value))
        if isinstance(value, _CALLABLES):
            return self._callable(value)
        if isinstance(value, (Iterator, ModuleType)):
            raise _Unhashable("it is used up by a call")
        if isinstance(value, PurePath) or kind in _ATOMS:
            return self._all("atom", (kind, *_atom(value)))
        arrays = _array_parts(kind, value)
        if arrays is not None:
            return self._all("array", arrays)
        if _is_all_fields(kind):
            return self._all("fields", (kind, *_field_parts(value)))
        return self._reduced(kind, value)

    def _all(self, tag: str, parts: Iterable[Any]) -> bytes:
        return _join(tag, *map(self.digest, parts))

    def _unordered(self, tag: str, digests: Iterable[bytes]) -> bytes:
        return _join(tag, *sorted(digests))

    def _reduced(self, kind: type, value: Any) -> bytes:
        """Hash by what pickle would write: a callable, its arguments, state, items."""
        reducer: Callable[[Any], Any] | None = copyreg.dispatch_table.get(kind)
        parts = reducer(value) if reducer is not None else value.__reduce_ex__(4)
        if isinstance(parts, str):
            return self._all("global", (kind, getattr(value, "__module__", None), parts))
        make, arguments, *more = parts
        state, items, pairs = (*more, None, None, None)[:3]
        digest = self._all("object", (kind, make, arguments, state, list(items or ())))
        hashed = (self._all("", pair) for pair in pairs or ())
        if isinstance(value, OrderedDict):
            return _join("ordered", digest, *hashed)
        return _join("pairs", digest, self._unordered("", hashed))

    # what is called

    def _class(self, kind: type) -> bytes:
        """Hash by name; a class of a script or a function also by the code of its methods."""
        name = _join("class", _text(kind.__module__), _text(kind.__qualname__))
        if kind.__module__ != "__main__" and _is_found(kind, kind.__module__, kind.__qualname__):
            return name
        methods = [
            (key, inner.__code__)
            for key, member in vars(kind).items()
            if isinstance(inner := _function_within(member), FunctionType)
            # what dataclasses and their kin wrote is told by the fields
            and inner.__code__.co_filename.endswith(".py")
            and inner.__module__ == kind.__module__
        ]
        return _join("local class", name, self.digest(dict(methods)), self.digest(kind.__bases__))

    def _callable(self, value: Any) -> bytes:
        if isinstance(value, functools.partial):
            return self._all("partial", (value.func, value.args, value.keywords))
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, MethodType):
            return self._all("method", (value.__func__, value.__self__))
        if isinstance(value, BuiltinFunctionType):
            owner = value.__self__
            if owner is None or isinstance(owner, ModuleType):
                return _join("builtin", _text(value.__module__ or ""), _text(value.__qualname__))
            return self._all("builtin method", (owner, value.__name__))
        return self._function(value)

    def _function(self, func: FunctionType) -> bytes:
        while getattr(func, TRACKED_MARK, False):
            func = func.__wrapped__  # type: ignore[attr-defined]
        name = _join("function", _text(func.__module__ or ""), _text(func.__qualname__))
        if func.__module__ != "__main__" and _is_found(func, func.__module__, func.__qualname__):
            return name
        cells = [cell.cell_contents for cell in func.__closure__ or ()]
        closure = [_Itself if _untracked(cell) is func else cell for cell in cells]
        parts = (func.__code__, func.__defaults__, func.__kwdefaults__, closure)
        return _join("local function", name, self._all("", parts))

    def _code(self, code: CodeType) -> bytes:
        """Hash what code does, and not where it stands."""
        parts = (code.co_code, code.co_consts, code.co_names, code.co_varnames, code.co_freevars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        return self._all("code", (*parts, *counts, getattr(code, "co_exceptiontable", b"")))


_CALLABLES = (FunctionType, MethodType, BuiltinFunctionType, functools.partial, CodeType)


class _Itself:
    """Stands in a closure for the function that the closure belongs to."""


_PLAIN: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"",
    type(...): lambda value: b"",
    bool: lambda value: b"1" if value else b"0",
    int: lambda value: b"%x" % value,  # decimal digits are limited in number
    # as bits: -0.0 is another argument than 0.0; every NaN is the same
    float: lambda value: b"nan" if value != value else struct.pack("<d", value),
    complex: lambda value: struct.pack("<dd", value.real, value.imag),
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: lambda value: value,
    bytearray: bytes,
}


def _join(tag: str, *parts: bytes) -> bytes:
    """Hash a tag and parts, each with its length, so that no two lists of them look alike."""
    hasher = hashlib.blake2b(digest_size=32)
    for part in (tag.encode(), *parts):
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.digest()


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_found(value: object, module: str | None, name: str) -> bool:
    """Return whether a name leads to this object and no other."""
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    return _untracked(getattr(found, "__func__", found)) is value


def _untracked(value: Any) -> Any:
    while getattr(value, TRACKED_MARK, False):
        value = value.__wrapped__
    return value


def _function_within(member: Any) -> object:
    if isinstance(member, property):
        member = member.fget
    return _untracked(getattr(member, "__func__", member))


def _atom(value: Any) -> tuple[object, ...]:
    """Return the parts of a value that tell it from every other of its type."""
    if isinstance(value, (datetime, time)):
        return value.isoformat(), value.fold, None if value.tzinfo is None else str(value.tzinfo)
    if isinstance(value, timedelta):
        return value.days, value.seconds, value.microseconds
    if isinstance(value, Fraction):
        return value.numerator, value.denominator
    return (str(value),)


def _is_all_fields(kind: type) -> bool:
    # one that is a dict or number too has more than its fields
    known = dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")
    return known and not issubclass(
        kind, (dict, list, tuple, set, frozenset, str, bytes, int, float)
    )


def _field_parts(value: Any) -> Iterator[object]:
    """Yield the fields of a dataclass or pydantic model, and whatever else it carries."""
    own = dict(getattr(value, "__dict__", {}))
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name
            yield own.pop(field.name) if field.name in own else getattr(value, field.name)
    yield own
    yield getattr(value, "__pydantic_extra__", None)
    yield getattr(value, "__pydantic_private__", None)


def _array_parts(kind: type, value: Any) -> tuple[object, ...] | None:
    """Return what stands for an array, number or frame of NumPy, pandas or polars."""
    library = kind.__module__.partition(".")[0]
    if library == "numpy":
        return _numpy_parts(kind, value)
    if library == "pandas":
        return _pandas_parts(kind, value)
    if library == "polars" and kind.__name__ in ("DataFrame", "Series"):
        columns = value.get_columns() if kind.__name__ == "DataFrame" else [value]
        return (kind, [(one.name, str(one.dtype), one.to_list()) for one in columns])
    return None


def _numpy_parts(kind: type, value: Any) -> tuple[object, ...] | None:
    import numpy as np

    if kind is not np.ndarray and not isinstance(value, np.generic):
        return None
    array = np.asarray(value)
    if array.dtype.hasobject:
        return kind, array.dtype.str, array.shape, array.tolist()
    return kind, np.lib.format.dtype_to_descr(array.dtype), array.shape, array.tobytes()


def _pandas_parts(kind: type, value: Any) -> tuple[object, ...] | None:
    import pandas as pd

    if kind is pd.DataFrame:
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        return kind, value.columns, value.index, [one.array for one in columns], value.attrs
    if kind is pd.Series:
        return kind, value.name, value.index, value.array, value.attrs
    if kind is pd.MultiIndex:
        return kind, list(value.names), value.to_list()
    if isinstance(value, pd.Index):
        return "index", value.name, getattr(value, "freqstr", None), value.array
    if kind is pd.Categorical:
        return kind, value.codes, value.categories, value.ordered
    if isinstance(value, pd.api.extensions.ExtensionArray):
        plain = value.to_numpy() if value.dtype.kind in "iufbc" and not value.isna().any() else None
        return kind, str(value.dtype), value.tolist() if plain is None else plain
    return None
