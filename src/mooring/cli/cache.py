"""The group `cache`: results of calls that trackers keep in a folder. Nothing is unpickled."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.commands import command, make_group
from mooring.cli.options import DryRunOption, TrackIdArgument
from mooring.cli.output import Output
from mooring.cli.table import Table

_FolderArgument = Annotated[
    str,
    typer.Argument(
        metavar="DIR", help="The folder that a tracker was given as cache.", show_default=False
    ),
]


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    cache = make_group("Cached results of calls.")
    command(cache, "ls", example="mooring cache ls results")(ls)
    command(cache, "delete", example="mooring cache delete results ebony-loon-6720 --dry-run")(
        delete
    )
    group.add_typer(cache, name="cache")


def ls(folder: _FolderArgument, *, output: Output) -> None:
    """List cached results, oldest first: which call, of which run, and its size in bytes."""
    from mooring.tracker import Reader

    output.table(
        Table(
            ["track_id", "function", "arguments", "time", "size_bytes", "key"],
            [
                (
                    entry.track_id,
                    entry.function,
                    entry.arguments,
                    entry.time,
                    entry.size_bytes,
                    key,
                )
                for key, entry in Reader.scan_cache(folder)
            ],
        )
    )


def delete(
    folder: _FolderArgument,
    track_id: TrackIdArgument,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> None:
    """Delete the results that a run computed; the next call computes them again."""
    from mooring.tracker import Reader

    if dry_run:
        count = sum(entry.track_id == track_id for _, entry in Reader.scan_cache(folder))
        return output.say(f"would delete {_results(count)} of run {track_id}")
    count = Reader.delete_cache_by_track_id(folder, track_id)
    return output.say(f"deleted {_results(count)} of run {track_id}")


def _results(count: int) -> str:
    return f"{count:,} result" + "s" * (count != 1)
