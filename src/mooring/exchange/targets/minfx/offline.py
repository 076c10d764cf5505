"""Reads what an offline run holds: the operations that its client queued on disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring.exchange.filling.steps import step_text
from mooring.exchange.names import short_digest
from mooring.exchange.target import Inventory
from mooring.model import step_to_micros


@dataclass(slots=True)
class OfflineRun:
    """What the operations of a run amount to."""

    values: dict[str, object] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    files: dict[str, int | None] = field(default_factory=dict)

    def inventory(self) -> Inventory:
        """Return what it holds."""
        return Inventory(
            values=frozenset(self.values), points=dict(self.points), files=dict(self.files)
        )


def finished_folder(root: Path) -> Path:
    """Return where `minfx sync` looks for offline runs."""
    return root / ".neptune" / "offline"


def unfinished_folder(root: Path, project: str, run: str) -> Path:
    """Return where a run is written until it is whole: `minfx sync` does not look there."""
    return root / "unfinished" / short_digest(project, run)


def container_folder(root: Path, container: str) -> Path | None:
    """Return the folder of an offline run; None when it is not there (any more)."""
    for folder in (finished_folder(root), *sorted((root / "unfinished").glob("*/offline"))):
        for found in folder.glob(f"run__{container}__*"):
            return found
    return None


def operations(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield operations in the order in which they were queued."""
    logs = sorted(folder.glob("data-*.log"), key=lambda file: int(file.stem.split("-")[1]))
    for log in logs:
        with log.open("rb") as lines:
            for line in lines:
                yield json.loads(line)["obj"]


def read_offline(folder: Path) -> OfflineRun:
    """Return what an offline run holds, later operations replacing earlier ones."""
    run = OfflineRun()
    for operation in operations(folder):
        path = "/".join(operation["path"])
        kind: str = operation["type"]
        if kind == "DeleteAttribute":
            for held in (run.values, run.points, run.files):
                held.pop(path, None)
        elif kind in ("LogFloats", "LogStrings"):
            run.points[path] = run.points.get(path, 0) + len(operation["values"])
        elif kind in ("ClearFloatLog", "ClearStringLog"):
            run.points[path] = 0
        elif kind in ("LogImages", "LogHtml", "LogFiles"):
            for value in operation["values"]:
                step = step_text(step_to_micros(value["step"]))
                run.files[f"{path}@{step}"] = len(base64.b64decode(value["value"]["data"] or ""))
        elif kind == "UploadFile":
            file = Path(operation["file_path"])
            run.files[path] = file.stat().st_size if file.exists() else None
        elif kind == "UploadFileContent":
            run.files[path] = len(base64.b64decode(operation["file_content"]))
        elif kind == "ClearStringSet":
            run.values[path] = []
        elif kind == "AddStrings":
            run.values[path] = operation["values"]
        elif kind.startswith("Assign"):
            run.values[path] = operation["value"]
    return run
