"""A run that is being written as event files."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import ExchangeError, TargetRefused
from mooring.exchange.event_files.hparams import PREFIX
from mooring.exchange.event_files.records import EVENT_FILE_MARK
from mooring.exchange.event_files.runs import read_run
from mooring.exchange.filling.steps import scale_steps
from mooring.exchange.filling.values import plain_value
from mooring.exchange.names import allocate_names
from mooring.exchange.points import rows_by_path
from mooring.exchange.source import SourceFile, SourceValue
from mooring.exchange.target import Inventory, Lost
from mooring.exchange.targets.tensorboard.events import (
    EventFile,
    encode_head,
    encode_hparams,
    encode_media,
    encode_series,
)
from mooring.exchange.targets.tensorboard.ledger import Key, Ledger, Written
from mooring.model import STEP_SCALE, AttributeType, Typed
from mooring.wire.exporter.names import sanitize_id

if TYPE_CHECKING:
    import pyarrow as pa

    Flags = np.ndarray[Any, np.dtype[np.bool_]]

MARK_FILE = "mooring.json"
FILES = "files"

_LARGEST_EXACT = 2**53
_EXTENSION = re.compile(r"^\.[A-Za-z0-9]{1,10}$")
_HPARAM_TAGS = (
    "_hparams_/experiment",
    "_hparams_/session_start_info",
    "_hparams_/session_end_info",
)
_MEDIA_LIMIT_BYTES = 64 << 20


class TensorBoardRun:
    """Writes one run to `folder`, which takes its `place` at the end.

    What was written before, as the folder's ledger tells, counts until it is written again.
    """

    def __init__(
        self,
        *,
        id: str,
        folder: Path,
        place: Path,
        replaced: Path,
        mark: dict[str, Any],
        wall: float,
        extra: Mapping[str, float | str | bool],
        multiplier: int,
    ) -> None:
        self._id = id
        self._folder = folder
        self._place = place
        self._replaced = replaced
        self._mark = mark
        self._wall = wall
        self._extra = extra
        self._multiplier = multiplier
        self._tags: dict[str, str] = {}
        self._ledger = Ledger(folder)
        events = _events_file(folder, self._ledger.number)
        for other in folder.glob(f"*{EVENT_FILE_MARK}*"):
            if other != events:  # it was being made when a load was cut
                other.unlink()
        self._events = EventFile(events, self._ledger.size)
        if not self._ledger.size:
            self._note(("head", "", None), self._events.write([encode_head()]))

    @property
    def id(self) -> str:
        """The folder below the log directory, as TensorBoard names the run."""
        return self._id

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Choose tags; all but those that the hparams plugin has are the paths themselves."""
        paths = [path for path, _ in attributes]
        self._tags = allocate_names(paths, str, taken=_HPARAM_TAGS)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values as hyperparameters."""
        lost: list[Lost] = []
        told: dict[str, float | str | bool] = dict(self._extra)
        for path, value in values.items():
            told[self._tag(path)] = _hparam(path, value, lost)
        self._note(("values", "", None), self._events.write(encode_hparams(told, self._wall)))
        return lost

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series as events."""
        steps, cut = scale_steps(points["step"].to_numpy(), self._multiplier)
        lost: list[Lost] = []
        large, dense = _flags(type, points)
        for path, first, count in rows_by_path(points):
            rows = slice(first, first + count)
            for why, flags in (
                ("decimal steps, which are cut to whole ones", cut),
                ("numbers beyond 3.4e38, which are shown as infinite", large),
                ("that the values of histograms are densities", dense),
            ):
                if concerned := int(flags[rows].sum()):
                    lost.append(Lost(path, why, concerned))
            series = points.slice(first, count)
            written = self._events.write(encode_series(self._tag(path), type, series, steps[rows]))
            self._note(("points", path, None), written)
        return lost

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write an image or clip of a series as an event, any other file beside."""
        tag = self._tag(path)
        key: Key = ("file", path, step)
        try:
            if step is not None and content.stat().st_size <= _MEDIA_LIMIT_BYTES:
                scaled, cut = scale_steps(np.array([step], np.int64), self._multiplier)
                name = _media_name(tag, int(scaled[0]))
                event = encode_media(tag, int(scaled[0]), time.time(), content.read_bytes())
                if event is not None and not self._is_taken(name, key):
                    self._note(key, self._events.write([event]), name)
                    why = "a decimal step, which is cut to a whole one"
                    return [Lost(path, why)] if cut[0] else []
            name = _file_name(path, type, step, file)
            target = self._folder / name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(content, target)
        except OSError as error:
            raise TargetRefused(
                f"{path} cannot be written to {self._folder}: {error}",
                where=str(self._folder),
                attribute=path,
            ) from error
        about = {
            "path": path,
            "type": type.value,
            "step": None if step is None else step / STEP_SCALE,
            "name": file.name,
            "mime_type": file.mime_type,
        }
        self._note(key, (0, 0), name, about)
        return []

    def finish(self, *, complete: bool, content: str) -> None:
        """Write the mark, and give the folder its name."""
        files = {one.name: one.about for one in self._ledger.entries.values() if one.about}
        self._mark |= {"complete": complete, "content": content, "files": files}
        try:
            self._drop_replaced()
            self._events.sync()
            self._events.close()
            self._ledger.close(remove=complete)
            write_json(self._folder / MARK_FILE, self._mark)
            if self._replaced.exists():
                shutil.rmtree(self._replaced)
            if self._place.exists():
                self._place.rename(self._replaced)
            self._folder.rename(self._place)
            self._folder = self._place
            if self._replaced.exists():
                shutil.rmtree(self._replaced)
        except OSError as error:
            raise TargetRefused(
                f"{self._place} cannot be finished: {error}", where=str(self._place)
            ) from error

    def read_back(self) -> Inventory:
        """Read the event file with the reader of the source, and list the files beside."""
        self._drop_replaced()
        return read_inventory(self._folder)

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._ledger.close()

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the tag of an attribute, or the place of a file."""
        written = self._ledger.entries.get(("file", path, step))
        return self._tag(path) if written is None else written.name

    def _tag(self, path: str) -> str:
        return self._tags.get(path, path)

    def _note(
        self,
        key: Key,
        written: tuple[int, int],
        name: str = "",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            self._ledger.add(key, Written(*written, name, about or {}))
        except OSError as error:
            raise TargetRefused(
                f"{self._folder} cannot be written: {error}", where=str(self._folder)
            ) from error

    def _is_taken(self, name: str, key: Key) -> bool:
        """Return whether another file has this name: two steps may be one when they are cut."""
        return any(one.name == name and of != key for of, one in self._ledger.entries.items())

    def _drop_replaced(self) -> None:
        """Take out of the event file what was written again."""
        live = self._ledger.list_live()
        if sum(one.end - one.start for _, one in live) == self._events.size:
            return
        self._events.close()
        number = self._ledger.number + 1
        kept = {key: one for key, one in self._ledger.entries.items() if one.start == one.end}
        with _events_file(self._folder, number - 1).open("rb") as old:
            new = EventFile(_events_file(self._folder, number))
            for key, one in live:
                old.seek(one.start)
                kept[key] = Written(*new.copy(old, one.end - one.start), one.name, one.about)
        new.sync()
        self._ledger.replace(number, kept)
        _events_file(self._folder, number - 1).unlink()
        self._events = new


def _events_file(folder: Path, number: int) -> Path:
    return folder / f"events.out.tfevents.{number:010d}.mooring"


def read_inventory(folder: Path) -> Inventory:
    """Tell what lies in a folder: its event file, read as the source does, and files beside."""
    events = sorted(folder.glob(f"*{EVENT_FILE_MARK}*"))
    run = read_run(events, folder, lambda what, why: None)
    files: dict[str, int | None] = {}
    points: Counter[str] = Counter()
    for series in run.list_series():
        if series.type is not AttributeType.FILE_SERIES:
            points[series.path] += series.count or 0
    for point in run.read_points(AttributeType.FILE_SERIES).to_pylist():
        name = _media_name(point["path"], point["step"] // STEP_SCALE)
        files[name] = point["value"]["size_bytes"]
    for file in (folder / FILES).glob("*"):
        files[f"{FILES}/{file.name}"] = file.stat().st_size
    values = {name.removeprefix(PREFIX) for name in run.values if name.startswith(PREFIX)}
    return Inventory(values=frozenset(values), points=points, files=files)


def _flags(type: AttributeType, points: pa.Table) -> tuple[Flags, Flags]:
    """Return which points are too large for 32 bits, and which hold densities."""
    large = dense = np.zeros(points.num_rows, np.bool_)
    if type is AttributeType.FLOAT_SERIES:
        values = points["value"].to_numpy()
        large = np.isfinite(values) & (np.abs(values) > np.finfo(np.float32).max)
    elif type is AttributeType.HISTOGRAM_SERIES:
        import pyarrow.compute as pc

        kinds = pc.struct_field(points["value"], "kind")
        dense = pc.equal(kinds, "DENSITY").to_numpy()
    return large, dense


def _file_name(path: str, type: AttributeType, step: int | None, file: SourceFile) -> str:
    extension = Path(file.name).suffix
    if type is AttributeType.FILE_SET:
        extension = ".zip"
    elif type is AttributeType.ARTIFACT:
        extension = ".json"
    elif not _EXTENSION.match(extension):
        extension = ""
    at = "" if step is None else f"_step_{step / STEP_SCALE:.6f}"
    return f"{FILES}/{file_name(path)}{at}{extension}"


def write_json(path: Path, content: object) -> None:
    """Write a JSON file that survives a loss of power, whole or not at all."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def file_name(text: str) -> str:
    """Return a name for a file that a file system can have; its digest keeps names apart."""
    name = sanitize_id(text)
    return name if len(name.encode()) <= 180 else name.encode()[-180:].decode(errors="ignore")


def _media_name(tag: str, step: int) -> str:
    return f"{tag}#{step}"


def _hparam(path: str, value: SourceValue, lost: list[Lost]) -> float | str | bool:
    """Return a value as the hparams plugin can hold it."""
    match value:
        case Typed():
            return str(plain_value(value))
        case bool() | str():
            return value
        case int():
            if abs(value) <= _LARGEST_EXACT:
                return float(value)
            lost.append(Lost(path, "that it is a number: it is too large for a double, and text"))
            return str(value)
        case float():
            if math.isfinite(value):
                return value
            lost.append(Lost(path, "that it is a number: the plugin has only finite ones"))
            return str(value)
        case datetime():
            return value.isoformat()
        case frozenset():
            return json.dumps(sorted(value), ensure_ascii=False)
    raise ExchangeError(f"{path} is a file", attribute=path)
