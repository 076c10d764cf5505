"""Does a value have the form that an annotation tells of? What comes from outside is asked."""

from __future__ import annotations

import collections.abc
import types
import typing
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_INT64 = range(-(2**63), 2**63)


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass, resolved."""
    import sys

    names = dict(vars(sys.modules[kind.__module__]))
    # Only for annotations, where the module itself imports them then.
    names.setdefault("np", types.SimpleNamespace(ndarray=object))
    names.setdefault("pa", types.SimpleNamespace(Table=object))
    return get_type_hints(kind, names)


def conforms(value: Any, hint: Any) -> bool:
    """Return whether a value has the form that an annotation tells of.

    Integers are floats too, bools are no integers; a text is no sequence. Integers have 64 bits.

    >>> conforms((1, 2), tuple[int, ...]), conforms("12", collections.abc.Sequence[str])
    (True, False)
    """
    if hint is Any or hint is object:
        return True
    if hint is None or hint is type(None):
        return value is None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(conforms(value, one) for one in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is not None:
        return _conforms_inside(value, origin, get_args(hint))
    if hint is float and isinstance(value, float):
        return True
    if hint is float or hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and value in _INT64
    if isinstance(hint, type):
        return isinstance(value, hint)
    return isinstance(hint, (typing.TypeVar, str))


def _conforms_inside(value: Any, origin: Any, inside: tuple[Any, ...]) -> bool:
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            return False
        if len(inside) == 2 and inside[1] is Ellipsis:
            return all(conforms(one, inside[0]) for one in value)
        return len(value) == len(inside) and all(map(conforms, value, inside))
    if origin is collections.abc.Mapping or origin is dict:
        return isinstance(value, dict) and all(
            conforms(key, inside[0]) and conforms(one, inside[1]) for key, one in value.items()
        )
    if origin in (frozenset, set):
        return isinstance(value, (frozenset, set)) and all(conforms(v, inside[0]) for v in value)
    if origin in (list, collections.abc.Sequence, collections.abc.Iterable):
        if isinstance(value, (str, bytes, dict)) or not isinstance(value, collections.abc.Iterable):
            return False
        return all(conforms(one, inside[0]) for one in value)
    return isinstance(value, origin)
