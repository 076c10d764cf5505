"""`mooring project`: projects of a hub, and who may see them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mooring.cli.accounts import opened_accounts
from mooring.cli.commands import command, make_group
from mooring.cli.lookup import writing
from mooring.cli.options import DryRunOption, StoreOption, store_address
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import AlreadyExists, ProjectNotFound
from mooring.model import ProjectName, RunKind
from mooring.store.contract import RunQuery

_NameArgument = Annotated[
    str,
    typer.Argument(metavar="PROJECT", help="workspace/name, or name alone.", show_default=False),
]
_UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Name of the user.", show_default=False)
]


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    project = make_group("Projects of a hub: who may see and change them.")
    command(project, "create", example="mooring project create team/digits --owner ada")(create)
    command(project, "list", example="mooring project list")(list_)
    command(project, "members", example="mooring project members team/digits")(members)
    command(project, "share", example="mooring project share team/digits bob --role viewer")(share)
    command(project, "unshare", example="mooring project unshare team/digits bob")(unshare)
    command(project, "delete", example="mooring project delete team/digits --yes")(delete)
    command(project, "serving", example="mooring project serving team/digits on")(serving)
    group.add_typer(project, name="project")


def create(
    name: _NameArgument,
    owner: Annotated[
        str | None,
        typer.Option("--owner", help="A user who owns it from the start.", show_default=False),
    ] = None,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Create a project, private to its owner and the administrators."""
    from mooring.hub.accounts import Role

    full = str(ProjectName.parse(name))
    with opened_accounts(store) as accounts, writing(store_address(store)) as opened:
        if owner is not None:
            accounts.get_user(owner)
        if full in opened.list_projects():
            raise AlreadyExists(f"project {full!r} exists already in {store_address(store)}")
        # roles first, as the hub does: a kill leaves an owner of what is not there
        accounts.reserve_workspaces([full])
        accounts.forget_project(full)
        if owner is not None:
            accounts.grant(full, owner, Role.OWNER)
        opened.create_project(full)
    output.record({"project": full, "owner": owner})


def list_(store: StoreOption = None, *, output: Output) -> None:
    """List the projects, with their members and whether their models are served."""
    with opened_accounts(store) as accounts, writing(store_address(store)) as opened:
        rows = [
            (
                name,
                ", ".join(f"{user.name} ({role})" for user, role in accounts.list_members(name)),
                accounts.get_serving(name),
            )
            for name in opened.list_projects()
        ]
    output.table(Table(["project", "members", "serving"], rows))


def members(name: _NameArgument, store: StoreOption = None, *, output: Output) -> None:
    """List who has a role in a project. Administrators and owners of its workspace have too."""
    project = _existing(name, store)
    with opened_accounts(store) as accounts:
        rows = [(user.name, str(role)) for user, role in accounts.list_members(project)]
    output.table(Table(["user", "role"], rows))


def share(
    name: _NameArgument,
    user: _UserArgument,
    role: Annotated[
        Literal["owner", "contributor", "viewer"],
        typer.Option("--role", help="owner, contributor (logs and changes) or viewer (reads)."),
    ] = "viewer",
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Give a user a role in a project, instead of the one that they have."""
    from mooring.hub.accounts import Role

    project = _existing(name, store)
    with opened_accounts(store) as accounts:
        accounts.grant(project, user, Role(role))
    output.say(f"{user} is {role} of {project}")


def unshare(
    name: _NameArgument, user: _UserArgument, store: StoreOption = None, *, output: Output
) -> None:
    """Take a user's role in a project."""
    project = _existing(name, store)
    with opened_accounts(store) as accounts:
        accounts.revoke(project, user)
    output.say(f"{user} has no role in {project} any more")


def delete(
    name: _NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRunOption = False,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Delete a project with all its runs, for good. `mooring compact` frees the disk."""
    project = _existing(name, store)
    with opened_accounts(store) as accounts, writing(store_address(store)) as opened:
        kinds = tuple(RunKind)
        query = RunQuery(project=project, kinds=kinds, trashed=None, limit=0)
        total = opened.query_runs(query).total
        output.record({"project": project, "runs": total})
        if dry_run:
            return
        if not yes:
            typer.confirm(f"Delete {project} with {total} runs and records?", abort=True, err=True)
        opened.delete_project(project)
        accounts.forget_project(project)
    output.say(f"{project} is deleted")


def serving(
    name: _NameArgument,
    on: Annotated[
        Literal["on", "off"],
        typer.Argument(metavar="on|off", help="Whether its models are served."),
    ],
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Switch the serving of a project's models, which runs code that is in their files.

    Whoever may upload a model to the project then runs code on the hub's machine, in a process
    with limits, which is no wall against the malicious.
    """
    project = _existing(name, store)
    with opened_accounts(store) as accounts:
        accounts.set_serving(project, on == "on")
    output.say(f"models of {project} are {'served' if on == 'on' else 'not served'}")


def _existing(name: str, store: str | None) -> str:
    """Return the full name of a project that the store has."""
    full = str(ProjectName.parse(name))
    with writing(store_address(store)) as opened:
        known = opened.list_projects()
    if full not in known:
        raise ProjectNotFound(full, where=store_address(store), known=known)
    return full
