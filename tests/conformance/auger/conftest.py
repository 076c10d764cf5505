"""One hub for all cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conformance.auger.places import Place, Served


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    started = Served(tmp_path_factory.mktemp("auger"))
    yield started
    started.close()


@pytest.fixture
def make_place(hub: Served) -> Iterator[Callable[[str], Place]]:
    made: list[Place] = []

    def make(kind: str) -> Place:
        made.append(Place(hub, kind))
        return made[-1]

    yield make
    for place in made:
        place.close()
