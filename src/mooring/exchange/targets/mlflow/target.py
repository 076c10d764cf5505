"""`MlflowTarget`: experiments, and the runs that earlier loads made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring.errors import InvalidInput
from mooring.exchange.filling.steps import step_text
from mooring.exchange.mlflow_tracking import marks
from mooring.exchange.mlflow_tracking.client import (
    QuietClient,
    all_pages,
    connect,
    is_folder,
    is_server,
    resolve_uri,
    shown_uri,
    translated,
)
from mooring.exchange.names import with_digest
from mooring.exchange.source import SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, LoadSettings, Lost
from mooring.exchange.targets.mlflow.metrics import SENDERS
from mooring.exchange.targets.mlflow.run import MlflowRun, Place
from mooring.model import AttributeType, RunKind

DEFAULT_EXPERIMENT = "Default"
MAX_EXPERIMENT_NAME = 500
MAX_RUN_NAME = 250
MAX_NOTE = 8_000


@dataclass(slots=True)
class _Experiment:
    """An experiment, and its runs: those of our loads by their mark, others by their name."""

    id: str
    marked: dict[str, list[FoundRun]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)


class MlflowTarget:
    """Loads runs into MLflow.

    A run goes to the experiment `[PREFIX/]PROJECT/NAME`, where NAME is its `sys/name`. Without a
    name it goes to `PREFIX/PROJECT`, or to `Default` where there is no prefix either.

    `uri` is that of a tracking server, a database (`sqlite:///mlflow.db`) or a folder; None takes
    `MLFLOW_TRACKING_URI`. Credentials are MLflow's own (`MLFLOW_TRACKING_TOKEN`, …). Unless
    `MLFLOW_HTTP_REQUEST_MAX_RETRIES` is set, MLflow tries a request twice again while the target
    is open, and not seven times: the engine tries again itself.

    Raises `InvalidInput` without a URI, `MissingExtra` without MLflow.
    """

    def __init__(self, uri: str | None = None, settings: LoadSettings | None = None) -> None:
        self._uri = resolve_uri(uri)
        self._settings = settings or LoadSettings()
        if self._settings.step_multiplier < 1:
            raise InvalidInput(
                f"step multiplier {self._settings.step_multiplier}; give a whole number from 1 on"
            )
        self._client = connect(self._uri)
        self._folder = is_folder(self._uri)
        self._experiments: dict[str, _Experiment] = {}
        self._work = Path(tempfile.mkdtemp(prefix="mooring-mlflow-"))
        self._senders: ThreadPoolExecutor | None = None
        self._quiet = QuietClient()
        if is_server(self._uri):
            self._senders = ThreadPoolExecutor(SENDERS, "mooring-mlflow")

    @property
    def name(self) -> str:
        """Its name in `mooring load --to`."""
        return "mlflow"

    @property
    def address(self) -> str:
        """The tracking URI, without a password."""
        return shown_uri(self._uri)

    @property
    def capabilities(self) -> Capabilities:
        """What MLflow can hold."""
        return Capabilities(
            types=frozenset(AttributeType),
            nan=True,
            infinity=self._folder,
            negative_steps=True,
            run_times=True,
            forks="tag",
            finds_runs=True,
            resumes=True,
            reads_back=True,
            notes=(
                f"single values become params: texts, whose types {marks.ATTRIBUTES} tells",
                "string and histogram series become artifacts, as they are",
                "points that are the same in step, millisecond and value become one",
            ),
        )

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the run that an earlier load made, or one of its name from another loader.

        Of several the complete one counts. In the experiment Default runs of all projects may
        meet, so there a name alone tells nothing.
        """
        name, _ = self._experiment_name(run)
        with translated(self.address, run=run.run_id):
            experiment = self._find_experiment(name)
        if experiment is None:
            return None
        found = experiment.marked.get(marks.source_mark(run.project, run.run_id), [])
        for candidate in found:
            if candidate.complete:
                return candidate
        if found:
            return found[0]
        if run.name and (id := experiment.named.get(_run_name(run))):
            return FoundRun(id, False)
        return None

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> MlflowRun:
        """Create the run, or go on with it."""
        name, cut = self._experiment_name(run)
        mark = marks.source_mark(run.project, run.run_id)
        place = Place(
            client=self._client,
            address=self.address,
            work=self._work,
            multiplier=self._settings.step_multiplier,
            folder=self._folder,
            senders=self._senders,
            ended=lambda ended: self._remember(name, mark, ended),
        )
        known = self.find_run(run) if found else None
        if known is not None:
            with translated(self.address, run=run.run_id):
                held = self._client.get_run(known.id)
                self._tag(known.id, self._tags(run, values, parent))
            return MlflowRun(place, run, values, known.id, held)
        with translated(self.address, run=run.run_id):
            experiment = self._find_experiment(name)
            if experiment is None:
                experiment = _Experiment(self._client.create_experiment(name))
                self._experiments[name] = experiment
            try:
                created = self._client.create_run(
                    experiment.id,
                    start_time=_milliseconds(run.created),
                    tags=self._tags(run, values, parent),
                    run_name=_run_name(run),
                )
            except BaseException:
                self._experiments.pop(name, None)  # it may have been made nonetheless: look anew
                raise
        self._remember(name, mark, FoundRun(created.info.run_id, False))
        lost = list(cut)
        if _run_name(run) != run.run_id:
            lost.append(Lost(None, f"the end of its name, now {_run_name(run)!r}"))
        return MlflowRun(place, run, values, created.info.run_id, None, lost)

    def close(self) -> None:
        """End all activity."""
        if self._senders is not None:
            self._senders.shutdown()
        self._quiet.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def _experiment_name(self, run: SourceRun) -> tuple[str, Sequence[Lost]]:
        if not run.name and not self._settings.name_prefix:
            return DEFAULT_EXPERIMENT, ()
        name = "/".join(
            part for part in (self._settings.name_prefix, run.project, run.name) if part
        )
        if len(name) <= MAX_EXPERIMENT_NAME:
            return name, ()
        cut = with_digest(name, name, limit=MAX_EXPERIMENT_NAME)
        return cut, [Lost(None, f"the end of its experiment's name, now {cut!r}")]

    def _find_experiment(self, name: str) -> _Experiment | None:
        if name in self._experiments:
            return self._experiments[name]
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return None
        if found.lifecycle_stage != "active":
            raise InvalidInput(
                f"MLflow's experiment {name!r} is deleted there; restore it "
                f"(mlflow experiments restore -x {found.experiment_id}) or give a prefix"
            )
        experiment = _Experiment(found.experiment_id)
        for held in all_pages(
            lambda token: self._client.search_runs(
                [found.experiment_id], max_results=1_000, page_token=token
            )
        ):
            tags = held.data.tags
            if mark := tags.get(marks.SOURCE):
                experiment.marked.setdefault(mark, []).append(
                    FoundRun(
                        held.info.run_id,
                        tags.get(marks.COMPLETE) == "true",
                        tags.get(marks.CONTENT, ""),
                    )
                )
            elif held.info.run_name:
                experiment.named.setdefault(held.info.run_name, held.info.run_id)
        self._experiments[name] = experiment
        return experiment

    def _remember(self, experiment: str, mark: str, run: FoundRun) -> None:
        known = self._experiments[experiment].marked.setdefault(mark, [])
        known[:] = [*(other for other in known if other.id != run.id), run]

    def _tags(
        self, run: SourceRun, values: Mapping[str, SourceValue], parent: str | None
    ) -> dict[str, str]:
        tags = {
            marks.SOURCE: marks.source_mark(run.project, run.run_id),
            marks.PROJECT: run.project,
            marks.RUN_ID: run.run_id,
            marks.COMPLETE: "false",
            marks.MULTIPLIER: str(self._settings.step_multiplier),
        }
        if run.created is not None:
            tags[marks.CREATED] = str(run.created)
        if run.sys_id:
            tags[marks.SYS_ID] = run.sys_id
        if run.name:
            tags[marks.NAME] = run.name
        if run.kind is not RunKind.RUN:
            tags[marks.KIND] = run.kind.value
        if run.parent is not None:
            tags[marks.PARENT] = run.parent
        if run.fork_step is not None:
            tags[marks.FORK_STEP] = step_text(run.fork_step)
        if parent is not None:
            tags[marks.PARENT_RUN] = parent
        if isinstance(note := values.get("sys/description"), str) and note:
            tags[marks.NOTE] = note[:MAX_NOTE]
        if isinstance(owner := values.get("sys/owner"), str) and owner:
            tags[marks.USER] = owner
        return tags

    def _tag(self, id: str, tags: Mapping[str, str]) -> None:
        self._client.log_batch(id, tags=[_tag(key, value) for key, value in tags.items()])


def _tag(key: str, value: str) -> Any:
    from mlflow.entities import RunTag

    return RunTag(key, value)


def _run_name(run: SourceRun) -> str:
    if len(run.run_id) <= MAX_RUN_NAME:
        return run.run_id
    return with_digest(run.run_id, run.run_id, limit=MAX_RUN_NAME)


def _milliseconds(micros: int | None) -> int | None:
    return None if micros is None else micros // 1_000
