"""The client's SQLite files as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reading.files import open_file
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reading.replay import RunReplay, tell_replaced
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    RunExtras,
    SourceFile,
    SourceRun,
    SourceValue,
)
from mooring.exchange.sources.neptune_scale.repositories import (
    Repository,
    find_repositories,
    iter_updates,
)
from mooring.exchange.sources.neptune_scale.updates import Refuse, Updates
from mooring.model import ProjectName
from mooring.wire.neptune3.ingest import CreateRun, Update, decode_update

if TYPE_CHECKING:
    pass

_INHERITED_SYS = frozenset({"sys/tags", "sys/group_tags", "sys/description"})


def open_neptune_scale(path: str | Path, *, project: str | None = None) -> NeptuneScaleSource:
    """Open what the `neptune-scale` client logged offline, or did not send.

    Parameters
    ----------
    path : the folder `.neptune` (or `log_directory`), one that holds it or lies within, or a file
        `run_operations.sqlite3`
    project : full name of the project whose runs are wanted; None for all

    Raises `SourceUnreadable` when nothing is there.
    """
    only = None if project is None else str(ProjectName.parse(project))
    return NeptuneScaleSource(Path(path), only=only)


class _Replayed(RunReplay):
    """A run, and the updates that make it."""

    def __init__(self, inherited: Mapping[str, SourceValue]) -> None:
        super().__init__()
        for path, value in inherited.items():
            self.assign(path, value)
        self.updates = Updates(self)


class NeptuneScaleSource(LastRunSource[_Replayed]):
    """Reads offline and unsent data of the `neptune-scale` client.

    The files of all processes that logged to one run are read as one run. A fork has the
    attributes that its parent had when it was forked, when the parent is among the data. Points of
    one step: the last one counts. Files that were to be uploaded are taken as they are now,
    wherever that is: as with the client's own `neptune sync`, open only data of people you trust.
    """

    def __init__(self, path: Path, *, only: str | None = None) -> None:
        super().__init__(path.absolute())
        self._runs: dict[tuple[str, str], list[Repository]] = {}
        if not path.exists():
            raise SourceUnreadable(f"nothing is at {path}", where=str(path))
        for repository in find_repositories(self._address, self._problems):
            if only is None or repository.project == only:
                self._runs.setdefault((repository.project, repository.run_id), []).append(
                    repository
                )
        if not self._runs:
            named = "; ".join(map(str, self._problems.named))
            raise SourceUnreadable(
                f"{path} has no offline data of the neptune-scale client"
                + (f" of project {only}" if only else "")
                + (f" ({named})" if named else ": no file run_operations.sqlite3 below it"),
                where=str(path),
            )
        self._changes: dict[tuple[str, str], list[tuple[int, Update, Repository]]] = {}

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted({project for project, _ in self._runs})

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, oldest first."""
        return [self._describe(key) for key in self._runs if key[0] == project]

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return the previews of a run: those after the last point of their series."""
        import pyarrow as pa

        replayed = self._content(run)
        rows = [
            (path, step, time, value, completion)
            for path, previews in sorted(replayed.updates.previews.items())
            for step, (time, value, completion) in sorted(previews.items())
            if replayed.highest_step(path) is None or step > (replayed.highest_step(path) or 0)
        ]
        if not rows:
            return RunExtras()
        types = (pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.float64())
        names = ("path", "step", "time", "value", "completion")
        columns = zip(names, types, zip(*rows, strict=True), strict=True)
        return RunExtras(previews=pa.table({name: pa.array(c, kind) for name, kind, c in columns}))

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file."""
        return open_file(file.location)

    def _describe(self, key: tuple[str, str]) -> SourceRun:
        project, run_id = key
        repositories = self._runs[key]
        creates = self._creates(key)
        fork = next((each for each in creates if each.parent is not None), None)
        missing = [each.incomplete for each in repositories if each.incomplete]
        if not creates:
            missing.append("its creation is not among the data, nor what it was forked from")
        if fork is not None and fork.parent_project not in (None, project):
            missing.append(
                f"it was forked from run {fork.parent!r} of another project, {fork.parent_project}"
            )
            fork = None
        started = [each.started for each in repositories if each.started is not None]
        return SourceRun(
            project=project,
            run_id=run_id,
            name=next((each.experiment for each in reversed(creates) if each.experiment), None),
            created=next(
                (each.created for each in creates if each.created is not None),
                started[0] if started else None,
            ),
            parent=fork.parent if fork else None,
            fork_step=fork.fork_step if fork else None,
            handle=key,
            incomplete="; ".join(missing),
        )

    def _creates(self, key: tuple[str, str]) -> list[CreateRun]:
        return [create for each in self._runs[key] for create in each.creates]

    def _read(self, run: SourceRun, problems: ProblemList) -> _Replayed:
        """Return a run after all its updates."""
        key = (run.project, run.run_id)
        replayed = _Replayed(self._inherit(key, problems, seen={key}))
        for repository in self._runs[key]:
            replayed.updates.begin()
            for update, written, refuse in self._iter_decoded(repository, problems):
                replayed.updates.apply(update, written, repository, refuse)
        tell_replaced(replayed, run.run_id, problems)
        return replayed

    def _iter_decoded(
        self, repository: Repository, problems: ProblemList
    ) -> Iterator[tuple[Update, int, Refuse]]:
        """Yield each update, when it was written, and what to call for what it cannot change."""
        for number, written, data in iter_updates(repository, problems):
            where = f"operation {number} of {repository.file}"

            def refuse(path: str, why: str, where: str = where) -> None:
                problems.add(
                    f"run {repository.run_id}, attribute {path!r} ({where})",
                    f"left out: {why}",
                    kind="values",
                )

            try:
                update = decode_update(data)
            except InvalidInput as error:
                problems.add(
                    f"run {repository.run_id} ({where})", f"left out: {error}", kind="operations"
                )
                continue
            yield update, written, refuse

    def _inherit(
        self, key: tuple[str, str], problems: ProblemList, seen: set[tuple[str, str]]
    ) -> Mapping[str, SourceValue]:
        """Return the attributes that a fork has from its parent, as they were when it was made."""
        fork = next((each for each in self._creates(key) if each.parent is not None), None)
        if fork is None or fork.parent is None:
            return {}
        above = (fork.parent_project or key[0], fork.parent)
        if above in seen:
            return {}
        if above not in self._runs:
            problems.add(
                f"run {key[1]}",
                f"what it inherited from run {fork.parent!r} is not among these data",
                kind="parents",
            )
            return {}
        run = _Replayed(self._inherit(above, ProblemList(), seen | {above}))
        for time, update, repository in self._changes_of_values(above):
            if fork.created is None or time <= fork.created:
                run.updates.apply(update, time, repository, lambda path, why: None)
        return {
            path: value
            for path, value in run.values.items()
            if path in _INHERITED_SYS or (fork.inherit_configs and not path.startswith("sys/"))
        }

    def _changes_of_values(self, key: tuple[str, str]) -> Sequence[tuple[int, Update, Repository]]:
        """Return the updates of a run without their points, each with its time; they are kept."""
        if key not in self._changes:
            self._changes[key] = [
                (update.time or written, replace(update, append={}), repository)
                for repository in self._runs[key]
                for update, written, _ in self._iter_decoded(repository, ProblemList())
                if update.assign or update.add or update.remove
            ]
        return self._changes[key]
