"""The SQLite files that the client keeps operations in: one for each run and process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reading.files import walk
from mooring.exchange.reading.untouched import open_untouched
from mooring.exchange.reports import ProblemList
from mooring.wire.neptune3.ingest import CreateRun, decode_create

FILE_NAME = "run_operations.sqlite3"
_VERSION = "v5"
_UPDATE, _CREATE = 0, 1
_Ask: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]


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


def holds_repositories(path: Path) -> bool:
    """Return whether a folder or file looks like the client's; it is not searched deeply."""
    if path.is_file():
        return path.name == FILE_NAME
    root = path / ".neptune" if (path / ".neptune").is_dir() else path
    return any(next(root.glob(above + FILE_NAME), None) for above in ("", "*/"))


def find_repositories(path: Path, problems: ProblemList) -> list[Repository]:
    """Return the files of operations below a folder, oldest first; or of one file alone."""
    if path.is_file():
        files = [path]
    else:
        root = path / ".neptune" if (path / ".neptune").is_dir() else path
        files = [
            folder / FILE_NAME
            for folder, names in walk(root, problems)
            if FILE_NAME in names and (folder / FILE_NAME).is_file()
        ]
    found = []
    for file in files:
        try:
            found.append(_read_repository(file))
        except (InvalidInput, SourceUnreadable) as error:
            problems.add(str(file), f"left out: {error}", kind="files")
    return sorted(found, key=lambda each: (each.started or 0, str(each.file)))


def iter_updates(repository: Repository, problems: ProblemList) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, time of writing (microseconds since 1970) and bytes of each update."""
    try:
        with open_untouched(repository.file) as connection:
            yield from (
                (number, written * 1_000, data)
                for number, written, data in connection.execute(
                    "SELECT sequence_id, timestamp, operation FROM run_operations"
                    " WHERE operation_type = ? ORDER BY sequence_id",
                    (_UPDATE,),
                )
            )
    except SourceUnreadable as error:
        problems.add(
            f"run {repository.run_id} ({repository.file})",
            f"its operations were not read to their end: {error}",
            kind="cut",
        )


def _read_repository(file: Path) -> Repository:
    with open_untouched(file) as connection:
        known = connection.execute("SELECT version, project, run_id FROM metadata").fetchone()
        if known is None:
            raise InvalidInput("it does not tell its project and run")
        version, project, run_id = known
        if version != _VERSION:
            raise InvalidInput(f"its format is {version!r}; {_VERSION!r} can be read")
        return _read(connection, file, project, run_id)


def _read(connection: sqlite3.Connection, file: Path, project: str, run_id: str) -> Repository:
    damage: dict[str, None] = {}

    def ask(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return rows as far as they can be read."""
        rows = []
        try:
            for row in connection.execute(sql, parameters):
                rows.append(row)
        except sqlite3.DatabaseError as error:
            damage[f"{file} is damaged ({error})"] = None
        return rows

    creates, unreadable = [], []
    for number, data in ask(
        "SELECT sequence_id, operation FROM run_operations WHERE operation_type = ?"
        " ORDER BY sequence_id",
        _CREATE,
    ):
        try:
            creates.append(decode_create(data))
        except InvalidInput as error:
            unreadable.append(f"operation {number} of {file} cannot be read ({error})")
    uploads = {
        destination: Upload(source=_find_source(file, source, temporary), temporary=bool(temporary))
        for source, destination, temporary in ask(
            "SELECT source_path, destination, is_temporary FROM file_upload_requests ORDER BY id"
        )
    }
    started = ask("SELECT timestamp FROM run_operations ORDER BY sequence_id LIMIT 1")
    missing = [*_what_is_missing(file, ask), *_what_is_cut(file), *unreadable, *damage]
    return Repository(
        file=file,
        project=project,
        run_id=run_id,
        started=started[0][0] * 1_000 if started else None,
        creates=tuple(creates),
        uploads=uploads,
        incomplete="; ".join(missing),
    )


def _what_is_missing(file: Path, ask: _Ask) -> Iterator[str]:
    """Tell which operations are gone: the client removes what the server has acknowledged."""
    given = ask("SELECT seq FROM sqlite_sequence WHERE name = 'run_operations'")
    for first, last, count in ask(
        "SELECT min(sequence_id), max(sequence_id), count(*) FROM run_operations"
    ):
        if first is None:
            if given and given[0][0]:
                yield f"all {given[0][0]} operations were sent to the server and removed: {file}"
            continue
        if first > 1:
            yield f"operations 1 to {first - 1} were sent to the server and removed from {file}"
        if count < last - first + 1:
            yield f"{last - first + 1 - count} operations are not in {file}"


def _what_is_cut(file: Path) -> Iterator[str]:
    """Tell whether the file is shorter than its header says."""
    if file.with_name(f"{file.name}-wal").exists():
        return  # pages may be there instead
    with file.open("rb") as stream:
        header = stream.read(32)
    size = int.from_bytes(header[16:18], "big")
    wanted = int.from_bytes(header[28:32], "big") * (65_536 if size == 1 else size)
    if (there := file.stat().st_size) < wanted:
        yield f"{file} is cut off: it has {there} of {wanted} bytes"


def _find_source(file: Path, source: str, temporary: bool) -> Path:
    """Return where a file lies now: copies move together with the SQLite file."""
    path = Path(source)
    if temporary and not path.exists():
        return file.with_name(source.replace("\\", "/").rsplit("/", 1)[-1])
    return path
