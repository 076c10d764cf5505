"""Evaluates each expression of FRAMES with `neptune-query`, or `neptune-fetcher` where that is
installed, and prints the frames that it gives, as one line of JSON.
"""

import json
import math
import os
import warnings
from datetime import UTC, datetime

import pandas as pd
import recording

warnings.simplefilter("ignore")
if os.environ["PACKAGE"] == "neptune_query":
    import neptune_query as npt
    from neptune_query import runs
    from neptune_query.filters import Attribute, AttributeFilter, Filter
else:
    import neptune_fetcher
    from neptune_fetcher import ReadOnlyRun  # noqa: F401 - a word of the expressions, as others
    from neptune_fetcher import alpha as npt  # noqa: F401
    from neptune_fetcher.alpha import runs  # noqa: F401
    from neptune_fetcher.alpha.filters import Attribute, AttributeFilter, Filter  # noqa: F401

    project = neptune_fetcher.ReadOnlyProject()


def plain(value):
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (set, frozenset)):
        return ",".join(sorted(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    if type(value).__name__ == "File":
        return ["file", value.size_bytes, value.mime_type]
    if type(value).__name__ == "Histogram":
        return ["histogram", value.type, list(value.edges), list(value.values)]
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def told(frame):
    columns = [list(each) if isinstance(each, tuple) else each for each in frame.columns]
    rows = [[plain(cell) for cell in row] for row in frame.to_numpy(object)]
    return {"columns": columns, "index": [plain(each) for each in frame.index], "rows": rows}


frames = {}
for name, expression in json.loads(os.environ["FRAMES"]).items():
    recording.ask(name)
    frames[name] = told(eval(expression))
print(json.dumps(frames))
