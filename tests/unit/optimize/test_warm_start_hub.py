"""Earlier runs on a hub: trials of the Auger API beside runs that a training logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from auger.hub_api_client import HubApiClient

import mooring
from mooring.errors import AttributeNotFound
from mooring.optimize.spaces import Categorical, Float, SearchSpace
from mooring.optimize.warm_start import earlier_observations
from tests.serving import HubThread

SVC = "sklearn.svm.SVC"
SPACE = SearchSpace(
    {SVC: {"C": Float(0.1, 10, log=True), "weight": Categorical(["balanced", None])}}
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    started = HubThread(tmp_path / "runs.db")
    yield started
    started.stop()


def test_trials_of_the_api_and_logged_runs_are_found_through_a_hub(hub: HubThread) -> None:
    token = hub.token("ada")
    client = HubApiClient(hub_app_url=hub.address, token=token)
    organization = client.get_organizations(name="ada")["data"][0]
    client.create_project(name="iris", organization_id=organization["id"])
    scoped = HubApiClient(
        hub_app_url=hub.address, hub_project_api_token=hub.token("ada", project="ada/iris")
    )
    experiment = scoped.create_experiment(name="first")["data"]
    session = scoped.create_experiment_session(experiment_id=experiment["id"])["data"]
    trials = [
        {
            "uid": f"trial-{C}",
            "score": C / 10,
            "score_name": "accuracy",
            "algorithm_name": SVC,
            "algorithm_params": {"C": C, "weight": None},
        }
        for C in (1.0, 5, 50.0)
    ]
    scoped.update_trials(experiment_session_id=session["id"], trials=trials)
    store = mooring.open_store(hub.address, api_token=token, buffered=False)
    with mooring.Run(
        store=store, project="ada/iris", params={"C": 2.0, "weight": "balanced"}
    ) as run:
        run["trial/algorithm"] = SVC
        run.log({"scores/accuracy": 0.3})

    earlier = earlier_observations(store, SPACE, metric="scores/accuracy", projects=["ada/iris"])
    assert [(one.observation.values, one.observation.params) for one in earlier] == [
        ((0.5,), {"C": 5.0, "weight": None}),
        ((0.3,), {"C": 2.0, "weight": "balanced"}),
        ((0.1,), {"C": 1.0, "weight": None}),
    ]
    scored = earlier_observations(store, SPACE, metric="auger/score_value")
    assert [one.observation.seconds for one in scored] == [None, None]
    assert [one.run.run_id for one in scored] == ["trial-5", "trial-1.0"]
    with pytest.raises(AttributeNotFound, match="scores/accuracy"):
        earlier_observations(store, SPACE, metric="scores/acuracy")
    store.close()
