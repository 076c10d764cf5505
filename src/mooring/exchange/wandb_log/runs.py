"""The content of one W&B run, read from its transaction logs."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring.errors import InvalidStep
from mooring.exchange.reading.gathering import Gathered, RunContent, Tell
from mooring.exchange.source import SourceFile, SourceValue
from mooring.exchange.wandb_log.console import Console
from mooring.exchange.wandb_log.heads import RunHead, micros_of
from mooring.exchange.wandb_log.records import Damage, iter_records
from mooring.exchange.wandb_log.values import (
    flatten,
    histogram_of,
    is_inside,
    media_of,
    nest,
    parse,
    put,
)
from mooring.model import STEP_SCALE, AttributeType, step_to_micros

CONFIG = "config/"
SUMMARY = "summary/"
MONITORING = "monitoring/"
FILES = "files/"
ARTIFACTS = "artifacts/"
ABOUT = "wandb/"
"""Before the names of what a run holds, each of its own kind."""

MARK = "_mooring"
"""Key of a run's config under which our own target notes what it loaded."""

_OWN_KEYS = frozenset({"_step", "_timestamp", "_runtime", "_wandb"})
_SILENT = frozenset(
    {"header", "telemetry", "final", "footer", "preempting", "request", "noop_link_artifact", None}
)


def read_run(logs: Sequence[Path], tell: Tell, *, console: bool = True) -> RunContent:
    """Read a run whose logs are these, oldest first; `tell(what, why)` for what does not come in.

    A metric with a step column of its own (`define_metric`) has the steps of that column, unless
    one of them comes twice: then it has W&B's `_step`, and the column is a series beside it.
    """
    reader = _RunReader(tell)
    for log in logs:
        reader.read_log(log)
    return reader.finish(console=console)


@dataclass(slots=True)
class _Metric:
    """Points of one series, with steps by W&B and by the metric's own column."""

    steps: list[int] = field(default_factory=list)
    own: list[int | None] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


class _RunReader:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._gathered = Gathered()
        self._head = RunHead()
        self._values: dict[str, SourceValue] = {}
        self._config: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._step_columns: dict[str, str] = {}
        self._step_globs: list[tuple[str, str]] = []
        self._last_seen: dict[str, Any] = {}
        self._metrics: dict[tuple[AttributeType, str], _Metric] = {}
        self._console = Console()
        self._samples = 0
        self._alerts = 0
        self._wall = 0.0
        self._media: set[Path] = set()
        self._listed: set[Path] = set()
        self._versions: dict[str, int] = {}
        self._used: list[str] = []

    def read_log(self, log: Path) -> None:
        folder = log.parent / "files"
        for offset, record in iter_records(log):
            if isinstance(record, Damage):
                self._tell(f"{log} at byte {offset}", record.why)
                continue
            what = record.WhichOneof("record_type")
            match what:
                case "history":
                    self._read_history(record.history, folder)
                case "summary":
                    self._update(self._summary, record.summary)
                case "config":
                    self._update(self._config, record.config)
                case "run":
                    self._head.take(record.run)
                    self._update(self._config, record.run.config)
                    self._update(self._summary, record.run.summary)
                case "metric":
                    self._read_metric(record.metric)
                case "stats":
                    self._read_stats(record.stats)
                case "output" | "output_raw":
                    part = getattr(record, what)
                    self._console.add(part.output_type, micros_of(part.timestamp), part.line)
                case "files":
                    self._listed.update(
                        folder / item.path for item in record.files.files if is_inside(item.path)
                    )
                case "artifact":
                    self._read_artifact(record.artifact)
                case "use_artifact":
                    self._used.append(record.use_artifact.name or record.use_artifact.id)
                case "environment":
                    self._read_environment(record.environment)
                case "alert":
                    self._read_alert(record.alert)
                case "exit":
                    self._values[ABOUT + "exit_code"] = record.exit.exit_code
                case _ if what not in _SILENT:
                    self._gathered.left_out[f"{what} in {log.name}", "cannot be held"] += 1
        self._read_files(folder)

    def finish(self, *, console: bool) -> RunContent:
        for (type, path), metric in self._metrics.items():
            own = [step for step in metric.own if step is not None]
            steps = own if len(own) == len(metric.steps) == len(set(own)) else metric.steps
            for step, wall, value in zip(steps, metric.walls, metric.values, strict=True):
                self._gathered.add(type, path, step, wall, value)
        if console:
            for stream, lines in self._console.finish().items():
                path = self._gathered.tags.path(MONITORING + stream, AttributeType.STRING_SERIES)
                for number, (micros, line) in enumerate(lines):
                    step, wall = number * STEP_SCALE, micros / 1e6
                    self._gathered.add(AttributeType.STRING_SERIES, path, step, wall, line)
        self._read_single_values()
        return self._gathered.finish(self._values, self._tell)

    # ---- history

    def _read_history(self, history: Any, folder: Path) -> None:
        row = nest(history.item)
        number = row.get("_step", history.step.num)
        wall = row.get("_timestamp", 0.0)
        wall = float(wall) if isinstance(wall, (int, float)) else 0.0
        self._wall = wall
        try:
            step = step_to_micros(number)
        except InvalidStep as error:
            self._gathered.left_out["a row of the history", str(error)] += 1
            return
        leaves = [
            leaf
            for key, value in row.items()
            if key not in _OWN_KEYS
            for leaf in flatten(key, value)
        ]
        self._last_seen.update(leaves)  # first: a step column may stand behind its metrics
        for name, leaf in leaves:
            self._read_leaf(name, leaf, step, wall, folder)

    def _read_leaf(self, name: str, value: Any, step: int, wall: float, folder: Path) -> None:
        match value:
            case bool():
                path = self._path(name, AttributeType.FLOAT_SERIES)
                self._gathered.changed[path, "true and false are 1 and 0"] += 1
                self._add(AttributeType.FLOAT_SERIES, name, path, step, wall, float(value))
            case int() | float():
                path = self._path(name, AttributeType.FLOAT_SERIES)
                try:
                    number = float(value)
                except OverflowError:
                    self._gathered.left_out[path, "integers too large for a double"] += 1
                    return
                if isinstance(value, int) and int(number) != value:
                    why = "an integer that a double does not hold exactly"
                    self._gathered.changed[path, why] += 1
                self._add(AttributeType.FLOAT_SERIES, name, path, step, wall, number)
            case str():
                path = self._path(name, AttributeType.STRING_SERIES)
                self._add(AttributeType.STRING_SERIES, name, path, step, wall, value)
            case None:
                self._gathered.left_out[name, "a point without a value"] += 1
            case {"_type": "histogram"}:
                self._read_histogram(name, value, step, wall)
            case {"_type": _}:
                self._read_media(name, value, step, wall, folder)
            case _:
                path = self._path(name, AttributeType.STRING_SERIES)
                text = json.dumps(value, ensure_ascii=False)
                self._add(AttributeType.STRING_SERIES, name, path, step, wall, text)

    def _read_histogram(self, name: str, value: Mapping[str, Any], step: int, wall: float) -> None:
        found = histogram_of(value)
        if isinstance(found, str):
            self._gathered.left_out[f"histogram {name!r}", found] += 1
            return
        path = self._path(name, AttributeType.HISTOGRAM_SERIES)
        pair = (array("d", found.edges), array("d", found.values))
        self._add(AttributeType.HISTOGRAM_SERIES, name, path, step, wall, pair)

    def _read_media(
        self, name: str, value: Mapping[str, Any], step: int, wall: float, folder: Path
    ) -> None:
        media = media_of(value)
        if isinstance(media, str):
            self._gathered.left_out[name, media] += 1
            return
        captions = value.get("caption") or value.get("captions")
        if captions and captions is not True:
            self._gathered.left_out[f"captions of {name}", "a file has no caption"] += 1
        for number, inner in enumerate(media.paths):
            file = folder / inner
            if not file.is_file():
                self._gathered.left_out[name, f"the file {file} is missing"] += 1
                continue
            self._media.add(file)
            path = self._path(name if not number else f"{name}/{number}", AttributeType.FILE_SERIES)
            point = (str(file), file.name, _mime_type(file.name), file.stat().st_size, None)
            self._add(AttributeType.FILE_SERIES, name, path, step, wall, point)

    def _path(self, name: str, type: AttributeType) -> str:
        return self._gathered.tags.path(name, type)

    def _add(
        self, type: AttributeType, name: str, path: str, step: int, wall: float, value: object
    ) -> None:
        metric = self._metrics.get((type, path))
        if metric is None:
            metric = self._metrics[type, path] = _Metric()
        own = None
        column = self._step_column(name)
        if column is not None:
            try:
                own = step_to_micros(self._last_seen.get(column))
            except InvalidStep:
                own = None
        metric.steps.append(step)
        metric.own.append(own)
        metric.walls.append(wall)
        metric.values.append(value)

    def _read_metric(self, metric: Any) -> None:
        if not metric.step_metric:
            return
        if metric.name:
            self._step_columns[metric.name] = metric.step_metric
        elif metric.glob_name:
            self._step_globs.append((metric.glob_name, metric.step_metric))
            self._step_columns = {name: by for name, by in self._step_columns.items() if by}

    def _step_column(self, name: str) -> str | None:
        """Return the step column of a metric; a column itself has none."""
        if name not in self._step_columns:
            found = ""
            for pattern, column in self._step_globs:
                if fnmatch.fnmatchcase(name, pattern):
                    found = column
            self._step_columns[name] = found
        column = self._step_columns[name]
        return column if column and column not in _OWN_KEYS and column != name else None

    # ---- beside the history

    def _read_stats(self, stats: Any) -> None:
        step = self._samples * STEP_SCALE
        self._samples += 1
        wall = micros_of(stats.timestamp) / 1e6
        for item in stats.item:
            value = parse(item.value_json)
            name = MONITORING + item.key
            if isinstance(value, (int, float)):
                path = self._gathered.tags.path(name, AttributeType.FLOAT_SERIES)
                self._gathered.add(AttributeType.FLOAT_SERIES, path, step, wall, float(value))
            else:
                self._gathered.left_out[name, "no number"] += 1

    def _read_alert(self, alert: Any) -> None:
        path = self._gathered.tags.path(MONITORING + "alerts", AttributeType.STRING_SERIES)
        text = f"{alert.level}: {alert.title}\n{alert.text}"
        step = self._alerts * STEP_SCALE
        self._gathered.add(AttributeType.STRING_SERIES, path, step, self._wall, text)
        self._alerts += 1
        self._gathered.changed[
            path, "W&B keeps no times of alerts: they have that of the row before"
        ] += 1

    def _read_environment(self, environment: Any) -> None:
        from google.protobuf.json_format import MessageToDict

        told = MessageToDict(environment, preserving_proto_field_name=True)
        told.pop("writer_id", None)
        for name, value in flatten(ABOUT + "environment", told):
            self._set(name, value)

    def _read_artifact(self, artifact: Any) -> None:
        if artifact.type == "run_table":
            return  # the same table is a file of the history
        version = self._versions.get(artifact.name, 0)
        self._versions[artifact.name] = version + 1
        prefix = f"{ARTIFACTS}{artifact.name}/v{version}/"
        about = f"{ABOUT}artifacts/{artifact.name}/v{version}/"
        for name in ("type", "digest", "description", "metadata"):
            if text := getattr(artifact, name):
                self._set(about + name, text)
        if artifact.aliases:
            self._values[self._single(about + "aliases")] = frozenset(artifact.aliases)
        if artifact.manifest.manifest_file_path:
            self._gathered.left_out[prefix, "its list of files lies in a file of its own"] += 1
        for entry in artifact.manifest.contents:
            if entry.ref:
                self._set(about + "references/" + entry.path, entry.ref)
            elif not entry.local_path or not _is_content(Path(entry.local_path), entry.digest):
                why = f"the content ({entry.local_path or 'nowhere'}) is missing or another one"
                self._gathered.left_out[prefix + entry.path, why] += 1
            else:
                self._values[self._single(prefix + entry.path)] = SourceFile(
                    location=entry.local_path,
                    name=entry.path.rsplit("/", 1)[-1],
                    mime_type=entry.mimetype or _mime_type(entry.path),
                    size_bytes=entry.size,
                )

    def _read_files(self, folder: Path) -> None:
        """Take the files of a run's folder that no row of the history names.

        A link that leaves the folder is followed when the log lists it: `run.save` makes such.
        """
        if not folder.is_dir():
            return
        for file in sorted(folder.rglob("*")):
            if file in self._media or (file.is_dir() and not file.is_symlink()):
                continue
            name = FILES + file.relative_to(folder).as_posix()
            if not file.is_file():
                self._gathered.left_out[name, "is a link to nothing"] += 1
            elif file.is_symlink() and file not in self._listed:
                self._gathered.left_out[name, "is a link that the log does not list"] += 1
            else:
                self._values[self._single(name)] = SourceFile(
                    location=str(file),
                    name=file.name,
                    mime_type=_mime_type(file.name),
                    size_bytes=file.stat().st_size,
                )
        for file in sorted(self._listed):
            if file.is_relative_to(folder) and not file.is_file() and not file.is_symlink():
                name = FILES + file.relative_to(folder).as_posix()
                self._gathered.left_out[name, "is listed in the log and missing"] += 1

    def _read_single_values(self) -> None:
        for key, value in self._config.items():
            if key != "_wandb":
                for name, leaf in flatten(CONFIG + key, value):
                    self._set(name, leaf)
        for key, value in self._summary.items():
            if key not in _OWN_KEYS:
                for name, leaf in flatten(SUMMARY + key, value):
                    if isinstance(leaf, dict) and "_type" in leaf:
                        if name.removeprefix(SUMMARY) not in self._last_seen:
                            self._gathered.left_out[name, "media that no row has"] += 1
                    else:
                        self._set(name, leaf)
        head = self._head
        for name, text in (
            ("sys/description", head.notes),
            ("sys/hostname", head.host),
            (ABOUT + "group", head.group),
            (ABOUT + "job_type", head.job_type),
            (ABOUT + "sweep_id", head.sweep),
        ):
            if text:
                self._values[name] = text
        if head.tags:
            self._values["sys/tags"] = head.tags
        if self._used:
            self._values[ABOUT + "used_artifacts"] = frozenset(self._used)

    def _single(self, name: str) -> str:
        return self._gathered.tags.path(name, AttributeType.STRING)

    def _set(self, name: str, value: Any) -> None:
        path = self._single(name)
        match value:
            case bool() | float() | str():
                self._values[path] = value
            case int():
                if -(2**63) <= value < 2**63:
                    self._values[path] = value
                else:
                    self._values[path] = str(value)
                    self._gathered.changed[path, "an integer beyond 64 bits; it is text now"] += 1
            case None:
                self._gathered.left_out[path, "has no value"] += 1
            case _:
                self._values[path] = json.dumps(value, ensure_ascii=False)

    def _update(self, target: dict[str, Any], record: Any) -> None:
        for item in record.update:
            put(target, item, parse(item.value_json))
        for item in record.remove:
            keys = list(item.nested_key) or [item.key]
            found: Any = target
            for key in keys[:-1]:
                found = found.get(key) if isinstance(found, dict) else None
            if isinstance(found, dict):
                found.pop(keys[-1], None)


def _is_content(file: Path, digest: str) -> bool:
    """Return whether a file is the one of an artifact: only such a file is ever read."""
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return False
    return base64.b64encode(found.digest()).decode() == digest


def _mime_type(name: str) -> str:
    import mimetypes

    return mimetypes.guess_type(name)[0] or "application/octet-stream"
