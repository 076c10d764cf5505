"""A store with one small project that holds a bit of everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mooring.fetch import ReadOnlyProject
from mooring.model import FileRef, Histogram, RunSpec
from mooring.store import open_store
from mooring.store.contract import Store

PROJECT = "local/digits"
NOON = 1_767_614_400_000_000
"""2026-01-05 12:00 UTC, in microseconds."""


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "runs.db")


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """Hold four runs: alpha-1 and its successor alpha-2, beta-1 (active), and gone-1 (trashed)."""
    store = open_store(address)
    _fill(store)
    yield store
    store.close()


@pytest.fixture
def project(store: Store) -> ReadOnlyProject:
    return ReadOnlyProject(PROJECT, store=store)


def _fill(store: Store) -> None:
    first = create(store, "alpha-1", name="tree_32", owner="ada", created=NOON)
    writer = store.open_writer(first.key)
    writer.assign(
        {
            "params/lr": 0.1,
            "params/layers": 3,
            "params/optimizer": "adam",
            "params/amp": True,
            "params/started": datetime(2026, 1, 5, 12, 30, tzinfo=UTC),
            "tree/depth": 7,
        }
    )
    writer.change_set("sys/tags", add=["best", "v1"])
    for step, loss in enumerate([1.0, float("nan"), 0.5, float("inf"), 0.25]):
        writer.log({"metrics/loss": loss, "metrics/acc": step / 10}, step=step, time=NOON + step)
    for step in (0, 1):
        writer.log({"runtime/stdout": f"line {step}"}, step=step, time=NOON)
        writer.log({"weights": Histogram((0.0, 1.0, 2.0), (3.0, 4.0 + step))}, step=step, time=NOON)
        writer.log({"samples": put(store, b"sample %d" % step, "../s.txt")}, step=step, time=NOON)
    writer.assign({"model": put(store, b"the model", "../../model.bin")})
    writer.close()

    second = create(store, "beta-1", name="tree_99", owner="bob", created=NOON + 1)
    writer = store.open_writer(second.key)  # stays open: an active run
    writer.assign({"params/lr": 0.01, "params/layers": 4, "params/optimizer": "sgd"})
    writer.change_set("sys/tags", add=["v1"])
    for step in range(3):
        writer.log({"metrics/loss": 2.0 - step}, step=step, time=NOON + step)

    third = create(store, "alpha-2", name="tree_32", owner="ada", created=NOON + 2)
    writer = store.open_writer(third.key)
    writer.assign({"params/lr": 0.001})
    writer.close()

    fourth = create(store, "gone-1", name="gone", owner="ada", created=NOON + 3)
    writer = store.open_writer(fourth.key)
    writer.assign({"params/lr": 9.0})
    writer.close()
    store.trash_runs([fourth.key])


def create(store: Store, run_id: str, **fields):
    return store.create_run(RunSpec(project=PROJECT, run_id=run_id, **fields))


def put(store: Store, content: bytes, name: str) -> FileRef:
    digest, size = store.put_blob(content)
    return FileRef(digest, size, "text/plain", name)
