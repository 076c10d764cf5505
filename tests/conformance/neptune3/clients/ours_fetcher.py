"""Reads by `neptune-fetcher` what our clients logged; prints it as one line of JSON."""

import hashlib
import json
import math
import warnings
from datetime import UTC, datetime
from pathlib import Path

from neptune_fetcher import ReadOnlyProject, ReadOnlyRun
from neptune_fetcher.alpha import runs

warnings.simplefilter("ignore")


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.item() if hasattr(value, "item") else value


project = ReadOnlyProject()
run, fork = ReadOnlyRun(project, custom_id="ours"), ReadOnlyRun(project, custom_id="fork")
tracked = ReadOnlyRun(ReadOnlyProject("local/events"), custom_id="tracked")
files = runs.download_files(runs="ours", attributes="^model$", destination="files")


def values(run, *names):
    return {name: plain(run[name].fetch()) for name in run.field_names if name.startswith(names)}


def points(run, path):
    frame = run[path].fetch_values()
    return [[step, plain(value)] for step, value in zip(frame["step"], frame["value"], strict=True)]


print(
    json.dumps(
        {
            "values": values(run, "params/", "metrics/", "sys/tags", "sys/name"),
            "metrics": points(run, "metrics/loss"),
            "fork": points(fork, "metrics/loss"),
            "files": [
                hashlib.sha256(Path(path).read_bytes()).hexdigest()
                for path in files.to_numpy().ravel()
            ],
            "tags": [*project.fetch_runs_df(tags=["best"])["sys/custom_run_id"]],
            "names": [each["sys/custom_run_id"] for each in project.list_experiments()],
            "tracked rows": points(tracked, "accuracy"),
            "tracked": values(tracked, "epoch", "accuracy", "note", "good", "model"),
        }
    )
)
