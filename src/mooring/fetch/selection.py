"""Arguments of the fetch functions as queries of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard, get_args

from mooring.errors import AttributeNotFound, InvalidInput, QueryError
from mooring.fetch.nearest import near_paths
from mooring.model import AttributeType, RunInfo
from mooring.query import And, Expression, Field, Sort, compile_pattern, field, parse
from mooring.query.ast import FieldBuilder
from mooring.store.contract import PathSelector, RunQuery, Store

Texts = str | Iterable[str] | None
"""One text or several; None where nothing is asked for."""

_STATES = ("active", "inactive")

_SORTABLE = {
    AttributeType.INT,
    AttributeType.FLOAT,
    AttributeType.STRING,
    AttributeType.BOOL,
    AttributeType.DATETIME,
    AttributeType.RUN_STATE,
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
}
_ALWAYS_THERE = {"sys/creation_time", "sys/id", "sys/custom_run_id"}
_EXPRESSIONS = get_args(Expression)
_ID, _RUN_ID, _NAME = "sys/id", "sys/custom_run_id", "sys/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSelection:
    """Which runs, by the parameters that Neptune's readers have. All that are given must hold.

    Of `with_ids`, `custom_ids`, `states` and `owners` one element must match, so an empty list
    selects nothing; of `tags` and of the regular expressions all must.
    """

    names_regex: Texts = None
    names_exclude_regex: Texts = None
    custom_id_regex: Texts = None
    with_ids: Texts = None
    custom_ids: Texts = None
    states: Texts = None
    owners: Texts = None
    tags: Texts = None
    query: str | Expression | None = None
    heads_only: bool = False
    trashed: bool | None = False

    def to_filter(self) -> Expression | None:
        """Return the filter; None where every run is meant."""
        name, run_id = _text_field(_NAME), _text_field(_RUN_ID)
        terms: list[Expression] = []
        terms += [name.matches(text) for text in _regexes("names_regex", self.names_regex)]
        terms += [
            ~name.matches(text)
            for text in _regexes("names_exclude_regex", self.names_exclude_regex)
        ]
        terms += [
            run_id.matches(text) for text in _regexes("custom_id_regex", self.custom_id_regex)
        ]
        for name_of, argument, target in (
            ("with_ids", self.with_ids, _text_field(_ID)),
            ("custom_ids", self.custom_ids, run_id),
            ("states", _states(self.states), field("sys/state")),
            ("owners", self.owners, _text_field("sys/owner")),
        ):
            if argument is not None:
                terms.append(target.is_in(dict.fromkeys(texts(name_of, argument))))
        tags = field("sys/tags").typed(AttributeType.STRING_SET)
        terms += [tags.contains(tag) for tag in texts("tags", self.tags)]
        if self.heads_only:
            terms.append(field("sys/experiment/is_head").typed(AttributeType.BOOL) == True)  # noqa: E712
        if self.query is not None:
            terms.append(parse_query(self.query))
        if not terms:
            return None
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def to_query(
        self, project: str, *, sort: Sort | None = None, limit: int | None = None
    ) -> RunQuery:
        """Return the query of one project's runs."""
        if self.trashed not in (True, False, None):
            raise InvalidInput(f"trashed is True, False or None, not {self.trashed!r}")
        return RunQuery(
            project=project,
            filter=self.to_filter(),
            trashed=self.trashed,
            sort=sort,
            limit=parse_count("limit", limit),
        )


def texts(name: str, value: Texts) -> list[str]:
    """Return an argument of one or several texts as a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        raise InvalidInput(f"{name} is a text or a list of texts, not {value!r}")
    items = list(value)
    for item in items:
        if not isinstance(item, str):
            raise InvalidInput(f"{name} holds texts, not {item!r} ({type(item).__name__})")
    return items


def parse_regex(name: str, pattern: object) -> str:
    """Return a regular expression that compiles, or raise `QueryError`."""
    if not isinstance(pattern, str):
        raise InvalidInput(f"{name} is a regular expression, not {pattern!r}")
    if not pattern:
        raise InvalidInput(f"{name} is an empty text, which would match everything; leave it out")
    try:
        compile_pattern(pattern)
    except QueryError as error:
        raise QueryError(f"{name}: {error}") from None
    return pattern


def parse_path_regex(name: str, pattern: object) -> str:
    """Return the same in the syntax of Python's `re`, which selectors of paths take."""
    return compile_pattern(parse_regex(name, pattern)).pattern


def is_expression(value: object) -> TypeGuard[Expression]:
    """Tell whether this is a filter."""
    return isinstance(value, _EXPRESSIONS)


def parse_query(query: str | Expression) -> Expression:
    """Return a filter given as an expression or in Neptune's query language."""
    if isinstance(query, str):
        return parse(query)
    if is_expression(query):
        return query
    raise InvalidInput(
        "query is text in Neptune's query language or an expression of mooring.query, "
        f"not {query!r} ({type(query).__name__})"
    )


def parse_count(name: str, value: object) -> int | None:
    """Return a whole number of at least 1, or None."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise InvalidInput(f"{name} is a whole number above 0, or None, not {value!r}")


def parse_sort(sort_by: str | Field | FieldBuilder, ascending: bool) -> Sort:
    """Return the order of runs. Whether it makes sense, `check_sort` tells afterwards."""
    target = sort_by.target if isinstance(sort_by, FieldBuilder) else sort_by
    if isinstance(target, str):
        target = Field(target)
    if not isinstance(target, Field):
        raise InvalidInput(f"sort_by is the path of an attribute, not {sort_by!r}")
    if not isinstance(ascending, bool):
        raise InvalidInput(f"ascending is True or False, not {ascending!r}")
    return Sort(target, ascending=ascending)


def check_sort(store: Store, project: str, sort: Sort, runs: Sequence[RunInfo]) -> None:
    """Refuse an order that says nothing: no run has the attribute, or none can be sorted by it.

    Runs that have it come first, so the first of a sorted page answers for all. A project is
    searched only when that one lacks it: among 100,000 runs this takes a quarter of a second.
    """
    path = sort.field.path
    if path in _ALWAYS_THERE:
        return
    if runs:
        first = store.read_attributes([runs[0].key], PathSelector(paths=(path,)))
        if any(column.type in _SORTABLE for column in first):
            return
    found = store.list_attributes(None, PathSelector(paths=(path,)), project=project)
    if any(type in _SORTABLE for _, type in found):
        return
    if found:
        raise InvalidInput(
            f"runs cannot be sorted by {path!r}, which is a {found[0][1]}; sort by a number, "
            "a text, a truth value, a time or the last value of a series"
        )
    known = [name for name, _ in store.list_attributes(None, PathSelector(), project=project)]
    if known:
        raise AttributeNotFound(path, where=project, known=near_paths(path, known))


def select_columns(columns: Texts, columns_regex: str | None) -> PathSelector:
    """Return the attributes that a table shows, `sys/id` among them."""
    pattern = None if columns_regex is None else parse_path_regex("columns_regex", columns_regex)
    if columns is None and pattern is None:
        return PathSelector()
    paths = dict.fromkeys([_ID, *texts("columns", columns)])
    return PathSelector(paths=tuple(paths), patterns=(pattern,) if pattern else None)


def _states(states: Texts) -> list[str] | None:
    if states is None:
        return None
    asked = [state.lower() for state in texts("states", states)]
    for state in asked:
        if state not in _STATES:
            raise InvalidInput(f"states holds 'active' or 'inactive', not {state!r}")
    return asked


def _regexes(name: str, patterns: Texts) -> list[str]:
    return [parse_regex(name, pattern) for pattern in texts(name, patterns)]


def _text_field(path: str) -> FieldBuilder:
    return field(path).typed(AttributeType.STRING)
