"""Errors, repeats and sending of both clients, with a gateway before the hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conformance.auger import behaviour
from tests.conformance.auger.gateway import Gateway
from tests.conformance.auger.places import Place, Served
from tests.conformance.auger.registry import BEHAVIOURS


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
