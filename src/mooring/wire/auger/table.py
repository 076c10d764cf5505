"""What a resource is: the form of the table in `resources/`, which drives the API.

The hub's routes, the OpenAPI description and `HubClient` are made from the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default_of
from enum import StrEnum
from typing import Literal

JsonType = Literal["string", "integer", "number", "boolean", "object", "array", "any"]


class Action(StrEnum):
    """What is done to a resource by the five common actions; others have names of their own."""

    INDEX = "index"
    SHOW = "show"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class IdKind(StrEnum):
    """What an id is, in JSON and in URLs."""

    INTEGER = "integer"
    STRING = "string"
    """Chosen by the client, or 16 hex digits."""
    UUID = "uuid"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a caller may send with an action.

    `required`: its absence is answered 400, "is required". `items`: what each element of an array
    is, or null. `filter`: an index returns only what has this value.
    """

    name: str
    types: tuple[JsonType, ...]
    items: JsonType | None = None
    required: bool = False
    nullable: bool = False
    filter: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What an answer shows. `embedded`: the name of the resource whose object it is."""

    name: str
    types: tuple[JsonType, ...]
    nullable: bool = False
    default: object = None
    embedded: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One action of a resource.

    `method` and `path` are of HTTP, with `{id}` and the parent's `{endpoint_id}` in it. `answer`
    tells what `data` is: one object, a list with pagination, a list without, or something else.
    """

    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    parameters: tuple[Parameter, ...] = ()
    answer: Literal["object", "page", "list", "other", "text"] = "object"
    client_method: str = ""
    """What `HubClient` calls it, where that does not follow from the name."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine:
    """The values of a status field, and which may follow which.

    A status that is not a key of `transitions` is final.
    """

    field: str
    initial: str
    transitions: dict[str, tuple[str, ...]] = default_of(default_factory=dict)

    @property
    def states(self) -> tuple[str, ...]:
        """Every value."""
        names = dict.fromkeys([self.initial, *self.transitions])
        for targets in self.transitions.values():
            names.update(dict.fromkeys(targets))
        return tuple(names)

    def allows(self, before: str, after: str) -> bool:
        """Return whether the status may change so. Staying is always allowed."""
        return before == after or after in self.transitions.get(before, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource: a row of the table."""

    name: str
    plural: str
    what: str
    id: IdKind
    operations: tuple[Operation, ...]
    fields: tuple[Field, ...] = ()
    parent: str | None = None
    object_type: str | None = None
    """`object` in answers; None where it is the name."""
    states: tuple[StateMachine, ...] = ()
    client: bool = True
    """Whether the current client has it (`cluster` it has not)."""

    def find(self, operation: str) -> Operation | None:
        """Return the operation of this name, or None."""
        return next((each for each in self.operations if each.name == operation), None)
