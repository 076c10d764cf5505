"""Exports written and counted by the rules of Neptune Exporter: re-created, not the tool itself.

The tool is on no package index. Its layout, columns and way of writing are described, and this is
made from the description: one `ParquetWriter` for each run with Snappy and 14 nullable columns, a
row group for each batch, parameters first, metrics step by step, a temporary name until the end,
nothing forced to the disk. Versions of packages are those that it pins.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import folder_bytes, metric_names, serve_tasks

PROJECT = "local/bench"
STARTED_MS = 1_700_000_000_000
PART_BYTES = 50 << 20


def _schema() -> Any:
    import pyarrow as pa

    text, numbers = pa.string(), pa.list_(pa.float64())
    instant = pa.timestamp("ms", tz="UTC")
    return pa.schema(
        [
            ("project_id", text),
            ("run_id", text),
            ("attribute_path", text),
            ("attribute_type", text),
            ("step", pa.decimal128(18, 6)),
            ("timestamp", instant),
            ("int_value", pa.int64()),
            ("float_value", pa.float64()),
            ("string_value", text),
            ("bool_value", pa.bool_()),
            ("datetime_value", instant),
            ("string_set_value", pa.list_(text)),
            ("file_value", pa.struct([("path", text)])),
            (
                "histogram_value",
                pa.struct([("type", text), ("edges", numbers), ("values", numbers)]),
            ),
        ]
    )


def _sanitized(name: str) -> str:
    digest = blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{re.sub(r'[^0-9A-Za-z_-]', '_', name)}-{digest}"


def _batch(run: str, count: int, columns: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    given = {
        "project_id": pa.repeat(PROJECT, count),
        "run_id": pa.repeat(run, count),
        **columns,
    }
    schema = _schema()
    return pa.RecordBatch.from_arrays(
        [given.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema
    )


def _parameters(run: str, count: int) -> Any:
    import pyarrow as pa

    paths = [f"params/p{i:02d}" for i in range(count)]
    kinds = ["float" if i % 2 else "int" for i in range(count)]
    floats = [10.0**-i if i % 2 else None for i in range(count)]
    ints = [None if i % 2 else i for i in range(count)]
    created = [None] * count + [None, None, STARTED_MS]
    columns = {
        "attribute_path": pa.array(
            [*paths, "sys/custom_run_id", "sys/name", "sys/creation_time"], pa.string()
        ),
        "attribute_type": pa.array([*kinds, "string", "string", "datetime"], pa.string()),
        "float_value": pa.array([*floats, None, None, None], pa.float64()),
        "int_value": pa.array([*ints, None, None, None], pa.int64()),
        "string_value": pa.array([*[None] * count, run, "bench", None], pa.string()),
        "datetime_value": pa.array(created, pa.int64()).cast(pa.timestamp("ms", tz="UTC")),
    }
    return _batch(run, count + 3, columns)


def _points(run: str, metrics: int, points: int, seed: int) -> Any:
    """Return the points of a run, step by step: the values are the same as those of the store."""
    import numpy as np
    import pyarrow as pa

    values = np.random.default_rng(seed).standard_normal((metrics, points)).cumsum(axis=1)
    steps = np.repeat(np.arange(points), metrics)
    # A decimal of 128 bits is two words, of which the lower holds all of such a step.
    words = np.zeros((len(steps), 2), np.int64)
    words[:, 0] = steps * 1_000_000
    names = np.tile(np.array(metric_names(metrics), object), points)
    columns = {
        "attribute_path": pa.array(names, pa.string()),
        "attribute_type": pa.repeat("float_series", len(steps)),
        "step": pa.Array.from_buffers(
            pa.decimal128(18, 6), len(steps), [None, pa.py_buffer(words)]
        ),
        "timestamp": pa.array(STARTED_MS + 1_000 * steps).cast(pa.timestamp("ms", tz="UTC")),
        "float_value": pa.array(values.T.ravel()),
    }
    return _batch(run, len(steps), columns)


def write(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write an export from batches that are ready: only the writing is timed."""
    import pyarrow.parquet  # noqa: F401 - before the clock runs

    root = Path(task["folder"]) / "export" / "data" / _sanitized(PROJECT)
    root.mkdir(parents=True)
    taken = worked = 0.0
    for number in range(task["runs"]):
        run = f"run-{number:05d}"
        batches = [_parameters(run, task["params"])]
        if task["points"]:
            batches.append(_points(run, task["metrics"], task["points"], number))
        begin, start = time.process_time(), time.perf_counter()
        _write_run(root, run, batches)
        taken += time.perf_counter() - start
        worked += time.process_time() - begin
    return {"seconds": taken, "cpu_s": worked, "bytes": folder_bytes(root), **_memory()}


def _write_run(root: Path, run: str, batches: list[Any]) -> None:
    import pyarrow.parquet as pq

    writer, temporary, parts = None, Path(), 0
    for batch in batches:
        if writer is not None and temporary.stat().st_size > PART_BYTES:
            writer.close()
            writer, parts = None, parts + 1
        if writer is None:
            temporary = root / f"{_sanitized(run)}_part_{parts}.parquet.tmp"
            writer = pq.ParquetWriter(temporary, batch.schema, compression="snappy")
        writer.write_batch(batch)
    assert writer is not None
    writer.close()
    for part in range(parts, -1, -1):
        temporary = root / f"{_sanitized(run)}_part_{part}.parquet.tmp"
        temporary.rename(temporary.with_suffix(""))


def summarize(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Count an export by reading all of it: records, types, paths of each type, range of steps."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401 - before the clock runs

    begin, start = time.process_time(), time.perf_counter()
    totals = {
        _count_project(folder) for folder in sorted((Path(task["source"]) / "data").iterdir())
    }
    taken, worked = time.perf_counter() - start, time.process_time() - begin
    ((records, runs),) = totals
    return {"seconds": taken, "cpu_s": worked, "records": records, "runs": runs, **_memory()}


def _count_project(folder: Path) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    paths: dict[str, set[str]] = {}
    steps: set[Any] = set()
    runs: set[str] = set()
    records = 0
    for table in _tables(folder):
        records += table.num_rows
        runs |= set(table["run_id"].unique().to_pylist())
        named = table.select(["attribute_type", "attribute_path"])
        for row in named.group_by(named.column_names).aggregate([]).to_pylist():
            paths.setdefault(row["attribute_type"], set()).add(row["attribute_path"])
        steps |= set(pc.unique(table["step"].cast(pa.float64())).to_pylist())
    return records, len(runs)


def _tables(folder: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    for first in sorted(folder.glob("*_part_0.parquet")):
        prefix = first.name.replace("_part_0.parquet", "")
        for part in sorted(folder.glob(f"{prefix}_part_*.parquet")):
            yield pq.read_table(part, schema=_schema())


def _memory() -> Mapping[str, float]:
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    serve_tasks({"write": write, "summarize": summarize}, package="pyarrow")
