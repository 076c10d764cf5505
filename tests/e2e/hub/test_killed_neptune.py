"""A hub that is killed and started again while the real `neptune-scale` logs to it.

Four processes log until they are told to stop, two of them to one run, and `neptune-query` reads.
They are not told of the kills, and finish by themselves. Then every operation is there, once.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.client.token import ApiToken
from mooring.hub.accounts import Accounts, Role
from mooring.model import AttributeType, FileRef
from mooring.store import open_store
from mooring.store.contract import PathSelector, SeriesQuery, Store
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess, clean_environment

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
KILLS = 12 if LONG else 4
PROJECT = "team/killed"
WRITERS = {"a": "common", "b": "common", "c": "alone", "d": "other"}
"""The names of writers, which their attributes begin with, and their runs."""
WARNINGS = {"NeptuneRunDuplicate", "NeptuneFileUploadTemporaryError"}
"""Two create one run, or one does it twice; an upload is tried again."""

WRITING = """
import json, sys, time
from pathlib import Path
from neptune_scale import Run
from neptune_scale.types import File, Histogram

name, run_id, stop = sys.argv[1:]
errors, warnings = [], []

def fail(error, *_):
    errors.append(repr(error))

def warn(error, *_):
    warnings.append(type(error).__name__)

if __name__ == "__main__":
    run = Run(
        project="team/killed", run_id=run_id, source_tracking_config=None,
        enable_console_log_capture=False, on_error_callback=fail, on_warning_callback=warn,
    )
    step = 0
    while not Path(stop).exists() or step % 20:
        run.log_metrics({f"{name}/loss": step * 0.5, f"{name}/error": -step}, step=step)
        run.log_string_series({f"{name}/line": f"line {step}"}, step=step)
        if step % 4 == 0:
            run.log_configs({f"{name}/config/{step}": step, f"{name}/at": f"step {step}"})
            run.add_tags([f"{name}-{step}"])
            run.log_histograms(
                {f"{name}/histogram": Histogram(bin_edges=[0, 1], counts=[step])}, step=step
            )
        if step % 8 == 0:
            run.remove_tags([f"{name}-{step}"])
        if step % 20 == 0:
            content = f"{name} {step} ".encode() * 5_000
            run.log_files({f"{name}/images": File(content, mime_type="image/png")}, step=step)
            run.assign_files({f"{name}/files/{step}": content})
        step += 1
        time.sleep(0.03)
    done = run.wait_for_processing(timeout=150)
    run.close()
    print("FINISHED", json.dumps([step, done, errors, warnings]))
"""

READING = """
import json, sys, time
from pathlib import Path
import neptune_query as query
from neptune_query import exceptions, runs
from neptune_query.filters import AttributeFilter

seen, reads, lost = {}, 0, []
while not Path(sys.argv[1]).exists() or not reads:
    try:
        table = runs.fetch_metrics(
            project="team/killed", runs=["common", "alone", "other"],
            attributes=AttributeFilter(name=["a/loss", "b/loss", "c/loss", "d/loss"]),
        )
    except (exceptions.NeptuneRetryError, exceptions.NeptuneProjectInaccessible):
        continue
    except exceptions.NeptuneFailedToFetchClientConfig:
        continue
    for path in table.columns:
        for run, rows in table[path].dropna().groupby(level=0):
            steps = [step for _, step in rows.index]
            assert steps == list(range(len(steps))), (path, run, steps)
            assert list(rows) == [step * 0.5 for step in steps], (path, run)
            assert len(steps) >= seen.get((run, path), 0), "what was read is gone"
            seen[run, path] = len(steps)
            reads += 1
print("FINISHED", json.dumps(reads))
"""


class Peer:
    """A script in the environment of one of Neptune's clients."""

    def __init__(self, peer: str, script: str, folder: Path, token: str, *arguments: str) -> None:
        folder.mkdir()
        (folder / "script.py").write_text(script)
        self._output = (folder / "output").open("w+")
        self._process = subprocess.Popen(
            [find_peer(peer).python, "script.py", *arguments],
            cwd=folder,
            env=clean_environment(NEPTUNE_API_TOKEN=token, HOME=str(folder), PYTHONPATH=""),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def finish(self) -> Any:
        """Wait until it ends well; return what it has told then."""
        code = self._process.wait(timeout=200)
        self._output.seek(0)
        lines = self._output.read()
        assert code == 0, lines[-6_000:]
        told = [line for line in lines.splitlines() if line.startswith("FINISHED")]
        assert len(told) == 1, lines[-6_000:]
        return json.loads(told[0].partition(" ")[2])

    def end(self) -> None:
        """End it at once, when a test has failed."""
        self._process.kill()
        self._process.wait()
        self._output.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "runs.db", *(("--workers", "2") if LONG else ()))
    yield hub
    if hub.process.poll() is None:
        hub.kill()


def test_real_clients_finish_and_nothing_is_lost(hub: HubProcess, tmp_path: Path) -> None:
    chance, stop = random.Random(7), tmp_path / "stop"
    tokens = make_tokens(hub)
    writers = {
        name: Peer("neptune_scale", WRITING, tmp_path / name, tokens[name], name, run_id, str(stop))
        for name, run_id in WRITERS.items()
    }
    reader = Peer("neptune_query", READING, tmp_path / "reader", hub.admin, str(stop))
    try:
        wait_until_connected(hub)
        for _ in range(KILLS):
            seen = len(hub.requests)
            while not any(line.get("method") in ("POST", "PUT") for line in hub.requests[seen:]):
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 1.5))
            hub.kill(workers=True)
            time.sleep(chance.uniform(0.0, 1.0))
            hub.start()
        stop.touch()
        told = {name: writer.finish() for name, writer in writers.items()}
        assert reader.finish()
    finally:
        for peer in (*writers.values(), reader):
            peer.end()
    assert hub.stop() == 0
    for name, (count, done, errors, warnings) in told.items():
        assert (done, errors) == (True, []), name
        assert count >= 20
        assert set(warnings) <= WARNINGS, name
    with open_store(hub.store) as store:
        for name, run_id in WRITERS.items():
            check_writer(store, name, run_id, told[name][0])
        for run_id in set(WRITERS.values()):
            check_tags(store, run_id, {name: count for name, (count, *_) in told.items()})
        assert not [found for found in store.check().findings if found.severity == "error"]
    subprocess.run([sys.executable, "-m", "mooring", "doctor", hub.store], check=True)


def make_tokens(hub: HubProcess) -> dict[str, str]:
    """Make a user of each writer's name, who may write to the project; return their tokens."""
    tokens = {}
    with closing(Accounts.open(f"{hub.store}-data/hub.db")) as accounts:
        with open_store(hub.store) as store:
            store.create_project(PROJECT)
        for name in WRITERS:
            accounts.create_user(name)
            accounts.grant(PROJECT, name, Role.CONTRIBUTOR)
            tokens[name] = ApiToken(hub.address, accounts.create_token(name).secret).encode()
    return tokens


def wait_until_connected(hub: HubProcess) -> None:
    """Wait until each writer was answered in each of its three threads.

    A client that cannot reach the hub when it first asks for its configuration gives up.
    """
    routes = ("/client/v1/ingest", "/client/v1/ingest/check", "/storagebridge/v1/signedUrl")
    wanted = {(name, f"/api{route}", 200) for name in WRITERS for route in routes}
    deadline = time.monotonic() + 60
    while wanted - {(told["user"], told["route"], told["status"]) for told in hub.requests}:
        assert time.monotonic() < deadline, "\n".join(hub.lines)
        time.sleep(0.1)


def check_writer(store: Store, name: str, run_id: str, count: int) -> None:
    """All that a writer logged is in its run, once and in its order."""
    run = store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    every = range(count)
    assert series(store, run.key, f"{name}/loss") == [(step, step * 0.5) for step in every]
    assert series(store, run.key, f"{name}/error") == [(step, -step) for step in every]
    assert series(store, run.key, f"{name}/line") == [(step, f"line {step}") for step in every]
    histograms = series(store, run.key, f"{name}/histogram")
    assert [(step, held["values"]) for step, held in histograms] == [
        (step, [step]) for step in every[::4]
    ]
    for step in every[::4]:
        assert store.get_value(run.key, f"{name}/config/{step}") == (AttributeType.INT, step)
    assert store.get_value(run.key, f"{name}/at")[1] == f"step {every[::4][-1]}"
    images = series(store, run.key, f"{name}/images")
    assert [step for step, _ in images] == list(every[::20])
    for step, held in images:
        for file in (FileRef(**held), store.get_value(run.key, f"{name}/files/{step}")[1]):
            with store.open_blob(file.digest) as content:
                assert content.read() == f"{name} {step} ".encode() * 5_000


def check_tags(store: Store, run_id: str, counts: dict[str, int]) -> None:
    """A run has the tags that were added and not removed."""
    run = store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    expected = {
        f"{name}-{step}"
        for name, count in counts.items()
        if WRITERS[name] == run_id
        for step in range(4, count, 8)
    }
    assert store.get_value(run.key, "sys/tags")[1] == expected


def series(store: Store, key: int, path: str) -> list[tuple[int, Any]]:
    """Return a series, with whole steps."""
    kind, _ = store.get_value(key, path)
    selector = PathSelector(paths=(path,), types=frozenset({kind}))
    table = store.read_series([key], selector, SeriesQuery())
    steps = [step // 1_000_000 for step in table["step"].to_pylist()]
    return list(zip(steps, table["value"].to_pylist(), strict=True))
