"""Searches of Neptune 3's readers: JSON to model."""

from __future__ import annotations

from typing import Any

import pytest

from mooring.errors import InvalidInput, QueryError
from mooring.model import AttributeType
from mooring.query import Aggregate, Compare, Field, Operator, Sort
from mooring.wire.neptune3.searching import Search, decode_search


def _sort(by: dict[str, Any], **more: Any) -> Sort | None:
    return decode_search({"sorting": {"sortBy": by, **more}}).sort


def test_nothing_said() -> None:
    for body in ({}, None, {"query": {"query": "  "}, "sorting": None, "pagination": {}}):
        assert decode_search(body) == Search()


def test_what_clients_send() -> None:
    body = {
        "attributeFilters": [{"path": "sys/name"}, {"path": "sys/id"}, {"path": "sys/name"}],
        "experimentLeader": True,
        "pagination": {"limit": 50, "offset": 100.0},
        "query": {"query": '(`lr`:float == "1e-05")'},
        "sorting": {
            "dir": "ascending",
            "sortBy": {"name": "loss", "type": "floatSeries"},
            "aggregationMode": "min",
        },
    }
    assert decode_search(body) == Search(
        projection=("sys/name", "sys/id"),
        heads_only=True,
        filter=Compare(Field("lr", AttributeType.FLOAT), Operator.EQ, 1e-05),
        sort=Sort(Field("loss", AttributeType.FLOAT_SERIES, Aggregate.MIN)),
        limit=50,
        offset=100,
    )


def test_aggregations_are_taken_where_they_make_sense() -> None:
    series = {"name": "x", "type": "floatSeries"}
    assert _sort({**series, "aggregationMode": "variance"}) == Sort(
        Field("x", AttributeType.FLOAT_SERIES, Aggregate.VARIANCE), ascending=False
    )
    for by in ({"name": "x", "type": "float"}, {"name": "x", "type": "stringSeries"}):
        found = _sort(by, aggregationMode="max")
        assert found is not None
        assert found.field.aggregate is None


def test_the_old_client_says_text_where_it_does_not_know() -> None:
    by = {"name": "x", "type": "string"}
    assert _sort(by) == Sort(Field("x", AttributeType.STRING), ascending=False)
    assert _sort(by, aggregationMode="none") == Sort(Field("x"), ascending=False)
    assert decode_search({"sorting": {"aggregationMode": "none"}}).knows_trash


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"pagination": {"limit": -1}},
        {"pagination": {"limit": 1.5}},
        {"pagination": {"limit": True}},
        {"pagination": {"limit": 10**9}},
        {"pagination": {"offset": "1"}},
        {"pagination": {"offset": 10**30}},
        {"pagination": []},
        {"experimentLeader": "yes"},
        {"attributeFilters": ["sys/id"]},
        {"attributeFilters": [{"path": 1}]},
        {"query": "lr = 1"},
        {"query": {"query": 1}},
        {"sorting": {"sortBy": {"name": "x", "type": "flot"}}},
        {"sorting": {"sortBy": {"name": "x"}, "dir": "up"}},
        {"sorting": {"sortBy": {"name": "x"}, "aggregationMode": "median"}},
        {"sorting": {"sortBy": {"name": 1}}},
    ],
)
def test_what_is_no_search(body: object) -> None:
    with pytest.raises(InvalidInput):
        decode_search(body)


@pytest.mark.parametrize(
    "text",
    [
        "() OR ()",
        "`x`:float ~ 1",
        '`x`:string MATCHES "("',
        '`x`:int == "a"',
        "`x`:datetime > no",
        "`x`:int = 1" + " OR `x`:int = 1" * 100_000,
    ],
    ids=range(6),
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(QueryError):
        decode_search({"query": {"query": text}})
