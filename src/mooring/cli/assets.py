"""Commands on assets: `get`, and the group `assets`. None of them unpickles anything."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.commands import command, make_group
from mooring.cli.files import check_free, write_bytes
from mooring.cli.options import (
    EVENTS,
    Db,
    DryRunOption,
    Engine,
    EngineOption,
    HashArgument,
    OutputFile,
    OverwriteOption,
    TableOption,
)
from mooring.cli.output import Output
from mooring.cli.table import Table


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(group, "get", example="mooring get runs.db 53425a65a40a49f4 model.cloudpickle")(get)
    assets = make_group("Pickled objects that runs logged: list them, write them to files.")
    command(assets, "ls", example="mooring assets ls runs.db")(ls)
    command(
        assets, "export", example="mooring assets export runs.db 53425a65a40a49f4 model.pickle"
    )(export)
    command(
        assets,
        "delete",
        example="mooring assets delete runs.db 53425a65a40a49f4 --column model --dry-run",
    )(delete)
    group.add_typer(assets, name="assets")


def get(
    db: Db,
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="Hash of the asset, or its column.", show_default=False),
    ],
    target: OutputFile,
    last: Annotated[str | None, typer.Argument(hidden=True, show_default=False)] = None,
    overwrite: OverwriteOption = False,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Write a logged object to a file, as the bytes of cloudpickle.

    Load it with cloudpickle.load, which runs code of whoever logged it. The column may stand
    before the hash: mooring get runs.db model 53425a65a40a49f4 model.cloudpickle.
    """
    if last is not None:
        key, target = target, last
    _export(db, key, target, table, overwrite, output)


def export(
    db: Db,
    hash_value: HashArgument,
    target: OutputFile,
    overwrite: OverwriteOption = False,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Write an asset to a file, as the bytes of cloudpickle; the same as 'mooring get'."""
    _export(db, hash_value, target, table, overwrite, output)


def ls(
    db: Db,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """List the assets of a store: hash, column, size in bytes, and how many runs have it."""
    from mooring.tracker import Reader

    with Reader(db, table=table) as reader:
        output.table(
            Table(
                ["hash", "key", "size_bytes", "runs"],
                [
                    (asset.hash, asset.key, asset.size_bytes, len(asset.runs))
                    for asset in reader.assets.list()
                ],
            )
        )


def delete(
    db: Db,
    hash_value: HashArgument,
    column: Annotated[
        str | None,
        typer.Option(
            "--column", help="Clear this column where it holds the hash.", show_default=False
        ),
    ] = None,
    remove_keys: Annotated[
        bool, typer.Option("--remove-keys/--no-remove-keys", help="Accepted; changes nothing.")
    ] = True,
    dry_run: DryRunOption = False,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Remove an asset from every run of the store. Rows keep its hash, but in --column."""
    from mooring.errors import AssetNotFound
    from mooring.tracker import Reader

    with Reader(db, table=table) as reader:
        known = {asset.hash: asset for asset in reader.assets.list()}
        asset = known.get(hash_value)
        if asset is None:
            raise AssetNotFound(hash_value, where=db, known=known)
        what = f"asset {hash_value} ({asset.key}, {asset.size_bytes:,} bytes)"
        runs = f"{len(asset.runs)} run" + "s" * (len(asset.runs) != 1)
        if dry_run:
            return output.say(f"would remove {what} from {runs}")
        reader.remove_asset(hash_value, column, remove_keys)
    return output.say(f"removed {what} from {runs}; 'mooring compact {db}' frees the disk")


def _export(db: str, key: str, target: str, table: str, overwrite: bool, output: Output) -> None:
    from mooring.tracker import Reader

    with Reader(db, table=table) as reader:
        check_free(target, overwrite=overwrite)
        content = reader.get_bytes(key)
    write_bytes(target, content, overwrite=overwrite)
    if target != "-":
        output.say(f"wrote {len(content):,} bytes to {target}; cloudpickle.load reads them")
