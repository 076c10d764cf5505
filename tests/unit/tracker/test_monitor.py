"""Measures of the machine: of the right size, and never in the way of what is tracked."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import InvalidInput
from mooring.tracker import Tracker
from mooring.tracker.calls.monitor import Monitor, Sampler

SYSTEM = {"cpu", "memory_percent", "p_memory_percent", "disk_percent"}
NETWORK = {"bytes_sent", "bytes_recv"}
LOGGED = {"cpu_percent", "ram_percent", "p_memory_percent", "disk_percent"}


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with Tracker(
        Tracker.IN_MEMORY,
        log_system_params=True,
        log_network_params=True,
        measurement_interval=0.01,
        on_error="raise",
    ) as tracker:
        yield tracker


def burn(seconds: float) -> None:
    """Use the processor until it has been used for so long."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def test_a_call_has_all_measures_as_means(tracker: Tracker) -> None:
    tracker.track(burn, args=[0.15])  # many samples
    row: dict[str, Any] = tracker.latest
    assert row.keys() >= SYSTEM | NETWORK
    assert 0 < row["cpu"] <= 100 * (os.cpu_count() or 1) * 1.1
    for name in ("memory_percent", "p_memory_percent", "disk_percent"):
        assert 0 < row[name] <= 100, name
    assert 0 <= row["bytes_sent"] < 1e6
    assert tracker.failures == {}


def test_cpu_is_of_this_process(tracker: Tracker) -> None:
    tracker.track(time.sleep, args=[0.05])
    asleep = tracker.latest["cpu"]
    tracker.track(burn, args=[0.05])
    awake = tracker.latest["cpu"]
    assert isinstance(asleep, float)
    assert isinstance(awake, float)
    assert asleep < awake


def test_network_traffic_is_that_of_the_call(tracker: Tracker) -> None:
    import psutil

    total = sum(card.bytes_recv for card in psutil.net_io_counters(pernic=True).values())
    tracker.track(lambda: None)
    received = tracker.latest["bytes_recv"]
    assert isinstance(received, float)
    assert 0 <= received <= Tracker.to_mb(total) or total == 0


def test_what_a_function_returns_does_not_replace_measures(tracker: Tracker) -> None:
    tracker.track(lambda: {"cpu": "mine", "disk_percent": 5})
    row: dict[str, Any] = tracker.latest
    assert (row["result_cpu"], row["result_disk_percent"]) == ("mine", 5)
    assert isinstance(row["cpu"], float)


def test_a_call_that_fails_is_measured_and_its_thread_ends(tracker: Tracker) -> None:
    with pytest.raises(ZeroDivisionError):
        tracker.track(lambda: 1 / 0)
    assert tracker.latest.keys() >= SYSTEM | NETWORK
    assert not [one for one in threading.enumerate() if one.name == "mooring-monitor"]


def test_a_generator_nobody_starts_leaves_no_thread(tracker: Tracker) -> None:
    stream = tracker.track(lambda: (number for number in range(3)))
    assert not [one for one in threading.enumerate() if one.name == "mooring-monitor"]
    assert list(stream) == [0, 1, 2]
    assert tracker.latest.keys() >= SYSTEM


def test_rows_have_measures(tracker: Tracker) -> None:
    began = time.process_time()
    while True:  # until the processor's clock has ticked
        row: dict[str, Any] = tracker.log({"loss": 0.5})
        assert row.keys() >= LOGGED | NETWORK
        if row["cpu_percent"] is not None:
            break
        assert time.process_time() - began < 30
    for name in LOGGED:
        assert 0 <= row[name] <= 100, name
    assert row["ram_percent"] > 0
    assert row["bytes_sent"] >= 0
    assert "cpu" not in row


def test_data_of_the_same_name_wins(tracker: Tracker) -> None:
    assert tracker.log({"cpu_percent": "mine"})["cpu_percent"] == "mine"


def test_nothing_is_measured_unasked() -> None:
    with Tracker(Tracker.IN_MEMORY) as tracker:
        tracker.track(len, args=["a"])
        assert tracker.latest.keys().isdisjoint(SYSTEM | NETWORK | LOGGED)
        tracker.log_system_params = True  # an attribute of a live tracker, as its users know it
        tracker.track(len, args=["a"])
        assert tracker.latest.keys() >= SYSTEM | LOGGED
        assert tracker.latest.keys().isdisjoint(NETWORK)


@pytest.mark.parametrize("interval", [0, -1, "1", None, float("nan")])
def test_an_interval_that_is_none(interval: Any) -> None:
    with pytest.raises(InvalidInput, match="measurement_interval"):
        Tracker(Tracker.IN_MEMORY, measurement_interval=interval)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux's /proc")
def test_a_measure_that_fails_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    told: list[BaseException] = []
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))  # as a container may hide it
    sampler = Sampler(system=True, network=True, interval_s=9, tell=told.append).start()
    assert sampler.stop().keys() == {"cpu", "disk_percent"}
    logged = Monitor(told.append).read(system=True, network=True)
    assert (logged["cpu_percent"], logged["ram_percent"]) == (None, None)
    assert logged["disk_percent"]
    assert FileNotFoundError in set(map(type, told))
    with Tracker(Tracker.IN_MEMORY, log_system_params=True) as tracker:
        assert tracker.track(len, args=["ab"]) == 2
        assert tracker.latest["function_result"] == 2
        assert tracker.failures["FileNotFoundError"] > 0


def track_in_worker(number: int) -> dict[str, Any]:
    with Tracker(Tracker.IN_MEMORY, log_system_params=True, measurement_interval=0.01) as tracker:
        tracker.track(burn, args=[0.02], params={"number": number})
        return {**tracker.latest, "failures": dict(tracker.failures)}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_of_a_pool(method: Any) -> None:
    with multiprocessing.get_context(method).Pool(2) as pool:
        rows = pool.map(track_in_worker, range(3))
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert all(row.keys() >= SYSTEM and not row["failures"] for row in rows)
