"""Frames of our reader in the layout of Neptune's readers, and what asks both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mooring import ReadOnlyProject
from mooring.model import FileRef, Histogram
from tests.conformance.neptune3.calls import Told
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

SCRIPT = Path(__file__).parent / "clients" / "query_frames.py"

Ours = Callable[[ReadOnlyProject], dict[str, Any]]
Question = tuple[str, Ours]
"""An expression of Neptune's reader, and ours that has to give the same."""


def ask(
    package: str, questions: Mapping[str, Question], hub: HubThread, project: str, folder: Path
) -> dict[str, Any]:
    """Return the frames that a package of Neptune gives, by the names of the questions."""
    printed = find_peer(package).run(
        SCRIPT.read_text(),
        cwd=folder,
        NEPTUNE_API_TOKEN=hub.admin,
        NEPTUNE_PROJECT=project,
        PACKAGE=package,
        FRAMES=json.dumps({name: theirs for name, (theirs, _) in questions.items()}),
    )
    return Told(json.loads(printed.splitlines()[-1]))


def plain(value: Any) -> Any:
    """Return a cell as both sides can say it.

    Neptune's times have milliseconds and ours microseconds; a set is a set there and a text here;
    a file is told by its place in Neptune's storage, and by its digest here.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, FileRef):
        return ["file", value.size_bytes, value.mime_type]
    if isinstance(value, Histogram):
        return ["histogram", value.kind, list(value.edges), list(value.values)]
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def told(frame: pd.DataFrame) -> dict[str, Any]:
    """Return columns, index and rows of a frame."""
    columns = [list(each) if isinstance(each, tuple) else each for each in frame.columns]
    rows = [[plain(cell) for cell in row] for row in frame.to_numpy(object)]
    return {"columns": columns, "index": [plain(each) for each in frame.index], "rows": rows}


def runs_table(project: ReadOnlyProject, *, heads: bool = False, **options: Any) -> dict[str, Any]:
    """Return a table of ours as `fetch_runs_table` and `fetch_experiments_table` lay it out.

    There the id of the run, or the name of the experiment, is the index, and `sys/id` no column
    unless it is asked for; columns are sorted by name, and those that no row has left out.
    """
    index = "sys/name" if heads else "sys/custom_run_id"
    fetch = project.fetch_experiments_df if heads else project.fetch_runs_df
    options["columns"] = [index, *options.get("columns", [])]
    frame = fetch(**options).set_index(index)
    found = fetch(format="arrow", **options)  # which tells NaN from no value
    names = {name for name in found.column_names if found[name].null_count < found.num_rows}
    return told(frame[sorted(names - {index, "sys/id"})])


def wide(points: pd.DataFrame) -> dict[str, Any]:
    """Return long points of ours as `fetch_metrics` lays them out: (run, step) by path.

    There runs are sorted by name, and a path is a column; where times or previews are asked for,
    a pair of columns. NaN and no point are one.
    """
    points = points.astype({"run": str, "path": str})
    names = {
        "value": "value",
        "timestamp": "absolute_time",
        "preview": "is_preview",
        "completion_ratio": "preview_completion",
    }
    parts = points.set_index(["run", "step", "path"]).rename(columns=names)
    found = parts.unstack("path").swaplevel(axis="columns")
    kept = [
        (path, name)
        for path in sorted(set(points["path"]))
        for name in names.values()
        if name in parts.columns
    ]
    found = found[kept].sort_index()
    if parts.columns.tolist() == ["value"]:
        found = found.droplevel(1, axis="columns")
    return told(found)
