"""The back ends that have to keep the law of `mooring.store.contract.Store`.

A new back end is added to `BACK_ENDS` and changes nothing else here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.model import RunInfo, RunSpec
from mooring.store import Store, open_store
from mooring.store.appending import AppendsBatches
from mooring.store.hub.store import HubStore
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore
from tests.serving import HubThread


def _nothing(folder: Path) -> None:
    """Do nothing: a function, as back ends are sent to other processes."""


@dataclass(frozen=True)
class BackEnd:
    """How to open a store at a place, and whether it outlives its object."""

    name: str
    open: Callable[..., Store]
    lasting: bool = True
    stop: Callable[[Path], None] = _nothing
    """Ends what the place needs beside its store objects."""
    same_for_all: bool = True
    """Whether others see an update as soon as its call returned."""
    here: bool = True
    """Whether its files lie on this machine: a hub's are the hub's."""
    refuses_conflicts: bool = False
    """Whether a value is refused whose type conflicts with what another writer wrote."""

    def __str__(self) -> str:
        return self.name


def _open_file(folder: Path, *, read_only: bool = False) -> Store:
    return open_store(folder / "runs.db", read_only=read_only)


def _open_rollback(folder: Path, *, read_only: bool = False) -> Store:
    settings = DatabaseSettings(journal="delete")
    return SqliteStore(folder / "runs.db", read_only=read_only, settings=settings)


def _open_memory(folder: Path) -> Store:
    return open_store(":memory:")


_hubs: dict[Path, HubThread] = {}
"""Hubs of this process, by the folder of their store."""


def _open_hub(folder: Path, *, read_only: bool = False) -> Store:
    """Open the hub of this folder, which is started when it is the first time."""
    told = folder / "hub.json"
    if not told.exists():
        if read_only and not (folder / "runs.db").exists():
            return open_store(folder / "runs.db", read_only=True)  # there is no hub on nothing
        hub = _hubs[folder] = HubThread(folder / "runs.db")
        told.write_text(json.dumps({"address": hub.address, "token": hub.admin}))
    where = json.loads(told.read_text())
    return open_store(
        where["address"], api_token=where["token"], read_only=read_only, buffered=False
    )


def _open_hub_with_spool(folder: Path, *, read_only: bool = False) -> Store:
    _open_hub(folder).close()
    where = json.loads((folder / "hub.json").read_text())
    return HubStore(
        where["address"],
        where["token"],
        read_only=read_only,
        spool=folder / "spool",
        open_staging=SqliteStore,
    )


def _stop_hub(folder: Path) -> None:
    if hub := _hubs.pop(folder, None):
        hub.stop(wait=False)


BACK_ENDS = (
    BackEnd("sqlite", _open_file),
    BackEnd("sqlite-rollback", _open_rollback),
    BackEnd("memory", _open_memory, lasting=False),
    BackEnd("hub", _open_hub, stop=_stop_hub, here=False, refuses_conflicts=True),
    BackEnd(
        "hub-spool",
        _open_hub_with_spool,
        stop=_stop_hub,
        same_for_all=False,
        here=False,
        refuses_conflicts=True,
    ),
)


@pytest.fixture(params=BACK_ENDS, ids=str)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = request.param.open(tmp_path)
    yield opened
    opened.close()
    request.param.stop(tmp_path)


@pytest.fixture
def afar(store: Store) -> AppendsBatches:
    """The empty store, where it takes batches."""
    return taking_batches(store)


def taking_batches(store: Store) -> AppendsBatches:
    """Return a store that takes batches; skip where it does not, or as another one does."""
    if not isinstance(store, AppendsBatches):
        pytest.skip("this back end takes no batches from afar (mooring.store.appending)")
    if isinstance(store, HubStore) and store.buffered:
        pytest.skip("batches go to the hub at once, as they do without a spool")
    return store


@pytest.fixture
def back_end(request: pytest.FixtureRequest) -> BackEnd:
    """The back end of the test's `store` or `place`."""
    parameters = request.node.callspec.params
    found = parameters.get("store") or parameters["place"]
    assert isinstance(found, BackEnd)
    return found


@pytest.fixture
def keeps_conflicts(back_end: BackEnd) -> None:
    """Leave out a back end that refuses conflicting values, which a test of its own shows."""
    if back_end.refuses_conflicts:
        pytest.skip(f"{back_end} refuses what conflicts with what another writer wrote")


class Place:
    """A place where several store objects can be opened; all are closed at the end."""

    def __init__(self, back_end: BackEnd, folder: Path) -> None:
        self.back_end = back_end
        self.folder = folder
        self.opened: list[Store] = []

    def open(self, *, read_only: bool = False) -> Store:
        """Open one more store object."""
        opened = self.back_end.open(self.folder, read_only=read_only)
        self.opened.append(opened)
        return opened

    @property
    def files(self) -> dict[str, bytes]:
        """What lies at the place, less what a hub keeps of its users."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.name.startswith("hub.")
        }


@pytest.fixture(params=[one for one in BACK_ENDS if one.lasting and one.same_for_all], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place that outlives a store object."""
    made = Place(request.param, tmp_path)
    yield made
    for opened in made.opened:
        opened.close()
    request.param.stop(tmp_path)


@pytest.fixture
def run(store: Store) -> RunInfo:
    """A run in the project `local/p`."""
    return store.create_run(RunSpec(project="p", run_id="a"))
