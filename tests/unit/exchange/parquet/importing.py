"""Imports an export, and tells what came of it in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mooring.exchange.importing import import_runs
from mooring.exchange.moving import MISSING
from mooring.exchange.reports import Outcome, TransferReport
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.model import AttributeType
from mooring.store import Store


def bring_in(folder: Path, store: Store, **options: Any) -> TransferReport:
    """Import an export, and verify it."""
    zone = options.pop("zone", None)
    return import_runs(
        ParquetSource(folder, series_zone=zone), store, verify=True, attach="copy", **options
    )


def outcomes(report: TransferReport) -> dict[str, Outcome]:
    """Return what became of each run."""
    return {run.run_id: run.outcome for run in report.runs}


def told(report: TransferReport) -> str:
    """Return everything that the report tells, as text."""
    lines = [str(problem) for problem in report.problems]
    for run in report.runs:
        lines += [f"{run.run_id}: {run.note}", *map(str, run.missing)]
    return "\n".join(lines)


def values_of(store: Store, run: str, project: str = "team/digits") -> dict[str, Any]:
    """Return the single values of a run in a store, what the store adds left out."""
    source = StoreSource(store)
    found = next(one for one in source.list_runs(project) if one.run_id == run)
    return {
        path: value
        for path, value in source.read_values(found).items()
        if not path.startswith("sys/")
    }


def missing_of(store: Store, run: str, project: str = "team/digits") -> frozenset[str]:
    """Return the attribute that tells what a run lacks."""
    found = values_of(store, run, project).get(MISSING, frozenset())
    assert isinstance(found, frozenset)
    return found


def points_of(
    store: Store,
    run: str,
    path: str,
    type: AttributeType = AttributeType.FLOAT_SERIES,
    project: str = "team/digits",
) -> list[tuple[float, Any]]:
    """Return (step, value) of a series in a store."""
    table = table_of(store, run, [path], type, project)
    return list(
        zip(
            [step / 1e6 for step in table["step"].to_pylist()],
            table["value"].to_pylist(),
            strict=True,
        )
    )


def table_of(
    store: Store,
    run: str,
    paths: Sequence[str],
    type: AttributeType = AttributeType.FLOAT_SERIES,
    project: str = "team/digits",
) -> pa.Table:
    """Return the points of series in a store."""
    source = StoreSource(store)
    found = next(one for one in source.list_runs(project) if one.run_id == run)
    return source.read_points(found, type, paths)
