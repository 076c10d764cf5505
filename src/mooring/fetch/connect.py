"""Finds the store and the project that a reader means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    api_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> FetchSettings:
        """Read MOORING_STORE, MOORING_PROJECT, NEPTUNE_PROJECT and the tokens."""
        return cls(
            store=environment.get("MOORING_STORE") or None,
            project=environment.get("MOORING_PROJECT") or environment.get("NEPTUNE_PROJECT"),
            api_token=environment.get("MOORING_API_TOKEN")
            or environment.get("NEPTUNE_API_TOKEN")
            or None,
        )


def connect_store(
    store: StoreAddress | Store | None,
    api_token: str | None,
    settings: FetchSettings,
    proxies: Mapping[str, str] | None = None,
) -> tuple[Store, bool]:
    """Return the store, and whether it was opened here.

    The argument `store`, else the hub that the argument `api_token` tells of, else the store of
    the environment, else the hub of its token.
    """
    address = store
    if address is None and api_token is None:
        address = settings.store
    token = api_token or settings.api_token
    if isinstance(address, (str, os.PathLike)):
        opened = open_store(os.fspath(address), create=False, api_token=token, proxies=proxies)
        return opened, True
    if address is not None:
        if not isinstance(address, Store):
            raise InvalidInput(
                f"store is an address or an open store, not {type(address).__name__}"
            )
        return address, False
    if token:
        return open_store("", api_token=token, proxies=proxies), True
    raise InvalidAddress(
        "no store is given: pass store='runs.db', the address of a hub, or an api_token, or set "
        "MOORING_STORE"
    )


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
