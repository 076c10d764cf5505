"""`mooring hub`: the server. `mooring sync`: what waits on this machine for a hub."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from mooring.cli.commands import command
from mooring.cli.options import StoreOption, store_address
from mooring.cli.output import Output
from mooring.errors import InvalidAddress, MissingExtra

_HOST = "127.0.0.1"
_PORT = 8080


def add_to(app: typer.Typer) -> None:
    """Enter the commands."""
    command(
        app,
        "hub",
        example="mooring hub --store runs.db\n"
        "mooring hub --store runs.db --host 0.0.0.0 --port 9000 --workers 4 "
        "--public-url https://runs.example.org",
    )(hub)


def hub(
    output: Output,
    store: StoreOption = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at. Others than this machine: 0.0.0.0.")
    ] = _HOST,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one.")
    ] = _PORT,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that answer.")
    ] = 1,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            help="Address that tokens and links name, where another server stands before this one.",
            show_default=False,
        ),
    ] = None,
    max_upload_gib: Annotated[
        float, typer.Option("--max-upload-gib", min=0.001, help="Largest file, in GiB.")
    ] = 64.0,
) -> int | None:
    """Serve a store to others until it is stopped (Ctrl-C, SIGTERM).

    The first start makes an administrator and prints their token, once. Lines about requests go to
    standard error, as JSON.
    """
    try:
        from mooring.hub.server import prepare, serve
        from mooring.hub.settings import HubSettings
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "the hub", extra="hub") from None
    address = store_address(store)
    if "://" in address and not address.startswith("sqlite://"):
        raise InvalidAddress(f"{address!r}: a hub serves a store file, such as runs.db")
    settings = HubSettings(
        store=address,
        host=host,
        port=port,
        workers=workers,
        public_url=public_url,
        max_upload_bytes=int(max_upload_gib * (1 << 30)),
    )
    settings, listening, token = prepare(settings)

    def ready() -> None:
        output.say(f"Mooring hub on {settings.store} at {settings.address}; Ctrl-C stops it")
        if token is not None:
            from mooring.client.token import ApiToken

            text = ApiToken(settings.address, token.secret).encode()
            output.say(
                "This is the first start. The token of the administrator 'admin', shown once:"
            )
            output.say(f"  export MOORING_API_TOKEN={text}")
            output.say("More users and tokens: mooring user create, mooring token create")

    serve(dataclasses.replace(settings), listening, ready=ready)
    return None
