"""What became of predictions: return on investment, performance and alerts. Pure computations."""

from __future__ import annotations

from mooring.hub.review.alerts import (
    DEFAULTS,
    Alert,
    AlertFiring,
    AlertKind,
    History,
    ThresholdPolicy,
    check_alert,
)
from mooring.hub.review.evaluation import Cell, ReviewRows, UnknownFeature, evaluate, select
from mooring.hub.review.expressions import ExpressionInvalid, parse
from mooring.hub.review.performance import (
    PredictedRow,
    daily_feature_distribution,
    daily_model_performance,
    join,
    metric_for,
    review_rows,
    score,
    stats,
)
from mooring.hub.review.roi import ExpressionCheck, Roi, roi, validate_expression

__all__ = [
    "DEFAULTS",
    "Alert",
    "AlertFiring",
    "AlertKind",
    "Cell",
    "ExpressionCheck",
    "ExpressionInvalid",
    "History",
    "PredictedRow",
    "ReviewRows",
    "Roi",
    "ThresholdPolicy",
    "UnknownFeature",
    "check_alert",
    "daily_feature_distribution",
    "daily_model_performance",
    "evaluate",
    "join",
    "metric_for",
    "parse",
    "review_rows",
    "roi",
    "score",
    "select",
    "stats",
    "validate_expression",
]
