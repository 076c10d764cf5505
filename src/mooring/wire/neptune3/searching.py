"""Searches of runs: what readers ask for, and the runs that they are told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput, QueryError
from mooring.model import AttributeType
from mooring.query import Aggregate, Expression, Field, Sort, parse
from mooring.query.nql import TYPES
from mooring.wire.neptune3.bodies import (
    read_count,
    read_flag,
    read_object,
    read_objects,
    read_text,
)

DEFAULT_LIMIT = 10_000
MAX_FILTER = 1 << 20
"""Characters of a filter: clients ask in several requests from a quarter of it on."""
_DIRECTIONS = {"ascending": True, "descending": False}
_NUMBERS = frozenset({Aggregate.MIN, Aggregate.MAX, Aggregate.AVERAGE, Aggregate.VARIANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search of runs.

    Attributes
    ----------
    projection : names of the attributes to tell
    heads_only : one run for each experiment
    filter : None where all runs match
    sort : None leaves the order to the server
    knows_trash : whether the reader filters by `sys/trashed` itself when it wants to, as the old
        client does. The others do not know that there is a trash.
    """

    projection: tuple[str, ...] = ()
    heads_only: bool = False
    filter: Expression | None = None
    sort: Sort | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    knows_trash: bool = False


def decode_search(body: object) -> Search:
    """Read the body of a search.

    Raises
    ------
    InvalidInput
        `QueryError` for a filter that cannot be read.

    >>> search = decode_search({"query": {"query": '`lr`:float > "0.1"'}, "experimentLeader": True})
    >>> print(search.filter, search.heads_only, search.limit)
    (`lr`:float > 0.1) True 10000
    """
    given = read_object(body, "the body")
    page = read_object(given.get("pagination"), "pagination")
    query = read_object(given.get("query"), "query")
    text = read_text(query.get("query"), "query.query") or ""
    if len(text) > MAX_FILTER:
        raise QueryError(f"the filter has {len(text):,} characters; {MAX_FILTER:,} are the limit")
    order = read_object(given.get("sorting"), "sorting")
    return Search(
        projection=_projection(given.get("attributeFilters")),
        heads_only=read_flag(given.get("experimentLeader"), "experimentLeader"),
        filter=parse(text) if text.strip() else None,
        sort=_sort(order),
        limit=read_count(page.get("limit"), "pagination.limit", default=DEFAULT_LIMIT),
        offset=read_count(page.get("offset"), "pagination.offset", default=0, most=1 << 53),
        knows_trash=_is_of_old_client(order),
    )


def _is_of_old_client(order: Mapping[str, Any]) -> bool:
    """Return whether the old client asks: it alone names an aggregation always, "none"."""
    return order.get("aggregationMode") == "none"


def _projection(value: object) -> tuple[str, ...]:
    given = read_objects(value, "attributeFilters") or ()
    paths = (read_text(each.get("path"), "attributeFilters.path") for each in given)
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _sort(given: Mapping[str, Any]) -> Sort | None:
    by = read_object(given.get("sortBy"), "sorting.sortBy")
    name = read_text(by.get("name"), "sorting.sortBy.name")
    if name is None:
        return None
    direction = read_text(given.get("dir"), "sorting.dir") or "descending"
    if direction not in _DIRECTIONS:
        raise InvalidInput(f"sorting.dir is ascending or descending, not {direction[:80]!r}")
    word = read_text(by.get("type"), "sorting.sortBy.type")
    type = None if word is None else TYPES.get(word)
    if word is not None and type is None:
        raise InvalidInput(f"{word[:80]!r} is no attribute type")
    if type is AttributeType.STRING and _is_of_old_client(given):
        type = None  # what it says where it does not know the type
    mode = _aggregate(given.get("aggregationMode")) or _aggregate(by.get("aggregationMode"))
    return Sort(Field(name, type, _fitting(type, mode)), ascending=_DIRECTIONS[direction])


def _aggregate(value: object) -> Aggregate | None:
    word = read_text(value, "aggregationMode")
    if word is None or word == "none":
        return None
    try:
        return Aggregate(word)
    except ValueError:
        raise InvalidInput(f"{word[:80]!r} is no aggregation of series") from None


def _fitting(type: AttributeType | None, mode: Aggregate | None) -> Aggregate | None:
    """Return the aggregate that runs can be sorted by; clients send one for any type."""
    if type is not None and not type.is_series:
        return None
    if mode in _NUMBERS and type not in (None, AttributeType.FLOAT_SERIES):
        return None
    return mode
