"""Every target has to keep the contract: add one to `PEERS`, and the whole suite runs over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mooring.exchange.target import LoadSettings, Target
from mooring.store import Store
from tests.conformance.targets.packages import mlflow_database, require_or_peer
from tests.conformance.targets.sample import make_store
from tests.conformance.targets.trackers import TRACKERS, Held, Tracker, stop_watchers


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


def _tensorboard(place: Path, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.tensorboard import TensorBoardTarget

    return TensorBoardTarget(place / "logs", settings=settings)


def _wandb(place: Path, settings: LoadSettings) -> Target:
    from mooring.exchange.targets.wandb import WandbSettings, WandbTarget

    return WandbTarget(WandbSettings(folder=place / "offline"), settings=settings)


PEERS = [
    Peer("mlflow-database", "mlflow", "mlflow", _mlflow_database),
    Peer("mlflow-folder", "mlflow", "mlflow", _mlflow_folder),
    *(Peer(one.name, one.package, one.name, one.make) for one in TRACKERS),
    Peer("tensorboard", "tensorboard", "tensorboard", _tensorboard),
    Peer("wandb", "wandb", "wandb", _wandb),
]


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    require_or_peer(found.package, found.extra)
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
    stop_watchers()


@dataclass
class Place:
    """A folder that a tracker keeps its runs in, and the objects that reach it."""

    tracker: Tracker
    folder: Path
    opened: list[Target] = field(default_factory=list)

    def reach(self, **load: Any) -> Target:
        """Return a new object for the target, as another process would make it."""
        target = self.tracker.make(self.folder, LoadSettings(**load))
        self.opened.append(target)
        return target

    def read(self, run_id: str) -> Held:
        """Return what the tracker holds of a run."""
        return self.tracker.read(self.folder, run_id)


@pytest.fixture(params=TRACKERS, ids=lambda tracker: tracker.name)
def tracked(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A tracker with nothing in it."""
    tracker: Tracker = request.param
    require_or_peer(tracker.package, tracker.name)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    place = Place(tracker, tmp_path)
    yield place
    for target in place.opened:
        target.close()
    stop_watchers()
