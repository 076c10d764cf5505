"""Options that commands on studies share, and the study that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import STORE_VARIABLE
from mooring.cli.lookup import deriving, find_project, writing

if TYPE_CHECKING:
    from mooring.optimize import Study
    from mooring.store.contract import Store

DEFAULT_STORE = "mooring.db"
_PROJECT_VARIABLES = ("MOORING_PROJECT", "NEPTUNE_PROJECT")

StudyArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the study.", show_default=False)
]
StudyStoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help=f"The store. Default: {STORE_VARIABLE}, else {DEFAULT_STORE}.",
        show_default=False,
    ),
]
StudyProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        help="Project, as workspace/name or name. Default: MOORING_PROJECT, else the one that "
        "has the study.",
        show_default=False,
    ),
]


def study_store(named: str | None) -> str:
    """Return the store that was named, else the one where studies go by default."""
    return named or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE


def named_project(named: str | None) -> str | None:
    """Return the project of the option, else of the environment; None where neither names one."""
    return named or next((found for v in _PROJECT_VARIABLES if (found := os.environ.get(v))), None)


def reading_study(
    name: str, store: str | None, project: str | None
) -> AbstractContextManager[Study]:
    """Open a study to read it, also where its file cannot be written; else as `changing_study`."""
    return _opening(deriving(study_store(store)), name, project)


def changing_study(
    name: str, store: str | None, project: str | None
) -> AbstractContextManager[Study]:
    """Open a study of a store that is there.

    Raises
    ------
    StoreNotFound, ProjectNotFound, StudyNotFound
        What is not there; nothing is created.
    InvalidInput
        When several projects have such a study and none was named.
    """
    return _opening(writing(study_store(store)), name, project)


@contextmanager
def _opening(
    opened: AbstractContextManager[Store], name: str, project: str | None
) -> Iterator[Study]:
    from mooring.optimize import Study

    with opened as store:
        chosen = _project_of(store, name, named_project(project))
        with Study(name, store=store, project=chosen, resume=True) as study:
            yield study


def _project_of(store: Store, name: str, project: str | None) -> str:
    from mooring.errors import InvalidInput, StudyNotFound
    from mooring.optimize.ledger import Ledger

    if project is not None:
        return find_project(store, project)
    ledgers = [Ledger(store, each) for each in store.list_projects()]
    found = [ledger.project for ledger in ledgers if ledger.find_study(name) is not None]
    if len(found) > 1:
        raise InvalidInput(
            f"several projects have a study {name!r}: {', '.join(found)}; add --project"
        )
    if not found:
        known = [study.name for ledger in ledgers for study in ledger.list_studies()]
        raise StudyNotFound(name, where=store.address, known=known)
    return found[0]
