"""A small target of its own: a folder of JSON, which can be told to fail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mooring.errors import TargetRefused, TargetUnreachable
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, Lost
from mooring.model import AttributeType


class FolderTarget:
    """Holds everything but histograms.

    `refuses` names attributes that are refused, `passing` how often calls fail for the moment,
    `loses` attributes that it says it wrote and did not.
    """

    def __init__(
        self,
        folder: Path,
        *,
        refuses: frozenset[str] = frozenset(),
        loses: frozenset[str] = frozenset(),
        passing: int = 0,
        finds: bool = True,
        late: bool = False,
    ) -> None:
        self.folder = folder
        self.refuses = refuses
        self.loses = loses
        self.passing = passing
        self.finds = finds
        self.late = late
        self.calls: list[str] = []
        self.parents: dict[str, str | None] = {}

    @property
    def name(self) -> str:
        return "folder"

    @property
    def address(self) -> str:
        return str(self.folder)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            types=frozenset(AttributeType) - {AttributeType.HISTOGRAM_SERIES},
            nan=True,
            infinity=True,
            decimal_steps=True,
            negative_steps=True,
            microseconds=True,
            forks="native",
            finds_runs=self.finds,
            resumes=self.finds,
            reads_back=True,
        )

    def file_of(self, run: SourceRun) -> Path:
        return self.folder / f"{run.project.replace('/', '_')}_{run.run_id}.json"

    def find_run(self, run: SourceRun) -> FoundRun | None:
        assert self.finds
        file = self.file_of(run)
        if not file.exists():
            return None
        held = json.loads(file.read_text())
        return FoundRun(file.stem, held["complete"], held["content"])

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> FolderRun:
        self.calls.append(f"open {run.run_id}")
        self.fail("")
        self.parents[run.run_id] = parent
        if not found:
            empty = {"values": [], "points": {}, "files": {}, "complete": False, "content": ""}
            self.folder.mkdir(exist_ok=True)
            self.file_of(run).write_text(json.dumps(empty))
        return FolderRun(self, self.file_of(run))

    def fail(self, path: str) -> None:
        if self.passing:
            self.passing -= 1
            raise TargetUnreachable("try again")
        if path in self.refuses:
            raise TargetRefused(f"no {path} here")

    def close(self) -> None:
        pass


class FolderRun:
    def __init__(self, target: FolderTarget, file: Path) -> None:
        self.target = target
        self.file = file
        self.id = file.stem
        self.finished = False

    def change(self, field: str, entries: Any) -> None:
        held = json.loads(self.file.read_text())
        if isinstance(held[field], dict):
            held[field].update(entries)
        else:
            held[field] = sorted({*held[field], *entries})
        self.file.write_text(json.dumps(held))

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        self.target.calls.append("values")
        for path in values:
            self.target.fail(path)
        self.change("values", set(values) - self.target.loses)
        return []

    def write_points(self, type: AttributeType, points: Any) -> Sequence[Lost]:
        names = points["path"].to_pylist()
        self.target.calls.append(f"points {' '.join(sorted(set(names)))}")
        for path in set(names):
            self.target.fail(path)
        kept = set(names) - self.target.loses
        self.change("points", {path: names.count(path) for path in kept})
        return []

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        self.target.calls.append(f"file {path}")
        self.target.fail(path)
        if path not in self.target.loses:
            self.change("files", {self.name_of(path, type, step): content.stat().st_size})
        return []

    def finish(self, *, complete: bool, content: str) -> None:
        self.target.calls.append(f"finish {complete}")
        self.finished = True
        held = json.loads(self.file.read_text())
        held.update(complete=complete, content=content)
        self.file.write_text(json.dumps(held))

    def read_back(self) -> Inventory | None:
        if self.target.late and not self.finished:
            return None
        held = json.loads(self.file.read_text())
        return Inventory(
            values=frozenset(held["values"]), points=held["points"], files=held["files"]
        )

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        return path if step is None else f"{path}@{step}"
