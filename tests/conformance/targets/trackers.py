"""Trackers that are driven through their own packages, in a local or offline mode.

Each has a reader of what it keeps that shares nothing with our code. One whose package cannot live
beside ours is tried in an environment of its own by `tests/e2e/targets/test_peers.py`.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from mooring.exchange.names import short_digest
from mooring.exchange.source import SourceRun
from mooring.exchange.target import LoadSettings, Target
from tests.conformance.targets.watching import Watcher


@dataclass(frozen=True)
class Held:
    """What a tracker holds of a run, read without our code. Steps are as it tells them."""

    values: dict[str, Any] = field(default_factory=dict)
    points: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    texts: dict[str, list[tuple[Any, str]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    tags: Sequence[str] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracker:
    """A tracker: how to reach it in a folder, and how to read what it holds of a run."""

    name: str
    package: str
    make: Callable[[Path, LoadSettings], Target]
    read: Callable[[Path, str], Held]


def _make_goodseed(folder: Path, load: LoadSettings) -> Target:
    from mooring.exchange.targets.goodseed import GoodSeedSettings, GoodSeedTarget

    return GoodSeedTarget(GoodSeedSettings(home=folder / "home"), load)


def _read_goodseed(folder: Path, run_id: str) -> Held:
    from goodseed.storage import read_configs, read_metrics, read_run_meta, read_string_series

    project, _, name = run_id.rpartition("/")
    file = folder / "home" / "projects" / project / "runs" / f"{name}.sqlite"
    held = Held(values=read_configs(file), extra=dict(read_run_meta(file)))
    for point in read_metrics(file):
        held.points.setdefault(point["path"], []).append((point["step"], point["value"]))
    for point in read_string_series(file)["points"]:
        held.texts.setdefault(point["path"], []).append((point["step"], point["value"]))
    return held


def _make_comet(folder: Path, load: LoadSettings) -> Target:
    from mooring.exchange.targets.comet import CometSettings, CometTarget

    return CometTarget(CometSettings(folder=folder / "offline"), load)


def _read_comet(folder: Path, run_id: str) -> Held:
    with zipfile.ZipFile(folder / "offline" / f"{run_id}.zip") as archive:
        about = json.loads(archive.read("experiment.json"))
        held = Held(tags=about["tags"], extra=about)
        for line in archive.read("messages.json").splitlines():
            message = json.loads(line)
            told = message["payload"]
            if message["type"] == "metric_msg":
                metric = told["metric"]
                point = (metric["step"], float(metric["metricValue"]))
                held.points.setdefault(metric["metricName"], []).append(point)
            elif message["type"] == "parameter_msg":
                one = told.get("param") or told["params"]
                held.values[one["paramName"]] = one["paramValue"]
            elif message["type"] == "log_other":
                held.values[told["key"]] = told["value"]
            elif message["type"] == "file_upload":
                asked = told["additional_params"]
                held.files[asked["fileName"]] = archive.read(told["file_path"])
    return held


def _make_zenml(folder: Path, load: LoadSettings) -> Target:
    # One store for all tests, as making one takes seconds: each test has models of its own.
    store = folder.parent / "zenml"
    os.environ |= {
        "ZENML_CONFIG_PATH": str(store),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
    }
    from mooring.exchange.targets.zenml import ZenMLTarget

    return ZenMLTarget(replace(load, name_prefix=load.name_prefix + short_digest(str(folder))))


def _read_zenml(folder: Path, run_id: str) -> Held:
    import pyarrow.parquet as pq
    from zenml.client import Client

    client = Client()
    version = client.get_model_version(model_version_name_or_number_or_id=UUID(run_id))
    held = Held(values=dict(version.run_metadata), tags=sorted(tag.name for tag in version.tags))
    for artifact in client.list_artifact_versions(model_version_id=version.id, size=500).items:
        file = artifact.load()
        if artifact.run_metadata["attribute_type"] in ("float_series", "string_series"):
            rows = pq.read_table(file).select(["step", "value"]).to_pylist()
            held.points[artifact.name] = [(row["step"], row["value"]) for row in rows]
        else:
            held.files[artifact.name] = file.read_bytes()
    return held


def _make_minfx(folder: Path, load: LoadSettings) -> Target:
    from mooring.exchange.targets.minfx import MinfxSettings, MinfxTarget

    return MinfxTarget(MinfxSettings(folder=folder / "minfx", project="team/new"), load)


def _read_minfx(folder: Path, run_id: str) -> Held:
    from minfx.neptune_v2.core.components.queue.disk_queue import DiskQueue
    from minfx.neptune_v2.internal.operation import Operation

    (container,) = (folder / "minfx").glob(f"**/offline/run__{run_id}__*")
    queue = DiskQueue(
        data_path=container,
        to_dict=lambda operation: operation.to_dict(),
        from_dict=Operation.from_dict,
        lock=threading.RLock(),
    )
    held = Held()
    while (element := queue.get()) is not None:
        operation = element.obj
        path, kind = "/".join(operation.path), type(operation).__name__
        if kind == "LogFloats":
            points = [(point.step, point.value) for point in operation.values]
            held.points.setdefault(path, []).extend(points)
        elif kind == "UploadFile":
            held.files[path] = Path(operation.file_path).read_bytes()
        elif kind.startswith("Assign"):
            held.values[path] = operation.value
    queue.close()
    return held


_WATCHERS: dict[Path, Watcher] = {}


def stop_watchers() -> None:
    """End the servers that stand for Pluto's."""
    while _WATCHERS:
        _WATCHERS.popitem()[1].close()


def _make_pluto(folder: Path, load: LoadSettings) -> Target:
    from mooring.exchange.targets.pluto import PlutoSettings, PlutoTarget

    os.environ["PLUTO_DISABLE_TELEMETRY"] = "1"
    watcher = _WATCHERS.setdefault(folder, Watcher())
    return PlutoTarget(PlutoSettings(api_key="k", urls=watcher.urls(), timeout_s=30), load)


def _read_pluto(folder: Path, run_id: str) -> Held:
    watcher = _WATCHERS[folder]
    (made,) = watcher.of_run("/api/runs/create", run_id)
    held = Held(values=json.loads(made["config"]), tags=made["tags"], extra=made)
    for told in watcher.of_run("/api/runs/config/update", run_id):
        held.values.update(json.loads(told["config"]))
    for line in watcher.of_run("/ingest/metrics", run_id):
        for name, value in line["data"].items():
            held.points.setdefault(name, []).append((line["step"], value))
    for line in watcher.of_run("/ingest/data", run_id):
        held.texts.setdefault(line["logName"], []).append((line["step"], line["data"]))
    for told in watcher.of_run("/files", run_id):
        for file in told["files"]:
            held.files[file["logName"]] = watcher.files[file["fileName"]]
    return held


TRACKERS = (
    Tracker("goodseed", "goodseed", _make_goodseed, _read_goodseed),
    Tracker("comet", "comet_ml", _make_comet, _read_comet),
    Tracker("zenml", "zenml", _make_zenml, _read_zenml),
    Tracker("minfx", "minfx", _make_minfx, _read_minfx),
    Tracker("pluto", "pluto", _make_pluto, _read_pluto),
)


def source_run(run_id: str = "run-1", **fields: Any) -> SourceRun:
    """Return a run of a source."""
    return SourceRun(**{"project": "team/digits", "run_id": run_id, "name": run_id, **fields})
