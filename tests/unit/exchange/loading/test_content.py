"""Digests tell content, and nothing of how it lies in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from mooring.exchange.loading.content import digest_points, digest_value
from mooring.exchange.source import make_points
from mooring.model import AttributeType, Typed

VALUES = {
    AttributeType.FLOAT_SERIES: [1.0, float("nan"), -0.0, 2.0],
    AttributeType.STRING_SERIES: ["a", "", "ü\n", "abc"],
    AttributeType.HISTOGRAM_SERIES: [
        {"kind": "COUNTING", "edges": [0.0, 1.0], "values": [float(n)]} for n in range(4)
    ],
}


@pytest.mark.parametrize("type", VALUES)
def test_layout_does_not_matter(type: AttributeType) -> None:
    whole = make_points(type, ["a", "a", "b", "b"], [0, 1, 0, 1], [5, 6, 5, 6], VALUES[type])
    told = {path: (count, digest) for path, count, digest in digest_points(type, whole)}
    alone = whole.slice(2, 2)
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 3)])

    assert [(p, n) for p, (n, _) in told.items()] == [("a", 2), ("b", 2)]
    assert {p: (n, d) for p, n, d in digest_points(type, alone)} == {"b": told["b"]}
    chunked_told = {p: (n, d) for p, n, d in digest_points(type, chunked.combine_chunks())}
    assert chunked_told == told


@pytest.mark.parametrize("type", VALUES)
def test_each_column_counts(type: AttributeType) -> None:
    values = VALUES[type]
    tables = [
        make_points(type, ["a"] * 2, [0, 1], [5, 6], values[:2]),
        make_points(type, ["a"] * 2, [0, 2], [5, 6], values[:2]),
        make_points(type, ["a"] * 2, [0, 1], [5, 7], values[:2]),
        make_points(type, ["a"] * 2, [0, 1], [5, 6], values[1:3]),
    ]
    assert len({next(digest_points(type, table))[2] for table in tables}) == len(tables)
    assert len({next(digest_points(type, tables[0], seed=seed))[2] for seed in "ab"}) == 2


def test_values_of_other_types_differ() -> None:
    values = [1, 1.0, True, "1", datetime(1970, 1, 1, tzinfo=UTC), frozenset({"1"})]
    typed = [Typed(AttributeType.RUN_STATE, "1"), Typed(AttributeType.GIT_REF, {"a": 1})]
    assert len({digest_value(value) for value in [*values, *typed]}) == 8
    assert digest_value(frozenset({"a", "b"})) == digest_value(frozenset({"b", "a"}))
