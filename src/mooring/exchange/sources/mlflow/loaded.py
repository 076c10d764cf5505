"""A run that `mooring load` made: its own paths and types again, as far as MLflow holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from mooring.errors import SourceUnreadable
from mooring.exchange.mlflow_tracking import marks
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    FILE_TYPES,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
    make_points,
)
from mooring.exchange.sources.mlflow.foreign import artifact_file, list_artifacts
from mooring.exchange.sources.mlflow.history import read_metrics
from mooring.model import AttributeType, Typed, micros_from_datetime, step_to_micros

if TYPE_CHECKING:
    import pyarrow as pa

OpenFile = Callable[[SourceFile], AbstractContextManager[BinaryIO]]

_CUT = 6_000
"""Length at which a load cut a param, and put the whole of it beside as an artifact."""


class LoadedRun:
    """Attributes of a run by the table that its load left."""

    def __init__(
        self,
        client: Any,
        run: SourceRun,
        held: Any,
        table: Mapping[str, Any],
        problems: ProblemList,
        open_file: OpenFile,
    ) -> None:
        self._client = client
        self._run = run
        self._held = held
        self._id: str = held.info.run_id
        self._problems = problems
        self._open_file = open_file
        self._multiplier = int(held.data.tags.get(marks.MULTIPLIER, "1"))
        self._table: dict[str, tuple[AttributeType, Mapping[str, Any]]] = {
            path: (AttributeType(entry["type"]), entry) for path, entry in table.items()
        }

    def read_values(self) -> Mapping[str, SourceValue]:
        """Return all attributes that are no series."""
        values: dict[str, SourceValue] = {}
        for path, (type, entry) in self._table.items():
            if type.is_series:
                continue
            try:
                values[path] = self._value(path, type, entry)
            except (KeyError, ValueError, SourceUnreadable) as error:
                self._problems.add(
                    f"run {self._run.run_id}, {path}",
                    f"is not what its load wrote: {error}",
                    kind="values",
                )
        return values

    def list_series(self) -> Sequence[SourceSeries]:
        """Return all series."""
        return [
            SourceSeries(path, type) for path, (type, _) in self._table.items() if type.is_series
        ]

    def read_points(self, type: AttributeType, paths: Sequence[str] | None) -> pa.Table:
        """Return the points of series of one type."""
        chosen = {
            path: entry.get("name", path)
            for path, (found, entry) in sorted(self._table.items())
            if found is type and (paths is None or path in paths)
        }
        if type is AttributeType.FLOAT_SERIES:
            return read_metrics(
                self._client,
                self._id,
                list(chosen.items()),
                self._problems,
                multiplier=self._multiplier,
            )
        rows: list[tuple[str, int, int, object]] = []
        for path, name in chosen.items():
            try:
                if type is AttributeType.FILE_SERIES:
                    read = self._files(name)
                elif type is AttributeType.STRING_SERIES:
                    read = self._strings(name)
                else:
                    read = self._histograms(name)
            except (KeyError, ValueError, SourceUnreadable) as error:
                self._problems.add(
                    f"run {self._run.run_id}, {path}",
                    f"is not what its load wrote: {error}",
                    kind="series",
                )
                continue
            rows.extend((path, step, time, value) for step, time, value in read)
        return make_points(
            type,
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
        )

    def _value(self, path: str, type: AttributeType, entry: Mapping[str, Any]) -> SourceValue:
        if type in FILE_TYPES:
            file = artifact_file(
                self._id,
                entry["file"],
                None,
                name=entry["file_name"],
                mime_type=entry["mime_type"],
            )
            return file if type is AttributeType.FILE else Typed(type, file)
        if type is AttributeType.STRING_SET:
            return frozenset(entry["value"])
        name = entry.get("name", path)
        text: str = self._held.data.params[name]
        if len(text) == _CUT:
            text = self._whole(name, text)
        match type:
            case AttributeType.INT:
                return int(text)
            case AttributeType.FLOAT:
                return float(text)
            case AttributeType.BOOL:
                return {"True": True, "False": False}[text]
            case AttributeType.DATETIME:
                return datetime.fromisoformat(text)
            case AttributeType.STRING:
                return text
            case AttributeType.RUN_STATE:
                return Typed(type, text)
            case _:
                return Typed(type, json.loads(text))

    def _whole(self, name: str, text: str) -> str:
        """Return the whole of a text that is as long as those that were cut."""
        listed = {entry.path for entry in self._client.list_artifacts(self._id, name)}
        whole = f"{name}/value.txt"
        return self._text(whole) if whole in listed else text

    def _strings(self, folder: str) -> list[tuple[int, int, object]]:
        listed = {entry.path for entry in self._client.list_artifacts(self._id, folder)}
        if f"{folder}/series.json" in listed:
            points = json.loads(self._text(f"{folder}/series.json"))["points"]
            return [
                (self._step(point["step"]), _time(point["timestamp"]), point["value"])
                for point in points
            ]
        read: list[tuple[int, int, object]] = []
        for line in self._text(f"{folder}/series.txt").split("\n")[:-1]:
            step, time, value = line.split("; ", 2)
            read.append((self._step(step), _time(time), value))
        return read

    def _histograms(self, folder: str) -> list[tuple[int, int, object]]:
        points = json.loads(self._text(f"{folder}/histograms.json"))["histograms"]
        return [
            (
                self._step(str(point["step"])),
                _time(point["timestamp"]),
                {
                    "kind": point["type"],
                    "edges": [float(number) for number in point["edges"]],
                    "values": [float(number) for number in point["values"]],
                },
            )
            for point in points
        ]

    def _files(self, folder: str) -> list[tuple[int, int, object]]:
        read: list[tuple[int, int, object]] = []
        for entry in list_artifacts(self._client, self._id, folder):
            step = entry.path.removeprefix(f"{folder}/step_").partition("/")[0]
            file = artifact_file(self._id, entry.path, entry.file_size)
            value = {
                "location": file.location,
                "name": file.name,
                "mime_type": file.mime_type,
                "size_bytes": file.size_bytes,
                "digest": None,
            }
            read.append((self._step(step), self._run.created or 0, value))
        return read

    def _step(self, text: str) -> int:
        return step_to_micros(text) // self._multiplier

    def _text(self, artifact: str) -> str:
        with self._open_file(artifact_file(self._id, artifact, None)) as content:
            return content.read().decode()


def _time(text: str) -> int:
    return micros_from_datetime(datetime.fromisoformat(text))
