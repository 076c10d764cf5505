"""What a load did: the report that is returned, and the manifest that stays on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from mooring.errors import ExchangeError
from mooring.exchange.reports import MAX_PROBLEMS, Problem
from mooring.exchange.target import Lost, Target

VERSION = 1


class RunStatus(StrEnum):
    """What became of a run."""

    LOADED = "loaded"
    """All that the target can hold is there."""
    PRESENT = "present"
    """It was there before, complete and with this content."""
    CHANGED = "changed"
    """It is there complete with another content, and was left as it is."""
    PARTIAL = "partial"
    """It is there, and something is missing."""
    FAILED = "failed"
    """It is not there."""
    NOT_REACHED = "not reached"
    """The load broke off before."""
    WOULD_LOAD = "would load"
    """Nothing of it is there (dry run)."""
    WOULD_RESUME = "would resume"
    """An earlier load made it, and did not complete it (dry run)."""


DONE = frozenset({RunStatus.LOADED, RunStatus.PRESENT})
"""What a run is when nothing has to be done for it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLoad:
    """What a load did with one run.

    Attributes
    ----------
    project, run_id : the run in the source
    id : the target's id of it; empty when there is none
    content : digest of what it holds in the source
    values, series, points, files, bytes : how much arrived, in this load or an earlier one that
        it went on with; a file counts as such and not as a value
    checked : whether what arrived was read back and compared
    lost : what the target cannot hold of it
    problems : what is missing though the target could hold it
    """

    project: str
    run_id: str
    status: RunStatus
    id: str = ""
    content: str = ""
    values: int = 0
    series: int = 0
    points: int = 0
    files: int = 0
    bytes: int = 0
    checked: bool = False
    lost: tuple[Lost, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did; with `dry_run` what it would do.

    Attributes
    ----------
    source, target, address : the source's address, the target's name and address
    runs : one entry for each run
    problems : what concerns no single run
    manifest : the file that tells all of it item by item; None for a dry run
    not_named : losses and problems that are in the manifest only, because there are so many
    """

    source: str
    target: str
    address: str
    dry_run: bool
    runs: tuple[RunLoad, ...]
    problems: tuple[Problem, ...] = ()
    manifest: Path | None = None
    not_named: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every run is in the target with all that the target can hold."""
        return not self.problems and all(run.status in DONE for run in self.runs)

    @property
    def holds_everything(self) -> bool:
        """Whether every run is in the target with all that the source has."""
        return self.is_complete and not any(run.lost for run in self.runs)

    @property
    def outcome(self) -> str:
        """The result in words: "completed" only when nothing at all is missing."""
        if self.dry_run:
            return "nothing was written"
        if self.holds_everything:
            return "completed"
        if self.is_complete:
            return "completed, but for what the target cannot hold"
        return "not completed"

    def count(self, status: RunStatus) -> int:
        """Return how many runs have a status."""
        return sum(run.status is status for run in self.runs)


class Named:
    """Keeps the number of losses and problems that a report names within bounds."""

    def __init__(self) -> None:
        self._left = MAX_PROBLEMS
        self.not_named = 0

    def trim(self, run: RunLoad) -> RunLoad:
        """Return the run with as many losses and problems as may still be named, at least one."""
        count = len(run.lost) + len(run.problems)
        if count <= self._left:
            self._left -= count
            return run
        problems = run.problems[: max(self._left, 1)]
        lost = run.lost[: max(self._left - len(problems), 1)]
        self._left = 0
        self.not_named += count - len(problems) - len(lost)
        fields = {name: getattr(run, name) for name in run.__slots__}
        return RunLoad(**{**fields, "lost": lost, "problems": problems})


class Manifest:
    """Written beside its place while the load goes on, and renamed when it ends.

    One JSON object; `runs` has one line for each run, and `attributes` in it one entry for each
    attribute: type, name in the target, number of points, digest, and its state.
    """

    def __init__(self, file: Path, *, source: str, target: Target, settings: object) -> None:
        self.file = file
        self._part = file.with_name(f".{file.name}.part")
        capabilities = asdict(target.capabilities)
        capabilities["types"] = sorted(capabilities["types"])
        head = {
            "manifest": VERSION,
            "source": source,
            "target": target.name,
            "address": target.address,
            "settings": settings,
            "capabilities": capabilities,
            "started": _now(),
        }
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._handle: TextIO = self._part.open("w", encoding="utf-8")
        except OSError as error:
            raise ExchangeError(f"manifest {file}: {error.strerror}", where=str(file)) from error
        self._first = True
        self._write(json.dumps(head)[:-1] + ',\n"runs": [')

    def add(self, run: RunLoad, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Add what became of a run."""
        record = asdict(run)
        record["attributes"] = attributes
        self._write(("\n" if self._first else ",\n") + json.dumps(record))
        self._first = False

    def finish(self, report: LoadReport) -> None:
        """Write the end, and put the file in its place."""
        tail = {
            "problems": [asdict(problem) for problem in report.problems],
            "outcome": report.outcome,
            "complete": report.is_complete,
            "holds_everything": report.holds_everything,
            "finished": _now(),
        }
        self._write("\n],\n" + json.dumps(tail)[1:] + "\n")
        try:
            self._handle.flush()
            os.fsync(self._handle.fileno())
            self._handle.close()
            self._part.replace(self.file)
        except OSError as error:
            raise ExchangeError(
                f"manifest {self.file}: {error.strerror}", where=str(self.file)
            ) from error

    def close(self) -> None:
        """Drop the file when it is not finished. Idempotent."""
        if not self._handle.closed:
            self._handle.close()
            self._part.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        try:
            self._handle.write(text)
        except OSError as error:
            raise ExchangeError(
                f"manifest {self.file}: {error.strerror}", where=str(self.file)
            ) from error


def manifest_beside(journal: Path) -> Path:
    """Return where the manifest of a load that begins now lies: beside its journal."""
    now = datetime.now(UTC)
    return journal.with_name(f"{journal.stem}-{now:%Y%m%dT%H%M%S}.{now.microsecond:06}Z.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
