"""Runs that MLflow's own client logged, read as a source and imported into a store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.comparing import compare_runs
from mooring.exchange.importing import import_runs
from mooring.exchange.loading import load_runs
from mooring.exchange.source import Source, SourceFile
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings
from mooring.model import AttributeType
from mooring.store import open_store
from tests.conformance.targets.packages import MLFLOW_WARNS, mlflow_database, require
from tests.conformance.targets.sample import make_store

pytestmark = MLFLOW_WARNS

FLOATS = AttributeType.FLOAT_SERIES


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require("mlflow", "mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path


@pytest.fixture(params=["database", "folder"])
def uri(request: pytest.FixtureRequest, here: Path) -> str:
    return mlflow_database(here / "m.db") if request.param == "database" else str(here / "mlruns")


@pytest.fixture
def logged(uri: str) -> Any:
    """A client, with a run that has what MLflow has."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.create_experiment("team/digits")
    parent = client.create_run(experiment, run_name="sweep", start_time=1_000)
    run = client.create_run(
        experiment,
        run_name="child",
        start_time=1_700_000_000_123,
        tags={"mlflow.parentRunId": parent.info.run_id, "mlflow.note.content": "a note"},
    ).info.run_id
    client.log_batch(
        run,
        params=[Param("lr", "0.10"), Param("loss", "mse")],
        tags=[RunTag("stage", "x"), RunTag("mlflow.user", "me")],
        metrics=[
            *(Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(3)),
            *(Metric("unstepped", step, 1_700_000_000_000 + step, 0) for step in range(3)),
            *(Metric("twice", step, 1_700_000_000_000 + step, step // 2) for step in range(4)),
            Metric("odd", float("nan"), 1, -3),
            Metric("odd", float("inf"), 2, 2),
            Metric("far", 1.0, 1, 2 * 10**12),
            Metric("far", 2.0, 1, 10**12),
        ],
    )
    client.log_text(run, "hello", "deep/er/note.txt")
    client.set_terminated(run, "FAILED", end_time=1_700_000_001_000)
    return client, run


@pytest.fixture
def source(uri: str, logged: Any) -> Iterator[Source]:
    from mooring.exchange.sources.mlflow import MlflowSource

    source = MlflowSource(uri)
    yield source
    source.close()


def test_values(source: Source, logged: Any) -> None:
    assert "team/digits" in source.list_projects()
    parent, run = source.list_runs("team/digits")
    assert (parent.run_id, parent.name, parent.created) == (parent.handle, "sweep", 1_000_000)
    assert (run.run_id, run.parent) == (logged[1], None)
    values = source.read_values(run)

    assert values["params/lr"] == "0.10"
    assert values["tags/stage"] == "x"
    assert values["sys/description"] == "a note"
    assert values["sys/owner"] == "me"
    assert values["sys/failed"] is True
    assert values["mlflow/parent_run_id"] == parent.run_id
    assert values["mlflow/experiment"] == "team/digits"
    assert values["sys/creation_time"] == datetime.fromtimestamp(1_700_000_000.123, UTC)
    file = values["artifacts/deep/er/note.txt"]
    assert isinstance(file, SourceFile)
    assert (file.name, file.size_bytes) == ("note.txt", 5)
    with source.open_file(file) as content:
        assert content.read() == b"hello"


def test_points(source: Source, uri: str) -> None:
    run = source.list_runs("team/digits")[1]
    series = [series.path for series in source.list_series(run)]
    assert series == [f"metrics/{name}" for name in ("far", "loss", "odd", "twice", "unstepped")]
    points = source.read_points(run, FLOATS)
    told: dict[str, list[tuple[int, int, float]]] = {}
    for row in points.to_pylist():
        told.setdefault(row["path"], []).append((row["step"], row["time"], row["value"]))

    start = 1_700_000_000_000_000
    assert told["metrics/loss"][2] == (2_000_000, start + 2_000, 1 / 3)
    assert [step for step, _, _ in told["metrics/unstepped"]] == [0, 1_000_000, 2_000_000]
    assert [step for step, _, _ in told["metrics/twice"]] == [0, 1, 1_000_000, 1_000_001]
    assert [value for _, _, value in told["metrics/twice"]] == [0.0, 1.0, 2.0, 3.0]
    assert told["metrics/odd"][0][0] == -3_000_000
    assert told["metrics/odd"][0][2] != told["metrics/odd"][0][2]
    assert told["metrics/odd"][1][2] > 1.7e308
    assert [step for step, _, _ in told["metrics/far"]] == [10**18]
    assert ["beyond" in str(problem) for problem in source.problems.named] == [True]


def test_import_and_again(source: Source, here: Path) -> None:
    store = open_store(here / "runs.db")
    first = import_runs(source, store, verify=True)
    second = import_runs(source, store)

    assert {run.outcome.value for run in second.runs} <= {"present", "partly"}, second
    inside = StoreSource(store)
    run = inside.list_runs("team/digits")[1]
    assert inside.read_values(run)["params/lr"] == "0.10"
    assert inside.read_points(run, FLOATS, ["metrics/loss"]).num_rows == 3
    assert first.runs
    store.close()


def test_an_artifact_that_is_gone(source: Source) -> None:
    run = source.list_runs("team/digits")[1]
    file = source.read_values(run)["artifacts/deep/er/note.txt"]
    assert isinstance(file, SourceFile)
    gone = SourceFile(location=file.location.replace("note.txt", "none.txt"))
    with pytest.raises(SourceUnreadable, match=r"none\.txt"), source.open_file(gone):
        pass


def test_experiments_become_projects() -> None:
    from mooring.exchange.sources.mlflow.source import project_names

    told = project_names(["team/digits", "Default", "a/b/c", "a_b_c", " /x", "a\nb/c", "/"])
    assert told["team/digits"] == "team/digits"
    assert told["Default"] == "mlflow/Default"
    assert len(set(told.values())) == len(told)


def test_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring.exchange.sources.mlflow import MlflowSource

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InvalidInput, match="MLFLOW_TRACKING_URI"):
        MlflowSource()


@pytest.mark.parametrize("multiplier", [1, 4])
def test_a_load_is_read_with_its_own_paths_and_types(uri: str, here: Path, multiplier: int) -> None:
    """All that differs is what MLflow cannot hold."""
    from mooring.exchange.sources.mlflow import MlflowSource
    from mooring.exchange.targets.mlflow import MlflowTarget

    store = make_store(here / "runs.db")
    settings = LoadSettings(step_multiplier=multiplier)
    target = MlflowTarget(uri, settings)
    ours = StoreSource(store)
    assert load_runs(ours, target, settings=settings).is_complete
    target.close()
    theirs = MlflowSource(uri)
    assert theirs.list_projects()[-2:] == ["team/digits", "team/other"]
    for project in ours.list_projects():
        held = {run.run_id: run for run in theirs.list_runs(project)}
        for run in ours.list_runs(project):
            same = held[run.run_id]
            assert (same.name, same.sys_id, same.parent, same.fork_step, same.created) == (
                run.name,
                run.sys_id,
                run.parent,
                run.fork_step,
                run.created,
            )
            differences = [
                str(one)
                for one in compare_runs(ours, run, theirs, same).differences
                if "(time of point" not in str(one)
            ]
            if multiplier == 1:
                differences = [one for one in differences if "'decimal'" not in one]
            assert differences == []
    assert not theirs.problems.named
    theirs.close()
    store.close()
