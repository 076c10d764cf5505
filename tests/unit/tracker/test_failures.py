"""What was not written is counted, told once, and told again at the end."""

from __future__ import annotations

import logging

import pytest

from mooring.errors import InvalidStep, InvalidValue, StoreFull, TypeConflict
from mooring.tracker.failures import Failures
from mooring.tracker.session import culprits


def test_first_of_each_kind_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures("run local/events/a")
    failures.add(InvalidValue("first"))
    failures.add(InvalidValue("second"), 2)
    failures.add(StoreFull("no space"), 5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "first" in caplog.messages[0]
    assert "no space" in caplog.messages[1]
    assert failures.counts == {"InvalidValue": 3, "StoreFull": 5}
    assert failures.total == 8


def test_the_summary_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures("run local/events/a")
    failures.tell()
    assert caplog.records == []
    failures.add(InvalidValue("a lock"), 2)
    failures.add(StoreFull("full"))
    caplog.clear()
    failures.tell()
    assert caplog.messages == [
        "run local/events/a: 3 values were not written: 2 InvalidValue (a lock); 1 StoreFull (full)"
    ]


def test_culprits() -> None:
    values = {"a": 1, "b": 2, "bad\npath": 3}
    conflict = TypeConflict("b", expected="string_series", got="float_series")
    assert culprits(conflict, values) == ["b"]
    assert culprits(InvalidValue("?"), values) == ["bad\npath"]
    assert culprits(InvalidValue("?"), {"a": 1, "b": 2}) == []
    assert culprits(InvalidStep("nan"), values) == list(values)
    assert culprits(StoreFull("no space"), values) == list(values)
