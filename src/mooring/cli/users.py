"""`mooring user`: who may use a hub."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.accounts import (
    opened_accounts,
    read_password,
    reserve_workspaces,
    shown_time,
)
from mooring.cli.commands import command, make_group
from mooring.cli.options import StoreOption
from mooring.cli.output import Output
from mooring.cli.table import Table

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the user.", show_default=False)
]
_StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    user = make_group("Users of a hub, made where its store lies.")
    command(
        user,
        "create",
        example="mooring user create ada\n"
        "mooring user create ada --email ada@example.org --password-stdin < password.txt\n"
        "mooring user create nightly --service",
    )(create)
    command(user, "list", example="mooring user list --store runs.db")(list_)
    command(user, "disable", example="mooring user disable ada")(disable)
    command(user, "enable", example="mooring user enable ada")(enable)
    command(user, "password", example="mooring user password ada")(password)
    group.add_typer(user, name="user")


def create(
    name: NameArgument,
    email: Annotated[
        str | None, typer.Option("--email", help="For logins by password.", show_default=False)
    ] = None,
    password_stdin: _StdinOption = False,
    admin: Annotated[
        bool, typer.Option("--admin", help="May see and do everything on the hub.")
    ] = False,
    service: Annotated[
        bool, typer.Option("--service", help="A program, which cannot log in by password.")
    ] = False,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Create a user, with a workspace of that name unless there is one."""
    from mooring.hub.accounts import Principal

    secret = read_password(True) if password_stdin else None
    with opened_accounts(store) as accounts:
        reserve_workspaces(accounts, store)
        made = accounts.create_user(
            name, email=email, password=secret, admin=admin, service=service
        )
        asking = Principal(user=made.id, name=made.name)
        own = service or accounts.workspace_role(asking, made.name) is not None
    output.record({"user": made.name, "email": made.email, "admin": made.admin})
    if not own:
        output.say(
            f"The workspace {made.name} was there before: {made.name} has no part in it, nor in "
            "its projects, until they are shared"
        )
    output.say(f"A token for {made.name}: mooring token create {made.name}")


def list_(store: StoreOption = None, *, output: Output) -> None:
    """List the users, by name."""
    with opened_accounts(store) as accounts:
        rows = [
            (u.name, u.email, u.admin, u.service, u.disabled, shown_time(u.created))
            for u in accounts.list_users()
        ]
    output.table(Table(["user", "email", "admin", "service", "disabled", "created"], rows))


def disable(name: NameArgument, store: StoreOption = None, *, output: Output) -> None:
    """Refuse a user's tokens and password from now on; `enable` takes it back."""
    with opened_accounts(store) as accounts:
        accounts.disable_user(name)
    output.say(f"{name} is disabled, with all their tokens")


def enable(name: NameArgument, store: StoreOption = None, *, output: Output) -> None:
    """Take a disabled user back, with the tokens that they had."""
    with opened_accounts(store) as accounts:
        accounts.enable_user(name)
    output.say(f"{name} is enabled")


def password(
    name: NameArgument,
    password_stdin: _StdinOption = False,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Give a user another password, asked for on the terminal. Their logins end, tokens stay."""
    with opened_accounts(store) as accounts:
        accounts.get_user(name)
        accounts.set_password(name, read_password(password_stdin))
    output.say(f"{name} has another password")
