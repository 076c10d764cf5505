"""What `neptune-scale` logged is found, exported, backed up and loaded as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mooring.exchange import open_source
from mooring.exchange.comparing import compare_runs
from tests.conformance.targets.packages import require
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess

PROJECT = "team/digits"
SCRIPT = Path(__file__).parent / "clients" / "scale_everything.py"
LOSS = [[float(step), 1 / (step + 1)] for step in range(20)]


@dataclass(frozen=True)
class Shell:
    """Runs `mooring` in a folder that has the store `team.db` of a hub."""

    folder: Path
    hub: HubProcess

    def run(self, *arguments: str, code: int = 0, folder: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mooring", *arguments],
            cwd=folder or self.folder,
            env={
                **{name: value for name, value in os.environ.items() if name != "MOORING_STORE"},
                "MOORING_API_TOKEN": self.hub.admin,
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def ask(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    peer = find_peer("neptune_scale")
    folder = tmp_path_factory.mktemp("team")
    hub = HubProcess(folder / "team.db")
    try:
        peer.run(
            SCRIPT.read_text(),
            cwd=tmp_path_factory.mktemp("client"),
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
        )
        yield Shell(folder, hub)
    finally:
        hub.stop()


@pytest.fixture(params=["the file", "the hub"])
def store(request: pytest.FixtureRequest, shell: Shell) -> str:
    """Return what a user names the store by: each command takes either."""
    return "team.db" if request.param == "the file" else shell.hub.address


def assert_equal(left: str, right: str, count: int = 2) -> None:
    """Compare all runs of two sources: values, types, points, files, previews, lineage."""
    with closing(open_source(left)) as one, closing(open_source(right)) as other:
        found = {run.run_id: run for run in other.list_runs(PROJECT)}
        assert len(found) == count
        for run in one.list_runs(PROJECT):
            compared = compare_runs(one, run, other, found.pop(run.run_id))
            assert not compared.differences, compared.differences
        assert not found


def test_found_by_a_query(shell: Shell, store: str) -> None:
    query = "`params/lr`:float = 0.1 AND `sys/tags`:stringSet CONTAINS good"
    columns = "params/layers,params/name,params/amp,params/inf,params/when,params/set,train/loss"
    (row,) = shell.ask("runs", store, "--project", PROJECT, "--query", query, "--columns", columns)
    assert row.pop("params/when").startswith("2024-05-17")
    assert row == {
        "sys/id": "DIG-1",
        "params/layers": 2**53 + 1,
        "params/name": 'wörld "x"',
        "params/amp": True,
        "params/inf": "Infinity",
        "params/set": ["a", "b"],
        "train/loss": 0.05,
    }


def test_series_are_shown(shell: Shell, store: str) -> None:
    def points(run: str, path: str) -> list[list[Any]]:
        rows = shell.ask("series", store, run, path, "--project", PROJECT)
        return [[row["step"], row["value"]] for row in rows]

    assert points("root", "train/loss") == LOSS
    assert points("fork", "train/loss") == [*LOSS[:5], [5.0, 7.0]]
    assert points("root", "train/odd") == [[0.5, "NaN"], [1.25, "-Infinity"]]
    assert points("root", "log/line") == [[float(n), f"line {n}"] for n in range(20)]


def test_found_by_sql(shell: Shell, store: str) -> None:
    def ask(query: str) -> list[list[Any]]:
        return [list(row.values()) for row in shell.ask("sql", store, query)]

    points = "FROM db.points WHERE path = 'train/loss' AND project = 'team/digits'"
    assert ask(f"SELECT step, value {points} AND run = 'root' ORDER BY step") == LOSS
    assert ask(f"SELECT run, count(*), max(value) {points} GROUP BY run ORDER BY run") == [
        ["fork", 6, 7.0],
        ["root", 20, 1.0],
    ]
    found = "SELECT run FROM db.attributes WHERE path = 'params/lr' AND number < 0.05"
    assert ask(found) == [["fork"]]
    tagged = "SELECT value FROM db.attributes WHERE path = 'sys/tags' AND run = 'root'"
    assert ask(tagged) == [['["a b", "good"]']]
    assert ask("SELECT run, value FROM db.texts WHERE step = 4 ORDER BY run") == [
        ["fork", "line 4"],
        ["root", "line 4"],
    ]


def test_exported_and_imported_again(shell: Shell, store: str, tmp_path: Path) -> None:
    named = store if "://" in store else str(shell.folder / store)
    shell.run("export", "--store", named, "-p", PROJECT, "--verify", folder=tmp_path)
    shell.run("import", "exports/", "--store", "again.db", "--verify", folder=tmp_path)
    assert_equal(str(shell.folder / "team.db"), str(tmp_path / "again.db"))
    read = shell.ask("series", str(tmp_path / "again.db"), "fork", "train/loss")
    assert [[row["step"], row["value"]] for row in read] == [*LOSS[:5], [5.0, 7.0]]


def test_an_export_is_asked_in_sql(shell: Shell, tmp_path: Path) -> None:
    """Any DuckDB reads the Parquet, by the columns of Neptune Exporter."""
    shell.run("export", "--store", str(shell.folder / "team.db"), folder=tmp_path)
    sql = duckdb.connect()
    sql.execute(f"CREATE VIEW points AS FROM read_parquet('{tmp_path}/exports/data/*/*.parquet')")

    def own(run: str) -> list[list[float]]:
        found = sql.execute(
            "SELECT step, float_value FROM points WHERE attribute_path = 'train/loss' "
            "AND attribute_type = 'float_series' AND run_id = ? ORDER BY step",
            [run],
        ).fetchall()
        return [[float(step), value] for step, value in found]

    assert own("root") == LOSS
    assert sql.execute(
        "SELECT run_id FROM points WHERE attribute_path = 'params/lr' AND float_value < 0.05"
    ).fetchall() == [("fork",)]
    assert sql.execute(
        "SELECT sum(float_value) FROM points WHERE attribute_path = 'train/loss' "
        "AND run_id = 'root' AND attribute_type = 'float_series'"
    ).fetchone() == (pytest.approx(sum(value for _, value in LOSS)),)


def test_backed_up_and_restored(shell: Shell, store: str, tmp_path: Path) -> None:
    named = store if "://" in store else str(shell.folder / store)
    shell.run("backup", "saved/", "--store", named, "-p", PROJECT, "--verify", folder=tmp_path)
    shell.run("restore", "saved/", "--store", "new.db", "--verify", folder=tmp_path)
    assert_equal(str(shell.folder / "team.db"), str(tmp_path / "new.db"))
    kept = tmp_path / "saved" / "team" / "digits"
    notes = [path.read_bytes() for path in kept.rglob("notes*") if path.is_file()]
    assert b"some notes\n" in notes


MLFLOW = """
import json, sys
from pathlib import Path
from mlflow.tracking import MlflowClient

client = MlflowClient(sys.argv[1])

def files(run, folder=None):
    for entry in client.list_artifacts(run.info.run_id, folder):
        if entry.is_dir:
            yield from files(run, entry.path)
        else:
            local = client.download_artifacts(run.info.run_id, entry.path)
            yield entry.path, Path(local).read_text()

found = {}
for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
    found[run.info.run_name] = {
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": {
            name: [
                [point.step, point.timestamp, repr(point.value)]
                for point in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        },
        "files": dict(files(run)),
    }
print(json.dumps(found))
"""


def test_loaded_into_mlflow(shell: Shell, tmp_path: Path) -> None:
    require("mlflow", "mlflow")
    peer = find_peer("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = str(shell.folder / "team.db")
    shell.run("load", store, "--to", "mlflow", "--uri", uri, folder=tmp_path)
    printed = peer.run(
        MLFLOW, uri, cwd=tmp_path, MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet"
    )
    found = json.loads(printed.splitlines()[-1])
    assert set(found) == {"root", "fork"}
    root, fork = found["root"], found["fork"]
    _check_values(root)
    assert (root["experiment"], fork["experiment"]) == (f"{PROJECT}/base line", f"{PROJECT}/forked")
    start = int(datetime(2024, 5, 17, tzinfo=UTC).timestamp())
    loss = [[step, (start + step) * 1_000, repr(1 / (step + 1))] for step in range(20)]
    assert root["metrics"]["train/loss"] == loss
    # MLflow has whole steps, and its databases keep infinities as the largest number.
    odd = [[step, value] for step, _, value in root["metrics"]["train/odd"]]
    assert odd == [[0, "nan"], [1, "-1.7976931348623157e+308"]]
    files = {path.rpartition("/")[0]: content for path, content in root["files"].items()}
    assert files["files/notes"] == "some notes\n"
    assert [files[f"files/images/step_{step}"] for step in (1, 2, 3)] == ["1", "2", "3"]
    lines = files["log/line"].splitlines()
    assert [line.rpartition("; ")[2] for line in lines] == [f"line {step}" for step in range(20)]
    drawn = json.loads(files["weights"])["histograms"]
    assert [(each["step"], each["type"], each["values"]) for each in drawn] == [
        (1, "COUNTING", [3.0, 4.0]),
        (2, "DENSITY", [0.25, 0.75]),
    ]
    assert fork["params"]["params/lr"] == "0.01"
    assert fork["params"]["params/name"] == root["params"]["params/name"]
    assert [[step, value] for step, _, value in fork["metrics"]["train/loss"]] == [[5, "7.0"]]
    assert (fork["tags"]["mooring.parent"], fork["tags"]["mooring.fork_step"]) == ("root", "4")


def _check_values(root: dict[str, Any]) -> None:
    params = {
        name.removeprefix("params/"): value
        for name, value in root["params"].items()
        if name.startswith("params/")
    }
    assert params == {
        "lr": "0.1",
        "layers": str(2**53 + 1),
        "amp": "True",
        "name": 'wörld "x"',
        "inf": "inf",
        "when": "2024-05-17 12:30:15.250000+00:00",
        "set": "a,b",
    }
    assert root["tags"]["good"] == root["tags"]["a b"] == "true"
