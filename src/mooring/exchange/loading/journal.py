"""The journal of a load: what is in the target already, one line of JSON after the other."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from mooring.errors import ExchangeError, InvalidInput

VERSION = 1

RunId: TypeAlias = tuple[str, str]
"""Project and run id of a run of the source."""


@dataclass(slots=True)
class RunState:
    """What a journal knows of a run.

    Attributes
    ----------
    id : the target's id of it; empty when it was about to be made, and may or may not be there
    content : digest of all that it holds; empty while it is not complete
    lost : path, reason and count of what the target does not hold of a complete run
    done : what arrived, by attribute: its digest, number of points and losses
    """

    id: str = ""
    content: str = ""
    lost: list[list[Any]] = field(default_factory=list)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)


def place_of(target_name: str, source: str, target: str) -> Path:
    """Return where the journal of a load lies when nobody says otherwise."""
    digest = sha256(f"{len(source)}:{source}{target}".encode()).hexdigest()[:12]
    return Path(".mooring") / f"load-{target_name}-{digest}.jsonl"


class Journal:
    """Appends lines, each written whole and flushed; a torn last line is dropped when it is opened.

    One process at a time: a second one that opens it gets `InvalidInput`.
    """

    def __init__(self, file: Path, *, source: str, target: str) -> None:
        self.file = file
        self.runs: dict[RunId, RunState] = {}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._handle = file.open("a+b", buffering=0)
        except OSError as error:
            raise ExchangeError(f"journal {file}: {error.strerror}", where=str(file)) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._handle.close()
            raise InvalidInput(
                f"another load writes the journal {file}; wait for it, or name another journal"
            ) from None
        try:
            self._recover(source, target)
        except BaseException:
            self._handle.close()
            raise

    def state(self, run: RunId) -> RunState:
        """Return what is known of a run; an empty state that is kept when there is nothing."""
        return self.runs.setdefault(run, RunState())

    def opening(self, run: RunId) -> None:
        """Note that a run is about to be made in the target."""
        self._append({"run": run, "opening": True})
        self.runs[run] = RunState()

    def opened(self, run: RunId, id: str) -> None:
        """Note the target's id of a run; what was known of another one of it is forgotten."""
        state = self.state(run)
        if state.id != id or state.content:
            self.runs[run] = RunState(id=id)
            self._append({"run": run, "id": id})

    def arrived(self, run: RunId, attributes: dict[str, dict[str, Any]]) -> None:
        """Note attributes that are in the target."""
        if attributes:
            self._append({"run": run, "done": attributes})
            self.state(run).done.update(attributes)

    def gone(self, run: RunId, attributes: Collection[str]) -> None:
        """Note that attributes, named by their paths, are not in the target after all."""
        done = self.state(run).done
        keys = [key for key in done if key.partition("\n")[0] in attributes]
        if keys:
            self._append({"run": run, "gone": keys})
            for key in keys:
                del done[key]

    def completed(self, run: RunId, id: str, content: str, lost: list[list[Any]]) -> None:
        """Note that a run is complete in the target, but for what that cannot hold."""
        self._append({"run": run, "id": id, "complete": content, "lost": lost})
        self.runs[run] = RunState(id=id, content=content, lost=lost)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._handle.close()

    def _append(self, record: dict[str, Any]) -> None:
        line = memoryview(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        end = os.fstat(self._handle.fileno()).st_size
        try:
            while line:
                line = line[self._handle.write(line) :]
        except OSError as error:
            self._handle.truncate(end)  # what follows would stand in a torn line
            raise ExchangeError(
                f"journal {self.file}: {error.strerror}; nothing is lost: make room and load again",
                where=str(self.file),
            ) from error

    def _recover(self, source: str, target: str) -> None:
        self._handle.seek(0)
        end = 0
        header: dict[str, Any] | None = None
        for number, line in enumerate(self._handle, 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
                if header is None:
                    header = record
                    self._check(record, source, target)
                else:
                    self._take(record)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if isinstance(error, InvalidInput):
                    raise
                raise InvalidInput(
                    f"{self.file}, line {number} is no line of a journal of mooring load; "
                    "name another journal, or move this file away"
                ) from error
            end += len(line)
        if end != os.fstat(self._handle.fileno()).st_size:
            self._handle.truncate(end)
        if header is None:
            self._append({"journal": VERSION, "source": source, "target": target})

    def _check(self, header: dict[str, Any], source: str, target: str) -> None:
        if header["journal"] != VERSION:
            raise InvalidInput(
                f"{self.file} has journal format {header['journal']}; this Mooring writes "
                f"{VERSION}: name another journal"
            )
        if (header["source"], header["target"]) != (source, target):
            raise InvalidInput(
                f"{self.file} is the journal of a load from {header['source']} to "
                f"{header['target']}; name another one"
            )

    def _take(self, record: dict[str, Any]) -> None:
        project, run_id = record["run"]
        run = (project, run_id)
        if "opening" in record:
            self.runs[run] = RunState()
        elif "complete" in record:
            self.runs[run] = RunState(
                id=record["id"], content=record["complete"], lost=record["lost"]
            )
        elif "id" in record:
            self.runs[run] = RunState(id=record["id"])
        elif "gone" in record:
            for key in record["gone"]:
                self.state(run).done.pop(key, None)
        else:
            self.state(run).done.update(record["done"])
