"""A folder of W&B as a source: every run of which it has a transaction log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mooring.errors import InvalidInput, InvalidName, ProjectNotFound, SourceUnreadable
from mooring.exchange.reading.gathering import RunContent
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.exchange.wandb_log.heads import RunHead, read_head
from mooring.exchange.wandb_log.records import find_logs, require_wandb
from mooring.exchange.wandb_log.runs import read_run
from mooring.model import AttributeType, ProjectName, step_to_micros, validate_run_id

if TYPE_CHECKING:
    import pyarrow as pa

_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/]")
_UNNAMED = "uncategorized"  # as W&B calls the project of runs that name none


@dataclass(frozen=True, slots=True)
class _Logs:
    """The transaction logs of one run, oldest first."""

    files: tuple[Path, ...]


class WandbSource:
    """Reads what W&B left on this machine: `offline-run-*` folders, and `run-*` of online runs.

    Metrics, texts, histograms and media of the history become series under their names. Config
    becomes `config/KEY`, the summary `summary/KEY`, files of the run `files/NAME`, artifacts
    `artifacts/NAME/vN/FILE`, system metrics and console output `monitoring/NAME`, what else W&B
    knows of a run `wandb/NAME`. A run that was resumed has several logs, which are read as one.

    Steps are those of a metric's own column (`define_metric`) where each comes once; else W&B's
    `_step`. Files are read from the run's folder; content of artifacts from where W&B staged it,
    when it still has the digest that the log tells.

    Parameters
    ----------
    root : a folder `wandb`, one that it lies in, or the folder of one run
    project : full name of the project that the runs belong to; by default what W&B's runs tell,
        in the workspace of their entity (`local` when they tell none)
    """

    def __init__(self, root: str | Path, *, project: str | None = None) -> None:
        require_wandb()
        self._root = Path(root).absolute()
        self._project = None if project is None else str(ProjectName.parse(project))
        self._problems = ProblemList()
        if not self._root.is_dir():
            raise SourceUnreadable(
                f"{self._root} is no folder; name the folder 'wandb' that the runs lie in",
                where=str(self._root),
            )
        logs = find_logs(self._root)
        if not logs:
            raise SourceUnreadable(
                f"{self._root} holds no transaction logs of W&B (run-ID.wandb)",
                where=str(self._root),
            )
        self._projects = self._read_heads(logs)
        self._told: set[tuple[Path, ...]] = set()
        self._read: tuple[_Logs, RunContent] | None = None

    @property
    def address(self) -> str:
        """Where the folder is."""
        return str(self._root)

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted(self._projects)

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return the runs of a project, oldest first."""
        if project not in self._projects:
            raise ProjectNotFound(project, where=self.address, known=self._projects)
        return self._projects[project]

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return config, summary, tags, files and what else is no series."""
        return dict(self._content(run).values)

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series of a run."""
        return self._content(run).list_series()

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's series of one type."""
        return self._content(run).select(type, paths)

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open a file of a run's folder, or staged content of an artifact."""
        try:
            return Path(file.location).open("rb")
        except (OSError, ValueError) as error:
            raise SourceUnreadable(
                f"{file.location} cannot be read: {error}", where=file.location
            ) from error

    def close(self) -> None:
        """Free what was read of the last run."""
        self._read = None

    def _read_heads(self, logs: Sequence[tuple[str, Path]]) -> dict[str, list[SourceRun]]:
        found: dict[tuple[str, str], list[Path]] = {}
        for named, log in logs:
            try:
                head = read_head([log])
            except SourceUnreadable as error:
                self._problems.add(str(log), f"left out: {error}")
                continue
            key = (self._project_of(head), head.run_id or named)
            found.setdefault(key, []).append(log)
        projects: dict[str, list[SourceRun]] = {}
        for (project, run_id), files in found.items():
            try:
                validate_run_id(run_id)
            except InvalidName as error:
                self._problems.add(f"run {run_id!r}", f"left out: {error}")
                continue
            head = read_head(files)
            parent, fork_step = self._fork(head, run_id)
            run = SourceRun(
                project=project,
                run_id=run_id,
                name=head.name or None,
                created=head.created,
                parent=parent,
                fork_step=fork_step,
                handle=_Logs(tuple(files)),
                incomplete=_incomplete(head),
            )
            projects.setdefault(project, []).append(run)
        for runs in projects.values():
            runs.sort(key=lambda run: (run.created or 0, run.run_id))
        return projects

    def _project_of(self, head: RunHead) -> str:
        if self._project is not None:
            return self._project
        workspace = _REFUSED.sub("_", head.entity).strip() or "local"
        name = _REFUSED.sub("_", head.project).strip() or _UNNAMED
        return str(ProjectName.parse(f"{workspace}/{name}"))

    def _fork(self, head: RunHead, run_id: str) -> tuple[str | None, int | None]:
        if not head.parent or head.parent == run_id:
            return None, None  # rewound, not forked: a run is no fork of itself
        return head.parent, step_to_micros(head.parent_step or 0)

    def _content(self, run: SourceRun) -> RunContent:
        logs = run.handle
        if not isinstance(logs, _Logs):
            raise InvalidInput(f"run {run.run_id!r} is not of this source")
        if self._read is None or self._read[0] != logs:
            self._read = None  # before the next one is read: both need not fit into memory
            first = logs.files not in self._told

            def tell(what: str, why: str) -> None:
                if first:
                    self._problems.add(f"run {run.run_id}, {what}", why, kind=run.run_id)

            content = read_run(logs.files, tell)
            self._told.add(logs.files)
            self._read = (logs, content)
        return self._read[1]


def _incomplete(head: RunHead) -> str:
    cut = [
        f"{log.name}: {damage.why} (byte {damage.offset})"
        for log, damage in head.damages
        if damage.cut
    ]
    if cut:
        return "; ".join(cut)
    return "" if head.ended is not None else "its log tells no end: it was killed, or goes on"
