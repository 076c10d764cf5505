"""What MLflow gets: names, texts, tags, artifacts; and what is there already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring import Run
from mooring.errors import InvalidInput
from mooring.exchange.loading import LoadReport, RunStatus, load_runs
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings
from mooring.exchange.targets.mlflow.naming import clean_file_name, clean_name
from mooring.store import Store, open_store
from tests.conformance.targets.packages import MLFLOW_WARNS, mlflow_database, require

pytestmark = MLFLOW_WARNS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require("mlflow", "mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return tmp_path


@pytest.fixture
def uri(here: Path) -> str:
    return mlflow_database(here / "m.db")


@pytest.fixture
def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


@pytest.fixture
def store(here: Path) -> Iterator[Store]:
    store = open_store(here / "runs.db")
    yield store
    store.close()


def load(store: Store, uri: str, settings: LoadSettings | None = None) -> LoadReport:
    from mooring.exchange.targets.mlflow import MlflowTarget

    target = MlflowTarget(uri, settings)
    report = load_runs(StoreSource(store), target, settings=settings)
    target.close()
    return report


def test_names_and_experiments(store: Store, uri: str, client: Any) -> None:
    Run("team/p", store=store, run_id="a", name="exp").close()
    Run("team/p", store=store, run_id="b").close()
    long = "x" * 600
    Run("team/p", store=store, run_id="c", name=long).close()
    report = load(store, uri)

    assert report.is_complete
    (a,) = client.search_runs([client.get_experiment_by_name("team/p/exp").experiment_id])
    assert a.info.run_name == "a"
    (b,) = client.search_runs(["0"])
    assert b.info.run_name == "b"
    assert [run.run_id for run in report.runs if run.lost] == ["c"]
    report = load(store, uri, LoadSettings(name_prefix="pre"))
    names = {experiment.name for experiment in client.search_experiments()}
    assert {"pre/team/p/exp", "pre/team/p"} <= names


def test_decimal_steps_are_multiplied_exactly(store: Store, uri: str, client: Any) -> None:
    with Run("team/p", store=store, run_id="a", name="exp") as run:
        for hundredth in range(1_000):
            run.log({"x": 1.0}, step=hundredth / 100)
    report = load(store, uri, LoadSettings(step_multiplier=100))

    history = client.get_metric_history(report.runs[0].id, "x")
    assert sorted(metric.step for metric in history) == list(range(1_000))
    assert [loss.why for loss in report.runs[0].lost if loss.path] == []


def test_points_that_become_the_same_are_told(store: Store, uri: str, client: Any) -> None:
    with Run("team/p", store=store, run_id="a", name="exp") as run:
        for tenth in range(10):
            run.log({"x": 1.0}, step=tenth / 10, timestamp=1_700_000_000.0)
    report = load(store, uri)

    assert report.is_complete
    assert len(client.get_metric_history(report.runs[0].id, "x")) == 1
    lost = {loss.why: loss.count for loss in report.runs[0].lost}
    assert lost["points that are the same in step, millisecond and value"] == 9
    assert lost["what decimal steps have behind the point"] == 9


def test_series_become_files(store: Store, uri: str, client: Any) -> None:
    with Run("team/p", store=store, run_id="a", name="exp") as run:
        run.log({"out": "line one"}, step=0.5, timestamp=1_700_000_000.25)
        run.log({"out": "two; three"}, step=1, timestamp=1_700_000_001.0)
        run.log_histogram("h", ([1, 2], [0.0, 0.5, 1.0]), step=3, timestamp=1_700_000_000.0)
    run_id = load(store, uri).runs[0].id

    text = Path(client.download_artifacts(run_id, "out/series.txt")).read_text()
    assert text == (
        "0.5; 2023-11-14T22:13:20.250000+00:00; line one\n"
        "1; 2023-11-14T22:13:21+00:00; two; three\n"
    )
    file = client.download_artifacts(run_id, "h/histograms.json")
    assert json.loads(Path(file).read_text()) == {
        "histograms": [
            {
                "step": 3,
                "type": "COUNTING",
                "edges": [0.0, 0.5, 1.0],
                "values": [1.0, 2.0],
                "timestamp": "2023-11-14T22:13:20+00:00",
            }
        ]
    }


def test_a_run_of_another_loader_is_gone_on_with(store: Store, uri: str, client: Any) -> None:
    """A run of this name in this experiment, as the exporter leaves one: filled up, not doubled."""
    from mlflow.entities import Metric, Param

    with Run("team/p", store=store, run_id="a", name="exp") as run:
        run["lr"] = 0.5
        for step in range(5):
            run.log({"x": float(step)}, step=step, timestamp=1_700_000_000.0 + step)
    experiment = client.create_experiment("team/p/exp")
    theirs = client.create_run(experiment, run_name="a").info.run_id
    client.log_batch(
        theirs,
        params=[Param("lr", "0.5")],
        metrics=[
            Metric("x", float(step), 1_700_000_000_000 + 1_000 * step, step) for step in (0, 1)
        ],
    )
    report = load(store, uri)

    assert report.is_complete, report.runs
    assert report.runs[0].id == theirs
    assert len(client.get_metric_history(theirs, "x")) == 5


def test_a_param_that_is_there_with_another_value(store: Store, uri: str, client: Any) -> None:
    from mlflow.entities import Param

    with Run("team/p", store=store, run_id="a", name="exp") as run:
        run["lr"] = 0.5
        run["other"] = 1
    experiment = client.create_experiment("team/p/exp")
    theirs = client.create_run(experiment, run_name="a").info.run_id
    client.log_batch(theirs, params=[Param("lr", "0.7")])
    report = load(store, uri)

    assert report.runs[0].status is RunStatus.PARTIAL
    assert "other values" in str(report.runs[0].problems[0])
    assert client.get_run(theirs).data.params["lr"] == "0.7"
    assert client.get_run(theirs).data.params["other"] == "1"


def test_a_run_that_was_deleted_there_is_loaded_anew(store: Store, uri: str, client: Any) -> None:
    Run("team/p", store=store, run_id="a", name="exp").close()
    first = load(store, uri).runs[0]
    client.delete_run(first.id)
    second = load(store, uri).runs[0]

    assert second.status is RunStatus.LOADED
    assert second.id != first.id


def test_a_deleted_experiment_says_what_to_do(store: Store, uri: str, client: Any) -> None:
    Run("team/p", store=store, run_id="a", name="exp").close()
    client.delete_experiment(client.create_experiment("team/p/exp"))
    report = load(store, uri)

    assert report.runs[0].status is RunStatus.FAILED
    assert "mlflow experiments restore" in str(report.runs[0].problems[0])


def test_a_password_is_not_shown(here: Path) -> None:
    from mooring.exchange.mlflow_tracking.client import shown_uri

    assert "secret" not in shown_uri("postgresql://me:secret@db/mlflow")


def test_step_multiplier_below_one(uri: str) -> None:
    from mooring.exchange.targets.mlflow import MlflowTarget

    with pytest.raises(InvalidInput, match="step multiplier"):
        MlflowTarget(uri, LoadSettings(step_multiplier=0))


@pytest.mark.parametrize("path", ["a/../b", "/a", "a//b", "..", ".", "a/", "a b:c\u00a0d", "ü"])
def test_names_are_what_mlflow_takes(path: str) -> None:
    from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

    name = clean_name(path)
    assert validate_param_and_metric_name(name)
    assert not path_not_unique(name)


@pytest.mark.parametrize("name", ["../x", "", "..", "a\x00b", "ü" * 300 + ".png", "con:", "a/b"])
def test_file_names_stay_in_their_folder(name: str) -> None:
    cleaned = clean_file_name(name)
    assert cleaned
    assert "/" not in cleaned
    assert cleaned not in (".", "..")
    assert len(cleaned.encode()) <= 200
