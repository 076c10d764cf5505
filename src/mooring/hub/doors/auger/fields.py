"""Fields of a resource as attributes of a run, and back.

A field `name` is the attribute `auger/name`. Its type in the table decides how it is stored:

==================  =============================================================================
one of string,      an attribute of the type string, int, float or bool
integer, number,
boolean
a time              (`…_at`, `timestamp`) a datetime
everything else     JSON text: objects, arrays, and fields that may be of several types
null                no attribute; the answer shows the table's default
==================  =============================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache

from mooring.hub.doors.auger.refusals import invalid
from mooring.model import AttributeType, FileRef, Value
from mooring.query import Compare, Field, Operator
from mooring.wire.auger.resources import RESOURCES
from mooring.wire.auger.table import Field as TableField
from mooring.wire.auger.table import Parameter, Resource

PREFIX = "auger/"
OBJECT = "auger/object"
"""The name of the resource that a record is of; what has none is not complete."""
MODIFIED = "sys/modification_time"

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)


class Form(StrEnum):
    """How a field is stored."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    FILE = "file"
    JSON = "json"


_TYPES = {
    Form.TEXT: AttributeType.STRING,
    Form.INTEGER: AttributeType.INT,
    Form.NUMBER: AttributeType.FLOAT,
    Form.FLAG: AttributeType.BOOL,
    Form.TIME: AttributeType.DATETIME,
    Form.FILE: AttributeType.FILE,
    Form.JSON: AttributeType.STRING,
}
_SCALARS = {
    "string": Form.TEXT,
    "integer": Form.INTEGER,
    "number": Form.NUMBER,
    "boolean": Form.FLAG,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a resource, and how each is stored."""

    forms: Mapping[str, Form]
    defaults: Mapping[str, object]
    shown: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The attributes that hold a record of the resource."""
        return (OBJECT, MODIFIED, *(PREFIX + name for name in self.forms))


_OWN: dict[str, dict[str, Form]] = {
    "experiment": {"dataset_manifest_id": Form.TEXT},
    "hyperparameter": {"algorithm_params_hash": Form.TEXT, "digest": Form.TEXT},
    "pipeline": {
        "experiment_id": Form.TEXT,
        "model": Form.FILE,
        "external": Form.FLAG,
    },
    "pipeline_file": {"experiment_id": Form.TEXT},
    "project_file": {"key": Form.TEXT, "size_bytes": Form.INTEGER},
    "stored_file": {
        "key": Form.TEXT,
        "file": Form.FILE,
    },
    "prediction": {"pipeline_ids": Form.JSON},
    "prediction_group": {
        "features": Form.JSON,
        "records": Form.JSON,
        "threshold": Form.NUMBER,
        "file_url": Form.TEXT,
        "no_features_in_result": Form.FLAG,
        "primary_only": Form.FLAG,
        "score": Form.FLAG,
        "score_true_data": Form.JSON,
        "predict_labels": Form.JSON,
    },
    "actual": {"endpoint_id": Form.TEXT, "prediction_group_id": Form.TEXT},
    "trial": {
        "dataset_manifest_id": Form.JSON,
        "experiment_session_id": Form.TEXT,
        "hyperparameter_id": Form.INTEGER,
        "algorithm_name": Form.TEXT,
        "algorithm_params": Form.JSON,
        "algorithm_params_hash": Form.TEXT,
    },
    "similar_trials_request": {"dataset_manifest_id": Form.TEXT},
    "trial_search": {"optimizer_context": Form.JSON},
    "warm_start_request": {"dataset_manifest_id": Form.TEXT},
}
"""What is kept of a resource beside the fields and parameters of the table."""

_DEFAULTS: dict[str, dict[str, object]] = {
    "experiment": {"search_space_status": "not_requested"},
    "experiment_session": {
        "correlation_to_target_status": "not_requested",
        "correlation_matrix_status": "not_requested",
        "providers": [],
        "providers_data": {},
    },
    "organization": {"is_jupyter_enabled": False, "cluster_mode": "multi_tenant"},
    "project": {
        "default_workers_per_node_count": 0,
        "default_workers_count": 1,
        "default_worker_type_id": 1,
        "cluster_autoterminate_minutes": 0,
        "search_space_status": "not_requested",
        "kubernetes_stack": "stable",
        "workers_count": 1,
        "worker_type_id": 1,
    },
    "project_file": {"providers": [], "providers_data": {}},
    "pipeline": {"provider": "Mooring", "is_review_model_enabled": False},
    "prediction": {"provider": "Mooring"},
    "trial": {
        "metrics_status": "not_requested",
        "pdf_data_status": "not_requested",
        "trial_metrics_count": 0,
        "provider": "Mooring",
    },
    "review_alert_item": {"values": []},
    "similar_trials_request": {"limit": 5, "trials": []},
    "warm_start_request": {"limit": 10, "hyperparameters": []},
    "cluster": {
        "worker_nodes_count": 1,
        "workers_per_node_count": 1,
        "total_memory_mb": 0,
        "uptime_seconds": 0,
        "docker_image_tag": "stable",
        "platform": "local",
        "autoterminate_minutes": 0,
    },
    "cluster_status": {
        "cpu_status": "normal",
        "memory_status": "normal",
        "slave_data": {},
        "pods_data": [],
    },
}
"""What an answer shows of a field that is not set; null where nothing is told here."""

_EVERYWHERE = {"request": Form.TEXT, "providers": Form.JSON, "provider_info": Form.JSON}
_ARE_RUNS = ("id", "object", "deleted", "created_at", "updated_at", "limit", "offset")
"""What every run has by itself, or is no field."""


TABLE: Mapping[str, Resource] = {resource.name: resource for resource in RESOURCES}


@cache
def layout_for(name: str) -> Layout:
    """Return how the fields of a resource are stored; some resources are no client's."""
    resource = TABLE.get(name)
    forms: dict[str, Form] = {}
    defaults: dict[str, object] = {}
    shown: list[str] = []
    if resource is not None:
        for operation in resource.operations:
            if operation.name in ("create", "update"):
                for parameter in operation.parameters:
                    forms[parameter.name] = _form(parameter)
        for field in resource.fields:
            forms[field.name] = _form(field)
            defaults[field.name] = field.default
            shown.append(field.name)
    defaults.update(_DEFAULTS.get(name, {}))
    forms = {**_EVERYWHERE, **forms, **_OWN.get(name, {})}
    if name == "cluster_status":
        forms.setdefault("pods_data", Form.JSON)
    for word in _ARE_RUNS:
        if word != "limit" or "limit" not in shown:
            forms.pop(word, None)
    shown = [word for word in shown if word not in ("id", "object", "deleted")]
    return Layout(forms, defaults, tuple(shown))


def _form(declared: Parameter | TableField) -> Form:
    types = set(declared.types)
    if types == {"integer", "number"}:
        return Form.NUMBER
    if len(types) != 1:
        return Form.JSON
    form = _SCALARS.get(next(iter(types)), Form.JSON)
    if form is Form.TEXT and (declared.name.endswith("_at") or declared.name == "timestamp"):
        return Form.TIME
    return form


def encode(name: str, form: Form, value: object) -> Value | None:
    """Return what an attribute holds for the value of a field; None for null.

    Raises `Refused` where the value is not what the form holds.
    """
    if value is None:
        return None
    match form:
        case Form.TEXT if isinstance(value, str):
            if _SURROGATE.search(value):
                raise invalid(name, "holds a character that is none")
            return value
        case Form.TEXT if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case Form.INTEGER if isinstance(value, int) and not isinstance(value, bool):
            if value not in _INT64:
                raise invalid(name, "is not a number of 64 bits")
            return value
        case Form.INTEGER if isinstance(value, str) and value.isascii() and value.isdecimal():
            return encode(name, form, int(value[:20]))
        case Form.NUMBER if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if not math.isfinite(number):
                raise invalid(name, "is too large a number")
            return number
        case Form.FLAG if isinstance(value, bool):
            return value
        case Form.TIME if isinstance(value, datetime):
            return value
        case Form.TIME if isinstance(value, str):
            return parse_time(name, value)
        case Form.FILE if isinstance(value, FileRef):
            return value
        case Form.JSON:
            try:
                return as_json(value)
            except (ValueError, RecursionError):
                raise invalid(name, "is too deep, or holds too large a number") from None
    raise invalid(name, f"should be a {form}")


def decode(form: Form, value: object) -> object:
    """Return the value of a field from that of its attribute."""
    if form is Form.JSON and isinstance(value, str):
        return json.loads(value)
    return value


def as_json(value: object) -> str:
    """Return a value as JSON text, keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse_time(name: str, text: str) -> datetime:
    """Return a time; without a zone it is UTC. Raises `Refused`."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "is not a time in ISO 8601") from None


def equals(name: str, form: Form, value: object) -> Compare:
    """Return the filter that a field equals a value."""
    encoded = encode(name, form, value)
    if encoded is None or isinstance(encoded, (frozenset, FileRef)):
        raise invalid(name, "cannot be searched for")
    return Compare(Field(PREFIX + name, _TYPES[form]), Operator.EQ, encoded)
