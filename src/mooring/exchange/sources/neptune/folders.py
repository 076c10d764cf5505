"""Where the client keeps operations that were not sent: one folder for each object and process."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mooring.exchange.reading.files import walk
from mooring.exchange.reports import ProblemList
from mooring.exchange.sources.neptune.lines import parse_line
from mooring.model import RunKind, micros_from_datetime

_KINDS: Mapping[str, RunKind] = {
    "run": RunKind.RUN,
    "model": RunKind.MODEL,
    "model_version": RunKind.MODEL_VERSION,
    "project": RunKind.PROJECT,
}
_LOG = re.compile(r"data-(\d+)\.log")
_NAME = b'"path": ["sys", "name"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A folder with what one process wrote of one object.

    Attributes
    ----------
    folder : the folder, in which `upload_path/` holds copies of files
    kind, id : what object it is; `id` is the server's UUID, or one that the client made
    created : microseconds since 1970, when the client tells it
    logs : files of operations, in their order
    name : the last `sys/name` that was set
    incomplete : why not all operations are there
    """

    folder: Path
    kind: RunKind
    id: str
    created: int | None
    logs: Sequence[Path]
    name: str | None
    incomplete: str

    @property
    def working_folder(self) -> Path:
        """The folder that the client most likely ran in: the one that holds `.neptune`."""
        for parent in self.folder.parents:
            if parent.name == ".neptune":
                return parent.parent
        return self.folder.parent


def holds_executions(path: Path) -> bool:
    """Return whether a folder looks like the client's; it is not searched deeply."""
    root = path / ".neptune" if (path / ".neptune").is_dir() else path
    return root.is_dir() and any(
        next(root.glob(f"{above}data-*.log"), None) for above in ("", "*/", "*/*/", "*/*/*/")
    )


def find_executions(path: Path, problems: ProblemList) -> list[Execution]:
    """Return the executions below a folder, oldest first.

    `path` is the folder `.neptune`, one that holds it, or a folder within. Folders that cannot be
    listed are told.
    """
    root = path / ".neptune" if (path / ".neptune").is_dir() else path
    executions = [
        _read_execution(folder)
        for folder, files in walk(root, problems)
        if any(
            (name == "last_put_version" or (name.startswith("data-") and name.endswith(".log")))
            and (folder / name).is_file()
            for name in files
        )
    ]
    return sorted(executions, key=lambda each: (each.created or 0, str(each.folder)))


def _read_execution(folder: Path) -> Execution:
    metadata = _read_metadata(folder / "metadata.json")
    # `run__UUID__PID__KEY`; `run__UUID/exec-…` or the UUID alone in older versions
    own, above = folder.name.split("__"), folder.parent.name.split("__")
    parts = own if len(own) > 1 or folder.parent.name in ("offline", "async") else above
    kind, id = parts[:2] if len(parts) > 1 else ("run", parts[0])
    told_kind, told_id = metadata.get("containerType"), metadata.get("containerId")
    logs = sorted(
        (each for each in folder.iterdir() if _LOG.fullmatch(each.name) and each.is_file()),
        key=_first_version,
    )
    ends = [_read_ends(log) for log in logs]
    return Execution(
        folder=folder,
        kind=_KINDS.get(told_kind if isinstance(told_kind, str) else kind, RunKind.RUN),
        id=told_id if isinstance(told_id, str) and told_id else id,
        created=_created(metadata, [end.at for end in ends if end.at is not None]),
        logs=logs,
        name=next((end.name for end in reversed(ends) if end.name is not None), None),
        incomplete=_what_is_missing(folder, logs, ends),
    )


def _read_metadata(path: Path) -> Mapping[str, Any]:
    try:
        found = parse_line(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _created(metadata: Mapping[str, Any], times: Sequence[float]) -> int | None:
    try:
        return micros_from_datetime(datetime.fromisoformat(metadata["createdAt"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return round(times[0] * 1_000_000) if times else None


def _first_version(log: Path) -> int:
    found = _LOG.fullmatch(log.name)
    assert found is not None
    return int(found.group(1))


@dataclass(frozen=True, slots=True)
class _Ends:
    """What a log file tells at its two ends, and the last name set in it."""

    first: int | None = None
    last: int | None = None
    at: float | None = None
    name: str | None = None
    cut: bool = False


def _read_ends(log: Path) -> _Ends:
    if not log.stat().st_size:
        return _Ends()
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _record(data[: data.find(b"\n") + 1 or len(data)])
        end = len(data)
        start = data.rfind(b"\n", 0, end - 1) + 1
        last = _record(data[start:end])
        cut = last is None and data[end - 1 : end] != b"\n"
        if cut and start:
            last = _record(data[data.rfind(b"\n", 0, start - 1) + 1 : start])
        name = None
        # Text of users has its quotes escaped, so these bytes are a path wherever they are found.
        if (place := data.rfind(_NAME)) >= 0:
            stop = data.find(b"\n", place)
            record = _record(data[data.rfind(b"\n", 0, place) + 1 : stop if stop >= 0 else end])
            value = record["obj"].get("value") if record else None
            name = value if isinstance(value, str) and value else None
    at = first.get("at") if first else None
    return _Ends(
        first["version"] if first else None,
        last["version"] if last else None,
        at if isinstance(at, (int, float)) else None,
        name,
        cut,
    )


def _record(line: bytes) -> Mapping[str, Any] | None:
    try:
        found = parse_line(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("obj"), dict):
        return None
    return found if isinstance(found.get("version"), int) else None


def _what_is_missing(folder: Path, logs: Sequence[Path], ends: Sequence[_Ends]) -> str:
    put = _read_number(folder / "last_put_version")
    firsts = [end.first for end in ends if end.first is not None]
    lasts = [end.last for end in ends if end.last is not None]
    missing = []
    if firsts and firsts[0] > 1:
        missing.append(
            f"operations 1 to {firsts[0] - 1} were sent to the server and removed from {folder}; "
            "steps that the client left to the server are counted from 0"
        )
    missing += [
        f"{log} ends in the middle of an operation"
        for log, end in zip(logs, ends, strict=True)
        if end.cut
    ]
    if put is not None and put > max(lasts, default=0):
        missing.append(
            f"{folder} tells of {put} operations, and its log ends at {max(lasts, default=0)}"
        )
    return "; ".join(missing)


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
