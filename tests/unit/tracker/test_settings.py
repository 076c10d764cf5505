"""Where a run goes: argument, environment, what the store holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mooring.errors import InvalidName
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker.settings import Settings, choose_project


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store(":memory:")
    yield store
    store.close()


def test_mooring_wins_over_neptune() -> None:
    environ = {"MOORING_PROJECT": "a", "NEPTUNE_PROJECT": "b/c", "MOORING_STORE": "x.db"}
    assert Settings.from_environment(environ) == Settings(store="x.db", project="a")
    del environ["MOORING_PROJECT"]
    assert Settings.from_environment(environ).project == "b/c"
    assert Settings.from_environment({}) == Settings()


def test_project(store: Store) -> None:
    assert choose_project(None, Settings(), store) == "local/events"
    assert choose_project("digits", Settings(project="team/other"), store) == "local/digits"
    assert choose_project(None, Settings(project="team/other"), store) == "team/other"
    store.ensure_project("team/only")
    assert choose_project(None, Settings(), store) == "team/only"
    store.ensure_project("team/second")
    assert choose_project(None, Settings(), store) == "local/events"
    with pytest.raises(InvalidName):
        choose_project("a/b/c", Settings(), store)
