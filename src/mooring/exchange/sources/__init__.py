"""Sources: what runs can be read from. Each is made when it is asked for, by kind or by looking."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from mooring.errors import (
    HubUnreachable,
    InvalidInput,
    NotAStore,
    SourceUnreadable,
    StoreError,
    StoreNotFound,
    closest,
)
from mooring.exchange.source import Source

__all__ = [
    "SOURCES",
    "SourceKind",
    "SourceOptions",
    "default_address",
    "detect_source",
    "open_source",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What a source may be told.

    Attributes
    ----------
    files : where the files are, if not where they are looked for
    project : the project of runs that the source has no project for
    zone : time zone of times that are noted without one
    """

    files: Path | None = None
    project: str | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: what it is, how it is opened, and how it is known by its looks.

    `default` tells where it is when nobody does; None: it has to be told.
    """

    title: str
    open: Callable[[str, SourceOptions], Source]
    detect: Callable[[Path], bool]
    default: Callable[[], str] | None = None


def _parquet(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.parquet import ParquetSource

    return ParquetSource(address, files=options.files, series_zone=options.zone)


def _is_parquet(path: Path) -> bool:
    from mooring.store.archive.places import is_export

    return is_export(path)


def _backup(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.backup import BackupSource, ScriptRules

    zone = None if options.zone is None else str(options.zone)
    return BackupSource(address, rules=ScriptRules(zone=zone))


def _is_backup(path: Path) -> bool:
    from mooring.exchange.sources.backup.source import is_backup

    return is_backup(path)


def _store(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.store import OpenedStoreSource

    return OpenedStoreSource(address)


def _is_hub(address: str) -> bool:
    from mooring.store.hub.connection import is_hub

    try:
        return is_hub(address)
    except HubUnreachable:
        return False


def _is_store(path: Path) -> bool:
    # Through SQLite: to open the file beside it would drop the locks that this process has on it.
    from mooring.store import open_store

    if not path.is_file():
        return False
    try:
        open_store(path, create=False, read_only=True).close()
    except (NotAStore, StoreNotFound):
        return False
    except StoreError:
        return True  # opening it tells what is the matter
    return True


def _neptune(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.neptune import open_neptune

    return open_neptune(address, project=options.project)


def _is_neptune(path: Path) -> bool:
    from mooring.exchange.sources.neptune.folders import holds_executions

    if not holds_executions(path):
        return False
    if _is_neptune_scale(path):
        raise SourceUnreadable(
            f"{path} has data of two clients, neptune and neptune-scale; import them one after the "
            "other (--from neptune, --from neptune-scale)",
            where=str(path),
        )
    return True


def _neptune_scale(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.neptune_scale import open_neptune_scale

    return open_neptune_scale(address)


def _is_neptune_scale(path: Path) -> bool:
    from mooring.exchange.sources.neptune_scale.repositories import holds_repositories

    return holds_repositories(path)


def _aim(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.aim import open_aim

    return open_aim(address, project=options.project)


def _is_aim(path: Path) -> bool:
    return any((each / "meta" / "chunks").is_dir() for each in (path / ".aim", path))


def _trackio(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.trackio import open_trackio

    return open_trackio(address)


def _is_trackio(path: Path) -> bool:
    from mooring.exchange.sources.trackio.source import holds_trackio

    return holds_trackio(path)


def _tensorboard(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.tensorboard import TensorBoardSource

    return TensorBoardSource(address, project=options.project)


def _is_tensorboard(path: Path) -> bool:
    from mooring.exchange.event_files.records import find_event_files

    return path.is_dir() and bool(find_event_files(path))


def _wandb(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.wandb import WandbSource

    return WandbSource(address, project=options.project)


def _is_wandb(path: Path) -> bool:
    from mooring.exchange.wandb_log.records import find_logs

    return path.is_dir() and bool(find_logs(path))


def _mlflow(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.mlflow import MlflowSource

    path = Path(address).expanduser()
    return MlflowSource(f"sqlite:///{path.absolute()}" if path.is_file() else address)


def _default_mlflow() -> str:
    from mooring.exchange.mlflow_tracking.client import resolve_uri

    return resolve_uri(None)


def _is_mlflow(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("*/meta.yaml")) and not (path / "meta.yaml").exists()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        try:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {"experiments", "latest_metrics", "params"} <= {name for (name,) in found}
        except sqlite3.DatabaseError:
            return False  # no database, or a damaged one: nothing can be read from it


def _neptune3(address: str, options: SourceOptions) -> Source:
    from mooring.exchange.sources.neptune3 import Neptune3Source

    return Neptune3Source(address)


def _default_neptune3() -> str:
    from mooring.exchange.sources.neptune3.server import default_address

    return default_address()


SOURCES: Mapping[str, SourceKind] = {
    "parquet": SourceKind("an export in the layout of Neptune Exporter", _parquet, _is_parquet),
    "backup": SourceKind(
        "a tree of mooring backup, or of Neptune's bulk backup script", _backup, _is_backup
    ),
    "store": SourceKind("a store of Mooring, or a hub", _store, _is_store),
    "neptune": SourceKind("offline data of the neptune client", _neptune, _is_neptune),
    "neptune-scale": SourceKind(
        "offline data of the neptune-scale client", _neptune_scale, _is_neptune_scale
    ),
    "aim": SourceKind("a repository of Aim", _aim, _is_aim),
    "wandb": SourceKind("a folder of W&B, of offline runs", _wandb, _is_wandb),
    "tensorboard": SourceKind(
        "a log directory of TensorBoard's event files", _tensorboard, _is_tensorboard
    ),
    "mlflow": SourceKind(
        "an MLflow server, database or folder", _mlflow, _is_mlflow, _default_mlflow
    ),
    "trackio": SourceKind("projects of trackio", _trackio, _is_trackio),
    "neptune3": SourceKind(
        "a Neptune 3 server, that of NEPTUNE_API_TOKEN",
        _neptune3,
        lambda path: False,
        _default_neptune3,
    ),
}
"""Kinds by name, in the order in which they are looked for."""


def open_source(
    address: str | os.PathLike[str],
    kind: str | None = None,
    options: SourceOptions | None = None,
) -> Source:
    """Open a source; whoever opened it closes it.

    Parameters
    ----------
    address : a folder, a file, or where a server is
    kind : one of `SOURCES`; None looks what it is
    options : what the source may be told

    Raises
    ------
    InvalidInput
        For a kind that there is not.
    StoreNotFound, SourceUnreadable
        When there is nothing, or nothing that is known.
    """
    address = os.fspath(address)
    if kind is None:
        kind = detect_source(address)
    elif kind not in SOURCES:
        near = closest(kind, SOURCES)
        raise InvalidInput(
            f"there is no source {kind!r}; write one of {', '.join(SOURCES)}"
            + (f". Did you mean {near[0]}?" if near else "")
        )
    return SOURCES[kind].open(address, options or SourceOptions())


def default_address(kind: str | None) -> str | None:
    """Return where a source of a kind is when nobody tells; None where it has to be told."""
    known = SOURCES.get(kind or "")
    return None if known is None or known.default is None else known.default()


def detect_source(address: str) -> str:
    """Return the kind of source that an address looks like."""
    path = Path(address).expanduser()
    if "://" in address:
        if address.startswith(("http://", "https://")) and _is_hub(address):
            return "store"
        raise InvalidInput(f"{address}: no hub answers; say what is there, such as --from mlflow")
    if not path.exists():
        raise StoreNotFound(f"there is nothing at {address}", address=address)
    for name, kind in SOURCES.items():
        if kind.detect(path):
            return name
    raise SourceUnreadable(
        f"{address} is nothing that is known by its looks; say what it is (--from "
        f"{'|'.join(SOURCES)})",
        where=address,
    )
