"""Values as MLflow's params, and series that become files, in the exporter's formats."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.exchange.filling.steps import step_text
from mooring.exchange.source import SourceValue
from mooring.model import Typed, datetime_from_micros

if TYPE_CHECKING:
    import pyarrow as pa


def param_text(value: SourceValue) -> str:
    """Return a value as the text of a param.

    >>> param_text(True), param_text(32), param_text(frozenset({"b", "a"}))
    ('True', '32', 'a,b')
    """
    if isinstance(value, Typed):
        held = value.value
        return held if isinstance(held, str) else json.dumps(held, sort_keys=True, default=str)
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, datetime):
        return str(value)
    return str(value)


def write_strings(points: pa.Table, file: Path, multiplier: int) -> bool:
    """Write a string series as lines `<step>; <time>; <value>`; return whether they are exact.

    They are not when a value has a line break: what follows could be taken for a line of its own.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = points["value"].combine_chunks()
    instants = points["time"].cast(pa.timestamp("us", tz="UTC"))
    times = pc.binary_join_element_wise(
        pc.strftime(instants, format="%Y-%m-%dT%H:%M:%S"), pa.scalar("+00:00"), ""
    )
    steps = pa.array(
        [step_text(step, multiplier) for step in points["step"].to_pylist()], pa.string()
    )
    lines = pc.binary_join_element_wise(steps, times.combine_chunks(), values, "; ")
    with file.open("w", encoding="utf-8", newline="\n") as writer:
        for line in lines.to_pylist():
            writer.write(line)
            writer.write("\n")
    return not pc.any(pc.match_substring_regex(values, r"[\n\r]")).as_py()


def write_strings_exactly(points: pa.Table, file: Path, multiplier: int) -> None:
    """Write a string series as JSON, which holds values with line breaks."""
    records = [
        {
            "step": step_text(point["step"], multiplier),
            "timestamp": _time_text(point["time"]),
            "value": point["value"],
        }
        for point in points.select(["step", "time", "value"]).to_pylist()
    ]
    file.write_text(json.dumps({"points": records}), encoding="utf-8")


def write_histograms(points: pa.Table, file: Path, multiplier: int) -> None:
    """Write a histogram series as JSON, with numbers as numbers."""
    with file.open("w", encoding="utf-8") as writer:
        writer.write('{"histograms": [')
        separator = "\n"
        for batch in points.select(["step", "time", "value"]).to_batches(max_chunksize=1_000):
            for point in batch.to_pylist():
                value = point["value"]
                record = {
                    "step": _number(step_text(point["step"], multiplier)),
                    "type": value["kind"],
                    "edges": [_finite(number) for number in value["edges"]],
                    "values": [_finite(number) for number in value["values"]],
                    "timestamp": _time_text(point["time"]),
                }
                writer.write(separator + json.dumps(record))
                separator = ",\n"
        writer.write("\n]}\n")


def _time_text(micros: int) -> str:
    return datetime_from_micros(micros).isoformat()


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _finite(number: float) -> Any:
    """Return a number as JSON has it; what JSON lacks (NaN, infinities) as a text."""
    return number if math.isfinite(number) else str(number)
