"""`neptune-scale` from PyPI, unmodified, logs to a hub; the store has what it logged."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.model import AttributeType, RunInfo
from mooring.store.contract import PathSelector, SeriesQuery
from tests.serving import HubThread

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv" / "peers" / "neptune_scale"

HEAD = """
import math, sys
from datetime import datetime, timezone
from neptune_scale import Run

def told(error, *_):
    print("ERROR", type(error).__name__, flush=True)

def warned(warning, *_):
    print("WARNING", type(warning).__name__, flush=True)

def open_run(run_id, **given):
    return Run(
        project="ann/digits",
        run_id=run_id,
        enable_console_log_capture=False,
        on_error_callback=told,
        on_warning_callback=warned,
        **given,
    )

if __name__ == "__main__":
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield started
    started.stop()


def run_script(hub: HubThread, folder: Path, body: str) -> list[str]:
    """Run lines of a user's script in the client's own environment; return what it printed."""
    if not (ENVIRONMENT / ".installed").exists():
        reason = f"neptune-scale is not installed in {ENVIRONMENT}; run: make peers"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    script = folder / "script.py"
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    script.write_text(HEAD + lines + "\n")
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", script],
        cwd=folder,
        env={**os.environ, "NEPTUNE_API_TOKEN": hub.token("ann"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [line for line in done.stdout.splitlines() if line.startswith(("ERROR", "WARNING"))]


def find(hub: HubThread, run_id: str) -> RunInfo:
    run = hub.hub.store.find_run("ann/digits", run_id=run_id)
    assert run is not None
    return run


def values(hub: HubThread, run: RunInfo) -> dict[str, object]:
    columns = hub.hub.store.read_attributes([run.key], PathSelector())
    return {column.path: column.values[0] for column in columns if not column.type.is_series}


def points(
    hub: HubThread, run: RunInfo, path: str, type: AttributeType
) -> list[tuple[int, object]]:
    table = hub.hub.store.read_series(
        [run.key], PathSelector(paths=(path,), types=frozenset({type})), SeriesQuery()
    )
    return list(zip(table["step"].to_pylist(), table["value"].to_pylist(), strict=True))


def test_a_training_run(hub: HubThread, tmp_path: Path) -> None:
    said = run_script(
        hub,
        tmp_path,
        """
run = open_run("one", experiment_name="baseline")
run.log_configs({"lr": 0.1, "layers": 3, "amp": True, "name": "cnn"})
run.log_configs({"when": datetime(2026, 1, 2, tzinfo=timezone.utc)})
run.log_configs({"stages": {"a", "b"}})
run.add_tags(["first", "second"])
run.remove_tags(["second"])
for step in range(5):
    run.log_metrics({"loss": 1 / (step + 1), "odd": math.nan if step == 2 else math.inf}, step=step)
run.log_string_series({"text": "hello"}, step=1.5)
run.wait_for_processing()
run.close()
""",
    )
    assert said == []
    run = find(hub, "one")
    held = values(hub, run)
    assert (held["lr"], held["layers"], held["amp"], held["name"]) == (0.1, 3, True, "cnn")
    assert held["stages"] == {"a", "b"}
    assert held["sys/tags"] == {"first"}
    assert held["sys/name"] == "baseline"
    losses = points(hub, run, "loss", AttributeType.FLOAT_SERIES)
    assert losses == [(step * 1_000_000, 1 / (step + 1)) for step in range(5)]
    odd = [value for _, value in points(hub, run, "odd", AttributeType.FLOAT_SERIES)]
    assert [math.isnan(value) for value in odd] == [False, False, True, False, False]  # type: ignore[arg-type]
    assert points(hub, run, "text", AttributeType.STRING_SERIES) == [(1_500_000, "hello")]


def test_a_run_that_is_resumed_and_what_is_refused(hub: HubThread, tmp_path: Path) -> None:
    said = run_script(
        hub,
        tmp_path,
        """
run = open_run("two")
run.log_metrics({"loss": 1.0}, step=1)
run.log_configs({"lr": 0.1})
run.wait_for_processing()
run.close()
run = open_run("two")
run.log_metrics({"loss": 0.5}, step=2)
run.log_metrics({"loss": 0.7}, step=2)
run.log_metrics({"loss": 0.5}, step=2)
run.log_configs({"lr": "text", "other": 1})
run.wait_for_processing()
run.close()
""",
    )
    assert sorted(set(said)) == [
        "ERROR NeptuneAttributeTypeMismatch",
        "ERROR NeptuneSeriesStepNonIncreasing",
        "WARNING NeptuneRunDuplicate",
        "WARNING NeptuneSeriesPointDuplicate",
    ]
    run = find(hub, "two")
    assert points(hub, run, "loss", AttributeType.FLOAT_SERIES) == [
        (1_000_000, 1.0),
        (2_000_000, 0.5),
    ]
    held = values(hub, run)
    assert (held["lr"], held["other"]) == (0.1, 1)


def test_a_fork(hub: HubThread, tmp_path: Path) -> None:
    said = run_script(
        hub,
        tmp_path,
        """
run = open_run("parent")
run.log_configs({"lr": 0.1})
for step in range(4):
    run.log_metrics({"loss": float(step)}, step=step)
run.wait_for_processing()
run.close()
child = open_run("child", fork_run_id="parent", fork_step=2)
child.log_metrics({"loss": 9.0}, step=3)
child.wait_for_processing()
child.close()
""",
    )
    assert said == []
    child = find(hub, "child")
    found = points(hub, child, "loss", AttributeType.FLOAT_SERIES)
    assert found == [(0, 0.0), (1_000_000, 1.0), (2_000_000, 2.0), (3_000_000, 9.0)]
    assert values(hub, child)["lr"] == 0.1
