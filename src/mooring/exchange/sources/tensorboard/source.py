"""A log directory of TensorBoard as a source: every folder with event files is a run."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mooring.errors import InvalidInput, InvalidName, ProjectNotFound, SourceUnreadable
from mooring.exchange.event_files.media import read_content
from mooring.exchange.event_files.records import (
    find_event_files,
    frame,
    mapped,
    require_tensorboard,
)
from mooring.exchange.event_files.runs import read_run
from mooring.exchange.reading.gathering import RunContent, teller
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun
from mooring.model import MAX_TIME, ProjectName, validate_run_id

if TYPE_CHECKING:
    pass

_PROJECTOR = "projector_config.pbtxt"
_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where a run's event files lie."""

    name: str
    files: Sequence[Path]


class TensorBoardSource(LastRunSource[RunContent]):
    """Reads a log directory. TensorFlow is not needed, and not used.

    A run's id is the path of its folder below the log directory (the name of the log directory
    for event files that lie in it directly). Its event files are read in the order of their
    names. Scalars, texts, histograms, images and audio clips become series under their tags;
    hyperparameters become `hparams/NAME`. Steps are kept as they are, also those that a restarted
    writer wrote again: the last value of a step stays, and `problems` tells how many went.

    Parameters
    ----------
    root : the log directory
    project : full name of the project that the runs belong to; by default `local/` and the name
        of the log directory
    """

    def __init__(self, root: str | Path, *, project: str | None = None) -> None:
        require_tensorboard()
        super().__init__(Path(root).absolute())
        if not self._address.is_dir():
            raise SourceUnreadable(
                f"{self._address} is no folder; "
                "name the log directory that TensorBoard is started on",
                where=str(self._address),
            )
        named = _REFUSED.sub("_", self._address.name).strip() or "tensorboard"
        self._project = str(ProjectName.parse(project or f"local/{named}"))
        self._folders = find_event_files(self._address, self._problems)
        if not self._folders:
            raise SourceUnreadable(
                f"{self._address} holds no event files (their names contain 'tfevents')",
                where=str(self._address),
            )
        self._runs: Sequence[SourceRun] | None = None

    def list_projects(self) -> Sequence[str]:
        """Return the one project."""
        return [self._project]

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return the runs, oldest first. Every event file is walked through for its end."""
        if project != self._project:
            raise ProjectNotFound(project, where=self.address, known=[self._project])
        if self._runs is None:
            runs = [run for name in self._folders if (run := self._describe(name)) is not None]
            self._runs = sorted(runs, key=lambda run: (run.created or 0, run.run_id))
        return self._runs

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open an image or clip, which lies within an event file."""
        return io.BytesIO(read_content(self._address, file.location))

    def _describe(self, name: str) -> SourceRun | None:
        run_id = name
        if name == ".":
            run_id = self._address.name if self._address.name not in self._folders else "."
        try:
            validate_run_id(run_id)
        except InvalidName as error:
            self._problems.add(f"folder {name!r}", f"left out: {error}")
            return None
        files = self._folders[name]
        created: float | None = None
        ends = []
        for file in files:
            try:
                first, end = _look_at(file)
            except SourceUnreadable as error:
                ends.append(str(error))
                continue
            if end:
                ends.append(f"{file.name}: {end}")
            if first is not None:
                created = first if created is None else min(created, first)
        micros = None if created is None else round(created * 1_000_000)
        return SourceRun(
            project=self._project,
            run_id=run_id,
            name=run_id,
            created=micros,
            handle=_Folder(name, files),
            incomplete="; ".join(ends),
        )

    def _read(self, run: SourceRun, problems: ProblemList) -> RunContent:
        folder = run.handle
        if not isinstance(folder, _Folder):
            raise InvalidInput(f"run {run.run_id!r} is not of this source")
        tell = teller(run.run_id, problems)
        content = read_run(folder.files, self._address, tell)
        if (folder.files[0].parent / _PROJECTOR).is_file():
            tell(_PROJECTOR, "embeddings of the projector are not read")
        return content


def _look_at(file: Path) -> tuple[float | None, str]:
    """Return the wall time of a file's first event, and how the file is cut (empty: it is not)."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    with mapped(file) as data:
        if not len(data):
            return None, "is empty"
        frames = frame(data)
        cut = [f"{damage.why} (byte {damage.offset})" for damage in frames.damages if damage.cut]
        if not len(frames.starts):
            return None, "; ".join(cut)
        start, length = int(frames.starts[0]), int(frames.lengths[0])
        try:
            wall = Event.FromString(data[start : start + length]).wall_time
        except DecodeError:
            wall = 0.0
    return (wall if 0 < wall * 1_000_000 < MAX_TIME else None), "; ".join(cut)
