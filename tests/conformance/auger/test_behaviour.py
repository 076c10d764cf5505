"""Errors, repeats and sending of both clients, with a gateway before the hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mooring.wire.auger.resources import get_resource
from tests.conformance.auger import behaviour
from tests.conformance.auger.families import FAMILIES, Family
from tests.conformance.auger.gateway import Gateway
from tests.conformance.auger.places import Place, Served
from tests.conformance.auger.registry import BEHAVIOURS, OURS


@pytest.fixture(scope="module")
def own_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hub that may be stopped and killed."""
    started = Served(tmp_path_factory.mktemp("behaviour"))
    yield started
    started.close()


@pytest.fixture
def make_scene(own_hub: Served) -> Iterator[Callable[[str], behaviour.Scene]]:
    made: list[behaviour.Scene] = []

    def make(kind: str) -> behaviour.Scene:
        made.append(behaviour.Scene(Place(own_hub, kind), Gateway(own_hub.address)))
        return made[-1]

    yield make
    for scene in made:
        scene.place.close()
        scene.gateway.close()
    if own_hub.process.process.poll() is not None:
        own_hub.process.start()


@pytest.mark.parametrize(("name", "kind"), BEHAVIOURS.parameters())
def test_a_behaviour(name: str, kind: str, make_scene: Callable[[str], behaviour.Scene]) -> None:
    BEHAVIOURS.outcomes[name, kind] = False
    BEHAVIOURS.cases[name].check(make_scene(kind))
    BEHAVIOURS.outcomes[name, kind] = True


@pytest.mark.parametrize(
    "family",
    [each for each in FAMILIES if each.create and get_resource(each.name).find("index")],
    ids=lambda family: family.name,
)
def test_every_creation_whose_answer_is_lost_is_made_once(
    family: Family, make_scene: Callable[[str], behaviour.Scene]
) -> None:
    assert family.create is not None
    scene = make_scene(OURS)
    within = family.within(scene.place)
    given = {**family.create(scene.place), **within}
    scene.gateway.cut = {1}
    client = scene.client(retries_count=2)
    made = getattr(client, f"create_{family.name}")(**given)["data"]
    assert [each.method for each in scene.gateway.passed] == ["POST", "GET", "POST"]
    listed = getattr(scene.place.client, f"get_{family.plural}")(**within)
    assert made["id"] in [each["id"] for each in listed["data"]]
    assert len(listed["data"]) == 1 + family.total


def test_every_report_whose_answer_is_lost_is_entered_once(
    make_scene: Callable[[str], behaviour.Scene],
) -> None:
    scene = make_scene(OURS)
    client = scene.client(retries_count=2)
    endpoint = scene.place.endpoint()
    pipeline, trial = endpoint["primary_pipeline_id"], scene.place.trial()
    rows = {"actuals": [[1]], "actual_column_names": ["a"]}
    for call in (
        lambda: client.create_actual(pipeline_id=pipeline, **rows),
        lambda: client.create_endpoint_actual(endpoint_id=endpoint["id"], **rows),
        lambda: client.refit_trial(trial["id"], "s3://b/new.csv"),
        lambda: client.update_trials(
            experiment_session_id=trial["experiment_session_id"], trials=[{"uid": "T9"}]
        ),
    ):
        scene.gateway.passed.clear()
        scene.gateway.cut = {1}
        call()
        assert len(scene.gateway.passed) > 1
    trials = scene.place.client.get_trials(experiment_session_id=trial["experiment_session_id"])
    assert trials["meta"]["pagination"]["total"] == 3
    task = scene.place.client.delete_actuals(pipeline_id=pipeline)["data"]
    done = scene.place.client.get_cluster_task(task["id"])["data"]
    assert done["result"] == {"deleted": 2}
