"""Aim's folder `.aim`: one RocksDB of descriptions and one of points for each run, and SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mooring.errors import SourceUnreadable
from mooring.exchange.packages import require_package
from mooring.exchange.reading.untouched import open_untouched
from mooring.model import micros_from_datetime

DATABASE = "run_metadata.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What Aim's SQLite file tells of a run. `created` is in microseconds since 1970."""

    name: str | None = None
    description: str | None = None
    experiment: str | None = None
    archived: bool = False
    created: int | None = None
    tags: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence of a run: `path` is ours, `name` and `context` are Aim's."""

    path: str
    name: str
    context: int
    dtype: str
    version: int


class Repository:
    """Reads the folder `.aim` of a repository, and changes nothing in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = require_package("aim.storage.rockscontainer", extra="aim")

    def list_hashes(self) -> list[str]:
        """Return the hashes of all runs that have a description."""
        chunks = self._folder / "meta" / "chunks"
        return sorted(each.name for each in chunks.iterdir() if (each / "CURRENT").is_file())

    def describe_runs(self) -> Mapping[str, Described]:
        """Return what SQLite tells of the runs, by hash."""
        file = self._folder / DATABASE
        if not file.exists():
            return {}
        with open_untouched(file) as connection:
            tags: dict[int, set[str]] = {}
            for run, tag in connection.execute(
                "SELECT run_id, name FROM run_tag JOIN tag ON tag.id = run_tag.tag_id"
            ):
                tags.setdefault(run, set()).add(tag)
            notes: dict[int, list[str]] = {}
            for run, note in connection.execute(
                "SELECT run_id, content FROM note WHERE run_id IS NOT NULL ORDER BY id"
            ):
                notes.setdefault(run, []).append(note)
            return {
                hash: Described(
                    name=name,
                    description=description,
                    experiment=experiment,
                    archived=bool(archived),
                    created=_micros(created),
                    tags=frozenset(tags.get(id, ())),
                    notes=tuple(notes.get(id, ())),
                )
                for id, hash, name, description, archived, created, experiment in (
                    connection.execute(
                        "SELECT run.id, hash, run.name, run.description, run.is_archived,"
                        " run.created_at, experiment.name FROM run"
                        " LEFT JOIN experiment ON experiment.id = run.experiment_id"
                    )
                )
            }

    @contextmanager
    def open_description(self, hash: str) -> Iterator[Any]:
        """Open the tree with attributes, contexts and sequences of a run."""
        with self._open("meta", hash) as tree:
            yield tree.subtree(("meta", "chunks", hash))

    @contextmanager
    def open_points(self, hash: str) -> Iterator[Any]:
        """Open the tree of points of a run."""
        with self._open("seqs", hash) as tree:
            yield tree.subtree("seqs")

    @contextmanager
    def _open(self, part: str, hash: str) -> Iterator[Any]:
        from aimrocks import errors

        folder = self._folder / part / "chunks" / hash
        if not (folder / "CURRENT").is_file():  # RocksDB would make a database there
            raise SourceUnreadable(f"{folder} has no data", where=str(folder), run=hash)
        try:
            container = self._storage.RocksContainer(
                str(folder), read_only=True, skip_read_optimization=True
            )
            try:
                yield container.tree()
            finally:
                container.close()
        except (errors.Corruption, errors.RocksIOError) as error:
            raise SourceUnreadable(
                f"{folder} cannot be read: {error}", where=str(folder), run=hash
            ) from error


def read_array(tree: Any, hash: str, sequence: Sequence, column: str) -> Any:
    """Return a column of a sequence; its keys are steps, or hashes of them from version 2 on."""
    above = () if sequence.version == 1 else (f"v{sequence.version}",)
    place = (*above, "chunks", hash, sequence.context, sequence.name)
    return tree.subtree(place).array(column)


def _micros(text: str | None) -> int | None:
    try:
        return micros_from_datetime(datetime.fromisoformat(text or "").replace(tzinfo=UTC))
    except ValueError:
        return None
