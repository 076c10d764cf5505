"""System attributes that readers know and the store has no word for: ids of this protocol.

They follow from the run itself. A search of one project may compare by them; one of many may not,
as there is no name in the store for what tells the projects apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mooring.errors import NotFound, QueryError
from mooring.hub.doors.neptune3.identifiers import key_of, project_uuid, run_uuid
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType, RunInfo
from mooring.query import (
    And,
    Compare,
    Exists,
    Expression,
    Field,
    Not,
    Operator,
    Or,
    Sort,
    compile_pattern,
)

TRASHED = "sys/trashed"
IS_HEAD = "sys/experiment/is_head"
PROJECT_UUID = "sys/diagnostics/project_uuid"
RUN_UUID = "sys/diagnostics/run_uuid"

IDENTITY: Mapping[str, Callable[[RunInfo], str]] = {
    PROJECT_UUID: lambda run: project_uuid(run.project),
    RUN_UUID: lambda run: run_uuid(run.key),
}
"""Texts that every run has, by name."""
_TESTS: Mapping[Operator, Callable[[str, str], bool]] = {
    Operator.EQ: lambda told, wanted: told == wanted,
    Operator.LT: lambda told, wanted: told < wanted,
    Operator.LE: lambda told, wanted: told <= wanted,
    Operator.GT: lambda told, wanted: told > wanted,
    Operator.GE: lambda told, wanted: told >= wanted,
    Operator.MATCHES: lambda told, wanted: compile_pattern(wanted).search(told),
    Operator.CONTAINS: lambda told, wanted: wanted in told,
}
_NEGATED = {
    Operator.NE: Operator.EQ,
    Operator.NOT_MATCHES: Operator.MATCHES,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
}
_ALWAYS, _NEVER = And(()), Or(())


def in_terms_of_the_store(
    expression: Expression, store: GuardedStore, project: str | None
) -> Expression:
    """Return a filter on the runs of a project (None: of many) by the names that the store has.

    Raises `QueryError` for what it cannot compare.
    """
    match expression:
        case And(operands) | Or(operands):
            inner = (in_terms_of_the_store(operand, store, project) for operand in operands)
            return replace(expression, operands=tuple(inner))
        case Not(operand):
            return Not(in_terms_of_the_store(operand, store, project))
        case Exists(field) if field.path in IDENTITY:
            return _ALWAYS if _fits(field) else _NEVER
        case Compare(field) if field.path in IDENTITY:
            return _compare(expression, store, project)
    return expression


def _compare(compare: Compare, store: GuardedStore, project: str | None) -> Expression:
    field, wanted = compare.field, str(compare.value)
    operator = _NEGATED.get(compare.operator, compare.operator)
    if project is None:
        raise QueryError(f"runs of several projects cannot be compared by {field.path}")
    if not _fits(field) or field.aggregate is not None:
        found: Expression = _NEVER
    elif field.path == PROJECT_UUID:
        found = _ALWAYS if _TESTS[operator](project_uuid(project), wanted) else _NEVER
    elif operator is Operator.EQ:
        found = _run_of(wanted, store, project)
    else:
        raise QueryError(f"runs cannot be compared by {field.path} with {operator}; use sys/id")
    return found if operator is compare.operator else Not(found)


def _fits(field: Field) -> bool:
    return field.type in (None, AttributeType.STRING)


def _run_of(uuid: str, store: GuardedStore, project: str) -> Expression:
    key = key_of(uuid)
    try:
        found = [] if key is None else store.get_runs([key])
    except NotFound:
        found = []
    if not found or found[0].project != project or run_uuid(found[0].key) != uuid:
        return _NEVER
    return Compare(Field("sys/id", AttributeType.STRING), Operator.EQ, found[0].sys_id)


def sort_of_the_store(sort: Sort | None) -> Sort | None:
    """Return a sort by the name that the store has; `QueryError` for what it cannot sort by."""
    if sort is not None and sort.field.path in IDENTITY:
        raise QueryError(f"runs cannot be sorted by {sort.field.path}; use sys/creation_time")
    return sort


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
