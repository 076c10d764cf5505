"""Writers whose clocks are wrong, or jump: nothing is refused for it, steps keep their order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.model import AttributeType
from mooring.store.contract import PathSelector, SeriesQuery
from mooring.wire.neptune3.requests import Code
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.writing import (
    PROJECT,
    Writer,
    batch,
    configs,
    creation,
    points,
)

LAST_SECOND = 253_402_300_799
"""Of the year 9999."""
TIMES = [1_700_000_000, 0, LAST_SECOND, 1, -1, -62_135_596_800, 1_700_000_000, 999]
BEYOND = [LAST_SECOND + 1, 2**62, -(2**63), 2**63 - 1]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    hub = HubThread(tmp_path / "runs.db")
    yield hub
    assert hub.hub.store.check().ok
    hub.stop()


@pytest.fixture
def writer(hub: HubThread) -> Writer:
    writer = Writer(hub, hub.admin)
    writer.create()
    return writer


def key_of(hub: HubThread, run_id: str = "r") -> int:
    run = hub.hub.store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    return run.key


def series(hub: HubThread, path: str, type: AttributeType) -> list[tuple[int, int, Any]]:
    """The points of a series, as whole (step, time, value)."""
    select = PathSelector(paths=(path,), types=frozenset({type}))
    rows = hub.hub.store.read_series([key_of(hub)], select, SeriesQuery()).to_pylist()
    return [(row["step"] // 10**6, row["time"] // 10**6, row["value"]) for row in rows]


def changed(sent: Any, seconds: int) -> Any:
    sent.timestamp.seconds = seconds
    return sent


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "batches"])
def test_times_of_points(hub: HubThread, writer: Writer, together: bool) -> None:
    sent = [
        points(step, {"loss": step * 0.5, "line": f"line {step}"}, time=time)
        for step, time in enumerate(TIMES)
    ]
    if together:
        assert writer.told(batch(*sent)) == {Code.OK: 2 * len(sent)}
    else:
        for each in sent:
            assert writer.told(batch(each)) == {Code.OK: 2}
    for _ in range(2):
        assert series(hub, "loss", AttributeType.FLOAT_SERIES) == [
            (step, time, step * 0.5) for step, time in enumerate(TIMES)
        ]
        assert series(hub, "line", AttributeType.STRING_SERIES) == [
            (step, time, f"line {step}") for step, time in enumerate(TIMES)
        ]
        hub.hub.store.compact()


def test_steps_that_the_hub_chooses_are_of_the_order_of_arrival(
    hub: HubThread, writer: Writer
) -> None:
    for number, time in enumerate(TIMES):
        sent = points(None, {"loss": float(number)}, time=time)
        assert writer.told(batch(sent)) == {Code.OK: 1}
    found = series(hub, "loss", AttributeType.FLOAT_SERIES)
    assert found == [(number, time, float(number)) for number, time in enumerate(TIMES)]


def test_times_that_are_no_dates(hub: HubThread, writer: Writer) -> None:
    """The values are kept, with the time at which they came."""
    sent = [points(step, {"loss": 1.0}, time=time) for step, time in enumerate(BEYOND)]
    assert writer.told(batch(*sent)) == {Code.OK: len(BEYOND)}
    found = series(hub, "loss", AttributeType.FLOAT_SERIES)
    assert [(step, value) for step, _, value in found] == [(n, 1.0) for n in range(len(BEYOND))]
    assert all(1_700_000_000 < time < LAST_SECOND for _, time, _ in found)
    for number, time in enumerate(BEYOND):
        assert writer.told(batch(changed(configs({"number": number}), time))) == {Code.OK: 1}
        assert hub.hub.store.get_value(key_of(hub), "number")[1] == number


def test_what_was_sent_last_holds_whatever_its_time(hub: HubThread, writer: Writer) -> None:
    tags = set()
    for number, time in enumerate(TIMES):
        sent = changed(configs({"number": number}), time)
        change = changed(configs({}), time)
        change.modify_sets["sys/tags"].string.values[f"{number}"] = 1
        tags.add(f"{number}")
        if number:
            change.modify_sets["sys/tags"].string.values[f"{number - 1}"] = 2
            tags.remove(f"{number - 1}")
        assert writer.told(batch(sent, change)) == {Code.OK: 2}
        assert hub.hub.store.get_value(key_of(hub), "number")[1] == number
        assert hub.hub.store.get_value(key_of(hub), "sys/tags")[1] == tags


@pytest.mark.parametrize("time", [*TIMES, *BEYOND])
def test_times_of_creation(hub: HubThread, writer: Writer, time: int) -> None:
    made = creation("made")
    made.create.creation_time.seconds = time
    assert writer.told(made) == {Code.OK: 1}
    created = hub.hub.store.get_value(key_of(hub, "made"), "sys/creation_time")[1]
    assert created.year in range(1, 10_000)
    if time in TIMES:
        assert created.timestamp() == time
    assert writer.told(batch(points(1, {"loss": 1.0}), run_id="made")) == {Code.OK: 1}
