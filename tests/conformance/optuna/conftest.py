"""Stores that studies have to work on: a file, memory, a hub with and without its spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.store import Store, open_store
from tests.serving import HubThread

OpenStore = Callable[[], Store]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield hub
    hub.stop()


@pytest.fixture(params=["file", "memory", "hub", "hub-spool"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """An empty store, or an empty project of a hub."""
    if request.param == "file":
        opened = open_store(tmp_path / "runs.db")
    elif request.param == "memory":
        opened = open_store(":memory:")
    else:
        monkeypatch.setenv("MOORING_SPOOL", str(tmp_path / "spool"))
        hub: HubThread = request.getfixturevalue("hub")
        buffered = request.param == "hub-spool"
        opened = open_store(hub.address, api_token=hub.admin, buffered=buffered)
    yield opened
    opened.close()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project of this test's own."""
    import uuid

    return f"local/{uuid.uuid4().hex}"
