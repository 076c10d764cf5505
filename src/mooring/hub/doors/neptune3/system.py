"""System attributes that readers know and the store has no word of its own for.

Some are another attribute of the store by another name, some follow from the run's identity. What
counts attributes, points and bytes (`sys/size`, `sys/diagnostics/attributes/...`) is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mooring.errors import QueryError
from mooring.hub.doors.neptune3.identifiers import project_uuid, run_uuid
from mooring.model import AttributeType, RunInfo
from mooring.query import And, Compare, Exists, Expression, Field, Not, Or, Sort

TRASHED = "sys/trashed"
IS_HEAD = "sys/experiment/is_head"


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of an attribute, for runs that also have the one called `beside`."""

    name: str
    source: str
    type: AttributeType
    beside: str


ALIASES = (
    Alias(
        "sys/forking/requested_parent",
        "sys/forking/parent",
        AttributeType.STRING,
        "sys/forking/parent",
    ),
    Alias(
        "sys/experiment/running_time_seconds",
        "sys/running_time_seconds",
        AttributeType.FLOAT,
        "sys/experiment/name",
    ),
)
_SOURCES = {alias.name: alias.source for alias in ALIASES}

IDENTITY: Mapping[str, Callable[[RunInfo], str]] = {
    "sys/diagnostics/project_uuid": lambda run: project_uuid(run.project),
    "sys/diagnostics/run_uuid": lambda run: run_uuid(run.key),
}
"""Texts that every run has, by name."""


def in_terms_of_the_store(expression: Expression) -> Expression:
    """Return a filter by the names that the store has; `QueryError` for what it cannot compare."""
    match expression:
        case And(operands) | Or(operands):
            return replace(expression, operands=tuple(map(in_terms_of_the_store, operands)))
        case Not(operand):
            return Not(in_terms_of_the_store(operand))
        case Exists(field) if field.path in IDENTITY:
            fits = field.type in (None, AttributeType.STRING)
            return And(()) if fits else Or(())
        case Compare(field) | Exists(field):
            return replace(expression, field=_source_of(field))


def sort_of_the_store(sort: Sort) -> Sort:
    """Return a sort by the name that the store has; `QueryError` for what it cannot sort by."""
    return replace(sort, field=_source_of(sort.field))


def paths_of(expression: Expression) -> Iterable[str]:
    """Yield the attributes that a filter names."""
    match expression:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from paths_of(operand)
        case Not(operand):
            yield from paths_of(operand)
        case Compare(field) | Exists(field):
            yield field.path


def _source_of(field: Field) -> Field:
    if field.path in IDENTITY:
        raise QueryError(f"runs cannot be compared by {field.path}; use sys/id")
    return replace(field, path=_SOURCES.get(field.path, field.path))
