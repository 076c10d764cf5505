"""Rows read back as a plain list of dicts would hold them, whatever was done in between."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mooring.store import open_store
from mooring.tracker import Tracker

KEYS = st.sampled_from(["a", "b", "loss/train", "order", "A", "é ", 'q"uote', "sys/x"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
ROWS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def same(one: object, other: object) -> bool:
    """Whether a cell came back. A whole number in a column of floats comes back as a float."""
    if type(one) is float and type(other) is int:
        return one == other
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


class Rows(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = open_store(":memory:")
        self.tracker = self.open()
        self.params: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []

    def open(self) -> Tracker:
        return Tracker(self.store, track_id="mine", on_error="raise")

    @rule(row=ROWS)
    def log(self, row: dict[str, Any]) -> None:
        self.tracker.log(row)
        self.rows.append({**self.params, **row})

    @rule(rows=st.lists(ROWS, max_size=3))
    def log_batch(self, rows: list[dict[str, Any]]) -> None:
        self.tracker.log_batch(rows)
        self.rows += [{**self.params, **row} for row in rows]

    @rule(key=KEYS.filter(lambda key: not key.startswith("sys/")), value=VALUES)
    def set_param(self, key: str, value: Any) -> None:
        self.tracker.set_param(key, value)
        self.params[key] = value

    @rule(key=KEYS.filter(lambda key: not key.startswith("sys/")), value=VALUES)
    def set_value(self, key: str, value: Any) -> None:
        assert self.tracker.set_value(key, value) == len(self.rows)
        for row in self.rows:
            row[key] = value

    @rule()
    def reopen(self) -> None:
        self.tracker.close()
        self.tracker = self.open()
        self.params = {}

    @rule(events=st.booleans())
    def compact(self, events: bool) -> None:
        self.store.compact(events=events)

    @invariant()
    def rows_are_the_same(self) -> None:
        table = self.tracker._read()
        assert len(table.runs) == len(self.rows)
        names = set(table.columns) | {name for row in self.rows for name in row}
        for name in names:
            column = table.columns.get(name, [None] * len(self.rows))
            for cell, row in zip(column, self.rows, strict=True):
                assert same(cell, row.get(name)), (name, cell, row)

    def teardown(self) -> None:
        self.tracker.close()
        self.store.close()


TestRows = Rows.TestCase
