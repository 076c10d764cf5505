"""What Neptune's writers were told, over kills, repetitions and copies of their requests.

The writers here speak the protocol themselves, so that they know which request was answered. One
that was not is sent again, byte for byte, and so is now and then one that was answered long ago.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from mooring.wire.neptune3.requests import Code
from mooring.wire.neptune3.schema import message
from tests.serving import HubProcess
from tests.unit.hub.doors.neptune3.writing import PROJECT, Writer, batch, configs, points

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
KILLS = 15 if LONG else 4
THREADS = 4
COPIED = 60 if LONG else 25
"""Requests that are sent as copies at once."""


@pytest.fixture(params=["1", "2"], ids=["one-worker", "two-workers"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "runs.db", "--workers", request.param)
    Writer(hub, hub.admin).create("r")
    yield hub
    if hub.process.poll() is None:
        hub.kill()


def told(writer: Writer, body: bytes, ended: threading.Event | None = None) -> dict[Code, int]:
    """Send a body until it is answered, and ask what became of it; with `ended`, over kills."""
    while True:
        try:
            answer = writer.post("/api/client/v1/ingest", body)
            return writer.check(message("SubmitResponse").FromString(answer).request_ids[-1])[0]
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException):
            if ended is None or ended.is_set():
                raise
            time.sleep(0.05)


class Work:
    """What one thread sends: batch by batch, each with all kinds of operations."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.tags: set[str] = set()
        self.sent: list[tuple[bytes, dict[Code, int]]] = []

    def next(self) -> tuple[bytes, dict[Code, int]]:
        """Return a body, and what becomes of its operations."""
        name, number = self.name, self.count
        change = message("UpdateRunSnapshot")()
        tags = change.modify_sets["sys/tags"].string.values
        tags[f"{name}-{number}"] = 1  # added, and removed by the next but one
        self.tags.add(f"{name}-{number}")
        if number >= 2 and number % 2:
            tags[f"{name}-{number - 2}"] = 2
            self.tags.discard(f"{name}-{number - 2}")
        made = batch(
            points(number, {f"{name}/loss": number * 0.5}),
            points(None, {f"{name}/line": f"line {number}"}),
            points(None, {f"{name}/chosen": float(number)}),
            configs({f"{name}/kind": "text" if number % 5 == 0 else number}),
            configs({f"{name}/config/{number}": number}),
            change,
        )
        wrong = {Code.FIELD_TYPE_CONFLICTING: 1} if number % 5 else {}
        self.count += 1
        self.sent.append((made.SerializeToString(), {Code.OK: 6 - len(wrong), **wrong}))
        return self.sent[-1]


def test_what_was_answered_is_there_once(hub: HubProcess) -> None:
    chance, ended, stop = random.Random(5), threading.Event(), threading.Event()
    work = [Work(f"w{number}") for number in range(THREADS)]

    def write(mine: Work) -> None:
        writer, mind = Writer(hub, hub.admin), random.Random(mine.name)
        while not stop.is_set():
            body, expected = mine.next()
            assert told(writer, body, ended) == expected
            if mind.random() < 0.3:
                again, before = mind.choice(mine.sent)
                assert told(writer, again, ended) == before
            mine.sent = mine.sent[-300:]

    with ThreadPoolExecutor(THREADS) as pool:
        tasks = [pool.submit(write, each) for each in work]
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.2, 1.2))
                hub.kill(workers=True)
                time.sleep(chance.uniform(0.0, 0.2))
                hub.start()
            time.sleep(0.5)
        finally:
            stop.set()
            time.sleep(0.1)
            for task in tasks:
                task.result(timeout=60)
            ended.set()
    writer = Writer(hub, hub.admin)
    for each in work:
        for body, expected in each.sent[-20:]:
            assert told(writer, body) == expected
    assert hub.stop() == 0
    with open_store(hub.store) as store:
        for each in work:
            assert each.count > 10
            check(store, each)
        found = store.get_value(key_of(store), "sys/tags")[1]
        assert found == set().union(*(each.tags for each in work))
        assert not [found for found in store.check().findings if found.severity == "error"]


def check(store: Store, work: Work) -> None:
    """Each operation of a thread is there, once and in its order."""
    key, every = key_of(store), range(work.count)
    assert series(store, f"{work.name}/loss") == [(step, step * 0.5) for step in every]
    assert series(store, f"{work.name}/line") == [(step, f"line {step}") for step in every]
    assert series(store, f"{work.name}/chosen") == [(step, float(step)) for step in every]
    assert store.get_value(key, f"{work.name}/kind")[1] == "text"
    for number in every:
        assert store.get_value(key, f"{work.name}/config/{number}")[1] == number


def test_copies_of_one_request_at_once(hub: HubProcess) -> None:
    work = Work("w")
    writers = [Writer(hub, hub.admin) for _ in range(3)]
    with ThreadPoolExecutor(len(writers)) as pool:
        for _ in range(COPIED):
            body, expected = work.next()
            together = threading.Barrier(len(writers))

            def send(
                writer: Writer, body: bytes = body, together: threading.Barrier = together
            ) -> dict[Code, int]:
                together.wait(timeout=30)
                return told(writer, body)

            assert list(pool.map(send, writers)) == [expected] * len(writers)
    assert hub.stop() == 0
    with open_store(hub.store) as store:
        check(store, work)
        assert store.get_value(key_of(store), "sys/tags")[1] == work.tags


def test_copies_of_one_creation_at_once(hub: HubProcess) -> None:
    writers = [Writer(hub, hub.admin) for _ in range(3)]
    with ThreadPoolExecutor(len(writers)) as pool:
        for number in range(COPIED // 3):
            together = threading.Barrier(len(writers))

            def create(
                writer: Writer, number: int = number, together: threading.Barrier = together
            ) -> dict[Code, int]:
                together.wait(timeout=30)
                return writer.create(f"run {number}", experiment_id="one experiment")

            found = list(pool.map(create, writers))
            assert sorted(found, key=str) == [{Code.OK: 1}, *[{Code.RUN_DUPLICATE: 1}] * 2]


def test_many_write_to_one_series_at_once(hub: HubProcess) -> None:
    """The server chooses the steps: each value has its own, whoever was first."""

    def write(number: int) -> None:
        writer = Writer(hub, hub.admin)
        for each in range(COPIED):
            value = f"{number} {each}"
            sent = batch(points(None, {"line": value}), configs({f"config/{value}": each}))
            assert writer.told(sent) == {Code.OK: 2}

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, range(THREADS)))
    assert hub.stop() == 0
    with open_store(hub.store) as store:
        found = series(store, "line")
        assert [step for step, _ in found] == list(range(THREADS * COPIED))
        for number in range(THREADS):
            mine = [value for _, value in found if value.startswith(f"{number} ")]
            assert mine == [f"{number} {each}" for each in range(COPIED)]


def key_of(store: Store) -> int:
    run = store.find_run(PROJECT, run_id="r")
    assert run is not None
    return run.key


def series(store: Store, path: str) -> list[tuple[int, Any]]:
    """Return a series, with whole steps."""
    kind, _ = store.get_value(key_of(store), path)
    selector = PathSelector(paths=(path,), types=frozenset({kind}))
    table = store.read_series([key_of(store)], selector, SeriesQuery())
    steps = [step // 1_000_000 for step in table["step"].to_pylist()]
    return list(zip(steps, table["value"].to_pylist(), strict=True))
