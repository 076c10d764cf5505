"""How many bytes what takes; see `mooring.store.usage` for what is exact and what estimated."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.store.sqlite.columns import EVENTS_PATH
from mooring.store.sqlite.schema import FILE_TYPES, LOG_EVENT, LOG_MARK, TYPE_CODES
from mooring.store.usage import Usage, UsageBy

if TYPE_CHECKING:
    import pyarrow as pa

Share = tuple[int, int, float]
"""Run, path (`EVENTS_PATH` for rows of a table), bytes."""


def measure(
    connection: sqlite3.Connection,
    by: UsageBy,
    *,
    names: Mapping[int, str],
    paths_of: Callable[[int], Sequence[int]],
    file_points: Iterable[Share],
) -> list[Usage]:
    """Return the bytes of each project, run or attribute, the largest first.

    Parameters
    ----------
    names : paths by their numbers
    paths_of : returns the paths of a shape
    file_points : files of series, which the database alone does not tell
    """
    owners: dict[int, tuple[str, str]] = {
        id: (project, run)
        for id, project, run in connection.execute(
            "SELECT r.id, p.name, r.run_id FROM runs r JOIN projects p ON p.id = r.project"
        )
    }
    sizes: dict[tuple[str, str | None, str | None], list[float]] = defaultdict(lambda: [0, 0, 0])
    sources = (
        _log_shares(connection, paths_of, by_path=by == "attribute"),
        _segment_shares(connection),
        chain(_file_shares(connection), file_points),
    )
    for kind, shares in enumerate(sources):
        for run, path, size in shares:
            if run not in owners:
                continue  # deleted for good; a compaction frees it
            project, run_id = owners[run]
            key = (
                project,
                run_id if by == "run" else None,
                names.get(path, "") if by == "attribute" else None,
            )
            sizes[key][kind] += size
    parts = [
        Usage(
            project=project,
            run=run_name,
            attribute=attribute,
            log_bytes=round(log),
            segment_bytes=round(segment),
            file_bytes=round(file),
        )
        for (project, run_name, attribute), (log, segment, file) in sizes.items()
    ]
    return sorted(parts, key=lambda part: -part.total_bytes)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 when it is missing."""
    return sum(file_bytes(path) for path in folder.rglob("*")) if folder.is_dir() else 0


def file_bytes(path: Path) -> int:
    """Return the bytes of a file; 0 when it is a folder, or has been removed meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _log_shares(
    connection: sqlite3.Connection, paths_of: Callable[[int], Sequence[int]], *, by_path: bool
) -> Iterator[Share]:
    if not by_path:
        for run, size in connection.execute(
            "SELECT run, sum(length(CAST(data AS BLOB))) FROM log "
            f"WHERE kind != {LOG_MARK} AND data IS NOT NULL GROUP BY run"
        ):
            yield run, EVENTS_PATH, size
        return
    for run, shape, size in connection.execute(
        "SELECT run, shape, sum(length(CAST(data AS BLOB))) FROM log "
        "WHERE shape IS NOT NULL AND data IS NOT NULL GROUP BY run, shape"
    ):
        paths = paths_of(shape)
        for path in paths:
            yield run, path, size / len(paths)
    for run, size in connection.execute(
        "SELECT run, sum(length(CAST(data AS BLOB))) FROM log "
        f"WHERE kind = {LOG_EVENT} AND data IS NOT NULL GROUP BY run"
    ):
        yield run, EVENTS_PATH, size
    # What is left is JSON, an object of paths.
    for run, path, size in connection.execute(
        "SELECT l.run, CAST(j.key AS INTEGER), sum(length(CAST(l.data AS BLOB)) * 1.0 / "
        "(SELECT count(*) FROM json_each(CAST(l.data AS TEXT)))) "
        "FROM log l, json_each(CAST(l.data AS TEXT)) j "
        f"WHERE l.shape IS NULL AND l.kind NOT IN ({LOG_EVENT}, {LOG_MARK}) "
        "AND l.data IS NOT NULL GROUP BY 1, 2"
    ):
        yield run, path, size


def _segment_shares(connection: sqlite3.Connection) -> Iterator[Share]:
    yield from connection.execute(
        "SELECT e.run, e.path, sum(e.rows * 1.0 * s.bytes / s.rows) "
        "FROM segment_series e JOIN segments s ON s.id = e.segment "
        f"WHERE s.rows > 0 AND (s.kind != 'events' OR e.path = {EVENTS_PATH}) GROUP BY 1, 2"
    )


def _file_shares(connection: sqlite3.Connection) -> Iterator[Share]:
    yield from connection.execute(
        "SELECT run, path, json_extract(value, '$[1]') FROM attributes WHERE type IN (?, ?, ?) "
        "AND json_extract(value, '$[0]') != ''",
        [TYPE_CODES[type] for type in FILE_TYPES],
    )


def file_point_shares(points: pa.Table, ids: Mapping[str, int]) -> list[Share]:
    """Return the bytes of files of series, from what `Store.read_series` gives."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pa.table(
        {
            "run": points["run"].cast(pa.int64()),
            "path": points["path"].cast(pa.string()),
            "size": pc.struct_field(points["value"], "size_bytes"),
        }
    ).filter(pc.not_equal(pc.struct_field(points["value"], "digest"), ""))
    sums = sizes.group_by(["run", "path"]).aggregate([("size", "sum")]).to_pylist()
    return [(row["run"], ids[row["path"]], row["size_sum"]) for row in sums]
