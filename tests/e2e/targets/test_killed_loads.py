"""Loads into TensorBoard and W&B that are killed at any instant, and go on to the same result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring.exchange.source import Source
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import open_store

pytest.importorskip("tensorboard" if os.environ.get("CI") != "true" else "mooring")
pytest.importorskip("wandb" if os.environ.get("CI") != "true" else "mooring")

RUNS, SERIES, STEPS = 3, 20, 300

CODE = """
    import sys
    from pathlib import Path
    from mooring.exchange.loading import load_runs
    from mooring.exchange.sources.store import StoreSource
    from mooring.exchange.targets.tensorboard import TensorBoardTarget
    from mooring.exchange.targets.wandb.target import WandbSettings, WandbTarget
    from mooring.store import open_store

    store, name, folder, journal = sys.argv[1:]
    if name == "wandb":
        target = WandbTarget(WandbSettings(folder=Path(folder)))
    else:
        target = TensorBoardTarget(folder)
    print("begun", flush=True)
    report = load_runs(StoreSource(open_store(store)), target, journal=Path(journal))
    target.close()
    assert all(run.status in ("loaded", "present") for run in report.runs), report
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.db"
    with closing(open_store(path)) as store:
        for number in range(RUNS):
            run = store.create_run(RunSpec(project="team/digits", run_id=f"run {number}"))
            writer = store.open_writer(run.key)
            writer.assign({"lr": 0.1 * number, "layers": number})
            for step in range(STEPS):
                values = {f"metric/{index}": step * index * 0.1 for index in range(SERIES)}
                writer.log({**values, "note": f"step {step}"}, step=step)
            writer.log({"h": Histogram((0.0, 1.0), (float(number),))}, step=1)
            digest, size = store.put_blob(b"content" * number)
            writer.assign({"file": FileRef(digest, size, "text/plain", "x.txt")})
            writer.close()
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    home = str(tmp_path / "home")
    return kept | {"HOME": home, "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


def start(
    name: str, store: Path, folder: Path, environment: dict[str, str]
) -> subprocess.Popen[str]:
    journal = folder.parent / "journal.jsonl"
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CODE), store, name, folder, journal],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def content_of(name: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """All that a source finds in the result, but what differs from load to load."""
    from mooring.exchange.sources.tensorboard import TensorBoardSource
    from mooring.exchange.sources.wandb import WandbSource

    source: Source = WandbSource(folder) if name == "wandb" else TensorBoardSource(folder)
    for project in source.list_projects():
        for run in sorted(source.list_runs(project), key=lambda run: run.run_id):
            assert not run.incomplete
            values = source.read_values(run)
            yield (
                run.run_id,
                sorted(
                    (path, value if isinstance(value, (str, float, int)) else "file")
                    for path, value in values.items()
                    if not path.endswith(("/sent", "session/start"))
                ),
            )
            for type in (AttributeType.FLOAT_SERIES, AttributeType.HISTOGRAM_SERIES):
                points = source.read_points(run, type)
                yield f"{run.run_id} {type}", points.to_pylist()
    assert not source.problems.named


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_killed_load_goes_on_to_the_same_result(
    name: str, store: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    whole = tmp_path / "whole" / "out"
    whole.parent.mkdir()
    with start(name, store, whole, environment) as uninterrupted:
        assert uninterrupted.stdout is not None
        assert uninterrupted.stdout.readline() == "begun\n"
        began = time.monotonic()
        assert uninterrupted.wait(120) == 0
        took = time.monotonic() - began
    expected = dict(content_of(name, whole))
    assert len(expected) == RUNS * 3

    chance = random.Random(11)
    cut = tmp_path / "cut" / "out"
    cut.parent.mkdir()
    kills = 0
    for _ in range(6):
        with start(name, store, cut, environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            try:
                process.wait(chance.uniform(0.05, 0.8) * took)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
    assert kills
    with start(name, store, cut, environment) as last:
        assert last.wait(120) == 0
    assert dict(content_of(name, cut)) == expected
    folders = {path.name for path in cut.rglob("*") if path.is_dir()}
    assert not [folder for folder in folders if "mooring-" in folder and "." in folder]
