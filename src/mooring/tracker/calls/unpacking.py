"""Arguments of a tracked call as columns: their text, and the fields of those that have fields."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from mooring.errors import InvalidInput
from mooring.tracker.values import PLAIN_TYPES, to_cell

__all__ = ["arguments_text", "has_fields", "keywords_text", "safe_text", "unpack_arguments"]

_DEEPEST = 10
_LONGEST = 10_000
_CUT = "..."
_Tell = Callable[[BaseException], None]


def has_fields(value: object) -> bool:
    """Return whether `value` is a dataclass instance or has a `model_dump` method."""
    kind = type(value)
    return hasattr(kind, "__dataclass_fields__") or callable(getattr(kind, "model_dump", None))


def unpack_arguments(
    func: Callable[..., object],
    args: Sequence[object],
    kwargs: Mapping[str, object],
    *,
    skip: int,
    tell: _Tell,
) -> list[tuple[str, object]]:
    """Return a column for each field of the arguments that have fields.

    Names are `<parameter>_<field>`, and `<parameter>_<field>_<field>` for what lies within, down
    to 10 levels, below which stands the text. The n-th of surplus positional arguments counts as
    `<parameter>_<n>`, from 0; an extra keyword as itself. A value that contains itself is cut
    there (`...`). The first `skip` arguments are left out. A field that cannot be read is left
    out and passed to `tell`.

    >>> @dataclasses.dataclass
    ... class Config:
    ...     lr: float
    >>> unpack_arguments(lambda data, config: 0, [1, Config(0.1)], {}, skip=0, tell=print)
    [('config_lr', 0.1)]
    """
    columns: list[tuple[str, object]] = []
    for name, value in _named(func, args, kwargs, skip):
        if has_fields(value):
            columns += _walk(name, value, (), tell)
    return columns


def arguments_text(args: Sequence[object]) -> str:
    """Return the text of a list of arguments; one that has no text is named by its type.

    >>> arguments_text((1, "hello"))
    "[1, 'hello']"
    """
    if not args:
        return "[]"
    return f"[{', '.join([safe_text(value, repr) for value in args])}]"


def keywords_text(kwargs: Mapping[str, object]) -> str:
    """Return the text of a dict of arguments.

    >>> keywords_text({"lr": 0.1})
    "{'lr': 0.1}"
    """
    if not kwargs:
        return "{}"
    parts = [f"{name!r}: {safe_text(value, repr)}" for name, value in kwargs.items()]
    return f"{{{', '.join(parts)}}}"


def safe_text(value: object, to_text: Callable[[object], str] = str) -> str:
    """Return a text that a row can hold, of at most 10,000 characters, whatever `value` is."""
    try:
        text = to_text(value)
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
    except Exception as error:  # noqa: BLE001 - its own __repr__ may raise anything; told in the text
        return f"<{type(value).__qualname__}: no text, {type(error).__name__}>"
    if len(text) > _LONGEST:
        return f"{text[:_LONGEST]}... ({len(text) - _LONGEST} more characters)"
    return text


def _named(
    func: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object], skip: int
) -> Iterator[tuple[str, object]]:
    positional, surplus = _parameters(func)
    for index, value in enumerate(args):
        if index < skip:
            continue
        if index < len(positional):
            yield positional[index], value
        else:
            yield f"{surplus}_{index - len(positional)}", value
    yield from kwargs.items()


def _parameters(func: Callable[..., object]) -> tuple[Sequence[str], str]:
    """Return the names of positional parameters, and the one that takes the surplus."""
    try:
        return _read_parameters(func)
    except TypeError:  # a callable object that cannot be hashed
        return _read_parameters.__wrapped__(func)


@functools.lru_cache(maxsize=256)
def _read_parameters(func: Callable[..., object]) -> tuple[Sequence[str], str]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # some built-in functions have none
        return (), "arg"
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    surplus = [one.name for one in parameters if one.kind is inspect.Parameter.VAR_POSITIONAL]
    return [one.name for one in parameters if one.kind in kinds], surplus[0] if surplus else "arg"


def _walk(
    name: str, value: object, above: tuple[object, ...], tell: _Tell
) -> Iterator[tuple[str, object]]:
    if not has_fields(value):
        yield name, _leaf(name, value)
    elif any(value is one for one in above):
        yield name, _CUT
    elif len(above) >= _DEEPEST:
        yield name, safe_text(value, repr)
    else:
        for field, part in _fields(name, value, tell):
            yield from _walk(f"{name}_{field}", part, (*above, value), tell)


def _fields(name: str, value: Any, tell: _Tell) -> Iterator[tuple[str, object]]:
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif isinstance(declared := getattr(kind, "model_fields", None), Mapping):
        # By the fields and not by model_dump(), which turns what lies within into dicts.
        names = [key for key, field in declared.items() if not getattr(field, "exclude", False)]
        names += getattr(value, "model_extra", None) or ()
        names += getattr(kind, "model_computed_fields", ())
    else:
        try:
            yield from value.model_dump().items()
        except Exception as error:  # noqa: BLE001 - the user's method; counted and told
            tell(InvalidInput(f"{name!r}: model_dump() of a {kind.__name__} failed: {error}"))
        return
    for field in names:
        try:
            yield field, getattr(value, field)
        except Exception as error:  # noqa: BLE001 - the user's property; counted and told
            tell(InvalidInput(f"{name!r}: field {field!r} of a {kind.__name__} failed: {error}"))


def _leaf(name: str, value: object) -> object:
    """Return what a row can hold now: the function may change a list that it was given."""
    if type(value) in PLAIN_TYPES:
        return value
    if hasattr(type(value), "get_secret_value"):
        return safe_text(value)  # its text hides the secret
    try:
        return to_cell(name, value)
    except InvalidInput:
        if isinstance(value, (list, tuple, Mapping, AbstractSet)):
            return safe_text(value, repr)
        return value
