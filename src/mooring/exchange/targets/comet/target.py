"""Loads runs into Comet, through its package."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import TargetRefused
from mooring.exchange.filling import marks
from mooring.exchange.filling.refusals import translated
from mooring.exchange.filling.steps import scale_steps, step_text
from mooring.exchange.filling.texts import histograms_json, text_lines, write_text
from mooring.exchange.filling.values import millis_of, plain_value, tags_of
from mooring.exchange.names import Names, exporter_name
from mooring.exchange.packages import require_package
from mooring.exchange.points import doubles, iter_series, numbers
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.comet.archive import file_key, read_archive
from mooring.exchange.targets.comet.settings import CometSettings
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

_NAME_LIMIT = 100
_TEXT_LIMIT = 1_000
_OWN_METRICS = frozenset({"process duration"})
_OWN_PARAMETERS = frozenset({"curr_step", "curr_epoch"})

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType),
    nan=True,
    infinity=True,
    decimal_steps=False,
    negative_steps=True,
    point_times=True,
    microseconds=False,
    run_times=True,
    forks="tag",
    finds_runs=True,
    resumes=False,
    reads_back=True,
    notes=(
        (
            "proven with archives of its offline mode only: what the server keeps of one, NaN, "
            "infinities, times and negative steps among it, was not seen"
        ),
        "an archive is written when a run is finished; a load that was killed begins it again",
        "strings above 1,000 characters are parameters cut there, and whole as text assets",
        (
            "string series are text assets, a line a point (a value with line breaks has several "
            "lines); histograms are JSON assets, exact "
            "numbers, and 3D charts, whose bins are Comet's own"
        ),
        "a file series has whole steps: files that meet there are kept apart by name",
    ),
)


class CometTarget:
    """A folder of offline archives, or a workspace on the server."""

    def __init__(self, settings: CometSettings, load: LoadSettings | None = None) -> None:
        require_package("comet_ml", extra="comet")
        self._settings = settings
        self._load = load or LoadSettings()
        self._copies: list[Path] = []

    @property
    def name(self) -> str:
        """`comet`."""
        return "comet"

    @property
    def address(self) -> str:
        """The folder, or the workspace."""
        if self._settings.folder is not None:
            return str(self._settings.folder)
        return f"comet:{self._settings.workspace}"

    @property
    def capabilities(self) -> Capabilities:
        """What an archive holds; the server cannot be read back here."""
        if self._settings.folder is not None:
            return CAPABILITIES
        from dataclasses import replace

        return replace(CAPABILITIES, reads_back=False, run_times=False)

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the experiment that an earlier load made of this run, or None.

        An archive that is not complete cannot be gone on with, and is not found: it is replaced.
        """
        key = self._key(run)
        if self._settings.folder is not None:
            archive = read_archive(self._settings.folder / f"{key}.zip")
            mark = None if archive is None else archive.mark
            if mark is not None and not mark.complete:
                return None
        else:
            mark = self._ask_server(run, key)
        if mark is None:
            return None
        return FoundRun(key, mark.complete, mark.content)

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> CometRun:
        """Create an experiment; an archive that is there and not complete is written again."""
        key = self._key(run)
        if self._settings.folder is not None:
            if found:
                raise TargetRefused(
                    f"{self._settings.folder / key}.zip holds run {run.run_id} whole, and cannot "
                    "be gone on with: delete it to load the run again",
                    where=self.address,
                    run=run.run_id,
                )
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            (self._settings.folder / f"{key}.zip").unlink(missing_ok=True)
        elif found:
            raise TargetRefused(
                f"experiment {key} in {self.address} holds part of run {run.run_id}, and more "
                "points would double it: delete the experiment in Comet, and load again",
                where=self.address,
                run=run.run_id,
            )
        with _told(self.address, run.run_id):
            experiment = self._create(run, values, key)
        copies = Path(tempfile.mkdtemp(prefix="mooring-comet-"))
        self._copies.append(copies)
        return CometRun(experiment, self._settings.folder, run, values, parent, self._load, copies)

    def close(self) -> None:
        """Remove copies of files of runs that were not finished."""
        while self._copies:
            shutil.rmtree(self._copies.pop(), ignore_errors=True)

    def _key(self, run: SourceRun) -> str:
        """Return the experiment's key: the same for the same run, so that nothing comes twice."""
        whole = json.dumps([self._project(run), run.project, run.run_id]).encode()
        return hashlib.blake2b(whole, digest_size=20).hexdigest()

    def _project(self, run: SourceRun) -> str:
        prefix = f"{self._load.name_prefix}_" if self._load.name_prefix else ""
        return re.sub(r"[^a-zA-Z0-9_-]", "_", prefix + run.project)

    def _create(self, run: SourceRun, values: Mapping[str, SourceValue], key: str) -> Any:
        import comet_ml

        nothing_of_this_process: dict[str, Any] = {
            "log_code": False,
            "log_graph": False,
            "auto_param_logging": False,
            "auto_metric_logging": False,
            "parse_args": False,
            "auto_output_logging": False,
            "log_env_details": False,
            "log_git_metadata": False,
            "log_git_patch": False,
            "display_summary_level": 0,
        }
        common = {
            "project_name": self._project(run),
            "workspace": self._settings.workspace or None,
            "experiment_key": key,
            **nothing_of_this_process,
        }
        if self._settings.folder is None:
            return comet_ml.Experiment(api_key=self._settings.api_key, **common)
        ended = millis_of(values, "sys/modification_time")

        class Dated(comet_ml.OfflineExperiment):  # type: ignore[misc]
            """An offline experiment that ended when the run did."""

            stop_time: int | None

            def _write_experiment_meta_file(self) -> None:
                self.stop_time = self.stop_time if ended is None else ended
                super()._write_experiment_meta_file()

        experiment = Dated(offline_directory=str(self._settings.folder), **common)
        started = millis_of(values, "sys/creation_time")
        if started is None and run.created is not None:
            started = run.created // 1_000
        if started is not None:
            experiment.start_time = started
        return experiment

    def _ask_server(self, run: SourceRun, key: str) -> marks.Mark | None:
        import comet_ml

        with _told(self.address, run.run_id):
            made = comet_ml.API(api_key=self._settings.api_key).get_experiment_by_key(key)
            if made is None:
                return None
            others = {entry["name"]: entry["valueCurrent"] for entry in made.get_others_summary()}
        return marks.Mark.read(others)


class CometRun:
    """An experiment that is being filled. An archive is there once it is finished."""

    def __init__(
        self,
        experiment: Any,
        folder: Path | None,
        run: SourceRun,
        values: Mapping[str, SourceValue],
        parent: str | None,
        load: LoadSettings,
        copies: Path,
    ) -> None:
        self._experiment = experiment
        self._folder = folder
        self._run = run
        self._values = values
        self._parent = parent
        self._multiplier = load.step_multiplier
        self._names = Names(exporter_name, limit=_NAME_LIMIT, taken=_OWN_PARAMETERS)
        self._file_names: dict[tuple[str, int | None], str] = {}
        self._finished = False
        self._copies = copies
        experiment.set_name(run.run_id)
        self._note(marks.begun(run))

    @property
    def id(self) -> str:
        """The experiment's key."""
        return str(self._experiment.get_key())

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names."""
        self._names.plan(path for path, _ in attributes)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values as parameters, and tags as tags."""
        parameters: dict[str, object] = {}
        for path, value in values.items():
            plain, name = plain_value(value), self._names.of(path)
            if isinstance(plain, frozenset):
                plain = json.dumps(sorted(plain), ensure_ascii=False)
            elif isinstance(plain, datetime):
                plain = str(plain)
            parameters[name] = plain
            if isinstance(plain, str) and len(plain) > _TEXT_LIMIT:
                self._write_text(f"{name}.txt", [plain])
                parameters[name] = plain[:_TEXT_LIMIT]
        with self._told():
            for name, parameter in parameters.items():
                # One by one: their call for many takes names apart, and one bad value ends it.
                self._experiment.log_parameter(name, parameter)
            if tags := tags_of(values):
                self._experiment.add_tags(sorted(tags))
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series: numbers as metrics, text and histograms as assets."""
        lost: list[Lost] = []
        for path, series in iter_series(points):
            with self._told(path):
                if type is AttributeType.FLOAT_SERIES:
                    lost += self._write_numbers(path, series)
                elif type is AttributeType.STRING_SERIES:
                    self._write_text(self._names.of(path), text_lines(series, self._multiplier))
                else:
                    self._write_text(
                        f"{self._names.of(path)}.json", histograms_json(series, self._multiplier)
                    )
                    self._draw_histograms(path, series)
        return lost

    def _write_numbers(self, path: str, series: pa.Table) -> Sequence[Lost]:
        from comet_ml.messages import MetricMessage

        name = self._names.of(path)
        steps, cut = scale_steps(numbers(series, "step"), self._multiplier)
        times = numbers(series, "time") // 1_000
        for step, time, value in zip(
            steps.tolist(), times.tolist(), doubles(series).tolist(), strict=True
        ):
            # Their public call cannot be told the time of a point.
            message = MetricMessage(timestamp=time)
            message.set_metric(name, value, step=step)
            self._experiment._enqueue_message(message)
        return _cut(path, int(np.count_nonzero(cut)))

    def _draw_histograms(self, path: str, series: pa.Table) -> None:
        from comet_ml.data_structure import Histogram

        steps, _ = scale_steps(numbers(series, "step"), self._multiplier)
        for step, value in zip(steps.tolist(), series.column("value").to_pylist(), strict=True):
            edges, counts = np.array(value["edges"]), np.array(value["values"])
            drawn = Histogram()
            if value["kind"] != "COUNTING" or not np.all(counts == np.floor(counts)):
                continue
            drawn.add((edges[:-1] + edges[1:]) / 2, counts=counts.astype(np.int64))
            self._experiment.log_histogram_3d(drawn, name=self._names.of(path), step=step)

    def _write_text(self, name: str, pieces: Iterator[str] | Sequence[str]) -> None:
        copy = self._new_copy()
        write_text(copy, pieces)
        self._log_asset(copy, name, None)

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file as an asset, with a step as far as there is one."""
        whole = None if step is None else self._whole(step)
        # Comet takes the content later, from where it lies.
        copy = self._new_copy()
        copy.write_bytes(content.read_bytes())
        with self._told(path):
            self._log_asset(copy, self._file_name(path, step), whole)
        cut = step is not None and "." in step_text(step, self._multiplier)
        return _cut(path, int(cut))

    def _log_asset(self, copy: Path, name: str, step: int | None) -> None:
        # Comet gives what has no step the one of the call before.
        self._experiment.curr_step = None
        if self._experiment.log_asset(str(copy), file_name=name, step=step) is None:
            raise ValueError(f"the asset {name} was not taken")

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the experiment and end it, which writes the archive."""
        mark = marks.ended(self._run, self._parent, complete=complete, content=content)
        with self._told():
            self._note(mark)
            self._experiment.end()
        self._finished = True
        shutil.rmtree(self._copies, ignore_errors=True)
        if self._folder is not None and read_archive(self._archive) is None:
            raise TargetRefused(
                f"Comet wrote no readable archive {self._archive}; see what it says above",
                where=str(self._archive),
                run=self._run.run_id,
            )

    def read_back(self) -> Inventory | None:
        """Return what the archive holds; None before it is finished."""
        if self._folder is None or not self._finished:
            return None
        archive = read_archive(self._archive)
        if archive is None:
            return Inventory()
        for name in _OWN_METRICS:
            archive.points.pop(name, None)
        archive.parameters.difference_update(_OWN_PARAMETERS)
        return archive.inventory()

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name of a parameter, metric or asset; of a file series with its step."""
        name = self._names.of(path)
        if type is AttributeType.HISTOGRAM_SERIES:
            return f"{name}.json"
        if step is None:
            return name
        return file_key(self._file_name(path, step), self._whole(step))

    @property
    def _archive(self) -> Path:
        assert self._folder is not None
        return self._folder / f"{self.id}.zip"

    def _file_name(self, path: str, step: int | None) -> str:
        """Return the name of a file: of a file series the same for all, while steps differ."""
        name = self._names.of(path)
        if step is None:
            return name
        if "." in step_text(step, self._multiplier):
            return f"{name}_step_{step_text(step)}"
        return name

    def _whole(self, step: int) -> int:
        return int(step_text(step, self._multiplier).partition(".")[0])

    def _new_copy(self) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._copies, delete=False) as file:
            return Path(file.name)

    def _note(self, others: Mapping[str, object]) -> None:
        for key, value in others.items():
            self._experiment.log_other(key, value)

    def _told(self, path: str | None = None) -> AbstractContextManager[None]:
        return _told(str(self._folder or "comet"), self._run.run_id, path)


def _cut(path: str, count: int) -> Sequence[Lost]:
    if not count:
        return ()
    return (Lost(path, "decimals of steps, which are whole in Comet; --step-multiplier", count),)


def _told(where: str, run: str, path: str | None = None) -> AbstractContextManager[None]:
    """Turn what Comet raises into our errors, which name run and attribute."""
    from comet_ml.exceptions import CometException

    refused = (CometException, OSError, ValueError)
    return translated("Comet", where=where, run=run, path=path, refused=refused)
