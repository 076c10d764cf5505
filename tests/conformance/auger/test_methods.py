"""Every method of the client from PyPI, unmodified, and of ours, against a hub as a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooring.wire.auger.resources import RESOURCES
from tests.conformance.auger import families, optimizers, specific
from tests.conformance.auger.places import Place
from tests.conformance.auger.registry import (
    KINDS,
    METHODS,
    ORIGINAL,
    OURS,
    public_methods,
    requests_by_method,
)


@pytest.mark.parametrize(("name", "kind"), METHODS.parameters())
def test_a_method(name: str, kind: str, make_place: Callable[[str], Place]) -> None:
    METHODS.outcomes[name, kind] = False
    place = make_place(kind)
    METHODS.cases[name].check(place)
    assert name in place.client.called
    METHODS.outcomes[name, kind] = True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["prediction", "prediction_group", "endpoint_prediction"])
def test_a_model_predicts(call: str, kind: str, make_place: Callable[[str], Place]) -> None:
    specific.predict(make_place(kind), call)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("refused", optimizers.REFUSED, ids=lambda case: case.name)
def test_a_search_that_is_refused(
    refused: optimizers.Refused, kind: str, make_place: Callable[[str], Place]
) -> None:
    optimizers.refuses(make_place(kind), refused)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_has_a_case(kind: str) -> None:
    offered = public_methods(kind)
    tried = {case.name for case in METHODS.cases.values() if kind in case.kinds}
    assert offered == tried
    assert offered <= requests_by_method().keys()


def test_every_action_of_the_original_is_one_of_ours() -> None:
    missing = public_methods(ORIGINAL) - public_methods(OURS)
    assert missing == set()


def test_every_resource_that_is_listed_has_a_family() -> None:
    known = {family.name for family in families.FAMILIES}
    rest = {resource.name for resource in RESOURCES} - known
    assert rest == {
        "actual",
        "endpoint_actual",
        "endpoint_pipeline",
        "endpoint_roi_validation",
        "project_file_url",
        "status",
        "token",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_the_original_is_told_works_with_keyword_arguments(
    kind: str, make_place: Callable[[str], Place]
) -> None:
    """The calls of the client's own text, word for word."""
    place = make_place(kind)
    client = place.client
    experiment = client.create_experiment(name="test")["data"]["id"]
    session = client.create_experiment_session(experiment_id=experiment)["data"]["id"]
    trial = place.trial(session)["id"]
    res: Any = client.get_experiment_sessions()
    assert len(res["data"]) == 1
    res = client.get_experiment_sessions(offset=100, limit=50)
    assert res["data"] == []
    res = client.create_pipeline(
        id="pipeline-123",
        experiment_session_id=session,
        trial_id=trial,
        trial={
            "task_type": "subdue leather bags",
            "evaluation_type": "fastest one",
            "score_name": "strict one",
            "score_value": 99.9,
            "hyperparameter": {
                "algorithm_name": "SVM",
                "algorithm_params": {"x": 1, "y": 2},
            },
        },
    )
    assert res["data"]["object"] == "pipeline"
    assert len(client.get_pipelines(experiment_session_id=session)["data"]) == 1
    res = client.get_pipeline(res["data"]["id"], experiment_session_id=session)
    assert res["data"]["object"] == "pipeline"
    client.update_experiment_session(session, status="started")
    res = client.update_experiment_session(session, status="completed")
    assert res["data"]["status"] == "completed"
    assert client.get_status(object="Project", id=place.id)["meta"]["status"] == 200
