"""The store: one contract, and back ends chosen by address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mooring.errors import InvalidAddress, NotAStore, StoreNotFound
from mooring.store.contract import (
    AttributeColumn,
    CompactionReport,
    Durability,
    EventTable,
    Finding,
    Lineage,
    PathSelector,
    RunPage,
    RunQuery,
    RunWriter,
    SeriesQuery,
    Store,
    StoreCheck,
    TableColumn,
)

__all__ = [
    "AttributeColumn",
    "CompactionReport",
    "Durability",
    "EventTable",
    "Finding",
    "Lineage",
    "PathSelector",
    "RunPage",
    "RunQuery",
    "RunWriter",
    "SeriesQuery",
    "Store",
    "StoreCheck",
    "TableColumn",
    "open_store",
]


def open_store(
    address: str | Path,
    *,
    read_only: bool = False,
    create: bool = True,
    durability: Durability | str = Durability.PROCESS,
    timeout_s: float = 60.0,
    api_token: str | None = None,
    buffered: bool = True,
    proxies: Mapping[str, str] | None = None,
) -> Store:
    """Open the store at an address.

    Parameters
    ----------
    address
        A file (`runs.db`, `sqlite:///home/me/runs.db`), or `:memory:` for a store in a temporary
        folder that disappears with `close()`. A folder of exported Parquet is opened in place,
        for reading only; see `mooring.store.archive`. `http://host:port` is a hub.
    read_only
        Refuse writes. Works on read-only files and folders.
    create
        Make the file when it is missing; otherwise that raises `StoreNotFound`.
    durability
        What a logging call that returned has survived: `process` (default) the death of the
        process at any instant; `power` a power cut as well; `relaxed` nothing for up to 100 ms,
        because a background thread commits.
    timeout_s
        How long to wait for another process's lock before `StoreLocked`; for a hub, for each
        piece of an answer before `HubUnreachable`.
    api_token
        Of a hub. Default: MOORING_API_TOKEN, else NEPTUNE_API_TOKEN. A token tells its hub's
        address too, so that the address may be empty.
    buffered
        Of a hub: whether logging calls return when the update is kept on this machine, from where
        it is sent in the background (default), or when the hub has it.
    proxies
        Of a hub: scheme (`http`, `https`) to the address of a proxy.

    Raises
    ------
    HubError
        When a hub does not answer, or does not know the token.
    InvalidAddress, StoreNotFound, NotAStore, StoreTooNew, StoreCorrupt, StoreReadOnly

    Examples
    --------
    >>> store = open_store("runs.db")
    >>> store.ensure_project("digits")
    'local/digits'
    >>> store.close()
    """
    from mooring.store.sqlite.database import DatabaseSettings
    from mooring.store.sqlite.store import SqliteStore

    try:
        wanted = Durability(durability)
    except ValueError:
        raise InvalidAddress(
            f"durability {durability!r}; write 'process', 'power' or 'relaxed'"
        ) from None
    if (address == "" and api_token is not None) or str(address).startswith(
        ("http://", "https://")
    ):
        return _open_hub(
            str(address),
            api_token,
            read_only=read_only,
            durability=wanted,
            timeout_s=timeout_s,
            buffered=buffered,
            proxies=proxies,
        )
    file = _file_of(address)
    if isinstance(file, Path) and os.path.isdir(file):  # noqa: PTH112 - False where it cannot look
        from mooring.store.archive.store import ArchiveStore

        try:
            return ArchiveStore(file)
        except StoreNotFound as error:
            raise NotAStore(
                f"{file} is a folder, not a store file, and holds no export", address=str(file)
            ) from error
    return SqliteStore(
        file,
        read_only=read_only,
        create=create,
        settings=DatabaseSettings(durability=wanted, timeout_s=timeout_s),
    )


def _open_hub(
    address: str,
    api_token: str | None,
    *,
    read_only: bool,
    durability: Durability,
    timeout_s: float,
    buffered: bool,
    proxies: Mapping[str, str] | None,
) -> Store:
    from mooring.client.settings import ClientSettings
    from mooring.store.hub.store import HubStore, hub_address
    from mooring.store.sqlite.store import SqliteStore

    if api_token is None:
        api_token = os.environ.get("MOORING_API_TOKEN") or os.environ.get("NEPTUNE_API_TOKEN")
    address, token = hub_address(address, api_token)
    return HubStore(
        address,
        token,
        read_only=read_only,
        buffered=buffered,
        durability=durability,
        settings=ClientSettings(timeout_s=timeout_s, proxies=dict(proxies or {})),
        open_staging=SqliteStore,
    )


def _file_of(address: str | Path) -> str | Path:
    if isinstance(address, Path) or address == ":memory:":
        return address
    if not address:
        raise InvalidAddress(f"{address!r} is no store address; give a file such as 'runs.db'")
    scheme, separator, _ = address.partition("://")
    if not separator:
        return Path(address).expanduser()
    if scheme == "sqlite":
        return Path(unquote(urlsplit(address).path))
    raise InvalidAddress(
        f"{address!r}: addresses of the form {scheme}://… are not supported; give a file such as "
        "'runs.db' or 'sqlite:///path/runs.db'"
    )
