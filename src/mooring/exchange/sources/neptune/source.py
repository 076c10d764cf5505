"""The client's folder `.neptune` as a source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reading.files import size_of
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reading.replay import RunReplay, tell_replaced
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.exchange.sources.neptune.contents import Contents, expand_file_set, list_tracked
from mooring.exchange.sources.neptune.folders import Execution, find_executions
from mooring.exchange.sources.neptune.lines import iter_lines
from mooring.exchange.sources.neptune.operations import Operations, Surroundings
from mooring.model import AttributeType, ProjectName, Typed

if TYPE_CHECKING:
    import pyarrow as pa


def open_neptune(path: str | Path, *, project: str | None = None) -> NeptuneSource:
    """Open what the `neptune` client (1.x) logged offline, or did not send.

    Parameters
    ----------
    path : the folder `.neptune`, the one that holds it, or one within it
    project : full name of the project that the runs belong to; the data do not tell it

    Raises `InvalidInput` without a project, and `SourceUnreadable` when nothing is there.
    """
    if project is None:
        raise InvalidInput(
            "offline data of the neptune client do not tell their project; name one "
            "(project='workspace/name', or --into workspace/name)"
        )
    return NeptuneSource(Path(path), project=str(ProjectName.parse(project)))


@dataclass(frozen=True, slots=True)
class _Replayed:
    run: RunReplay
    values: Mapping[str, SourceValue]

    def list_series(self) -> Sequence[SourceSeries]:
        return self.run.list_series()

    def read_points(self, type: AttributeType, paths: Sequence[str] | None = None) -> pa.Table:
        return self.run.read_points(type, paths)


class NeptuneSource(LastRunSource[_Replayed]):
    """Reads offline and unsent data of the `neptune` client.

    Each object (run, model, model version, project) is a run whose id is the client's UUID: the
    id that a user gave (`custom_run_id`) and the state of Git are not in the log. Operations that
    were sent already are read too, as far as they are still there. Files that the log refers to
    by their path are taken as they are now, wherever that is: as with the client's own `neptune
    sync`, open only data of people you trust. Points of one step: the last one counts.
    """

    def __init__(self, path: Path, *, project: str) -> None:
        super().__init__(path.absolute())
        self._project = project
        self._contents = Contents()
        if not path.is_dir():
            raise SourceUnreadable(f"{path} is no folder", where=str(path))
        self._objects: dict[str, list[Execution]] = {}
        for execution in find_executions(self._address, self._problems):
            self._objects.setdefault(execution.id, []).append(execution)
        if not self._objects:
            raise SourceUnreadable(
                f"{path} has no offline data of the neptune client: no file data-*.log below it",
                where=str(path),
            )
        self._elsewhere: dict[str, Mapping[str, SourceValue]] = {}
        self._open: set[str] = set()

    def list_projects(self) -> Sequence[str]:
        """Return the one project that was named."""
        return [self._project]

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all objects, oldest first."""
        if project != self._project:
            return []
        return [
            SourceRun(
                project=self._project,
                run_id=id,
                kind=executions[0].kind,
                name=next((each.name for each in reversed(executions) if each.name), None),
                created=executions[0].created,
                handle=id,
                incomplete="; ".join(each.incomplete for each in executions if each.incomplete),
            )
            for id, executions in self._objects.items()
        ]

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file; a file set is packed as a zip."""
        return self._contents.open(file.location)

    def _read(self, run: SourceRun, problems: ProblemList) -> _Replayed:
        """Return a run after all its operations."""
        assert isinstance(run.handle, str)
        return self._apply_all(run.handle, problems)

    def _apply_all(self, id: str, problems: ProblemList) -> _Replayed:
        run = RunReplay()
        operations = Operations(run)

        def find_value(container: str, path: str) -> SourceValue | None:
            if container == id:
                return run.values.get(path)
            return self._find_elsewhere(container, path)

        self._open.add(id)
        try:
            for execution in self._objects[id]:
                around = Surroundings(execution.folder, self._contents, find_value)
                before: int | None = None
                for log in execution.logs:
                    for line in iter_lines(log, problems):
                        if before is not None and line.version > before + 1:
                            problems.add(
                                f"run {id}, {line.where}",
                                f"operations {before + 1} to {line.version - 1} are missing",
                                kind="gaps",
                            )
                        before = line.version
                        try:
                            operations.apply(line, around)
                        except InvalidInput as error:
                            kind = str(line.operation.get("type"))
                            path = line.operation.get("path")
                            named = "/".join(map(str, path)) if isinstance(path, list) else path
                            problems.add(
                                f"run {id}, attribute {named!r} ({line.where})",
                                f"{kind} was left out: {error}",
                                kind=kind,
                            )
        finally:
            self._open.discard(id)
        self._report(id, run, operations, problems)
        return _Replayed(run, self._finish(id, run, operations, problems))

    def _find_elsewhere(self, container: str, path: str) -> SourceValue | None:
        if container not in self._objects or container in self._open:
            return None
        if container not in self._elsewhere:
            replayed = self._apply_all(container, ProblemList())
            self._elsewhere[container] = dict(replayed.run.values)
        return self._elsewhere[container].get(path)

    def _report(
        self, id: str, run: RunReplay, operations: Operations, problems: ProblemList
    ) -> None:
        tell_replaced(run, id, problems)
        for path, count in operations.described.items():
            problems.add(
                f"run {id}, series {path!r}",
                f"{count} descriptions of images were left out: a store has no place for them",
                kind="described",
            )
        for path, told in operations.configured.items():
            problems.add(
                f"run {id}, series {path!r}",
                f"its display settings were left out ({told}): a store has no place for them",
                kind="configured",
            )

    def _finish(
        self, id: str, run: RunReplay, operations: Operations, problems: ProblemList
    ) -> Mapping[str, SourceValue]:
        """Return the values of a run with files that are there."""
        folder = self._objects[id][0].working_folder
        values: dict[str, SourceValue] = {}
        for path, value in run.values.items():
            where = f"run {id}, attribute {path!r} ({operations.lines.get(path, 'a copy')})"
            owner = f"{id}/{path}"
            if isinstance(value, SourceFile):
                kind, name, *_ = json.loads(value.location)
                if kind == "path":
                    try:
                        value = replace(value, size_bytes=size_of(Path(name)))
                    except InvalidInput as error:
                        problems.add(where, str(error), kind="files")
                        continue
            elif isinstance(value, Typed) and value.type is AttributeType.FILE_SET:
                files = expand_file_set(value.value, folder)
                for step in value.value:
                    for pattern in step.patterns:
                        if not expand_file_set([type(step)(patterns=(pattern,))], folder):
                            problems.add(where, f"no file is at {pattern} now", kind="files")
                value = Typed(
                    value.type,
                    SourceFile(
                        location=self._contents.of_set(owner, files),
                        name="files.zip",
                        mime_type="application/zip",
                    ),
                )
            elif isinstance(value, Typed) and value.type is AttributeType.ARTIFACT:
                tracked, missing = list_tracked(value.value, folder)
                for location in missing:
                    problems.add(
                        where, f"the artifact's {location} is not on this machine", kind="files"
                    )
                value = Typed(
                    value.type,
                    SourceFile(
                        location=self._contents.of_artifact(owner, tracked),
                        name="files_list.json",
                        mime_type="application/json",
                    ),
                )
            values[path] = value
        return values
