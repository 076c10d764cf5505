"""A folder of W&B as a source: every run of which it has a transaction log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mooring.errors import InvalidInput, InvalidName, ProjectNotFound, SourceUnreadable
from mooring.exchange.reading.files import open_file
from mooring.exchange.reading.gathering import RunContent, teller
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.wandb_log.heads import RunHead, read_head
from mooring.exchange.wandb_log.records import find_logs, require_wandb
from mooring.exchange.wandb_log.runs import read_run
from mooring.model import ProjectName, step_to_micros, validate_run_id

if TYPE_CHECKING:
    pass

_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/]")
_UNNAMED = "uncategorized"  # as W&B calls the project of runs that name none


@dataclass(frozen=True, slots=True)
class _Logs:
    """The transaction logs of one run, oldest first."""

    files: tuple[Path, ...]


class WandbSource(LastRunSource[RunContent]):
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
        super().__init__(Path(root).absolute())
        self._project = None if project is None else str(ProjectName.parse(project))
        if not self._address.is_dir():
            raise SourceUnreadable(
                f"{self._address} is no folder; name the folder 'wandb' that the runs lie in",
                where=str(self._address),
            )
        logs = find_logs(self._address, self._problems)
        if not logs:
            raise SourceUnreadable(
                f"{self._address} holds no transaction logs of W&B (run-ID.wandb)",
                where=str(self._address),
            )
        self._projects = self._read_heads(logs)

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted(self._projects)

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return the runs of a project, oldest first."""
        if project not in self._projects:
            raise ProjectNotFound(project, where=self.address, known=self._projects)
        return self._projects[project]

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open a file of a run's folder, or staged content of an artifact."""
        return open_file(file.location)

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

    def _read(self, run: SourceRun, problems: ProblemList) -> RunContent:
        if not isinstance(run.handle, _Logs):
            raise InvalidInput(f"run {run.run_id!r} is not of this source")
        return read_run(run.handle.files, teller(run.run_id, problems))


def _incomplete(head: RunHead) -> str:
    cut = [
        f"{log.name}: {damage.why} (byte {damage.offset})"
        for log, damage in head.damages
        if damage.cut
    ]
    if cut:
        return "; ".join(cut)
    return "" if head.ended is not None else "its log tells no end: it was killed, or goes on"
