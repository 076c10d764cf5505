"""Answers each of the calls in FRAMES by `neptune-fetcher`'s frames, as one line of JSON."""

import json
import math
import os
import warnings
from datetime import UTC, datetime

import pandas as pd
from neptune_fetcher import ReadOnlyProject

warnings.simplefilter("ignore")


def plain(value):
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    return value.item() if hasattr(value, "item") else value


def told(frame):
    return [list(frame.columns), [[plain(cell) for cell in row] for row in frame.to_numpy(object)]]


project = ReadOnlyProject()
calls = json.loads(os.environ["FRAMES"])
frames = [told(getattr(project, name)(progress_bar=False, **options)) for name, options in calls]
print(json.dumps(frames))
