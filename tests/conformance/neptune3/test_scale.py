"""The real `neptune-scale` writes to a hub; what it logged is read from the store."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.model import AttributeType
from mooring.store.contract import PathSelector, SeriesQuery
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread, clean_environment

PROJECT = "team/digits"

_HEAD = """
import math, sys
from datetime import datetime, timezone
from neptune_scale import Run
from neptune_scale.types import Histogram

errors = []

def open_run(**options):
    def told(error, *rest):
        errors.append(repr(error))
    return Run(
        project="team/digits", source_tracking_config=None, enable_console_log_capture=False,
        on_error_callback=told, on_warning_callback=told, **options,
    )

def main():
"""
_TAIL = """
    assert not [e for e in errors if "DUPLICATE" not in e.upper()], errors

if __name__ == "__main__":
    main()
"""


def run_client(folder: Path, hub: HubThread, body: str) -> subprocess.Popen[str]:
    """Start a script of a user in the environment of the client."""
    peer = find_peer("neptune_scale")
    folder.mkdir()
    script = folder / "train.py"
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    script.write_text(_HEAD + lines + _TAIL)
    return subprocess.Popen(
        [peer.python, script],
        cwd=folder,
        env=clean_environment(
            NEPTUNE_API_TOKEN=hub.admin, HOME=str(folder), PYTHONPATH=os.environ["PEER_PATH"]
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(client: subprocess.Popen[str]) -> None:
    output, _ = client.communicate(timeout=120)
    assert client.returncode == 0, output[-6_000:]


class Found:
    """A run as the store has it."""

    def __init__(self, hub: HubThread, run_id: str) -> None:
        self._store = hub.hub.store
        run = self._store.find_run(PROJECT, run_id=run_id)
        assert run is not None
        self.key = run.key

    def value(self, path: str) -> Any:
        return self._store.get_value(self.key, path)[1]

    def series(self, path: str, *, previews: bool = False) -> list[tuple[float, Any]]:
        kind = self._store.get_value(self.key, path)[0]
        table = self._store.read_series(
            [self.key],
            PathSelector(paths=(path,), types=frozenset({kind})),
            SeriesQuery(include_previews=previews),
        )
        steps = [step / 1e6 for step in table["step"].to_pylist()]
        return list(zip(steps, table["value"].to_pylist(), strict=True))


def test_all_that_a_run_logs(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db")
    try:
        finish(
            run_client(
                tmp_path / "client",
                hub,
                """
run = open_run(run_id="r", experiment_name="exp")
run.log_configs({"lr": 0.1, "n": 3, "on": True, "name": "wörld", "bad": math.inf,
                 "when": datetime(2024, 5, 1, tzinfo=timezone.utc), "set": {"a", "b"}})
run.add_tags(["x", "y"])
run.remove_tags(["y"])
run.add_tags(["g"], group_tags=True)
for step in range(20):
    run.log_metrics({"loss": 1 / (step + 1), "odd": math.nan}, step=step)
    run.log_string_series({"line": f"line {step}"}, step=step)
run.log_histograms({"h": Histogram(bin_edges=[0, 1, 2], counts=[3, 4])}, step=0.5)
run.log_metrics({"loss": 9.0}, step=30, preview=True, preview_completion=0.25)
assert run.wait_for_processing(timeout=60)
run.close()
fork = open_run(run_id="f", fork_run_id="r", fork_step=4)
fork.log_metrics({"loss": 7.0}, step=5)
assert fork.wait_for_processing(timeout=60)
fork.close()
again = open_run(run_id="r", experiment_name="exp")
again.log_metrics({"loss": 0.01}, step=20)
assert again.wait_for_processing(timeout=60)
again.close()
""",
            )
        )
        run, fork = Found(hub, "r"), Found(hub, "f")
        assert [run.value(path) for path in ("lr", "n", "on", "name", "bad")] == [
            0.1, 3, True, "wörld", float("inf"),
        ]  # fmt: skip
        assert run.value("set") == frozenset({"a", "b"})
        assert run.value("when").year == 2024
        assert run.value("sys/tags") == frozenset({"x"})
        assert run.value("sys/group_tags") == frozenset({"g"})
        assert run.value("sys/experiment/name") == "exp"
        expected = [(float(step), 1 / (step + 1)) for step in range(20)]
        assert run.series("loss") == [*expected, (20.0, 0.01)]
        assert run.series("loss", previews=True)[-1] == (30.0, 9.0)
        assert run.series("line") == [(float(step), f"line {step}") for step in range(20)]
        assert run.series("h")[0][1]["values"] == [3.0, 4.0]
        assert len(run.series("odd")) == 20
        assert fork.series("loss") == [*expected[:5], (5.0, 7.0)]
        assert fork.value("lr") == 0.1
    finally:
        hub.stop()


def test_a_run_that_is_resumed_and_what_is_refused(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db")
    try:
        finish(
            run_client(
                tmp_path / "client",
                hub,
                """
run = open_run(run_id="r")
run.log_metrics({"loss": 1.0}, step=1)
run.log_configs({"lr": 0.1})
assert run.wait_for_processing(timeout=60)
run.close()
run = open_run(run_id="r")
run.log_metrics({"loss": 0.5}, step=2)
run.log_metrics({"loss": 0.7}, step=2)
run.log_metrics({"loss": 0.5}, step=2)
run.log_configs({"lr": "text", "other": 1})
assert run.wait_for_processing(timeout=60)
run.close()
told = sorted({error.partition("(")[0] for error in errors})
errors.clear()
assert told == ["NeptuneAttributeTypeMismatch", "NeptuneRunDuplicate",
                "NeptuneSeriesPointDuplicate", "NeptuneSeriesStepNonIncreasing"], told
""",
            )
        )
        run = Found(hub, "r")
        assert run.series("loss") == [(1.0, 1.0), (2.0, 0.5)]
        assert (run.value("lr"), run.value("other")) == (0.1, 1)
    finally:
        hub.stop()


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db")
    try:
        clients = [
            run_client(
                tmp_path / name,
                hub,
                f"""
run = open_run(run_id="r")
for step in range(200):
    run.log_metrics({{"{name}/loss": step / 2}}, step=step)
assert run.wait_for_processing(timeout=90)
run.close()
""",
            )
            for name in ("a", "b")
        ]
        for client in clients:
            finish(client)
        run = Found(hub, "r")
        for name in ("a", "b"):
            assert run.series(f"{name}/loss") == [(float(step), step / 2) for step in range(200)]
        types = hub.hub.store.attribute_types(run.key)
        assert types["a/loss"] is AttributeType.FLOAT_SERIES
    finally:
        hub.stop()
