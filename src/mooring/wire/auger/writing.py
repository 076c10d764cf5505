"""Short ways to write rows of the table.

Fields and parameters are told as text, a name and its type each: `score_value number`. Types are
those of JSON; `?` behind one means that null is possible, `|` that there are several, and brackets
what an array holds: `string|integer`, `array[object]?`.
"""

from __future__ import annotations

from typing import Literal, cast

from mooring.wire.auger.table import Action, Field, JsonType, Operation, Parameter

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Answer = Literal["object", "page", "list", "other", "text"]

_TYPES = ("string", "integer", "number", "boolean", "object", "array", "any")


def fields(text: str) -> tuple[Field, ...]:
    """Return the fields that a text tells of.

    >>> fields("id integer, name string?")[1].nullable
    True
    """
    return tuple(
        Field(name=name, types=types, nullable=nullable)
        for name, types, nullable, _ in _entries(text)
    )


def index(path: str, *, filters: str = "", answer: Answer = "page") -> Operation:
    """Return the operation that lists, by these filters."""
    parameters = tuple(
        Parameter(name=name, types=types, nullable=nullable, items=items, filter=True)
        for name, types, nullable, items in _entries(filters)
    )
    return Operation(
        name=Action.INDEX, method="GET", path=path, parameters=parameters, answer=answer
    )


def show(path: str, *, required: str = "", optional: str = "") -> Operation:
    """Return the operation that shows one."""
    return operation(Action.SHOW, "GET", f"{path}/{{id}}", required=required, optional=optional)


def create(path: str, *, required: str = "", optional: str = "", note: str = "") -> Operation:
    """Return the operation that creates one."""
    return operation(Action.CREATE, "POST", path, required=required, optional=optional, note=note)


def update(path: str, *, required: str = "", optional: str = "") -> Operation:
    """Return the operation that changes one."""
    return operation(Action.UPDATE, "PATCH", f"{path}/{{id}}", required=required, optional=optional)


def delete(path: str) -> Operation:
    """Return the operation that deletes one."""
    return operation(Action.DELETE, "DELETE", f"{path}/{{id}}")


def operation(
    name: str,
    method: Method,
    path: str,
    *,
    required: str = "",
    optional: str = "",
    answer: Answer = "object",
    client_method: str = "",
    note: str = "",
) -> Operation:
    """Return any other operation."""
    return Operation(
        name=name,
        method=method,
        path=path,
        parameters=(*parameters(required, True), *parameters(optional, False)),
        answer=answer,
        client_method=client_method,
        note=note,
    )


def parameters(text: str, required: bool) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name=name, types=types, nullable=nullable, items=items, required=required)
        for name, types, nullable, items in _entries(text)
    )


def _entries(text: str) -> list[tuple[str, tuple[JsonType, ...], bool, JsonType | None]]:
    found = []
    for entry in text.replace("\n", ",").split(","):
        if not entry.strip():
            continue
        name, _, told = entry.strip().partition(" ")
        nullable = told.endswith("?")
        types = told.removesuffix("?")
        items = None
        if "[" in types:
            types, _, inside = types.partition("[")
            items = _type(inside.removesuffix("]"))
        found.append((name, tuple(_type(one) for one in types.split("|")), nullable, items))
    return found


def _type(text: str) -> JsonType:
    if text not in _TYPES:
        raise ValueError(f"{text!r} is no type of JSON")
    return cast(JsonType, text)
