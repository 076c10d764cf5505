"""The back ends that have to keep the law of `mooring.store.contract.Store`.

A new back end is added to `BACK_ENDS` and changes nothing else here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.model import RunInfo, RunSpec
from mooring.store import Store, open_store
from mooring.store.appending import AppendsBatches
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore


@dataclass(frozen=True)
class BackEnd:
    """How to open a store at a place, and whether it outlives its object."""

    name: str
    open: Callable[..., Store]
    lasting: bool = True

    def __str__(self) -> str:
        return self.name


def _open_file(folder: Path, *, read_only: bool = False) -> Store:
    return open_store(folder / "runs.db", read_only=read_only)


def _open_rollback(folder: Path, *, read_only: bool = False) -> Store:
    settings = DatabaseSettings(journal="delete")
    return SqliteStore(folder / "runs.db", read_only=read_only, settings=settings)


def _open_memory(folder: Path) -> Store:
    return open_store(":memory:")


BACK_ENDS = (
    BackEnd("sqlite", _open_file),
    BackEnd("sqlite-rollback", _open_rollback),
    BackEnd("memory", _open_memory, lasting=False),
)


@pytest.fixture(params=BACK_ENDS, ids=str)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = request.param.open(tmp_path)
    yield opened
    opened.close()


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
        """What lies at the place."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(params=[one for one in BACK_ENDS if one.lasting], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place that outlives a store object."""
    made = Place(request.param, tmp_path)
    yield made
    for opened in made.opened:
        opened.close()


@pytest.fixture
def run(store: Store) -> RunInfo:
    """A run in the project `local/p`."""
    return store.create_run(RunSpec(project="p", run_id="a"))


@pytest.fixture
def afar(store: Store) -> AppendsBatches:
    """The empty store, where it takes batches."""
    return taking_batches(store)


def taking_batches(store: Store) -> AppendsBatches:
    """Return a store that takes batches; skip where it does not."""
    if not isinstance(store, AppendsBatches):
        pytest.skip("this back end takes no batches from afar (mooring.store.appending)")
    return store
