"""A hub that is killed and started again under load: what it acknowledged is there, once.

Three users log to two projects through stores of their own, while readers look on. After each
SIGKILL the clients carry on by themselves.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mooring.client.settings import ClientSettings
from mooring.client.token import ApiToken
from mooring.errors import HubError, MooringError, Transient
from mooring.hub.accounts import Accounts, Role
from mooring.model import AttributeType, RunSpec
from mooring.store import open_store
from mooring.store.contract import PathSelector, RunQuery, SeriesQuery, Store
from mooring.store.hub.store import HubStore
from tests.serving import HubProcess

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
KILLS = 8 if LONG else 4
PROJECTS = ("team/one", "team/two")
USERS = {"ada": Role.OWNER, "bob": Role.CONTRIBUTOR, "eve": Role.VIEWER}
FLOATS = frozenset([AttributeType.FLOAT_SERIES])
IMPORTED = 500


class Load:
    """What clients do until they are told to stop, and what was acknowledged to them."""

    def __init__(self, hub: HubProcess, tokens: dict[str, str], folder: Path) -> None:
        self.hub = hub
        self.tokens = tokens
        self.folder = folder
        self.ended = threading.Event()
        self.points: dict[str, list[int]] = {}
        self.rows: dict[str, int] = {}
        self.tags: dict[str, set[str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.bulk: Counter[str] = Counter()
        self.imports: list[str] = []
        self.seen = 0

    def open(self, user: str, *, buffered: bool) -> HubStore:
        """Open the hub as this user."""
        store = self.again(
            lambda: _open(self.hub, self.tokens[user], spool=self.folder if buffered else None)
        )
        assert isinstance(store, HubStore)
        return store

    def again(self, act: Callable[[], object]) -> object:
        """Do it until the hub answers, as a program does that outlives its hub."""
        while True:
            try:
                return act()
            except MooringError as error:
                if not isinstance(error, Transient) or self.ended.is_set():
                    raise
                time.sleep(0.05)

    def log(self, user: str, project: str, number: int) -> None:
        """Log points, rows and tags one by one, through the spool or without it."""
        name = f"{user}-{number}"
        with self.open(user, buffered=bool(number % 2)) as store:
            run = self.again(lambda: store.create_run(RunSpec(project=project, run_id=name)))
            writer = store.open_writer(run.key)  # type: ignore[attr-defined]
            done, step = self.points.setdefault(name, []), 0
            tags = self.tags.setdefault(name, set())
            while not self.ended.is_set():
                writer.log({"loss": float(step)}, step=step)
                done.append(step)
                writer.log_event({"row": step})
                self.rows[name] = step + 1
                tag = f"tag {step // 20}"
                writer.change_set("sys/tags", add=[tag])
                tags.add(tag)
                step += 1
                time.sleep(0.001)
            writer.close()

    def write(self, user: str, project: str) -> None:
        """Write tables of points and files."""
        random_bytes = random.Random(user).randbytes
        with self.open(user, buffered=False) as store:
            spec = RunSpec(project=project, run_id=f"bulk of {user}")
            key = self.again(lambda: store.create_run(spec)).key  # type: ignore[attr-defined]
            number = 0
            while not self.ended.is_set():
                steps = np.arange(number * 100, number * 100 + 100)
                table = pa.table(
                    {"path": ["bulk"] * 100, "step": steps, "value": steps.astype(float)}
                )
                self.again(lambda table=table: store.write_table(key, table))  # type: ignore[misc]
                self.bulk[project] += 100
                content = random_bytes(50_000)
                digest, _ = self.again(lambda c=content: store.put_blob(c))  # type: ignore[misc]
                self.blobs[digest] = content
                number += 1

    def bring(self, user: str, project: str) -> None:
        """Import runs whole."""
        steps = np.arange(IMPORTED) * 1_000_000
        points = pa.table(
            {
                "path": ["x"] * IMPORTED,
                "step": steps,
                "time": np.full(IMPORTED, 1),
                "value": steps.astype(float),
            }
        )
        number = 0
        with self.open(user, buffered=False) as store:
            while not self.ended.is_set():
                name = f"imported {number}"

                def act(name: str = name) -> None:
                    if store.find_run(project, run_id=name) is not None:
                        return  # it was entered; only the answer got lost
                    with store.import_run(RunSpec(project=project, run_id=name)) as incoming:
                        incoming.write_points(AttributeType.FLOAT_SERIES, points)
                        incoming.set_values({"complete": True})
                        incoming.commit()

                self.again(act)
                self.imports.append(name)
                number += 1

    def watch(self, user: str, project: str) -> None:
        """Read, and never see half of an import."""
        with self.open(user, buffered=False) as store:
            while not self.ended.is_set():
                runs = self.again(lambda: store.query_runs(RunQuery(project=project)).runs)
                for run in runs:  # type: ignore[attr-defined]
                    if run.run_id.startswith("imported"):
                        found = dict(
                            self.again(lambda key=run.key: store.list_attributes([key], ALL))  # type: ignore[misc, call-overload]
                        )
                        assert set(found) >= {"x", "complete"}, run
                        count = self.again(
                            lambda key=run.key: store.get_stats(key, "x").count  # type: ignore[misc]
                        )
                        assert count == IMPORTED
                        self.seen += 1


ALL = PathSelector()


def _open(hub: HubProcess, token: str, spool: Path | None = None) -> HubStore:
    return HubStore(
        hub.address,
        token,
        buffered=spool is not None,
        spool=spool,
        settings=ClientSettings(retries=40, longest_wait_s=0.5),
        open_staging=open_store,
    )


def _steps(store: Store, key: int, path: str) -> list[int]:
    select = PathSelector(paths=(path,), types=FLOATS)
    table = store.read_series([key], select, SeriesQuery())
    return [step // 1_000_000 for step in table["step"].to_pylist()]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    hub = HubProcess(tmp_path / "runs.db", *(("--workers", "2") if LONG else ()))
    accounts = Accounts.open(f"{hub.store}-data/hub.db")
    tokens = {"admin": hub.admin}
    with _open(hub, hub.admin) as store:
        for project in PROJECTS:
            store.create_project(project)
    for user, role in USERS.items():
        accounts.create_user(user)
        for project in PROJECTS:
            accounts.grant(project, user, role)
        tokens[user] = ApiToken(hub.address, accounts.create_token(user).secret).encode()
    accounts.close()
    yield Load(hub, tokens, tmp_path / "spools")
    if hub.process.poll() is None:
        hub.kill()


def test_what_was_acknowledged_is_there_once(load: Load) -> None:
    chance = random.Random(7)
    with ThreadPoolExecutor(16) as pool:
        work = [
            *(pool.submit(load.log, "ada", PROJECTS[0], number) for number in range(2)),
            *(pool.submit(load.log, "bob", PROJECTS[1], number) for number in range(2)),
            pool.submit(load.write, "ada", PROJECTS[0]),
            pool.submit(load.write, "bob", PROJECTS[1]),
            pool.submit(load.bring, "ada", PROJECTS[1]),
            pool.submit(load.watch, "eve", PROJECTS[1]),
        ]
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.3, 1.5))
                load.hub.kill()
                time.sleep(chance.uniform(0.0, 0.3))
                load.hub.start()
            time.sleep(1.5)
        finally:
            load.ended.set()
        for task in work:
            task.result(timeout=120)
    with _open(load.hub, load.tokens["admin"]) as store:
        for digest, content in load.blobs.items():
            with store.open_blob(digest) as file:
                assert file.read() == content
    with _open(load.hub, load.tokens["eve"]) as store:
        with pytest.raises(HubError):
            store.create_run(RunSpec(project=PROJECTS[0]))
        assert list(store.list_projects()) == list(PROJECTS)
    assert load.hub.stop() == 0
    _check(load)


def _check(load: Load) -> None:
    assert load.seen
    assert load.imports
    with open_store(load.hub.store) as store:
        runs = {run.run_id: run for run in store.query_runs(RunQuery()).runs}
        for name, steps in load.points.items():
            key = runs[name].key
            assert len(steps) > 5
            assert _steps(store, key, "loss") == steps
            rows = store.read_events(runs[name].project, [key]).columns["row"]
            assert rows == list(range(load.rows[name]))
            row_steps = _steps(store, key, "row")
            assert len(row_steps) == len(set(row_steps)) == len(rows)
            assert store.get_value(key, "sys/tags")[1] == load.tags[name]
            assert store.get_value(key, "sys/state")[1] == "inactive"
        for user, project in (("ada", PROJECTS[0]), ("bob", PROJECTS[1])):
            bulk = _steps(store, runs[f"bulk of {user}"].key, "bulk")
            assert bulk == list(range(load.bulk[project]))
        names = [name for name in runs if name.startswith("imported")]
        assert sorted(names) == sorted(load.imports)
        assert len(load.imports) == len(set(load.imports))
        assert not [found for found in store.check().findings if found.severity == "error"]
