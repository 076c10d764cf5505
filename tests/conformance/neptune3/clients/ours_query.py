"""Reads by `neptune-query` what our clients logged; prints it as one line of JSON."""

import hashlib
import json
import math
import warnings
from datetime import UTC, datetime
from pathlib import Path

from neptune_query import runs

warnings.simplefilter("ignore")
VALUES = "^(params/|model$|files/|metrics/|notes|weights|sys/(tags|group_tags|name)$)"


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if type(value).__name__ == "File":
        return [value.size_bytes, value.mime_type]
    if type(value).__name__ == "Histogram":
        return [value.type, list(value.edges), list(value.values)]
    return value.item() if hasattr(value, "item") else value


def row(run, pattern, **options):
    frame = runs.fetch_runs_table(runs=[run], attributes=pattern, **options)
    return {name: plain(value) for name, value in frame.iloc[0].items()}


def points(frame):
    return {
        path: [
            [step, plain(value)]
            for (_, step), value in frame[path].items()
            if value is not None and plain(value) != "nan"
        ]
        for path in frame.columns
    }


def contents(frame, folder):
    shown = runs.download_files(files=frame, destination=folder)
    return [
        hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in shown.to_numpy().ravel()
    ]


print(
    json.dumps(
        {
            "values": row("ours", VALUES),
            "metrics": points(runs.fetch_metrics(runs=["ours"], attributes="^metrics/")),
            "fork": points(runs.fetch_metrics(runs=["fork"], attributes=["metrics/loss"])),
            "series": points(
                runs.fetch_series(runs=["ours"], attributes="^(notes|weights|files/)")
            ),
            "file": contents(runs.fetch_runs_table(runs="ours", attributes="^model$"), "file"),
            "files": contents(runs.fetch_series(runs="ours", attributes="^files/"), "files"),
            "by a filter": runs.list_runs(runs="^o"),
            "tracked": row("tracked", "^[^s]", project="local/events"),
            "attributes": runs.list_attributes(
                project="local/events", runs=["tracked"], attributes="^[^s]"
            ),
            "tracked rows": points(
                runs.fetch_metrics(project="local/events", runs=["tracked"], attributes="^[^s]")
            ),
            "tracked texts": points(
                runs.fetch_series(project="local/events", runs=["tracked"], attributes="^note$")
            ),
        }
    )
)
