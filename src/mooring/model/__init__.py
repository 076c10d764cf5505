"""The vocabulary: attribute types, paths, exact steps, values, points, runs."""

from mooring.model.lineage import order_by_lineage
from mooring.model.names import ProjectName, validate_path, validate_run_id
from mooring.model.runs import RunInfo, RunKind, RunSpec
from mooring.model.steps import MAX_STEP, STEP_SCALE, step_from_micros, step_to_micros
from mooring.model.times import (
    MAX_TIME,
    MIN_TIME,
    datetime_from_micros,
    micros_from_datetime,
    now_micros,
)
from mooring.model.types import AttributeType
from mooring.model.values import FileRef, Histogram, SeriesStats, Typed, Value

__all__ = [
    "MAX_STEP",
    "MAX_TIME",
    "MIN_TIME",
    "STEP_SCALE",
    "AttributeType",
    "FileRef",
    "Histogram",
    "ProjectName",
    "RunInfo",
    "RunKind",
    "RunSpec",
    "SeriesStats",
    "Typed",
    "Value",
    "datetime_from_micros",
    "micros_from_datetime",
    "now_micros",
    "order_by_lineage",
    "step_from_micros",
    "step_to_micros",
    "validate_path",
    "validate_run_id",
]
