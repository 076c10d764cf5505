"""What the commands on users, tokens and projects of a hub share: they work beside its store."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mooring.cli.lookup import reading
from mooring.cli.options import store_address
from mooring.errors import InvalidAddress, InvalidInput, MissingExtra, StoreNotFound

if TYPE_CHECKING:
    from mooring.hub.accounts import Accounts

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_PASSWORD_PROMPT = "Password: "


@contextmanager
def opened_accounts(store: str | None) -> Iterator[Accounts]:
    """Open the accounts of the hub that serves a store; they are made when missing."""
    from pathlib import Path

    try:
        from mooring.hub.accounts import accounts_of
        from mooring.hub.settings import HubSettings
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "the hub", extra="hub") from None
    address = store_address(store)
    if "://" in address and not address.startswith("sqlite://"):
        raise InvalidAddress(
            f"{address!r}: users and tokens are made where the hub's store lies; give its file"
        )
    settings = HubSettings(store=address)
    if not Path(address.removeprefix("sqlite://")).exists():
        raise StoreNotFound(
            f"there is no store at {address}; `mooring hub` makes one", address=address
        )
    accounts = accounts_of(settings)
    try:
        yield accounts
    finally:
        accounts.close()


def reserve_workspaces(accounts: Accounts, store: str | None) -> None:
    """Keep the workspaces in which the store has projects from becoming somebody's by name."""
    with reading(store_address(store)) as opened:
        accounts.reserve_workspaces(opened.list_projects())


def read_span(text: str) -> int:
    """Return a span of time in microseconds.

    >>> read_span("90d") // 86_400_000_000
    90
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not found:
        raise InvalidInput(f"{text!r} is no span of time; write 12h, 90d or 4w")
    return int(found[1]) * _SECONDS[found[2]] * 1_000_000


def shown_time(micros: int | None) -> datetime | None:
    """Return an instant as tables show it."""
    return None if micros is None else datetime.fromtimestamp(micros // 1_000_000, UTC)


def read_password(from_stdin: bool) -> str:
    """Return a password: a line of standard input, else asked for twice on the terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidInput("there is no terminal to ask for a password; use --password-stdin")
    from getpass import getpass

    password = getpass(_PASSWORD_PROMPT)
    if getpass("Again: ") != password:
        raise InvalidInput("the two passwords differ")
    return password
