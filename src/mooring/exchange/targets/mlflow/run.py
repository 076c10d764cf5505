"""`MlflowRun`: a run of MLflow that is being filled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.errors import TargetRefused
from mooring.exchange.filling.steps import step_text
from mooring.exchange.filling.texts import (
    has_line_breaks,
    histograms_json,
    iso_time,
    text_lines,
    write_text,
)
from mooring.exchange.filling.values import millis_of, value_text
from mooring.exchange.mlflow_tracking import marks
from mooring.exchange.mlflow_tracking.client import media_type, translated
from mooring.exchange.names import allocate_names
from mooring.exchange.points import iter_series
from mooring.exchange.selection import type_of
from mooring.exchange.source import FILE_TYPES, SourceFile, SourceRun, SourceValue, file_of
from mooring.exchange.target import FoundRun, Inventory, Lost
from mooring.exchange.targets.mlflow.metrics import MetricWriter
from mooring.exchange.targets.mlflow.naming import (
    MAX_NAME,
    Names,
    clean_name,
    series_file,
    step_folder,
)
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow.tracking import MlflowClient

MAX_PARAM = 6_000
MAX_PARAMS_A_REQUEST = 100
MAX_ATTRIBUTES_TAG = 4_000
"""Characters of the table of attributes that are kept as a tag; a longer one is an artifact."""

VALUE_FILE = "value.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run lies, how it is reached, and who wants to know that it has ended."""

    client: MlflowClient
    address: str
    work: Path
    multiplier: int
    folder: bool
    senders: ThreadPoolExecutor | None
    ended: Callable[[FoundRun], None]


@dataclass(slots=True)
class _Written:
    """What this object wrote, to compare what is read back with it."""

    params: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    artifacts: bool = False


class MlflowRun:
    """Fills a run of MLflow. `held` is what MLflow has of it already, None for a new one."""

    def __init__(
        self,
        place: Place,
        run: SourceRun,
        values: Mapping[str, SourceValue],
        id: str,
        held: Any,
        lost: Sequence[Lost] = (),
    ) -> None:
        self._place = place
        self._run = run
        self._values = values
        self._id = id
        self._lost = list(lost)
        self._held_params: dict[str, str] = {} if held is None else dict(held.data.params)
        self._names = Names([], nested=not place.folder)
        self._attributes: dict[str, dict[str, Any]] = {}
        self._file_names: dict[tuple[str, int | None], str] = {}
        self._written = _Written(artifacts=held is not None)
        self._metrics = MetricWriter(
            place.client,
            id,
            multiplier=place.multiplier,
            infinity=place.folder,
            senders=place.senders,
            begun=() if held is None else held.data.metrics,
        )

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self._id

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give each attribute its name."""
        self._names = Names(attributes, nested=not self._place.folder)
        renamed = self._names.renamed()
        self._attributes = {}
        for path, type in attributes:
            entry: dict[str, Any] = {"type": type.value}
            if path in renamed:
                entry["name"] = renamed[path]
            value = self._values.get(path)
            if isinstance(value, frozenset):
                entry["value"] = sorted(value)
            self._attributes[path] = entry
            if value is not None and (file := file_of(value)) is not None:
                self._file_names[(path, None)] = file.name
                entry["file"] = self.name_of(path, type)
                entry["file_name"], entry["mime_type"] = file.name, file.mime_type
        lost, self._lost = self._lost, []
        return lost

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write params, and tags for what MLflow has tags for."""
        from mlflow.entities import Param, RunTag

        lost: list[Lost] = []
        params: dict[str, str] = {}
        paths: dict[str, str] = {}
        for path, value in values.items():
            name, text = self._names.of(path, type_of(value)), value_text(value)
            if len(text) > MAX_PARAM:
                self._log_text(f"{name}/{VALUE_FILE}", text)
                text = text[:MAX_PARAM]
            params[name], paths[name] = text, path
        tags, cut = self._native_tags(values)
        lost.extend(cut)
        new = [Param(name, text) for name, text in params.items() if name not in self._held_params]
        requests = max(
            -(-len(new) // MAX_PARAMS_A_REQUEST), -(-len(tags) // MAX_PARAMS_A_REQUEST), 0
        )
        for request in range(requests):
            window = slice(request * MAX_PARAMS_A_REQUEST, (request + 1) * MAX_PARAMS_A_REQUEST)
            with self._translated():
                self._place.client.log_batch(
                    self._id,
                    params=new[window],
                    tags=[RunTag(key, value) for key, value in tags[window]],
                )
            self._held_params.update({param.key: param.value for param in new[window]})
        self._written.params.update(params)
        other = sorted(paths[name] for name in params if self._held_params[name] != params[name])
        if other:
            raise TargetRefused(
                f"{len(other)} params are there with other values, which MLflow never changes "
                f"({', '.join(other[:5])}); delete run {self._id} there to load it anew",
                where=self._place.address,
                run=self._run.run_id,
                attribute=other[0],
            )
        return lost

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write float series as metrics, others as artifacts."""
        series = [(path, self._names.of(path, type), part) for path, part in iter_series(points)]
        if type is AttributeType.FLOAT_SERIES:
            with self._translated():
                return self._metrics.write(series)
        for _, folder, part in series:
            artifact = series_file(folder, type)
            file = self._place.work / artifact.rpartition("/")[2]
            if type is AttributeType.HISTOGRAM_SERIES:
                write_text(file, histograms_json(part, self._place.multiplier))
            else:
                write_text(file, text_lines(part, self._place.multiplier))
                if has_line_breaks(part):
                    exact = file.with_suffix(".json")
                    exact.write_text(_exact_json(part, self._place.multiplier), encoding="utf-8")
                    self._log_file(f"{folder}/{exact.name}", exact)
            self._log_file(artifact, file)
        return ()

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write one file as an artifact."""
        self._file_names[(path, step)] = file.name
        artifact = self.name_of(path, type, step)
        named = self._place.work / artifact.rpartition("/")[2]
        try:
            os.link(content, named)
        except OSError:
            shutil.copyfile(content, named)
        self._log_file(artifact, named)
        return self._lost_of(artifact, file) if type is AttributeType.FILE_SERIES else ()

    def _lost_of(self, artifact: str, file: SourceFile) -> Sequence[Lost]:
        """Return what an artifact does not tell of a file; the table tells it of single files."""
        lost, name = [], artifact.rpartition("/")[2]
        if file.name and file.name != name:
            lost.append(Lost(None, "names of files in series that MLflow cannot have"))
        if file.mime_type and file.mime_type != media_type(name):
            lost.append(Lost(None, "media types of files in series that their names do not tell"))
        return lost

    def finish(self, *, complete: bool, content: str) -> None:
        """End the run with the status and time that the source tells."""
        from mlflow.entities import RunTag

        tags = {}
        table = json.dumps(self._attributes, separators=(",", ":"))
        if len(table) <= MAX_ATTRIBUTES_TAG:
            tags[marks.ATTRIBUTES] = table
        elif complete:
            self._log_text(marks.ATTRIBUTES_FILE, table)
        tags[marks.CONTENT] = content if complete else ""
        tags[marks.COMPLETE] = "true" if complete else "false"
        failed = self._values.get("sys/failed") is True
        with self._translated():
            self._place.client.set_terminated(
                self._id, status="FAILED" if failed else "FINISHED", end_time=self._end_time()
            )
            self._place.client.log_batch(
                self._id, tags=[RunTag(key, value) for key, value in tags.items()]
            )
        self._place.ended(FoundRun(self._id, complete, tags[marks.CONTENT]))

    def read_back(self) -> Inventory:
        """Return what MLflow holds of the run."""
        with self._translated():
            held = self._place.client.get_run(self._id)
            files = self._list_files() if self._written.artifacts else {}
            points, different = self._metrics.read_back(held.data.metrics)
        for name, text in self._written.params.items():
            if name in held.data.params and held.data.params[name] != text:
                different[name] = "another text"
        for artifact, size in self._written.files.items():
            found = files.get(artifact)
            if found is not None and found != size:
                different[artifact] = f"{found} bytes and not {size}"
        return Inventory(
            values=frozenset(held.data.params), points=points, files=files, different=different
        )

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name of a param or metric, or where an artifact lies."""
        if type in (AttributeType.STRING_SERIES, AttributeType.HISTOGRAM_SERIES):
            return series_file(self._names.of(path, type), type)
        if type is AttributeType.FILE_SERIES and step is None:
            return self._names.of(path, type)
        if type is AttributeType.FILE_SERIES or type in FILE_TYPES:
            name = self._file_names.get((path, step), "")
            return self._names.file(path, type, step_folder(step, self._place.multiplier), name)
        return self._names.of(path, type)

    def _native_tags(
        self, values: Mapping[str, SourceValue]
    ) -> tuple[list[tuple[str, str]], Sequence[Lost]]:
        """Return the tags of the source as MLflow's: the tag is the key, `true` the value."""
        wanted: dict[str, str] = {}
        for path, prefix in (("sys/tags", ""), ("sys/group_tags", "group/")):
            held = values.get(path)
            if isinstance(held, frozenset):
                wanted.update({f"{prefix}{tag}": path for tag in held})
        names = allocate_names(wanted, _tag_name, limit=MAX_NAME, nested=not self._place.folder)
        lost = [
            Lost(wanted[tag], f"the tag {tag!r} is named {name!r}")
            for tag, name in names.items()
            if tag != name
        ]
        return [(name, "true") for name in names.values()], lost

    def _log_text(self, artifact: str, text: str) -> None:
        file = self._place.work / artifact.rpartition("/")[2]
        file.write_text(text, encoding="utf-8")
        self._log_file(artifact, file)

    def _log_file(self, artifact: str, file: Path) -> None:
        """Log a file that lies in the folder `work` under its last name, and remove it there."""
        self._written.artifacts = True
        size = file.stat().st_size
        try:
            with self._translated():
                self._place.client.log_artifact(
                    self._id, str(file), artifact.rpartition("/")[0] or None
                )
        finally:
            file.unlink(missing_ok=True)
        self._written.files[artifact] = size

    def _list_files(self) -> dict[str, int | None]:
        files: dict[str, int | None] = {}
        folders: list[str | None] = [None]
        while folders:
            for entry in self._place.client.list_artifacts(self._id, folders.pop()):
                if entry.is_dir:
                    folders.append(entry.path)
                else:
                    files[entry.path] = entry.file_size
        return files

    def _end_time(self) -> int:
        if (end := millis_of(self._values, "sys/modification_time")) is not None:
            return end
        return max(self._metrics.last_time, (self._run.created or 0) // 1_000)

    def _translated(self) -> Any:
        return translated(self._place.address, run=self._run.run_id)


def _tag_name(tag: str) -> str:
    name = clean_name(tag)
    return (f"tag.{name}" if name.startswith(("mlflow.", "mooring.")) else name)[:MAX_NAME]


def _exact_json(points: pa.Table, multiplier: int) -> str:
    """Return a string series as JSON, which holds values with line breaks."""
    records = [
        {
            "step": step_text(point["step"], multiplier),
            "timestamp": iso_time(point["time"]),
            "value": point["value"],
        }
        for point in points.select(["step", "time", "value"]).to_pylist()
    ]
    return json.dumps({"points": records})
