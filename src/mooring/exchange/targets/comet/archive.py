"""Reads what an archive of Comet's offline mode holds: a zip of JSON lines and files."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mooring.exchange.filling.marks import Mark
from mooring.exchange.target import Inventory

_MESSAGES = "messages.json"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive: others (where the mark is), parameters, points by metric, files by name."""

    others: dict[str, object] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    points: Counter[str] = field(default_factory=Counter)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def mark(self) -> Mark | None:
        """The mark of the load that wrote it."""
        return Mark.read(self.others)

    def inventory(self) -> Inventory:
        """Return what it holds."""
        return Inventory(
            values=frozenset(self.parameters), points=dict(self.points), files=dict(self.files)
        )


def file_key(name: str, step: int | None) -> str:
    """Return what tells files of an archive apart: name and step.

    >>> file_key("img_sample", 3), file_key("model", None)
    ('img_sample@3', 'model')
    """
    return name if step is None else f"{name}@{step}"


def read_archive(file: Path) -> Archive | None:
    """Return what an archive holds; None when there is none, or a killed process left it."""
    archive = Archive()
    try:
        with zipfile.ZipFile(file) as zipped, zipped.open(_MESSAGES) as lines:
            sizes = {entry.filename: entry.file_size for entry in zipped.infolist()}
            for line in lines:
                message = json.loads(line)
                _take(archive, message["type"], message["payload"], sizes)
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
    return archive


def _take(archive: Archive, kind: str, told: dict[str, object], sizes: dict[str, int]) -> None:
    match kind, told:
        case "metric_msg", {"metric": {"metricName": str(name)}}:
            archive.points[name] += 1
        case "parameter_msg", {"param": {"paramName": str(name)}}:
            archive.parameters.add(name)
        case "parameter_msg", {"params": {"paramName": str(name)}}:
            archive.parameters.add(name)
        case "log_other", {"key": key, "value": value}:
            archive.others[str(key)] = value
        case "file_upload", {
            "file_path": str(path),
            "upload_type": "asset",
            "additional_params": dict(parameters),
        }:
            asset = str(parameters.get("fileName"))
            archive.files[file_key(asset, parameters.get("step"))] = sizes.get(path, -1)
        case _:
            pass
