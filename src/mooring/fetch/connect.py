"""Finds the store and the project that a reader means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mooring.errors import InvalidAddress, InvalidInput, InvalidName, ProjectNotFound, closest
from mooring.model import ProjectName
from mooring.store import open_store
from mooring.store.contract import Store

StoreAddress = str | os.PathLike[str]

_SHOWN_PROJECTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """What the environment says; an argument of the same meaning goes first."""

    store: str | None = None
    project: str | None = None
    has_token: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> FetchSettings:
        """Read MOORING_STORE, MOORING_PROJECT, NEPTUNE_PROJECT and the tokens."""
        return cls(
            store=environment.get("MOORING_STORE") or None,
            project=environment.get("MOORING_PROJECT") or environment.get("NEPTUNE_PROJECT"),
            has_token=bool(
                environment.get("MOORING_API_TOKEN") or environment.get("NEPTUNE_API_TOKEN")
            ),
        )


def connect_store(
    store: StoreAddress | Store | None, api_token: str | None, settings: FetchSettings
) -> tuple[Store, bool]:
    """Return the store, and whether it was opened here."""
    address = settings.store if store is None else store
    if isinstance(address, (str, os.PathLike)):
        return open_store(os.fspath(address), create=False), True
    if address is not None:
        if not isinstance(address, Store):
            raise InvalidInput(
                f"store is an address or an open store, not {type(address).__name__}"
            )
        return address, False
    if api_token or settings.has_token:
        raise InvalidAddress(
            "an API token leads to a hub, and this version reads stores only: "
            "give the address of a store, store='runs.db' or MOORING_STORE"
        )
    raise InvalidAddress("no store is given: pass store='runs.db' or set MOORING_STORE")


def choose_project(store: Store, project: str | None) -> str:
    """Return the full name of the project, or of the only one where none is named."""
    known = store.list_projects()
    if project is None:
        if len(known) == 1:
            return known[0]
        if not known:
            raise ProjectNotFound("*", where=f"{store.address}, which holds no project yet")
        raise InvalidName(
            f"{store.address} holds {len(known)} projects; name one of {_enumerate(known)} "
            "as the argument project or in MOORING_PROJECT"
        )
    name = str(ProjectName.parse(project))
    if name in known:
        return name
    where = store.address
    if known and not closest(name, known):
        where = f"{store.address}, which holds {_enumerate(known)}"
    raise ProjectNotFound(name, where=where, known=known)


def _enumerate(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_PROJECTS])
    return (
        shown
        if len(names) <= _SHOWN_PROJECTS
        else f"{shown} and {len(names) - _SHOWN_PROJECTS} more"
    )
