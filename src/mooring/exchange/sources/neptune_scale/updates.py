"""The client's updates, applied one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from mooring.errors import InvalidInput
from mooring.exchange.reading.files import size_of
from mooring.exchange.reading.replay import ReplayedSeries, RunReplay
from mooring.exchange.source import SourceFile
from mooring.exchange.sources.neptune_scale.repositories import Repository
from mooring.model import AttributeType, Histogram
from mooring.wire.neptune3.ingest import Update, WireFile, WireValue

Refuse = Callable[[str, str], None]
"""Called with the path of what is left out, and why."""


class Updates:
    """Applies updates to a run.

    `previews` holds provisional points by path and step: time, value, completion.
    """

    def __init__(self, run: RunReplay) -> None:
        self._run = run
        self.previews: dict[str, dict[int, tuple[int, float, float]]] = {}
        self._first: dict[str, int] = {}
        self._shifts: dict[str, int] = {}
        self._started: set[str] = set()

    def begin(self) -> None:
        """Tell that the updates of another process begin."""
        self._started.clear()
        self._shifts.clear()

    def apply(self, update: Update, written: int, repository: Repository, refuse: Refuse) -> None:
        """Apply an update that was written at an instant; what it cannot change is refused."""
        for path, why in update.refused:
            refuse(path, why)
        for path, value in update.assign.items():
            try:
                self._assign(path, value, repository)
            except InvalidInput as error:
                refuse(path, str(error))
        for path in sorted({*update.add, *update.remove}):
            try:
                self._run.change_set(
                    path, add=update.add.get(path, ()), remove=update.remove.get(path, ())
                )
            except InvalidInput as error:
                refuse(path, str(error))
        if update.append:
            self._append_all(update, written, repository, refuse)

    def _assign(self, path: str, value: WireValue, repository: Repository) -> None:
        if isinstance(value, WireFile):
            self._run.assign(path, _file(value, repository))
        elif isinstance(value, Histogram):
            raise InvalidInput("a histogram cannot be a single value")
        else:
            self._run.assign(path, value)

    def _append_all(
        self, update: Update, written: int, repository: Repository, refuse: Refuse
    ) -> None:
        time = written if update.time is None else update.time
        targets: list[tuple[str, ReplayedSeries, object]] = []
        for path, point in update.append.items():
            try:
                type, kept = _point(point, repository)
                targets.append((path, self._run.series(path, type), kept))
            except InvalidInput as error:
                refuse(path, str(error))
        step = update.step
        if step is None:
            # One step for all: the next whole one after the highest of these series.
            step = max((series.next_step for _, series, _ in targets), default=0)
        for path, series, value in targets:
            try:
                if update.preview is not None and isinstance(value, float):
                    self.previews.setdefault(path, {})[step] = (time, value, update.preview)
                elif series.type is AttributeType.STRING_SERIES:
                    series.append(self._line_step(path, series, step), time, value)
                else:
                    series.append(step, time, value)
            except InvalidInput as error:
                refuse(path, str(error))

    def _line_step(self, path: str, series: ReplayedSeries, step: int) -> int:
        """Return the step of a text.

        Lines of the console are a millionth apart, and each process that goes on with a run counts
        them from the start again: they follow those that are there, instead of replacing them.
        """
        first = self._first.setdefault(path, step)
        if path not in self._started:
            self._started.add(path)
            if step == first and step % 1_000_000 == 1 and series.highest is not None:
                self._shifts[path] = series.highest - step + 1
        return step + self._shifts.get(path, 0)


def _point(value: WireValue, repository: Repository) -> tuple[AttributeType, object]:
    if isinstance(value, float):
        return AttributeType.FLOAT_SERIES, value
    if isinstance(value, str):
        return AttributeType.STRING_SERIES, value
    if isinstance(value, Histogram):
        return AttributeType.HISTOGRAM_SERIES, {
            "kind": value.kind,
            "edges": value.edges,
            "values": value.values,
        }
    if isinstance(value, WireFile):
        file = _file(value, repository)
        return AttributeType.FILE_SERIES, {
            "location": file.location,
            "name": file.name,
            "mime_type": file.mime_type,
            "size_bytes": file.size_bytes,
            "digest": None,
        }
    if isinstance(value, int) and not isinstance(value, bool):
        return AttributeType.FLOAT_SERIES, float(value)
    raise InvalidInput(f"a {type(value).__name__} cannot be a point of a series")


def _file(value: WireFile, repository: Repository) -> SourceFile:
    upload = repository.uploads.get(value.path)
    if upload is None:
        raise InvalidInput(
            f"its content was uploaded to {value.path!r}, and is not among these data"
        )
    name = PurePosixPath(value.path).name if upload.temporary else upload.source.name
    return SourceFile(
        location=str(upload.source),
        name=name,
        mime_type=value.mime_type,
        size_bytes=size_of(upload.source),
    )
