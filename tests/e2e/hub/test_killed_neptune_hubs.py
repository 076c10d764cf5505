"""Two hubs of one store are killed while real `neptune-scale` processes log to them.

These end well by themselves. What they hold for done is there: each point once, in its order, each
value, each file.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.client.token import ApiToken
from mooring.hub.accounts import Accounts
from mooring.hub.doors.neptune3 import files
from mooring.hub.doors.neptune3.parts import Parts
from mooring.model import FileRef
from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess, clean_environment, free_port

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
KILLS = 12 if LONG else 3
STEPS = 1_000 if LONG else 200
NAMES = ("a", "b", "c") if LONG else ("a", "b")
PROJECT = "team/digits"
SCRIPT = Path(__file__).parents[2] / "conformance/neptune3/clients/log_while_killed.py"


class Clients:
    """Processes of the real client, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._python = find_peer("neptune_scale").python
        self._folder = folder
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, token: str, name: str, *arguments: object) -> None:
        folder = self._folder / name
        folder.mkdir()
        told = folder / "told.txt"
        with told.open("wb") as output:  # a pipe that nobody reads would stop it
            process = subprocess.Popen(
                [self._python, SCRIPT, name, *map(str, arguments)],
                cwd=folder,
                env=clean_environment(NEPTUNE_API_TOKEN=token, HOME=str(folder), PYTHONPATH=""),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._running.append((process, told))

    @property
    def running(self) -> bool:
        return any(process.poll() is None for process, _ in self._running)

    def wait_until_connected(self) -> None:
        """Wait until each thread of theirs has been answered once.

        One that finds no hub when it begins ends for good, and leaves its data to `neptune sync`.
        """
        deadline = time.monotonic() + 120
        for process, told in self._running:
            while not (told.parent / "connected").exists():
                assert process.poll() is None, told.read_text()[-6_000:]
                assert time.monotonic() < deadline, told.read_text()[-6_000:]
                time.sleep(0.02)

    def finish(self) -> None:
        """Wait until they end, each with code 0."""
        for process, told in self._running:
            assert process.wait(timeout=200) == 0, told.read_text()[-6_000:]

    def kill(self) -> None:
        for process, _ in self._running:
            process.kill()
            process.wait()


def kill_meanwhile(clients: Clients, chance: random.Random, *acts: Callable[[], None]) -> int:
    """Do these acts by turns, at any moments, while clients log; return how often."""
    done = 0
    for number in range(KILLS):
        time.sleep(chance.uniform(0.3, 2.0))
        if not clients.running:
            break
        acts[number % len(acts)]()
        done += 1
    return done


def restart(hub: HubProcess, chance: random.Random) -> None:
    hub.kill()
    time.sleep(chance.uniform(0.0, 0.5))
    hub.start()


def series(store: Store, key: int, path: str) -> list[tuple[float, Any]]:
    kind = store.get_value(key, path)[0]
    select = PathSelector(paths=(path,), types=frozenset({kind}))
    table = store.read_series([key], select, SeriesQuery())
    steps = [step / 1e6 for step in table["step"].to_pylist()]
    return list(zip(steps, table["value"].to_pylist(), strict=True))


def content(store: Store, file: FileRef) -> bytes:
    with store.open_blob(file.digest) as stream:
        return stream.read()


def check(path: Path, long_file: bytes) -> None:
    """Compare the store with what the clients logged, all of it."""
    with open_store(path) as store:
        for run_id in (*NAMES, "common"):
            run = store.find_run(PROJECT, run_id=run_id)
            assert run is not None
            writers = NAMES if run_id == "common" else (run_id,)
            for name in writers:
                check_writer(store, run.key, name)
            assert store.get_value(run.key, "sys/tags")[1] == {
                *(f"{name} {STEPS - 1}" for name in writers),
                *(f"shared {step}" for step in range(STEPS)),
            }
            if run_id != "common":
                assert content(store, store.get_value(run.key, "long")[1]) == long_file
            assert store.get_value(run.key, "sys/name")[1] == f"experiment {run_id}"
        found = store.check().findings
        assert not [finding for finding in found if finding.severity == "error"]
    uploads = Path(f"{path}-data") / "uploads"
    for part in uploads.iterdir():  # of uploads that were begun anew; they go after a day
        os.utime(part, (0, 0))
    Parts(uploads).sweep()
    assert not list(uploads.iterdir())


def check_writer(store: Store, key: int, name: str) -> None:
    def of(path: str) -> list[tuple[float, Any]]:
        return series(store, key, f"{name}/{path}")

    assert of("loss") == [(step, step / 2) for step in range(STEPS)]
    assert of("minus") == [(step, -step) for step in range(STEPS)]
    assert of("fine") == [(step + 0.25, step) for step in range(STEPS)]
    assert of("line") == [(step, f"line {step}") for step in range(STEPS)]
    rare = range(0, STEPS, 10)
    assert [(step, value["values"]) for step, value in of("h")] == [
        (step, [step, 1]) for step in rare
    ]
    images = [(step, content(store, FileRef(**value))) for step, value in of("image")]
    assert images == [(step, f"{name} {step}".encode() * 1000) for step in rare]
    for step in rare:
        file = store.get_value(key, f"{name}/files/{step}")[1]
        assert content(store, file) == f"file {name} {step}".encode() * 1000
    configs = [store.get_value(key, f"{name}/config/{step}")[1] for step in range(STEPS)]
    assert configs == list(range(STEPS))
    assert store.get_value(key, f"{name}/latest")[1] == STEPS - 1


def test_two_hubs_of_one_store_are_killed_under_load(tmp_path: Path) -> None:
    """Each has several workers; clients of both log to one run, and send long files in parts."""
    chance = random.Random(2)
    path = tmp_path / "runs.db"
    hubs = [HubProcess(path, "--workers", "2", port=free_port()) for _ in range(2)]
    accounts = Accounts.open(f"{path}-data/hub.db")
    held = chance.randbytes(files.MULTIPART_FROM + 12_345)
    (tmp_path / "long.bin").write_bytes(held)
    clients = Clients(tmp_path)
    try:
        for number, name in enumerate(NAMES):
            secret = accounts.create_token("admin").secret
            token = ApiToken(hubs[number % 2].address, secret).encode()
            clients.start(token, name, STEPS, tmp_path / "long.bin")
        clients.wait_until_connected()
        assert kill_meanwhile(clients, chance, *(partial(restart, hub, chance) for hub in hubs))
        clients.finish()
        assert [hub.stop() for hub in hubs] == [0, 0]
        check(path, held)
    finally:
        accounts.close()
        clients.kill()
        for hub in hubs:
            hub.kill()
