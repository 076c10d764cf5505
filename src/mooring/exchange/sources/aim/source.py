"""A repository of Aim as a source."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reading.replay import RunReplay, micros_of_seconds
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.aim.repository import (
    Described,
    Repository,
    read_array,
)
from mooring.exchange.sources.aim.repository import Sequence as AimSequence
from mooring.exchange.sources.aim.values import (
    iter_params,
    name_path,
    read_caption,
    read_content,
    to_point,
    to_value,
    type_of,
)
from mooring.model import STEP_SCALE, AttributeType, ProjectName

if TYPE_CHECKING:
    pass


def open_aim(path: str | Path, *, project: str | None = None) -> AimSource:
    """Open a repository of Aim: the folder that holds `.aim`, or `.aim` itself.

    Parameters
    ----------
    path : the folder
    project : full name of the project that the runs belong to; default: `local/` and the name of
        the folder, as Aim knows no projects

    Raises `SourceUnreadable` when there is none, `MissingExtra` without the package `aim`.
    """
    folder = Path(path).absolute()
    folder = folder if folder.name == ".aim" else folder / ".aim"
    if not (folder / "meta" / "chunks").is_dir():
        raise SourceUnreadable(f"{path} is no repository of Aim", where=str(path))
    named = folder.parent.name or "aim"
    return AimSource(folder, project=str(ProjectName.parse(project or named)))


class AimSource(LastRunSource[RunReplay]):
    """Reads the runs of a repository of Aim, indexed or not.

    A run's id is its hash, and its experiment is Aim's. The context of a sequence comes before its
    name: `subset=train/loss`. Epochs become a series of their own, `…/epoch`. Each member of a
    record with several (a list of images) becomes a series: `…/0`, `…/1`. Parameters keep their
    names, nested ones below; lists are JSON. The run's name is the attribute `aim/run_name`.
    """

    def __init__(self, folder: Path, *, project: str) -> None:
        super().__init__(folder)
        self._folder = folder
        self._project = project
        self._repository = Repository(folder)
        try:
            self._described: Mapping[str, Described] = self._repository.describe_runs()
        except SourceUnreadable as error:
            self._described = {}
            self._problems.add(
                f"{folder}", f"names, tags and experiments of runs were left out: {error}"
            )

    def list_projects(self) -> Sequence[str]:
        """Return the one project."""
        return [self._project]

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs, oldest first, archived ones as trashed."""
        if project != self._project:
            return []
        runs = []
        for hash in self._repository.list_hashes():
            described = self._described.get(hash, Described())
            without = not (self._folder / "seqs" / "chunks" / hash / "CURRENT").is_file()
            runs.append(
                SourceRun(
                    project=self._project,
                    run_id=hash,
                    name=described.experiment,
                    created=described.created,
                    trashed=described.archived,
                    handle=hash,
                    incomplete="its sequences are missing" if without else "",
                )
            )
        return sorted(runs, key=lambda run: (run.created or 0, run.run_id))

    @contextmanager
    def open_file(self, file: SourceFile) -> Iterator[BinaryIO]:
        """Open the content of an image, a sound (as it is stored) or a figure (Plotly's JSON)."""
        hash, context, name, dtype, version, key, index = json.loads(file.location)
        sequence = AimSequence(path=name, name=name, context=context, dtype=dtype, version=version)
        with self._repository.open_points(hash) as tree:
            try:
                value = read_array(tree, hash, sequence, "val")[key]
                content = read_content(value if index is None else value[index])
            except (KeyError, IndexError, AttributeError) as error:
                raise SourceUnreadable(
                    f"run {hash} of {self._folder} has no file at {name!r}, step {key}",
                    where=str(self._folder),
                    run=hash,
                    attribute=name,
                ) from error
        yield io.BytesIO(content)

    def _read(self, run: SourceRun, problems: ProblemList) -> RunReplay:
        """Return a run with all that it logged."""
        hash = run.run_id
        replay = RunReplay()
        reader = _Reader(replay, run, problems)
        reader.read_description(self._described.get(hash, Described()))
        with self._repository.open_description(hash) as tree:
            sequences = reader.read_tree(tree)
        if sequences and not run.incomplete:
            try:
                with self._repository.open_points(hash) as tree:
                    for sequence in sequences:
                        reader.read_sequence(tree, sequence)
            except SourceUnreadable as error:
                problems.add(f"run {hash}", f"its sequences were not read to their end: {error}")
        reader.report()
        return replay


class _Reader:
    """Reads what Aim keeps of one run."""

    def __init__(self, replay: RunReplay, run: SourceRun, problems: ProblemList) -> None:
        self._replay = replay
        self._run = run
        self._problems = problems
        self._captions = 0

    def _refuse(self, path: str, why: str) -> None:
        self._problems.add(
            f"run {self._run.run_id}, attribute {path!r}", f"left out: {why}", kind="values"
        )

    def _assign(self, path: str, value: Any) -> None:
        try:
            self._replay.assign(path, value if isinstance(value, frozenset) else to_value(value))
        except InvalidInput as error:
            self._refuse(path, str(error))

    def read_description(self, described: Described) -> None:
        """Take over what SQLite tells."""
        if described.tags:
            self._assign("sys/tags", described.tags)
        if described.description:
            self._assign("sys/description", described.description)
        if described.name and described.name != f"Run: {self._run.run_id}":
            self._assign("aim/run_name", described.name)
        for number, note in enumerate(described.notes):
            self._assign(f"aim/notes/{number}", note)

    def read_tree(self, tree: Any) -> list[AimSequence]:
        """Take over the parameters; return the sequences."""
        for path, value in iter_params(tree.get("attrs", {}) or {}):
            self._assign(path, value)
        contexts = tree.get("contexts", {}) or {}
        sequences = []
        taken = set(self._replay.values)
        for context, named in sorted((tree.get("traces", {}) or {}).items()):
            for name, told in sorted(named.items()):
                path = name_path(name, contexts.get(context, {}))
                if path in taken:
                    number = 2
                    while f"{path}~{number}" in taken:
                        number += 1
                    self._problems.add(
                        f"run {self._run.run_id}, sequence {path!r}",
                        f"came as {path}~{number}: the name is taken in this run",
                        kind="names",
                    )
                    path = f"{path}~{number}"
                taken.add(path)
                sequences.append(
                    AimSequence(
                        path=path,
                        name=name,
                        context=context,
                        dtype=told.get("dtype", "float"),
                        version=told.get("version", 1),
                    )
                )
        return sequences

    def read_sequence(self, tree: Any, sequence: AimSequence) -> None:
        """Take over the points of a sequence."""
        type = type_of(sequence.dtype)
        if type is None:
            self._refuse(sequence.path, f"a store has no place for {sequence.dtype}")
            return
        hash = self._run.run_id
        columns = {
            name: dict(read_array(tree, hash, sequence, name).items())
            for name in ("val", "time", "epoch", *(("step",) if sequence.version > 1 else ()))
        }
        steps = columns.get("step")
        for key, value in columns["val"].items():
            step = key if steps is None else steps.get(key)
            if step is None:
                self._refuse(sequence.path, "a point has no step")
                continue
            try:
                self._add(sequence, type, int(step), key, value, columns)
            except (InvalidInput, AttributeError, KeyError, TypeError, ValueError) as error:
                self._refuse(sequence.path, f"step {step}: {error}")

    def _add(
        self,
        sequence: AimSequence,
        type: AttributeType,
        step: int,
        key: int,
        value: Any,
        columns: Mapping[str, Mapping[int, Any]],
    ) -> None:
        told = columns["time"].get(key)
        time = self._run.created or 0 if told is None else micros_of_seconds(told)
        micros = step * STEP_SCALE
        if type is AttributeType.FLOAT_SERIES:
            self._replay.append(sequence.path, type, micros, time, float(value))
        else:
            members = value if isinstance(value, (list, tuple)) else [value]
            for index, member in enumerate(members):
                inside = index if isinstance(value, (list, tuple)) else None
                place = [
                    self._run.run_id,
                    sequence.context,
                    sequence.name,
                    sequence.dtype,
                    sequence.version,
                    key,
                    inside,
                ]
                point = to_point(type, member, json.dumps(place), str(step))
                path = sequence.path if inside is None else f"{sequence.path}/{inside}"
                self._replay.append(path, type, micros, time, point)
                self._captions += bool(read_caption(member))
        epoch = columns["epoch"].get(key)
        if isinstance(epoch, (int, float)) and math.isfinite(epoch):
            self._replay.append(
                f"{sequence.path}/epoch", AttributeType.FLOAT_SERIES, micros, time, float(epoch)
            )

    def report(self) -> None:
        """Tell of what a store has no place for."""
        if self._captions:
            self._problems.add(
                f"run {self._run.run_id}",
                f"{self._captions} captions were left out: a store has no place for them",
            )
