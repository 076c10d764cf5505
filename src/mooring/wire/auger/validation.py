"""Parameters of a request, held to the table.

Clients send what they have: an id may come as a number or as text, a number from a query string is
text. Such a value is taken for what it means. What the table does not name is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mooring.errors import InvalidInput
from mooring.wire.auger.table import JsonType, Operation, Parameter

MAX_LIMIT = 1000
"""Longest page; a longer one that is asked for is cut to this."""

_INT64 = range(-(2**63), 2**63)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_ARTICLES: dict[JsonType, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "object": "an object",
    "array": "an array",
    "any": "a value",
}
_PAGING = (
    Parameter(name="limit", types=("integer",)),
    Parameter(name="offset", types=("integer",)),
)


class ParametersInvalid(InvalidInput):
    """Parameters that are refused. `errors` are as an answer tells them, in the table's order."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(", ".join(f"{one['error_param']} {one['message']}" for one in errors))
        self.errors = errors


def check(operation: Operation, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return those parameters of an operation that were sent, as what they mean.

    A null counts as not sent, unless the parameter can be null.

    Raises
    ------
    ParametersInvalid
        With one error for each parameter that is missing or of another type.
    """
    given: dict[str, Any] = {}
    errors: list[dict[str, str]] = []
    known = operation.parameters
    if operation.answer == "page":
        named = {one.name for one in known}
        known = (*known, *(one for one in _PAGING if one.name not in named))
    for parameter in known:
        value = sent.get(parameter.name)
        if value is None:
            if parameter.required and not (parameter.nullable and parameter.name in sent):
                errors.append(_error(parameter.name, "is required"))
            elif parameter.nullable and parameter.name in sent and not parameter.filter:
                given[parameter.name] = None
            continue
        try:
            given[parameter.name] = _read(parameter, value)
        except ValueError as error:
            errors.append(_error(parameter.name, str(error)))
    if errors:
        raise ParametersInvalid(errors)
    return given


def _error(parameter: str, message: str) -> dict[str, str]:
    return {"error_type": "invalid_param", "error_param": parameter, "message": message}


def _read(parameter: Parameter, value: Any) -> Any:
    if parameter in _PAGING:
        number = _as_type("integer", value, False)
        if number < 0:
            raise ValueError("must be greater than or equal to 0")
        return min(number, MAX_LIMIT) if parameter.name == "limit" else number
    name = parameter.name
    is_id = name in ("id", "uid") or name.endswith("_id")
    for kind in parameter.types:
        try:
            found = _as_type(kind, value, is_id)
        except ValueError:
            continue
        if kind == "array" and parameter.items not in (None, "any"):
            _check_items(found, parameter.items)
        return found
    raise ValueError("should be " + " or ".join(_ARTICLES[kind] for kind in parameter.types))


def _check_items(items: list[Any], kind: JsonType | None) -> None:
    for item in items:
        if item is None or kind is None:
            continue
        fits = {
            "string": isinstance(item, str),
            "object": isinstance(item, dict),
            "array": isinstance(item, list),
            "integer": isinstance(item, int) and not isinstance(item, bool),
            "number": isinstance(item, (int, float)) and not isinstance(item, bool),
            "boolean": isinstance(item, bool),
        }.get(kind, True)
        if not fits:
            raise ValueError(f"should be an array of which each element is {_ARTICLES[kind]}")


def _as_type(kind: JsonType, value: Any, is_id: bool) -> Any:
    """Return a value as a type; `ValueError` where it is none."""
    match kind:
        case "any":
            return value
        case "string" if isinstance(value, str):
            return value
        case "string" if is_id and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "boolean" if isinstance(value, str) and value.lower() in _FLAGS:
            return _FLAGS[value.lower()]
        case "integer" if isinstance(value, int) and not isinstance(value, bool):
            return _within(value)
        case "integer" if isinstance(value, float) and value.is_integer():
            return _within(int(value))
        case "integer" if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            return _within(int(value))
        case "number" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _finite(value)
        case "number" if isinstance(value, str):
            return _finite(float(value))
        case "object" if isinstance(value, dict):
            return value
        case "array" if isinstance(value, list):
            return value
    raise ValueError("is of another type")


def _within(number: int) -> int:
    if number not in _INT64:
        raise ValueError("is beyond 64 bits")
    return number


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("is beyond every double") from None
    if number - number != 0:
        raise ValueError("is not finite")
    return number
