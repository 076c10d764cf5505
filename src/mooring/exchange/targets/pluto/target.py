"""Loads runs into Pluto, through its client."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import TargetRefused, TargetUnreachable
from mooring.exchange.filling import marks
from mooring.exchange.filling.refusals import translated
from mooring.exchange.filling.steps import scale_steps, step_text
from mooring.exchange.filling.texts import histograms_json, text_lines, write_text
from mooring.exchange.filling.values import is_finite, millis_of, plain_value, tags_of
from mooring.exchange.names import Names, short_digest
from mooring.exchange.packages import require_package
from mooring.exchange.points import doubles, iter_series, numbers
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.pluto.settings import PlutoSettings
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

_FOREIGN = re.compile(r"[^a-zA-Z0-9_\-. /]")
_NAME_LIMIT = 250
_TEXT_LIMIT = 200
_BATCH = 10_000

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType),
    nan=False,
    infinity=False,
    decimal_steps=False,
    negative_steps=False,
    point_times=True,
    microseconds=False,
    run_times=True,
    forks="tag",
    finds_runs=False,
    resumes=False,
    reads_back=False,
    notes=(
        "not proven: what the client sends was watched, Pluto's server was not at hand",
        (
            "Pluto tells points of a series apart by their time in milliseconds: those of one "
            "millisecond, and those out of order, are moved to the next free one"
        ),
        (
            "a string series with a text above 200 characters is a text file, a line a point; "
            "histograms are JSON files with exact numbers, and those with equal bins charts too"
        ),
        (
            "a run that a load was cut in is refused by the next one: delete it in Pluto first. "
            "Journals of loads tell what was loaded, the server is not asked"
        ),
        (
            "its client keeps the key in the user's keyring, and reports its errors to its makers "
            "unless PLUTO_DISABLE_TELEMETRY is 1"
        ),
    ),
)


class PlutoTarget:
    """A workspace of Pluto, that of the key."""

    def __init__(self, settings: PlutoSettings, load: LoadSettings | None = None) -> None:
        require_package("pluto", extra="pluto", package="pluto-ml")
        self._settings = settings
        self._load = load or LoadSettings()
        self._staging = Path(tempfile.mkdtemp(prefix="mooring-pluto-"))
        self._open: list[Any] = []

    @property
    def name(self) -> str:
        """`pluto`."""
        return "pluto"

    @property
    def address(self) -> str:
        """The address of the server."""
        return self._settings.urls.get("url_app", "https://pluto.trainy.ai")

    @property
    def capabilities(self) -> Capabilities:
        """What a run of Pluto holds, as far as its client tells."""
        return CAPABILITIES

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return None: the server is not asked."""
        return None

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> PlutoRun:
        """Create a run."""
        with _told(self.address, run.run_id), contextlib.redirect_stdout(io.StringIO()):
            opened = self._create(run, values)
        self._open.append(opened)
        return PlutoRun(opened, self, run, values, parent)

    def close(self) -> None:
        """Let go of runs that were not finished, without a word to the server."""
        while self._open:
            self._open.pop().close()
        shutil.rmtree(self._staging, ignore_errors=True)

    @property
    def timeout_s(self) -> float:
        """How long the client may take to bring what is queued to the server."""
        return self._settings.timeout_s

    @property
    def multiplier(self) -> int:
        """What steps are multiplied by."""
        return self._load.step_multiplier

    @property
    def staging(self) -> Path:
        """The folder that files lie in until they are sent."""
        return self._staging

    def _create(self, run: SourceRun, values: Mapping[str, SourceValue]) -> Any:
        import pluto

        prefix = f"{self._load.name_prefix}/" if self._load.name_prefix else ""
        tags = {"import:neptune", f"import_project:{run.project}", *tags_of(values)}
        created = millis_of(values, "sys/creation_time")
        if created is None and run.created is not None:
            created = run.created // 1_000
        return pluto.init(
            dir=str(self._staging),
            project=_clean(self._settings.project or prefix + run.project),
            name=_clean(run.name or run.run_id),
            # Another run of this id is refused by the server, so nothing comes twice.
            run_id=f"{run.project}::{run.run_id}",
            config=marks.begun(run),
            tags=sorted(tags),
            settings={
                **self._settings.urls,
                "_auth": self._settings.api_key,
                "compat": {
                    "createdAt": created,
                    "updatedAt": millis_of(values, "sys/modification_time"),
                },
                "disable_console": True,
                "disable_system_metrics": True,
                "sync_process_flush_interval": 0.1,
                "sync_process_batch_size": 1_000,
                "sync_process_shutdown_timeout": self._settings.timeout_s,
                # Names in the file system are made of it.
                "sync_process_db_path": str(
                    self._staging / f"{short_digest(run.project, run.run_id)}.db"
                ),
            },
        )


class PlutoRun:
    """A run that is being filled. The client queues what it is given; `finish` waits for it."""

    def __init__(
        self,
        opened: Any,
        target: PlutoTarget,
        run: SourceRun,
        values: Mapping[str, SourceValue],
        parent: str | None,
    ) -> None:
        self._opened = opened
        self._target = target
        self._run = run
        self._values = values
        self._parent = parent
        self._names = Names(_clean, limit=_NAME_LIMIT, taken=marks.ALL)

    @property
    def id(self) -> str:
        """The run's number in Pluto."""
        return str(self._opened.id)

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names."""
        self._names.plan(path for path, _ in attributes)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values to the run's config."""
        config: dict[str, object] = {}
        for path, value in values.items():
            plain = plain_value(value)
            if isinstance(plain, frozenset):
                config[self._names.of(path)] = sorted(plain)
            elif isinstance(plain, datetime) or not is_finite(plain):
                config[self._names.of(path)] = str(plain)  # JSON has neither
            else:
                config[self._names.of(path)] = plain
        if config:
            with self._told():
                self._opened.update_config(config)
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series: numbers as metrics, text as states or a file, histograms as a file."""
        lost: list[Lost] = []
        for path, series in iter_series(points):
            with self._told(path):
                if type is AttributeType.FLOAT_SERIES:
                    lost += self._write_numbers(path, series)
                elif type is AttributeType.STRING_SERIES:
                    lost += self._write_texts(path, series)
                else:
                    self._write_text_file(
                        path, "histograms.json", histograms_json(series, self._target.multiplier)
                    )
                    self._draw_histograms(path, series)
        return lost

    def _write_numbers(self, path: str, series: pa.Table) -> Sequence[Lost]:
        values, held = doubles(series), np.isfinite(doubles(series))
        lost = _lost(path, "NaN and infinities, which JSON has not", len(values) - int(held.sum()))
        steps, times, held, more = self._place(path, series, held)
        name = self._names.of(path)
        groups = [
            ({name: value}, step, time)
            for value, step, time in zip(
                values[held].tolist(), steps[held].tolist(), times[held].tolist(), strict=True
            )
        ]
        for start in range(0, len(groups), _BATCH):
            # What their own migration calls: the public call commits each point by itself.
            self._opened._log_metrics_batch(groups[start : start + _BATCH])
        return [*lost, *more]

    def _write_texts(self, path: str, series: pa.Table) -> Sequence[Lost]:
        values = series.column("value").to_pylist()
        if any(len(value) > _TEXT_LIMIT for value in values):
            self._write_text_file(path, "series.txt", text_lines(series, self._target.multiplier))
            return ()
        steps, times, held, lost = self._place(path, series, np.ones(len(values), bool))
        for value, step, time_s, kept in zip(
            values, steps.tolist(), times.tolist(), held.tolist(), strict=True
        ):
            if kept:
                self._opened.log({self._names.of(path): value}, step=step, timestamp=time_s)
        return lost

    def _place(
        self, path: str, series: pa.Table, held: Any
    ) -> tuple[Any, Any, Any, Sequence[Lost]]:
        """Return whole steps, distinct times in seconds, what is held, and what is not."""
        exact = numbers(series, "step")
        steps, decimal = scale_steps(exact, self._target.multiplier)
        order = np.arange(len(steps))
        millis = np.maximum.accumulate(numbers(series, "time") // 1_000 - order) + order
        kept = held & (steps >= 0)
        cut = int(np.count_nonzero(decimal & kept))
        lost = [
            *_lost(path, "decimals of steps, which are whole in Pluto; --step-multiplier", cut),
            *_lost(path, "points at negative steps", int(np.count_nonzero(held & ~kept))),
        ]
        # The client cuts to milliseconds: half of one keeps it from falling to the one before.
        return steps, (millis + 0.5) / 1_000, kept, lost

    def _draw_histograms(self, path: str, series: pa.Table) -> None:
        import pluto

        steps, times, held, _ = self._place(path, series, np.ones(len(series), bool))
        values = series.column("value").to_pylist()
        for value, step, time_s, kept in zip(
            values, steps.tolist(), times.tolist(), held.tolist(), strict=True
        ):
            widths = np.diff(value["edges"])
            if kept and np.allclose(widths, widths[0]):
                drawn = pluto.Histogram([value["values"], value["edges"]], bins=None)
                self._opened.log({self._names.of(path): drawn}, step=step, timestamp=time_s)

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file as an artifact, with a step as far as there is one."""
        told = "0" if step is None else step_text(step, self._target.multiplier)
        whole = int(told.partition(".")[0])
        name = Path(file.name or path).suffix
        suffix = {AttributeType.FILE_SET: ".zip", AttributeType.ARTIFACT: ".json"}.get(type, name)
        with self._told(path):
            copy = self._new_copy(suffix)
            shutil.copyfile(content, copy)
            self._send_file(path, copy, max(whole, 0))
        if told == str(max(whole, 0)):
            return ()
        return [Lost(path, "the step of a file, whole and not negative in Pluto")]

    def finish(self, *, complete: bool, content: str) -> None:
        """Wait until all is sent, mark the run, and end it."""
        mark = marks.ended(self._run, self._parent, complete=complete, content=content)
        with self._told():
            self._drain()
            self._opened.update_config(mark)
            self._drain()
            failed = not complete or self._values.get("sys/failed") is True
            with contextlib.redirect_stdout(io.StringIO()):
                self._opened.finish(code=int(failed))
        if (error := self._opened._status_update_error) is not None:
            raise TargetUnreachable(
                f"Pluto did not take the end of run {self._run.run_id}: {error}",
                where=self._target.address,
                run=self._run.run_id,
            )

    def read_back(self) -> Inventory | None:
        """Return None: the server is not asked."""
        return None

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name in Pluto; of a file of a series with its step."""
        name = self._names.of(path)
        return name if step is None else f"{name}@{step_text(step)}"

    def _drain(self) -> None:
        """Wait until the client has sent what it queued."""
        manager = self._opened._sync_manager
        end = time.monotonic() + self._target.timeout_s
        while pending := manager.get_pending_count():
            if time.monotonic() > end or manager._process.poll() is not None:
                raise TargetUnreachable(
                    f"{pending} records of run {self._run.run_id} did not reach Pluto",
                    where=self._target.address,
                    run=self._run.run_id,
                )
            time.sleep(0.05)
        if given_up := manager.store.get_abandoned_files(manager.run_id):
            raise TargetRefused(
                f"Pluto took {len(given_up)} files of run {self._run.run_id} not, among them "
                f"{given_up[0].log_name!r}: {given_up[0].error_message}",
                where=self._target.address,
                run=self._run.run_id,
                attribute=given_up[0].log_name,
            )

    def _write_text_file(self, path: str, name: str, pieces: Iterable[str]) -> None:
        copy = self._new_copy(Path(name).suffix)
        write_text(copy, pieces)
        self._send_file(path, copy, 0)

    def _send_file(self, path: str, copy: Path, step: int) -> None:
        import pluto

        self._opened.log({self._names.of(path): pluto.Artifact(str(copy))}, step=step)

    def _new_copy(self, suffix: str) -> Path:
        with tempfile.NamedTemporaryFile(
            dir=self._target.staging, suffix=_FOREIGN.sub("_", suffix)[:20], delete=False
        ) as file:
            return Path(file.name)

    def _told(self, path: str | None = None) -> contextlib.AbstractContextManager[None]:
        return _told(self._target.address, self._run.run_id, path)


def _clean(path: str) -> str:
    return _FOREIGN.sub("_", path)[:_NAME_LIMIT] or "_"


def _lost(path: str, why: str, count: int) -> Sequence[Lost]:
    return [Lost(path, why, count)] if count else []


def _told(where: str, run: str, path: str | None = None) -> contextlib.AbstractContextManager[None]:
    """Turn what the client raises into our errors, which name run and attribute."""
    from httpx import HTTPError

    return translated(
        f"Pluto at {where}",
        where=where,
        run=run,
        path=path,
        gone=(ConnectionError, HTTPError),
        refused=(OSError, RuntimeError, ValueError),
        advice=(". If an earlier load made the run and was cut, delete it in Pluto and load again"),
    )
