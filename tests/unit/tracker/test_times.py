"""Instants in, local text out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from mooring.errors import InvalidValue
from mooring.store.contract import EventTable
from mooring.store.tables import empty
from mooring.tracker.frames import to_frame
from mooring.tracker.times import local_text, to_micros


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_to_micros() -> None:
    assert to_micros(None) is None
    assert to_micros(1.5) == 1_500_000
    assert to_micros(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1)))) == 3_600_000_000
    for bad in (float("nan"), float("inf"), "now", True):
        with pytest.raises(InvalidValue, match="timestamp"):
            to_micros(bad)  # type: ignore[arg-type]


@pytest.mark.usefixtures("berlin")
def test_local_text() -> None:
    instant = datetime(2026, 7, 1, 12, 0, 0, 60, tzinfo=UTC)
    micros = to_micros(instant)
    assert micros is not None
    assert local_text(micros) == "2026-07-01 14:00:00.000060"


@pytest.mark.usefixtures("berlin")
def test_a_frame_shows_what_a_row_shows_also_across_a_change_of_the_clock() -> None:
    change = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()) * 1_000_000
    times = [change + offset for offset in range(-3_600_000_000, 3_600_000_001, 450_000_007)]
    times += [0, 1, -1, 1_700_000_000_123_456]
    table = EventTable(
        sequence=np.arange(len(times)),
        runs=np.ones(len(times), np.int64),
        times=np.array(times),
        cells=empty(len(times)),
    )
    shown = to_frame(table, {1: "a"})["timestamp"].tolist()
    assert shown == [local_text(one) for one in times]
