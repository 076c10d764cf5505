"""`mooring hub`: the server. `mooring sync`: what waits on this machine for a hub."""

from __future__ import annotations

import os
import time
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import FAILED, PARTLY, command
from mooring.cli.options import DryRunOption, StoreOption, store_address
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import InvalidAddress, InvalidInput, MissingExtra, MooringError

if TYPE_CHECKING:
    from mooring.client.spool import SpoolHead


class FileLinks(StrEnum):
    """Providers of storage, whose clients know what to do with their links."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"


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
    command(
        app,
        "sync",
        example="mooring sync\nmooring sync --store http://hub:8080\nmooring sync --dry-run",
    )(sync)


def hub(
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
    file_links: Annotated[
        FileLinks,
        typer.Option(
            "--file-links",
            help="Whose manner the links to files have that Neptune's clients are given. All lead "
            "to this hub.",
        ),
    ] = FileLinks.AWS,
    optimizers_secret: Annotated[
        Path | None,
        typer.Option(
            "--optimizers-secret",
            help="File with a secret: whoever signs a token by it (JWT, HS256) may ask for next "
            "trials, and for no data.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Output,
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
        file_links=str(file_links),
        optimizers_secret=None if optimizers_secret is None else _read_secret(optimizers_secret),
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

    serve(settings, listening, ready=ready)
    return None


def _read_secret(file: Path) -> str:
    try:
        secret = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: the secret cannot be read: {error}") from None
    if not secret:
        raise InvalidInput(f"{file} is empty, and should hold a secret")
    return secret


def sync(
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            help="Address of the hub. Default: every hub that something waits for.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder",
            help="Folder of the spools. Default: MOORING_SPOOL, else the user's own.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch", min=1.0, help="Look again every so many seconds.", show_default=False
        ),
    ] = None,
    *,
    output: Output,
) -> int | None:
    """Send what waits on this machine for a hub.

    That is what processes logged that died, or that ended while the hub was away. What living
    processes log is theirs to send. The token is that of MOORING_API_TOKEN.
    """
    from mooring.client.spool import default_folder
    from mooring.client.syncing import list_spools

    place = Path(folder) if folder else default_folder()
    hub = None if store is None else store.rstrip("/")
    if dry_run:
        rows = [
            (*_named(state.head), state.pending, state.size_bytes, state.alive, state.damage)
            for state in list_spools(place, hub)
        ]
        output.table(Table([*_NAMES, "waiting", "bytes", "alive", "damage"], rows))
        return None
    while True:
        code = _sync_once(place, hub, output)
        if watch is None:
            return code
        time.sleep(watch)


_NAMES = ("hub", "project", "run")


def _named(head: SpoolHead | None) -> tuple[str | None, ...]:
    return (None, None, None) if head is None else (head.hub, head.project, head.run_id)


def _sync_once(place: Path, hub: str | None, output: Output) -> int | None:
    """Send what waits; return the exit code."""
    from mooring.client.spool_files import DAMAGED_SUFFIX
    from mooring.client.syncing import list_spools
    from mooring.store.hub.store import HubStore
    from mooring.store.sqlite.store import SqliteStore

    waiting = [
        state
        for state in list_spools(place, hub)
        if not state.alive and state.path.suffix != DAMAGED_SUFFIX
    ]
    rows: list[tuple[object, ...]] = []
    failed: list[str] = []
    for address in sorted({state.head.hub for state in waiting if state.head is not None}):
        try:
            opened = HubStore(address, _token(), spool=place, open_staging=SqliteStore)
            with closing(opened), output.progress(f"sending to {address}") as progress:
                report = opened.sync(lambda _, sent, left: progress(sent, sent + left))
        except MooringError as error:
            failed.append(f"{address}: {error}")
            continue
        for result in report.spools:
            refused = sum(result.refused.values())
            rows.append((*_named(result.head), result.sent, refused, result.left))
            if result.error is not None:
                failed.append(f"{result.path}: {result.error}")
    failed += [f"{state.path}: {state.damage}" for state in waiting if state.head is None]
    output.table(Table([*_NAMES, "sent", "refused", "left"], rows))
    for line in failed:
        output.say(line)
    if not rows and not failed:
        output.say(f"nothing waits in {place}")
    if not failed:
        return None
    return PARTLY if rows else FAILED


def _token() -> str | None:
    return os.environ.get("MOORING_API_TOKEN") or os.environ.get("NEPTUNE_API_TOKEN")
