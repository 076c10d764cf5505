"""A run of W&B that is being filled."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import ExchangeError, TargetRefused, TargetUnreachable
from mooring.exchange.filling.finished import FinishedRun
from mooring.exchange.filling.steps import scale_steps, step_text
from mooring.exchange.filling.texts import iso_time, text_lines, write_text
from mooring.exchange.names import allocate_names, exporter_name
from mooring.exchange.packages import variable_set
from mooring.exchange.points import iter_series, rows_by_path
from mooring.exchange.source import FILE_TYPES, SourceFile, SourceValue
from mooring.exchange.target import Inventory, Lost
from mooring.exchange.wandb_log.records import Damage, iter_records
from mooring.exchange.wandb_log.runs import ARTIFACTS, CONFIG, MARK, read_run
from mooring.model import STEP_SCALE, AttributeType, Typed

if TYPE_CHECKING:
    import pyarrow as pa
    import wandb

STEP_COLUMN = "mooring_step"
MARK_FILE = "mooring.json"

_LIMIT_BINS = 512
_LIMIT_ARTIFACT = 96  # W&B allows 128; `_step_…` comes behind it
_WRITTEN_S = 120.0
_LAST_BLOCKS = 64
_TAKEN = (STEP_COLUMN, MARK, "_step", "_timestamp", "_runtime", "_wandb")
_NO_FILE_CHARACTER = re.compile(r"[\x00-\x1f\x7f/\\]")
_ARTIFACT_TYPES = FILE_TYPES | {AttributeType.STRING_SERIES, AttributeType.FILE_SERIES}
_TEXT, _EXACT = "series.txt", "series.jsonl"


@dataclass(slots=True, kw_only=True)
class Mark:
    """What the config of a run says about where it came from."""

    project: str
    run_id: str
    sys_id: str | None
    parent: str | None
    parent_id: str | None
    fork_step: int | None
    complete: bool = False
    content: str = ""
    sent: int = 0

    def as_config(self) -> dict[str, Any]:
        """Return it as it stands in the config."""
        told = asdict(self) | {"format": 1}
        told["fork_step"] = None if self.fork_step is None else self.fork_step / STEP_SCALE
        return {name: value for name, value in told.items() if value is not None}


class WandbRun:
    """Fills one run of W&B."""

    def __init__(
        self,
        run: wandb.Run,
        *,
        mark: Mark,
        folder: Path,
        online: bool,
        multiplier: int,
        ended: Callable[[], object],
    ) -> None:
        self._run = run
        self._mark = mark
        self._folder = folder
        self._online = online
        self._multiplier = multiplier
        self._ended = ended
        self._names: dict[str, str] = {}
        self._defined: set[str] = set()
        self._files: dict[tuple[str, int | None], str] = {}
        self._finished = False

    @property
    def id(self) -> str:
        """W&B's id of the run."""
        return str(self._run.id)

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Choose names by the exporter's rule, and keep apart those that would meet."""
        artifacts = [path for path, type in attributes if type in _ARTIFACT_TYPES]
        others = [path for path, type in attributes if type not in _ARTIFACT_TYPES]
        self._names = allocate_names(others, exporter_name, taken=_TAKEN)
        taken = (*_TAKEN, *self._names.values())
        self._names |= allocate_names(
            artifacts,
            lambda path: exporter_name(path)[:_LIMIT_ARTIFACT],
            limit=_LIMIT_ARTIFACT,
            taken=taken,
        )
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values to the config, with their types."""
        lost: list[Lost] = []
        told = {
            self._name(path): _config_value(path, value, lost) for path, value in values.items()
        }
        self._update_config(told)
        return lost

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write numbers and histograms as rows of the history, texts as artifacts."""
        if type is AttributeType.STRING_SERIES:
            for path, series in iter_series(points):
                self._write_texts(path, series)
            return ()
        steps, lost = self._steps(points)
        names = {}
        for path, _, _ in rows_by_path(points):
            names[path] = name = self._name(path)
            if name not in self._defined:
                self._run.define_metric(name, step_metric=STEP_COLUMN)
                self._defined.add(name)
        times = points["time"].to_numpy()
        values = points["value"]
        if type is AttributeType.HISTOGRAM_SERIES:
            cells = [_histogram(value) for value in values.to_pylist()]
            self._tell_histograms(points, lost)
        else:
            cells = values.to_numpy().tolist()
        of_points = [names[path] for path, _, count in rows_by_path(points) for _ in range(count)]
        self._log_rows(of_points, steps, times, cells)
        return lost

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file as an artifact of one entry."""
        name, entry = self._artifact_of(path, type, step, file.name)
        self._files[path, step] = f"{name}/{entry}"
        self._log_artifact(
            name,
            type.value,
            {entry: content},
            path=path,
            metadata={
                "path": path,
                "step": None if step is None else step_text(step),
                "name": file.name,
                "mime_type": file.mime_type,
            },
        )
        return ()

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the run and end it; offline, a file beside its log tells the same."""
        self._mark.complete, self._mark.content = complete, content
        self._tell_mark()
        self._run.finish(exit_code=0 if complete else 1)
        self._finished = True
        self._ended()
        if not self._online:
            place = Path(self._run.settings.sync_dir)
            log = Path(self._run.settings.sync_file)
            self._wait_for(log, _is_exit)  # `finish` returns before it is written
            try:
                with log.open("rb") as file:
                    os.fsync(file.fileno())
                beside = place / (MARK_FILE + ".part")
                beside.write_text(json.dumps(self._mark.as_config() | {"id": self.id}))
                beside.replace(place / MARK_FILE)
            except OSError as error:
                raise TargetRefused(
                    f"{place} cannot be marked: {error}", where=str(place)
                ) from error

    def read_back(self) -> Inventory | None:
        """Read the transaction log of an offline run, as far as everything sent is in it."""
        if self._online:
            return None
        log = Path(self._run.settings.sync_file)
        if not self._finished:
            self._tell_mark()  # when this is in the log, all that was sent before is
            sent = self._mark.sent
            self._wait_for(log, lambda record: _has_mark(record, sent))
        return read_inventory(log)

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the config key, metric, or artifact (of a file: with its entry)."""
        return self._files.get((path, step)) or self._name(path)

    # rows

    def _steps(self, points: pa.Table) -> tuple[list[int | float], list[Lost]]:
        """Return steps as W&B shows them: decimal ones as they are, unless they are multiplied."""
        exact = points["step"].to_numpy()
        lost: list[Lost] = []
        if self._multiplier == 1:
            whole = exact % STEP_SCALE == 0
            steps = np.where(whole, 0, exact / STEP_SCALE).tolist()
            integers = (exact // STEP_SCALE).tolist()
            return [
                integer if is_whole else step
                for step, integer, is_whole in zip(steps, integers, whole.tolist(), strict=True)
            ], lost
        scaled, cut = scale_steps(exact, self._multiplier)
        for path, first, count in rows_by_path(points):
            if cuts := int(cut[first : first + count].sum()):
                lost.append(Lost(path, "decimal steps, which are cut to whole ones", cuts))
        return scaled.tolist(), lost

    def _log_rows(
        self,
        names: Sequence[str],
        steps: Sequence[int | float],
        times: np.ndarray[Any, np.dtype[np.int64]],
        cells: Sequence[Any],
    ) -> None:
        """Log points of one step and time as one row, rows in the order of their steps."""
        order = np.lexsort((times, np.array(steps, np.float64))).tolist()
        instants = times.tolist()
        row: dict[str, Any] = {}
        at: tuple[float, int] | None = None
        for place in order:
            key = (steps[place], instants[place])
            name = names[place]
            if key != at or name in row:
                if row:
                    self._run.log(row)
                row = {STEP_COLUMN: key[0], "_timestamp": key[1] / 1e6}
                at = key
            row[name] = cells[place]
        if row:
            self._run.log(row)

    def _tell_histograms(self, points: pa.Table, lost: list[Lost]) -> None:
        import pyarrow.compute as pc

        value = points["value"]
        dense = pc.equal(pc.struct_field(value, "kind"), "DENSITY").to_pylist()
        bins = pc.list_value_length(pc.struct_field(value, "values")).to_pylist()
        for path, first, count in rows_by_path(points):
            part = slice(first, first + count)
            if densities := dense[part].count(True):
                lost.append(Lost(path, "that the values of histograms are densities", densities))
            if wide := sum(size > _LIMIT_BINS for size in bins[part]):
                why = f"single bins of histograms: W&B has {_LIMIT_BINS}, so neighbours are joined"
                lost.append(Lost(path, why, wide))

    # artifacts

    def _write_texts(self, path: str, points: pa.Table) -> None:
        """Write a string series as text, in the exporter's form, and as JSON lines, exactly."""
        with tempfile.TemporaryDirectory(prefix="mooring-wandb-") as folder:
            text, exact = Path(folder) / _TEXT, Path(folder) / _EXACT
            write_text(text, text_lines(points, self._multiplier))
            write_text(exact, self._exact_lines(points))
            self._log_artifact(
                self._name(path),
                AttributeType.STRING_SERIES.value,
                {_TEXT: text, _EXACT: exact},
                path=path,
                metadata={"path": path},
            )

    def _exact_lines(self, points: pa.Table) -> Iterator[str]:
        for point in points.select(["step", "time", "value"]).to_pylist():
            step, instant = step_text(point["step"], self._multiplier), iso_time(point["time"])
            yield json.dumps({"step": step, "time": instant, "value": point["value"]}) + "\n"

    def _artifact_of(
        self, path: str, type: AttributeType, step: int | None, file_name: str
    ) -> tuple[str, str]:
        name = self._name(path)
        if step is not None:
            name += f"_step_{step_text(step, self._multiplier)}"
        match type:
            case AttributeType.FILE_SET:
                return name, "files.zip"
            case AttributeType.ARTIFACT:
                return name, "files_list.json"
        entry = _NO_FILE_CHARACTER.sub("_", file_name)[-200:]
        return name, entry if entry.strip(". ") else "content"

    def _log_artifact(
        self, name: str, type: str, files: Mapping[str, Path], *, path: str, metadata: Any
    ) -> None:
        import wandb

        artifact = wandb.Artifact(name, type, metadata=metadata)
        try:
            # Content of artifacts is staged where the offline runs lie.
            with variable_set("WANDB_DATA_DIR", str(self._folder / "wandb-data")):
                for entry, file in files.items():
                    artifact.add_file(str(file), name=entry)
        except OSError as error:
            raise TargetRefused(
                f"{path} cannot be staged in {self._folder}: {error}", attribute=path
            ) from error
        self._run.log_artifact(artifact)

    # mark

    def _tell_mark(self) -> None:
        self._mark.sent += 1
        self._update_config({MARK: self._mark.as_config()})

    def _update_config(self, told: dict[str, Any]) -> None:
        config: Any = self._run.config  # without annotations
        config.update(told, allow_val_change=True)

    def _wait_for(self, log: Path, what: Callable[[Any], bool]) -> None:
        """Wait until a record is in the log: W&B writes it in the background."""
        wait, until = 0.02, time.monotonic() + _WRITTEN_S
        while not _holds(log, what):
            if time.monotonic() > until:
                raise TargetUnreachable(
                    f"W&B has not written everything to {log} within {_WRITTEN_S:.0f} s",
                    where=str(log),
                )
            time.sleep(wait)
            wait = min(wait * 2, 1.0)

    def _name(self, path: str) -> str:
        return self._names.get(path) or exporter_name(path)


def finished_run(id: str, folder: Path) -> FinishedRun:
    """Return an offline run that is complete."""
    log = folder / f"run-{id}.wandb"
    return FinishedRun(id, folder, read=lambda: read_inventory(log), name=exporter_name)


def read_inventory(log: Path) -> Inventory:
    """Tell what the transaction log of an offline run holds."""
    run = read_run([log], lambda what, why: None)
    points: dict[str, int] = {}
    for series in run.list_series():
        if series.type in (AttributeType.FLOAT_SERIES, AttributeType.HISTOGRAM_SERIES):
            points[series.path] = series.count or 0
    files: dict[str, int | None] = {}
    for path, value in run.values.items():
        if path.startswith(ARTIFACTS) and isinstance(value, SourceFile):
            name, _, entry = path.removeprefix(ARTIFACTS).split("/", 2)
            files[f"{name}/{entry}"] = value.size_bytes
            if entry == _EXACT:
                with Path(value.location).open("rb") as lines:
                    points[name] = sum(1 for _ in lines)
    values = {
        path.removeprefix(CONFIG).split("/", 1)[0] for path in run.values if path.startswith(CONFIG)
    }
    return Inventory(values=frozenset(values - {MARK}), points=points, files=files)


def _holds(log: Path, what: Callable[[Any], bool]) -> bool:
    """Return whether a record stands near the end of a log."""
    return any(
        not isinstance(record, Damage) and what(record)
        for _, record in iter_records(log, last_blocks=_LAST_BLOCKS)
    )


def _is_exit(record: Any) -> bool:
    return bool(record.WhichOneof("record_type") == "exit")


def _has_mark(record: Any, sent: int) -> bool:
    return any(
        item.key == MARK and json.loads(item.value_json).get("sent") == sent
        for item in record.config.update
    )


def _config_value(path: str, value: SourceValue, lost: list[Lost]) -> Any:
    match value:
        case Typed():
            return value.value
        case datetime():
            return str(value)
        case frozenset():
            return sorted(value)
        case float() if not math.isfinite(value):
            lost.append(Lost(path, "that it is a number: W&B's config has only finite ones"))
            return str(value)
        case SourceFile():
            raise ExchangeError(f"{path} is a file", attribute=path)
    return value


def _histogram(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a histogram as W&B logs it; bins beyond its limit are joined to their neighbours."""
    edges, counts = value["edges"], value["values"]
    if len(counts) > _LIMIT_BINS:
        cuts = np.linspace(0, len(counts), _LIMIT_BINS + 1).astype(np.int64)
        counts = np.add.reduceat(np.array(counts, np.float64), cuts[:-1]).tolist()
        edges = np.array(edges, np.float64)[cuts].tolist()
    return {"_type": "histogram", "values": counts, "bins": edges}
