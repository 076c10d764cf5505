"""What TensorBoard's hparams plugin keeps in the metadata of three tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mooring.errors import InvalidPath
from mooring.model import datetime_from_micros, validate_path

PREFIX = "hparams/"
"""Before the names of hyperparameters."""

SESSION = "tensorboard/session/"
EXPERIMENT = "tensorboard/experiment/"
"""Before what else the plugin knows of a run, and of the experiment."""

Value = float | str | bool | datetime
Tell = Callable[[str, str], None]

_EPOCH_LIMIT_S = 253_402_300_799.0


def read_hparams(content: bytes, tell: Tell) -> dict[str, Value]:
    """Return what a tag of the plugin says, by path; `tell(what, why)` for what is left out.

    Numbers are floats: the plugin has no integers. Lists and mappings are JSON text.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams import plugin_data_pb2

    try:
        data = plugin_data_pb2.HParamsPluginData.FromString(content)
    except DecodeError as error:
        tell("hparams", f"cannot be decoded: {error}")
        return {}
    if data.version:
        tell("hparams", f"version {data.version} of the plugin's data is not known")
        return {}
    match data.WhichOneof("data"):
        case "session_start_info":
            return _session_start(data.session_start_info, tell)
        case "session_end_info":
            return _session_end(data.session_end_info, tell)
        case "experiment":
            return _experiment(data.experiment, tell)
        case _:
            tell("hparams", "holds neither a session nor an experiment")
            return {}


def _session_start(info: Any, tell: Tell) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name in sorted(info.hparams):
        value = info.hparams[name]
        try:
            path = validate_path(PREFIX + name)
        except InvalidPath as error:
            tell(f"hparam {name!r}", str(error))
            continue
        match value.WhichOneof("kind"):
            case "number_value":
                values[path] = float(value.number_value)
            case "string_value":
                values[path] = value.string_value
            case "bool_value":
                values[path] = value.bool_value
            case "list_value" | "struct_value":
                from google.protobuf.json_format import MessageToDict

                values[path] = json.dumps(MessageToDict(value), ensure_ascii=False)
            case _:
                tell(path, "has no value")
    for name in ("model_uri", "monitor_url", "group_name"):
        if text := getattr(info, name):
            values[SESSION + name] = text
    _time(values, SESSION + "start", info.start_time_secs, tell)
    return values


def _session_end(info: Any, tell: Tell) -> dict[str, Value]:
    from tensorboard.plugins.hparams import api_pb2

    values: dict[str, Value] = {}
    if info.status:
        try:
            values[SESSION + "status"] = api_pb2.Status.Name(info.status)
        except ValueError:
            tell(SESSION + "status", f"status {info.status} is not known")
    _time(values, SESSION + "end", info.end_time_secs, tell)
    return values


def _experiment(info: Any, tell: Tell) -> dict[str, Value]:
    from google.protobuf.json_format import MessageToDict

    values: dict[str, Value] = {}
    for name in ("name", "description", "user"):
        if text := getattr(info, name):
            values[EXPERIMENT + name] = text
    _time(values, EXPERIMENT + "created", info.time_created_secs, tell)
    for name in ("hparam_infos", "metric_infos"):
        if infos := getattr(info, name):
            told = [MessageToDict(one, preserving_proto_field_name=True) for one in infos]
            values[EXPERIMENT + name] = json.dumps(told, ensure_ascii=False)
    return values


def _time(values: dict[str, Value], path: str, seconds: float, tell: Tell) -> None:
    if not seconds:
        return
    if not 0 < seconds < _EPOCH_LIMIT_S:
        tell(path, f"{seconds!r} seconds since 1970 is no time")
        return
    values[path] = datetime_from_micros(round(seconds * 1_000_000))
