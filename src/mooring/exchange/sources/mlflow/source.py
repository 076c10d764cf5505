"""`MlflowSource`: an MLflow tracking store, read through MLflow's client."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mooring.errors import MooringError, SourceUnreadable, TargetRefused, Transient
from mooring.exchange.mlflow_tracking import marks
from mooring.exchange.mlflow_tracking.client import (
    QuietClient,
    all_pages,
    connect,
    resolve_uri,
    shown_uri,
    translated,
)
from mooring.exchange.names import allocate_names
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.exchange.sources.mlflow.foreign import ForeignRun
from mooring.exchange.sources.mlflow.loaded import LoadedRun
from mooring.model import AttributeType, RunKind, step_to_micros

if TYPE_CHECKING:
    import pyarrow as pa

WORKSPACE = "mlflow"
"""Workspace of experiments whose names are not of the form `workspace/name`."""

_NOT_IN_PROJECTS = re.compile(r"[/\x00-\x1f\x7f\ud800-\udfff]")
_LAST_READ = 16


class MlflowSource:
    """Reads the runs of a tracking store.

    An experiment is a project: under its own name if that has one slash, else as `mlflow/NAME`
    with `_` for each slash. Params come as `params/NAME`, as the texts that MLflow holds; metrics
    as `metrics/NAME`, tags as `tags/NAME`, artifacts as `artifacts/PATH`, and what else MLflow
    knows of a run as `mlflow/…`. Its parent is `mlflow/parent_run_id`, and no fork: MLflow's
    nested runs inherit no points.

    A series has one point at a step, and a metric can have several. Of those the second and later
    ones (by time) come at a millionth of a step after one another, so that none is lost. Where
    all steps are 0, which is what MLflow writes for a point that was logged without one, the
    points are numbered.

    Runs that `mooring load` made come with their own ids, paths and types, as far as MLflow holds
    them.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._uri = resolve_uri(uri)
        self._client = connect(self._uri)
        self._quiet = QuietClient()
        self._problems = ProblemList()
        self._projects: dict[str, list[SourceRun]] | None = None
        self._work = Path(tempfile.mkdtemp(prefix="mooring-mlflow-"))
        self._read: dict[str, ForeignRun | LoadedRun] = {}

    @property
    def address(self) -> str:
        """The tracking URI, without a password."""
        return shown_uri(self._uri)

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the names of all projects that have runs or are experiments."""
        return sorted(self._list())

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, deleted ones too, oldest first."""
        return self._list().get(project, [])

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return params, tags, artifacts, and what MLflow knows of a run."""
        with self._reading(run):
            return self._open(run).read_values()

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the metrics of a run; their numbers of points are not known before they are read.

        Of a run that a load made, other series too.
        """
        with self._reading(run):
            return self._open(run).list_series()

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of series of one type."""
        with self._reading(run):
            return self._open(run).read_points(type, paths)

    @contextmanager
    def open_file(self, file: SourceFile) -> Iterator[BinaryIO]:
        """Download an artifact, and open it."""
        run_id, path = json.loads(file.location)
        folder = Path(tempfile.mkdtemp(dir=self._work))
        try:
            try:
                with translated(self.address):
                    local = self._client.download_artifacts(run_id, path, str(folder))
                content = Path(local).open("rb")  # noqa: SIM115 - closed below, errors told apart
            except (TargetRefused, OSError) as error:
                raise SourceUnreadable(
                    f"artifact {path!r} of MLflow's run {run_id} cannot be read: {error}",
                    where=self.address,
                    attribute=path,
                ) from error
            with content:
                yield content
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove what was downloaded."""
        self._quiet.close()
        shutil.rmtree(self._work, ignore_errors=True)
        self._read.clear()

    def _open(self, run: SourceRun) -> ForeignRun | LoadedRun:
        id = str(run.handle)
        if id not in self._read:
            held = self._client.get_run(id)
            table = self._attributes(held)
            if len(self._read) >= _LAST_READ:
                del self._read[next(iter(self._read))]
            if table is None:
                experiment = self._client.get_experiment(held.info.experiment_id)
                self._read[id] = ForeignRun(
                    self._client, run, held, experiment.name, self._problems
                )
            else:
                self._read[id] = LoadedRun(
                    self._client, run, held, table, self._problems, self.open_file
                )
        return self._read[id]

    def _attributes(self, held: Any) -> dict[str, Any] | None:
        """Return the table of attributes of a run that a load made, or None."""
        if held.data.tags.get(marks.COMPLETE) != "true":
            return None
        text = held.data.tags.get(marks.ATTRIBUTES)
        if text is None:
            location = json.dumps([held.info.run_id, marks.ATTRIBUTES_FILE])
            with self.open_file(SourceFile(location=location)) as content:
                text = content.read().decode()
        table = json.loads(text)
        return table if isinstance(table, dict) else None

    def _list(self) -> dict[str, list[SourceRun]]:
        if self._projects is None:
            with self._reading(None):
                self._projects = self._read_all()
        return self._projects

    def _read_all(self) -> dict[str, list[SourceRun]]:
        from mlflow.entities import ViewType

        experiments = list(
            all_pages(
                lambda token: self._client.search_experiments(
                    view_type=ViewType.ALL, max_results=1_000, page_token=token
                )
            )
        )
        projects = project_names([experiment.name for experiment in experiments])
        runs: defaultdict[str, list[SourceRun]] = defaultdict(list)
        taken: set[tuple[str, str]] = set()
        for experiment in experiments:
            loaded = 0
            held_runs = all_pages(
                lambda token, id=experiment.experiment_id: self._client.search_runs(  # type: ignore[misc]
                    [id], run_view_type=ViewType.ALL, max_results=1_000, page_token=token
                )
            )
            for held in held_runs:
                run = _source_run(
                    held, projects[experiment.name], experiment.lifecycle_stage != "active"
                )
                if (run.project, run.run_id) in taken:
                    run = _source_run(held, projects[experiment.name], run.trashed, plain=True)
                loaded += marks.PROJECT in held.data.tags
                taken.add((run.project, run.run_id))
                runs[run.project].append(run)
            if not loaded:
                runs.setdefault(projects[experiment.name], [])
        for listed in runs.values():
            listed.sort(key=lambda run: (run.created or 0, run.run_id))
        return dict(runs)

    @contextmanager
    def _reading(self, run: SourceRun | None) -> Iterator[None]:
        """Turn refusals into `SourceUnreadable`; what may succeed later stays what it is."""
        try:
            with translated(self.address, run=None if run is None else run.run_id):
                yield
        except (TargetRefused, ValueError) as error:
            if isinstance(error, Transient) or (
                isinstance(error, MooringError) and not isinstance(error, TargetRefused)
            ):
                raise
            raise SourceUnreadable(
                str(error), where=self.address, run=None if run is None else run.run_id
            ) from error


def project_names(experiments: Sequence[str]) -> dict[str, str]:
    """Return the name of the project that each experiment is.

    >>> project_names(["team/digits", "Default", "a/b/c"])
    {'Default': 'mlflow/Default', 'a/b/c': 'mlflow/a_b_c', 'team/digits': 'team/digits'}
    """

    def rule(name: str) -> str:
        workspace, _, rest = name.partition("/")
        cleaned = _NOT_IN_PROJECTS.sub("_", name)
        plain = cleaned == f"{workspace}_{rest}"  # one slash, nothing else changed
        if plain and name != cleaned and workspace.strip() and rest.strip():
            return name
        return f"{WORKSPACE}/{cleaned if cleaned.strip() else '_'}"

    return allocate_names(experiments, rule)


def _source_run(held: Any, project: str, trashed: bool, *, plain: bool = False) -> SourceRun:
    """Return a run; `plain` leaves aside what a load noted on it."""
    tags = {} if plain else held.data.tags
    ours = marks.PROJECT in tags and marks.RUN_ID in tags
    kinds = {kind.value: kind for kind in RunKind}
    return SourceRun(
        project=tags[marks.PROJECT] if ours else project,
        run_id=tags[marks.RUN_ID] if ours else held.info.run_id,
        kind=kinds.get(tags.get(marks.KIND, ""), RunKind.RUN) if ours else RunKind.RUN,
        sys_id=tags.get(marks.SYS_ID) if ours else None,
        name=tags.get(marks.NAME) if ours else (held.info.run_name or None),
        created=_created(tags.get(marks.CREATED) if ours else None, held.info.start_time),
        parent=tags.get(marks.PARENT) if ours else None,
        fork_step=_fork_step(tags.get(marks.FORK_STEP)) if ours else None,
        trashed=trashed or held.info.lifecycle_stage != "active",
        handle=held.info.run_id,
        incomplete=(
            "the load that made it was not completed"
            if ours and tags.get(marks.COMPLETE) != "true"
            else ""
        ),
    )


def _created(micros: str | None, start: int | None) -> int | None:
    if micros is not None:
        return int(micros)
    return None if start is None else start * 1_000


def _fork_step(text: str | None) -> int | None:
    return None if text is None else step_to_micros(text)


__all__ = ["WORKSPACE", "MlflowSource", "project_names"]
