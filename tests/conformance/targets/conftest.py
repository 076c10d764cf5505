"""Every target has to keep the contract: add one to `PEERS`, and the whole suite runs over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.exchange.target import LoadSettings, Target
from mooring.store import Store
from tests.conformance.targets.packages import mlflow_database, require
from tests.conformance.targets.sample import make_store


@dataclass(frozen=True)
class Peer:
    """A target under test: `open` makes one on a place that is the same each time."""

    name: str
    package: str
    extra: str
    open: Callable[[Path, LoadSettings], Target]


def _mlflow_database(place: Path, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.mlflow import MlflowTarget

    return MlflowTarget(mlflow_database(place / "mlflow.db"), settings)


def _mlflow_folder(place: Path, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.mlflow import MlflowTarget

    return MlflowTarget(str(place / "mlruns"), settings)


PEERS = [
    Peer("mlflow-database", "mlflow", "mlflow", _mlflow_database),
    Peer("mlflow-folder", "mlflow", "mlflow", _mlflow_folder),
]


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    require(found.package, found.extra)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one too."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = make_store(tmp_path_factory.mktemp("sample") / "runs.db")
    yield store
    store.close()


@pytest.fixture
def open_target(peer: Peer, place: Path) -> Iterator[Callable[..., Target]]:
    """Open the target, as often as wanted, on one place."""
    opened: list[Target] = []

    def open_one(settings: LoadSettings | None = None) -> Target:
        opened.append(peer.open(place, settings or LoadSettings()))
        return opened[-1]

    yield open_one
    for target in opened:
        target.close()
