"""Loads runs into LitLogger, through its client."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import MooringError, TargetRefused
from mooring.exchange.filling import marks
from mooring.exchange.filling.refusals import translated
from mooring.exchange.filling.steps import scale_steps, step_text
from mooring.exchange.filling.texts import histograms_json, text_lines, write_text
from mooring.exchange.filling.values import value_text
from mooring.exchange.names import Names, exporter_name, with_digest
from mooring.exchange.packages import require_package
from mooring.exchange.points import doubles, iter_series, numbers
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.litlogger.settings import LIMIT, LitLoggerSettings, clean_name
from mooring.model import AttributeType, datetime_from_micros

if TYPE_CHECKING:
    import pyarrow as pa

_FOREIGN = re.compile(r"[^a-zA-Z0-9_]")
_NAME_LIMIT = 250
_BATCH = 1_000

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType),
    nan=False,
    infinity=False,
    decimal_steps=False,
    negative_steps=False,
    point_times=True,
    microseconds=False,
    run_times=False,
    forks="tag",
    finds_runs=True,
    resumes=False,
    reads_back=False,
    notes=(
        (
            "NOT RUN: written to what the package says of itself; it has no offline mode, its "
            "server was not at hand. Look at the first run"
        ),
        "single values are text, as LitLogger has no other",
        "string series are text files, a line a point; histograms JSON files, exact numbers",
        "the teamspace of a project has to be there: its client would take another one",
        (
            "an experiment that a load was cut in is refused by the next one, as more points would "
            "double it: delete it first"
        ),
    ),
)


class LitLoggerTarget:
    """The teamspaces of an owner."""

    def __init__(self, settings: LitLoggerSettings, load: LoadSettings | None = None) -> None:
        require_package("litlogger", extra="litlogger")
        self._settings = settings
        self._load = load or LoadSettings()
        self._copies = Path(tempfile.mkdtemp(prefix="mooring-litlogger-"))
        self._teamspaces: dict[str, Any] = {}
        if settings.api_key:
            # The client reads them from nowhere else.
            os.environ["LIGHTNING_API_KEY"] = settings.api_key
            os.environ["LIGHTNING_USER_ID"] = settings.user_id

    @property
    def name(self) -> str:
        """`litlogger`."""
        return "litlogger"

    @property
    def address(self) -> str:
        """The owner on the server."""
        return f"{os.environ.get('LIGHTNING_CLOUD_URL', 'lightning.ai')}/{self._settings.owner}"

    @property
    def capabilities(self) -> Capabilities:
        """What an experiment holds, as far as the package tells."""
        return CAPABILITIES

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the experiment that an earlier load made of this run, or None."""
        from litlogger.api.metrics_api import MetricsApi

        with _told(self.address, run.run_id):
            teamspace = self._teamspace(run)
            store = MetricsApi().get_experiment_metrics_by_name(teamspace.id, self._name_of(run))
        if store is None:
            return None
        tags = {tag.name: tag.value for tag in store.tags or ()}
        mark = marks.Mark.read(tags)
        if mark is None or not mark.is_of(run):
            return None
        return FoundRun(str(store.id), mark.complete, mark.content)

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> LitLoggerRun:
        """Create an experiment; one of that name that is there already is refused."""
        from litlogger import Experiment
        from litlogger.api.metrics_api import MetricsApi

        name = self._name_of(run)
        with _told(self.address, run.run_id), _own_signals():
            teamspace = self._teamspace(run)
            if MetricsApi().get_experiment_metrics_by_name(teamspace.id, name) is not None:
                raise TargetRefused(
                    f"experiment {name!r} is in teamspace {teamspace.name!r} already, and more "
                    "points would double it: delete it, and load again",
                    where=self.address,
                    run=run.run_id,
                )
            experiment = Experiment(
                name,
                log_dir=str(self._copies),
                teamspace=teamspace,
                metadata=marks.begun(run),
                store_step=True,
                store_created_at=True,
                verbose=False,
            )
        return LitLoggerRun(experiment, self, run, parent)

    def close(self) -> None:
        """Remove copies of files."""
        shutil.rmtree(self._copies, ignore_errors=True)

    @property
    def multiplier(self) -> int:
        """What steps are multiplied by."""
        return self._load.step_multiplier

    @property
    def copies(self) -> Path:
        """The folder that files lie in until they are sent."""
        return self._copies

    def _name_of(self, run: SourceRun) -> str:
        wanted = f"{self._load.name_prefix}_{run.run_id}" if self._load.name_prefix else run.run_id
        clean = clean_name(wanted)
        return clean if clean == wanted else with_digest(clean, wanted, limit=LIMIT, joint="-")

    def _teamspace(self, run: SourceRun) -> Any:
        from lightning_sdk import Teamspace

        name = clean_name(run.project)
        if name not in self._teamspaces:
            try:
                self._teamspaces[name] = Teamspace(f"{self._settings.owner}/{name}")
            except ValueError as error:
                raise TargetRefused(
                    f"{self._settings.owner} has no teamspace {name!r} for project {run.project}: "
                    f"create it in Lightning, and load again ({error})",
                    where=self.address,
                    run=run.run_id,
                ) from error
        return self._teamspaces[name]


class LitLoggerRun:
    """An experiment that is being filled."""

    def __init__(
        self, experiment: Any, target: LitLoggerTarget, run: SourceRun, parent: str | None
    ) -> None:
        self._experiment = experiment
        self._target = target
        self._run = run
        self._parent = parent
        self._names = Names(exporter_name, limit=_NAME_LIMIT)
        self._metadata = marks.begun(run)

    @property
    def id(self) -> str:
        """The experiment's id."""
        return str(self._experiment.id)

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names."""
        self._names.plan(path for path, _ in attributes)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values as metadata, which are text."""
        for path, value in values.items():
            self._metadata[self._names.of(path)] = value_text(value)
        with self._told():
            self._write_metadata()
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series of numbers; text and histograms become files."""
        lost: list[Lost] = []
        for path, series in iter_series(points):
            with self._told(path):
                if type is AttributeType.FLOAT_SERIES:
                    lost += self._write_numbers(path, series)
                elif type is AttributeType.STRING_SERIES:
                    self._write_text(path, type, text_lines(series, self._target.multiplier))
                else:
                    self._write_text(path, type, histograms_json(series, self._target.multiplier))
        return lost

    def _write_numbers(self, path: str, series: pa.Table) -> Sequence[Lost]:
        from litlogger.types import Metrics, MetricValue

        values, exact = doubles(series), numbers(series, "step")
        finite = np.isfinite(values)
        kept = finite & (exact >= 0)
        steps, cut = scale_steps(exact[kept], self._target.multiplier)
        name = self._names.of(path)
        held = [
            MetricValue(value=value, step=step, created_at=datetime_from_micros(time))
            for value, step, time in zip(
                values[kept].tolist(),
                steps.tolist(),
                numbers(series, "time")[kept].tolist(),
                strict=True,
            )
        ]
        for start in range(0, len(held), _BATCH):
            # The public calls for many points count steps themselves, whatever they are told.
            batch = Metrics(name=name, values=held[start : start + _BATCH])
            self._experiment._metrics_queue.put({name: batch})
        told = {
            "NaN and infinities, which JSON has not": int(np.count_nonzero(~finite)),
            "points at negative steps": int(np.count_nonzero(finite & ~kept)),
            "decimals of steps, which are whole in LitLogger; --step-multiplier": int(cut.sum()),
        }
        return [Lost(path, why, count) for why, count in told.items() if count]

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file."""
        copy = self._target.copies / f"{self._names.of(path)[:100]}{_suffix(file.name)}"
        shutil.copyfile(content, copy)
        with self._told(path):
            self._send(self.name_of(path, type, step), copy)
        return ()

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the experiment, and wait until all is sent."""
        mark = marks.ended(self._run, self._parent, complete=complete, content=content)
        self._metadata |= {name: str(value) for name, value in mark.items()}
        with self._told():
            self._experiment.finalize(print_summary=False)
            self._write_metadata()

    def read_back(self) -> Inventory | None:
        """Return None: the server is not asked."""
        return None

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name of a metadata entry or metric, or the path of a file."""
        name = self._names.of(path)
        match type:
            case AttributeType.STRING_SERIES:
                return f"string_series/{name}.txt"
            case AttributeType.HISTOGRAM_SERIES:
                return f"histograms/{name}.json"
            case AttributeType.FILE_SERIES if step is not None:
                return f"{name}/step_{step_text(step)}"
        return name

    def _write_metadata(self) -> None:
        from litlogger.types import PhaseType

        experiment = self._experiment
        # One request: assigning entries one by one sends all of them each time.
        experiment._metrics_api.update_experiment_metrics(
            teamspace_id=experiment._teamspace.id,
            metrics_store_id=experiment._metrics_store.id,
            phase=PhaseType.COMPLETED if marks.COMPLETE in self._metadata else PhaseType.RUNNING,
            metadata=self._metadata,
        )

    def _write_text(self, path: str, type: AttributeType, pieces: Iterable[str]) -> None:
        name = self.name_of(path, type)
        copy = self._target.copies / Path(name).name
        write_text(copy, pieces)
        self._send(name, copy)

    def _send(self, name: str, copy: Path) -> None:
        from litlogger import File

        self._experiment[name] = File(str(copy))
        copy.unlink(missing_ok=True)

    def _told(self, path: str | None = None) -> contextlib.AbstractContextManager[None]:
        return _told(self._target.address, self._run.run_id, path)


def _suffix(name: str) -> str:
    return _FOREIGN.sub("_", Path(name).suffix[1:])[:20]


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the process's handlers: an experiment puts in its own, which end the process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread: nothing was changed there
            for number, handler in kept.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _told(where: str, run: str, path: str | None = None) -> Iterator[None]:
    """Turn what the client raises into our errors, which name run and attribute."""
    from lightning_sdk.lightning_cloud.openapi.rest import ApiException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    with translated(
        f"LitLogger at {where}",
        where=where,
        run=run,
        path=path,
        gone=(RequestException, HTTPError, ConnectionError),
        refused=(ApiException, OSError, RuntimeError, ValueError, TypeError, KeyError),
    ):
        try:
            yield
        except MooringError:
            raise
        except Exception as error:
            if "failed to reach the server" in str(error):
                raise ConnectionError(str(error)) from error
            if type(error) is Exception:  # which the client raises itself, with the reason in words
                raise RuntimeError(str(error)) from error
            raise
