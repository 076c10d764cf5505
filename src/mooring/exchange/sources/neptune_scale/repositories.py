"""The SQLite files that the client keeps operations in: one for each run and process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import InvalidInput, StoreError
from mooring.exchange.reports import ProblemList
from mooring.tracker.xetrack.opening import check_file, foreign_error, open_for_reading
from mooring.wire.neptune3.ingest import CreateRun, decode_create

FILE_NAME = "run_operations.sqlite3"
_VERSION = "v5"
_TIMEOUT_S = 10.0
_UPDATE, _CREATE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was to be uploaded to `destination`."""

    source: Path
    temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A file of operations.

    Attributes
    ----------
    file : the SQLite file
    project, run_id : whose operations they are
    started : microseconds since 1970 of the first operation that is there
    creates : the operations that create the run
    uploads : files that were not uploaded, by destination
    incomplete : why not all operations are there
    """

    file: Path
    project: str
    run_id: str
    started: int | None
    creates: tuple[CreateRun, ...]
    uploads: Mapping[str, Upload]
    incomplete: str


def find_repositories(path: Path, problems: ProblemList) -> list[Repository]:
    """Return the files of operations below a folder, oldest first; or of one file alone."""
    if path.is_file():
        files = [path]
    else:
        root = path / ".neptune" if (path / ".neptune").is_dir() else path
        files = sorted(file for file in root.rglob(FILE_NAME) if file.is_file())
    found = []
    for file in files:
        try:
            found.append(_read_repository(file))
        except (InvalidInput, StoreError) as error:
            problems.add(str(file), f"left out: {error}", kind="files")
    return sorted(found, key=lambda each: (each.started or 0, str(each.file)))


def iter_updates(repository: Repository, problems: ProblemList) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, time of writing (microseconds since 1970) and bytes of each update."""
    try:
        with closing(_open(repository.file)) as connection:
            yield from (
                (number, written * 1_000, data)
                for number, written, data in connection.execute(
                    "SELECT sequence_id, timestamp, operation FROM run_operations"
                    " WHERE operation_type = ? ORDER BY sequence_id",
                    (_UPDATE,),
                )
            )
    except sqlite3.Error as error:
        problems.add(
            f"run {repository.run_id} ({repository.file})",
            f"its operations were not read to their end: {error}",
            kind="cut",
        )


def _open(file: Path) -> sqlite3.Connection:
    check_file(file)
    try:
        return open_for_reading(file, _TIMEOUT_S)
    except sqlite3.Error as error:
        raise foreign_error(error, file, _TIMEOUT_S) from error


def _read_repository(file: Path) -> Repository:
    with closing(_open(file)) as connection:
        try:
            known = connection.execute("SELECT version, project, run_id FROM metadata").fetchone()
            if known is None:
                raise InvalidInput("it does not tell its project and run")
            version, project, run_id = known
            if version != _VERSION:
                raise InvalidInput(f"its format is {version!r}; {_VERSION!r} can be read")
            return _read(connection, file, project, run_id)
        except sqlite3.Error as error:
            raise foreign_error(error, file, _TIMEOUT_S) from error


def _read(connection: sqlite3.Connection, file: Path, project: str, run_id: str) -> Repository:
    first, last, count = connection.execute(
        "SELECT min(sequence_id), max(sequence_id), count(*) FROM run_operations"
    ).fetchone()
    given = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'run_operations'"
    ).fetchone()
    missing = []
    if first is None and given is not None and given[0]:
        missing.append(f"all {given[0]} operations were sent to the server and removed from {file}")
    elif first is not None and first > 1:
        missing.append(
            f"operations 1 to {first - 1} were sent to the server and removed from {file}"
        )
    if first is not None and count < last - first + 1:
        missing.append(f"{last - first + 1 - count} operations are not in {file}")
    started = connection.execute(
        "SELECT timestamp FROM run_operations ORDER BY sequence_id LIMIT 1"
    ).fetchone()
    creates = []
    for number, data in connection.execute(
        "SELECT sequence_id, operation FROM run_operations WHERE operation_type = ?"
        " ORDER BY sequence_id",
        (_CREATE,),
    ):
        try:
            creates.append(decode_create(data))
        except InvalidInput as error:
            missing.append(f"operation {number} of {file} cannot be read ({error})")
    pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if file.stat().st_size < pages * size and not file.with_name(f"{file.name}-wal").exists():
        missing.append(f"{file} is cut off: it has {file.stat().st_size} of {pages * size} bytes")
    uploads = {
        destination: Upload(source=_find_source(file, source, temporary), temporary=bool(temporary))
        for source, destination, temporary in connection.execute(
            "SELECT source_path, destination, is_temporary FROM file_upload_requests ORDER BY id"
        )
    }
    return Repository(
        file=file,
        project=project,
        run_id=run_id,
        started=None if started is None else started[0] * 1_000,
        creates=tuple(creates),
        uploads=uploads,
        incomplete="; ".join(missing),
    )


def _find_source(file: Path, source: str, temporary: bool) -> Path:
    """Return where a file lies now: copies move together with the SQLite file."""
    path = Path(source)
    if temporary and not path.exists():
        return file.with_name(source.replace("\\", "/").rsplit("/", 1)[-1])
    return path
