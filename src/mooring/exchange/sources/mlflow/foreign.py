"""A run that somebody logged to MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidPath
from mooring.exchange.mlflow_tracking import marks
from mooring.exchange.mlflow_tracking.client import media_type
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun, SourceSeries, SourceValue, make_points
from mooring.exchange.sources.mlflow.history import read_metrics
from mooring.model import AttributeType, datetime_from_micros, validate_path

if TYPE_CHECKING:
    import pyarrow as pa

PARAMS, METRICS, TAGS, ARTIFACTS, OWN = "params/", "metrics/", "tags/", "artifacts/", "mlflow/"


class ForeignRun:
    """Attributes of a run as MLflow has them."""

    def __init__(
        self, client: Any, run: SourceRun, held: Any, experiment: str, problems: ProblemList
    ) -> None:
        self._client = client
        self._run = run
        self._held = held
        self._experiment = experiment
        self._problems = problems

    def read_values(self) -> Mapping[str, SourceValue]:
        """Return params, tags, artifacts, and what MLflow knows of the run."""
        info, data = self._held.info, self._held.data
        values: dict[str, SourceValue] = {
            f"{OWN}run_id": info.run_id,
            f"{OWN}experiment": self._experiment,
            f"{OWN}experiment_id": info.experiment_id,
            f"{OWN}status": info.status,
            f"{OWN}artifact_uri": info.artifact_uri or "",
            "sys/failed": info.status in ("FAILED", "KILLED"),
        }
        if info.run_name:
            values[f"{OWN}run_name"] = info.run_name
        if info.user_id:
            values[f"{OWN}user_id"] = info.user_id
        for path, instant in (
            ("sys/creation_time", info.start_time),
            ("sys/modification_time", info.end_time),
        ):
            if instant:
                values[path] = datetime_from_micros(instant * 1_000)
        for path, tag in (
            ("sys/description", marks.NOTE),
            ("sys/owner", marks.USER),
            (f"{OWN}parent_run_id", marks.PARENT_RUN),
        ):
            if text := data.tags.get(tag):
                values[path] = text
        if self._held.inputs is not None and self._held.inputs.dataset_inputs:
            values[f"{OWN}datasets"] = json.dumps(
                [one.to_dictionary() for one in self._held.inputs.dataset_inputs]
            )
        for prefix, texts in ((PARAMS, data.params), (TAGS, data.tags)):
            for name, text in texts.items():
                if self._fits(prefix + name):
                    values[prefix + name] = text
        for entry in list_artifacts(self._client, info.run_id):
            if self._fits(ARTIFACTS + entry.path):
                values[ARTIFACTS + entry.path] = artifact_file(
                    info.run_id, entry.path, entry.file_size
                )
        return values

    def list_series(self) -> Sequence[SourceSeries]:
        """Return the metrics."""
        return [
            SourceSeries(METRICS + name, AttributeType.FLOAT_SERIES)
            for name in sorted(self._held.data.metrics)
            if self._fits(METRICS + name)
        ]

    def read_points(self, type: AttributeType, paths: Sequence[str] | None) -> pa.Table:
        """Return the points of metrics."""
        if type is not AttributeType.FLOAT_SERIES:
            return make_points(type, [], [], [], [])
        chosen = [one.path for one in self.list_series()] if paths is None else sorted(paths)
        metrics = [
            (path, path.removeprefix(METRICS)) for path in chosen if path.startswith(METRICS)
        ]
        return read_metrics(self._client, self._held.info.run_id, metrics, self._problems)

    def _fits(self, path: str) -> bool:
        try:
            validate_path(path)
        except InvalidPath as error:
            self._problems.add(f"run {self._run.run_id}, {path[:200]!r}", str(error), kind="paths")
            return False
        return True


def list_artifacts(client: Any, run_id: str, below: str | None = None) -> Iterator[Any]:
    """Yield all artifacts of a run that are files."""
    folders: list[str | None] = [below]
    while folders:
        for entry in client.list_artifacts(run_id, folders.pop()):
            if entry.is_dir:
                folders.append(entry.path)
            else:
                yield entry


def artifact_file(
    run_id: str, path: str, size: int | None, *, name: str = "", mime_type: str = ""
) -> SourceFile:
    """Return an artifact as a file of the source."""
    name = name or path.rpartition("/")[2]
    return SourceFile(
        location=json.dumps([run_id, path]),
        name=name,
        mime_type=mime_type or media_type(name),
        size_bytes=size,
    )
