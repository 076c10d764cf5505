"""What of a run is written already, in a file beside its events: a load that was cut goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEDGER_FILE = "mooring-written.jsonl"

Key = tuple[str, str, int | None]
"""What was written: "values", "points" or "file"; the path; the step in millionths."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where something was written.

    `start` and `end` are bytes of the event file (equal: it is not in there). `name` is what it
    is called, `about` what is told of a file that lies beside.
    """

    start: int
    end: int
    name: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """Lists what was written; a later entry of the same key replaces the former one.

    An entry is made after what it tells of: bytes of the event file that no entry tells of, behind
    the last one, are of a call that was cut. The first line tells which event file is meant.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER_FILE
        self.entries: dict[Key, Written] = {}
        self.number = 1
        """Number of the event file."""
        self.size = 0
        """Bytes of the event file that are told of."""
        whole = 0
        if self._path.exists():
            for line in self._path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n") or not self._take(line):
                    break
                whole += len(line)
        self._file = self._path.open("ab")
        self._file.truncate(whole)  # a line that was cut
        if not whole:
            self._file.write(self._head())
            self._file.flush()

    def add(self, key: Key, written: Written) -> None:
        """Note what was written."""
        self._file.write(_line(key, written))
        self._file.flush()
        self._keep(key, written)

    def list_live(self) -> Sequence[tuple[Key, Written]]:
        """Return what counts of the event file, in its order."""
        live = [(key, one) for key, one in self.entries.items() if one.end > one.start]
        return sorted(live, key=lambda entry: entry[1].start)

    def replace(self, number: int, entries: Mapping[Key, Written]) -> None:
        """Tell of another event file, from one instant to the next."""
        beside = self._path.with_name(self._path.name + ".part")
        self.number, self.entries, self.size = number, {}, 0
        for key, written in entries.items():
            self._keep(key, written)
        with beside.open("wb") as file:
            file.write(self._head() + b"".join(_line(*entry) for entry in entries.items()))
            file.flush()
            os.fsync(file.fileno())
        self._file.close()
        beside.replace(self._path)
        self._file = self._path.open("ab")

    def close(self, *, remove: bool = False) -> None:
        """Close the file, and remove it when the run is complete."""
        self._file.close()
        if remove:
            self._path.unlink(missing_ok=True)

    def _keep(self, key: Key, written: Written) -> None:
        self.entries[key] = written
        self.size = max(self.size, written.end)

    def _head(self) -> bytes:
        return json.dumps({"events": self.number}).encode() + b"\n"

    def _take(self, line: bytes) -> bool:
        try:
            told = json.loads(line)
        except ValueError:
            return False
        if isinstance(told, dict):
            self.number = int(told["events"])
        else:
            kind, path, step, start, end, name, about = told
            self._keep((kind, path, step), Written(start, end, name, about))
        return True


def _line(key: Key, written: Written) -> bytes:
    told = [*key, written.start, written.end, written.name, dict(written.about)]
    return json.dumps(told).encode() + b"\n"
