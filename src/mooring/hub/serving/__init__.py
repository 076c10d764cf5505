"""Predictions by uploaded models, each in a confined process of its own."""

from __future__ import annotations

from mooring.hub.serving.requests import (
    WRONG_ROWS,
    ModelFile,
    PredictionRequest,
    PredictionResult,
    check_records,
)
from mooring.hub.serving.workers import ModelWorkers

__all__ = [
    "WRONG_ROWS",
    "ModelFile",
    "ModelWorkers",
    "PredictionRequest",
    "PredictionResult",
    "check_records",
]
