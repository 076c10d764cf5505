"""`mooring token`: what users and programs know a hub by."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.accounts import opened_accounts, read_span, shown_time
from mooring.cli.commands import command, make_group
from mooring.cli.formats import Format
from mooring.cli.options import StoreOption
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.client.token import ApiToken
from mooring.model import now_micros

_DEFAULT_ADDRESS = "http://127.0.0.1:8080"


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    token = make_group("Tokens of a hub, made where its store lies.")
    command(
        token,
        "create",
        example="mooring token create ada\n"
        "mooring token create ada --name laptop --expires 90d\n"
        "mooring token create nightly --service --project team/digits",
    )(create)
    command(token, "list", example="mooring token list --user ada")(list_)
    command(token, "revoke", example="mooring token revoke 12")(revoke)
    group.add_typer(token, name="token")


def create(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="Whose token it is.", show_default=False)
    ],
    name: Annotated[str, typer.Option("--name", help="What it is for.", show_default=False)] = "",
    service: Annotated[bool, typer.Option("--service", help="For a program.")] = False,
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            help="What the token stands for where a request names no project.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            help="How long it is good for: 12h, 90d, 4w. Default: until revoked.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="The hub's address in the token. Default: the one that it had last.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """Create a token and print it, once: the hub keeps a hash of it only.

    A terminal gets a line that exports it, for Mooring's clients and Neptune's; another program the
    token alone, or with --format json, jsonl or csv its number and user too.
    """
    until = None if expires is None else now_micros() + read_span(expires)
    with opened_accounts(store) as accounts:
        made = accounts.create_token(
            user,
            name=name,
            kind="service" if service else "personal",
            project=project,
            expires=until,
        )
        place = address or accounts.get_address() or _DEFAULT_ADDRESS
    token = ApiToken(place.rstrip("/"), made.secret).encode()
    if output.format in (Format.TABLE, Format.MARKDOWN):
        line = f"export NEPTUNE_API_TOKEN={token}" if output.on_terminal else token
        output.picture(line)  # on one line, which a table would fold
    else:
        output.record({"id": made.info.id, "user": made.info.user, "token": token})
    output.say(
        f"Token {made.info.id} of {made.info.user}, shown this once. To use it, export it as "
        "MOORING_API_TOKEN or NEPTUNE_API_TOKEN."
    )


def list_(
    user: Annotated[
        str | None, typer.Option("--user", help="Of this user only.", show_default=False)
    ] = None,
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """List the tokens, without their secrets."""
    with opened_accounts(store) as accounts:
        rows = [
            (
                token.id,
                token.user,
                token.name,
                token.kind,
                token.project,
                *map(shown_time, (token.created, token.expires, token.revoked, token.last_used)),
            )
            for token in accounts.list_tokens(user)
        ]
    columns = ["id", "user", "name", "kind", "project"]
    output.table(Table([*columns, "created", "expires", "revoked", "last_used"], rows))


def revoke(
    id: Annotated[
        int, typer.Argument(metavar="ID", help="Number of the token.", show_default=False)
    ],
    store: StoreOption = None,
    *,
    output: Output,
) -> None:
    """End a token, at once and for good."""
    with opened_accounts(store) as accounts:
        ended = accounts.revoke_token(id)
    output.say(f"token {ended.id} of {ended.user} is revoked")
