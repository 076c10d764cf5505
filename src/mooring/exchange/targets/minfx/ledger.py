"""What was loaded into a folder: offline runs leave it when they are synchronised."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mooring.exchange.source import SourceRun


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that was written whole: the id of its offline run, and the digest of its content."""

    container: str
    content: str = ""


class Ledger:
    """One line of JSON for each run that is whole; the last one of a run counts."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def find(self, run: SourceRun) -> Entry | None:
        """Return what is known of a run."""
        found: Entry | None = None
        if not self._file.exists():
            return None
        for line in self._file.read_bytes().split(b"\n"):
            try:
                project, run_id, container, content = json.loads(line)
            except ValueError:
                continue  # torn by a kill, or the empty end
            if (project, run_id) == (run.project, run.run_id):
                found = Entry(container, content)
        return found

    def note(self, run: SourceRun, entry: Entry) -> None:
        """Add a line; it is on disk when this returns."""
        line = json.dumps([run.project, run.run_id, entry.container, entry.content])
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(b"\n" + line.encode() + b"\n")  # a torn line before stays one of its own
            file.flush()
            os.fsync(file.fileno())
