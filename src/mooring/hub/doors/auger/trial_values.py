"""What a trial is in the store: parameters as attributes, scores as series.

==========================  =====================================================================
`params/<name>`             `algorithm_params`, nested names joined by `/`; numbers, texts and
                            flags as they are, lists as JSON text, null left out
`scores/<metric>`           float series: one point each time the trial is reported with a new score
`scores/folds`              float series, step = number of the fold
`auger/score_value`         float; sorts lists
`auger/algorithm_params`    JSON text: the parameters exactly as they came
`auger/raw_data`            JSON text: the whole item
==========================  =====================================================================
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mooring.errors import InvalidPath
from mooring.hub.doors.auger.fields import PREFIX, as_json
from mooring.hub.doors.auger.refusals import invalid
from mooring.model import Value, validate_path

PARAMS = "params/"
SCORES = "scores/"
FOLDS = "scores/folds"
_INT64 = range(-(2**63), 2**63)
_MAX_DEPTH = 32


@dataclass(slots=True)
class TrialValues:
    """What is told of a trial; None: nothing."""

    session: str | None = None
    score_name: str | None = None
    score_value: float | None = None
    task_type: str | None = None
    evaluation_type: str | None = None
    algorithm_name: str | None = None
    algorithm_params: Mapping[str, object] | None = None
    algorithm_params_hash: str | None = None
    dataset_manifest_id: object = None
    provider: str | None = None
    raw_data: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of_item(cls, item: Mapping[str, object], param: str = "trials") -> TrialValues:
        """Read an item of a bulk update, `raw_data` or the parameters of an update.

        Raises `Refused` where something has another type than it should.
        """
        nested = item.get("hyperparameter")
        if nested is not None and not isinstance(nested, dict):
            raise invalid(_named(param, "hyperparameter"), "should be an object")
        about = {**item, **(nested or {})}
        score = about.get("score_value", about.get("score"))
        return cls(
            score_name=_text(about, "score_name", param),
            score_value=_number(score, _named(param, "score_value")),
            task_type=_text(about, "task_type", param),
            evaluation_type=_text(about, "evaluation_type", param),
            algorithm_name=_text(about, "algorithm_name", param),
            algorithm_params=_mapping(about, "algorithm_params", param),
            algorithm_params_hash=_text(about, "algorithm_params_hash", param),
            dataset_manifest_id=about.get("dataset_manifest_id"),
            provider=_text(about, "provider", param),
            raw_data=dict(item),
        )

    def attributes(self) -> dict[str, Value]:
        """Return the attributes with a single value."""
        told: dict[str, object] = {
            "experiment_session_id": self.session,
            "score_name": self.score_name,
            "task_type": self.task_type,
            "evaluation_type": self.evaluation_type,
            "algorithm_name": self.algorithm_name,
            "algorithm_params_hash": self.algorithm_params_hash,
            "provider": self.provider,
        }
        values: dict[str, Value] = {
            PREFIX + name: str(value) for name, value in told.items() if value is not None
        }
        if self.score_value is not None:
            values[PREFIX + "score_value"] = float(f"{self.score_value:.15g}")
        if self.dataset_manifest_id is not None:
            values[PREFIX + "dataset_manifest_id"] = as_json(self.dataset_manifest_id)
        if self.algorithm_params is not None:
            values[PREFIX + "algorithm_params"] = as_json(self.algorithm_params)
            values.update(flat_params(self.algorithm_params))
        if self.raw_data:
            values[PREFIX + "raw_data"] = as_json(self.raw_data)
        return values

    def scores(self) -> dict[str, float]:
        """Return the last value of each series of scores."""
        told = self.raw_data.get("all_scores")
        found = dict(told) if isinstance(told, dict) else {}
        if self.score_value is not None:
            found.setdefault(self.score_name or "score", self.score_value)
        return {
            path: float(value)
            for name, value in found.items()
            if _is_number(value) and (path := valid_path(SCORES + str(name))) and path != FOLDS
        }

    def folds(self) -> list[float]:
        """Return the score of each fold."""
        told = self.raw_data.get("fold_scores")
        if not isinstance(told, list) or not all(_is_number(value) for value in told):
            return []
        return [float(value) for value in told]


def flat_params(params: Mapping[str, object], prefix: str = PARAMS) -> dict[str, Value]:
    """Return parameters as attributes.

    >>> flat_params({"C": 1.5, "kernel": {"name": "rbf"}, "seed": None})
    {'params/C': 1.5, 'params/kernel/name': 'rbf'}
    """
    return {path: value for path, value in _flat(params, prefix, 0) if valid_path(path)}


def _flat(params: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, Value]]:
    for name, value in params.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            yield from _flat(value, f"{path}/", depth + 1)
        elif isinstance(value, (dict, list)):
            yield path, as_json(value)
        elif isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
            yield path, str(value)
        elif isinstance(value, (bool, int, float, str)):
            yield path, value


def nested_params(flat: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of a run that was logged by other means, by their paths."""
    return {path.removeprefix(PARAMS): value for path, value in sorted(flat.items())}


def digest_of(algorithm_name: str | None, params: Mapping[str, object]) -> str:
    """Return what tells one set of hyperparameters from another."""
    text = json.dumps([algorithm_name, params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def valid_path(path: str) -> str | None:
    """Return a path that an attribute can have, or None."""
    try:
        return validate_path(path)
    except InvalidPath:
        return None


def _named(param: str, name: str) -> str:
    return name if param == "" else f"{param}.{name}"


def _text(item: Mapping[str, object], name: str, param: str) -> str | None:
    value = item.get(name)
    if value is None or isinstance(value, str):
        return value
    raise invalid(_named(param, name), "should be a string")


def _number(value: object, name: str) -> float | None:
    if value is None:
        return None
    if not _is_number(value):
        raise invalid(name, "should be a number")
    return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _mapping(item: Mapping[str, object], name: str, param: str) -> Mapping[str, object] | None:
    value = item.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise invalid(_named(param, name), "should be an object")
