"""Loads runs into offline runs of Minfx's client."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import TargetRefused
from mooring.exchange.filling.refusals import translated
from mooring.exchange.filling.steps import step_text
from mooring.exchange.filling.texts import histograms_json, text_lines, write_text
from mooring.exchange.filling.values import plain_value
from mooring.exchange.names import Names, short_digest
from mooring.exchange.packages import require_package, variable_set
from mooring.exchange.points import doubles, iter_series, numbers
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.minfx.ledger import Entry, Ledger
from mooring.exchange.targets.minfx.offline import (
    container_folder,
    finished_folder,
    read_offline,
    unfinished_folder,
)
from mooring.exchange.targets.minfx.settings import MinfxSettings
from mooring.model import STEP_SCALE, AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_LIMIT = 16_384
_INT_LIMIT = 2**31
_IMAGE_LIMIT = 32 * 1024 * 1024
_OWN = "import"
"""Namespace of the mark, and of what a server says of a run itself."""
_SETTABLE = frozenset(
    {"sys/name", "sys/description", "sys/tags", "sys/group_tags", "sys/hostname", "sys/failed"}
)

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType),
    nan=True,
    infinity=True,
    decimal_steps=True,
    negative_steps=True,
    point_times=True,
    microseconds=False,
    run_times=False,
    forks="tag",
    finds_runs=True,
    resumes=False,
    reads_back=True,
    notes=(
        (
            "runs are offline runs on disk, read back from there; `minfx sync` brings them to the "
            "server, and what that keeps of them, NaN, infinities and negative steps among it, was "
            "not tried"
        ),
        "integers beyond 32 bits are floats where those are exact, else text",
        (
            "texts above 16,384 characters are text files; a string series with one is a file "
            "of lines; histograms are JSON files with exact numbers"
        ),
        "file sets are kept as the zip, artifacts as their list of files",
        "points of file series have the time of the load",
        "attributes below sys/ that a server sets itself are below import/sys/",
        (
            "a load that was killed begins the run again; until it is whole, `minfx sync` does not "
            "see it"
        ),
    ),
)


class MinfxTarget:
    """A folder of offline runs."""

    def __init__(self, settings: MinfxSettings, load: LoadSettings | None = None) -> None:
        require_package("minfx", extra="minfx")
        self._settings = settings
        self._load = load or LoadSettings()
        self._ledger = Ledger(settings.folder / "loaded.jsonl")
        self._open: list[Any] = []

    @property
    def name(self) -> str:
        """`minfx`."""
        return "minfx"

    @property
    def address(self) -> str:
        """The folder."""
        return str(self._settings.folder)

    @property
    def capabilities(self) -> Capabilities:
        """What an offline run holds."""
        return CAPABILITIES

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the offline run that an earlier load completed, synchronised since or not.

        One that is not complete cannot be gone on with, and is not found: it is replaced.
        """
        entry = self._ledger.find(run)
        if entry is None:
            return None
        with _told(self.address, run.run_id):
            publish(self._settings.folder, run, entry.container)  # if a kill came in between
        return FoundRun(entry.container, True, entry.content)

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> MinfxRun:
        """Create an offline run; one that is there and not complete is dropped first."""
        if found:
            raise TargetRefused(
                f"{self.address} holds run {run.run_id} whole, and it cannot be gone on with",
                where=self.address,
                run=run.run_id,
            )
        folder = self._settings.folder
        staging = unfinished_folder(folder, run.project, run.run_id)
        with _told(self.address, run.run_id):
            for left in (staging, _copies(folder, run)):
                if left.exists():
                    shutil.rmtree(left)
            # The client reads it from the environment alone.
            with variable_set("NEPTUNE_DATA_DIRECTORY", str(staging)):
                opened = self._create()
        self._open.append(opened)
        return MinfxRun(opened, folder, self._ledger, run, parent, self._load)

    def close(self) -> None:
        """Close the files of runs that were not finished; those stay incomplete."""
        while self._open:
            with contextlib.suppress(OSError, ValueError):  # closed before, or dropped meanwhile
                self._open.pop().stop()

    def _create(self) -> Any:
        import minfx

        opened = minfx.init_run(
            mode="offline",
            source_files=[],
            capture_stdout=False,
            capture_stderr=False,
            capture_hardware_metrics=False,
            capture_traceback=False,
            fail_on_exception=False,
            git_ref=False,
            log_level=logging.WARNING,
        )
        # The client says what script runs; that is the loader, not the one of the run.
        del opened["source_code"]
        return opened


def publish(folder: Path, run: SourceRun, container: str) -> None:
    """Move an offline run that is whole to where `minfx sync` looks; nothing when it is there."""
    staging = unfinished_folder(folder, run.project, run.run_id)
    finished_folder(folder).mkdir(parents=True, exist_ok=True)
    for found in (staging / "offline").glob(f"run__{container}__*"):
        found.rename(finished_folder(folder) / found.name)
    shutil.rmtree(staging, ignore_errors=True)


class MinfxRun:
    """An offline run that is being filled."""

    def __init__(
        self,
        opened: Any,
        folder: Path,
        ledger: Ledger,
        run: SourceRun,
        parent: str | None,
        load: LoadSettings,
    ) -> None:
        self._opened = opened
        self._folder = folder
        self._ledger = ledger
        self._run = run
        self._parent = parent
        self._names = _new_names()
        self._copied = 0
        self._finished = False
        prefix = f"{load.name_prefix}_" if load.name_prefix else ""
        with self._told():
            opened[f"{_OWN}/original_run_id"] = f"{prefix}{run.run_id}"
            opened[f"{_OWN}/original_project_id"] = run.project

    @property
    def id(self) -> str:
        """The id of the offline run, as in `minfx sync --object offline/ID`."""
        return str(self._opened._id)

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names."""
        self._names.plan(path for path, _ in attributes)
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values."""
        from minfx.neptune_v2.types import StringSet

        for path, value in values.items():
            plain: Any = plain_value(value)
            if isinstance(plain, int) and not -_INT_LIMIT <= plain < _INT_LIMIT:
                plain = float(plain) if _is_exact(plain) else str(plain)
            elif isinstance(plain, frozenset):
                plain = StringSet(sorted(plain))
            with self._told(path):
                if isinstance(plain, str) and len(plain) > _TEXT_LIMIT:
                    self._upload_text(path, "txt", [plain])
                else:
                    self._opened[self._names.of(path)] = plain
        self._flush()
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series of numbers and of text; histograms become a file."""
        lost: list[Lost] = []
        for path, series in iter_series(points):
            with self._told(path):
                if type is AttributeType.HISTOGRAM_SERIES:
                    self._upload_text(path, "json", histograms_json(series))
                else:
                    lost += self._write_series(path, type, series)
        self._flush()
        return lost

    def _write_series(self, path: str, type: AttributeType, series: pa.Table) -> Sequence[Lost]:
        from minfx.neptune_v2.types import FloatSeries, StringSeries

        steps = numbers(series, "step") / STEP_SCALE
        seconds = (numbers(series, "time") / 1_000_000).tolist()
        if type is AttributeType.FLOAT_SERIES:
            values: list[Any] = doubles(series).tolist()
            held: Any = FloatSeries(values, steps=steps.tolist(), timestamps=seconds)
        else:
            values = series.column("value").to_pylist()
            if any(len(value) > _TEXT_LIMIT for value in values):
                self._upload_text(path, "txt", text_lines(series))
                return ()
            held = StringSeries(values, steps=steps.tolist(), timestamps=seconds)
        self._opened[self._names.of(path)] = held
        met = int(np.count_nonzero(np.diff(steps) == 0))
        return [Lost(path, "steps that are one as doubles", met)] if met else []

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write a file, or one of a file series; the client takes a copy in the folder."""
        from minfx.neptune_v2.types import File

        suffix = Path(file.name or path.rsplit("/", 1)[-1]).suffix.lstrip(".")
        extension = {AttributeType.ARTIFACT: "json", AttributeType.FILE_SET: "zip"}.get(
            type, suffix or "bin"
        )
        name = self._names.of(path)
        with self._told(path):
            if step is None:
                copy = self._new_copy()
                shutil.copyfile(content, copy)
                self._opened[name].upload(File.from_path(str(copy), extension=extension))
            elif content.stat().st_size > _IMAGE_LIMIT:
                return [Lost(path, "Minfx's client empties images above 32 MiB in a file series")]
            else:
                self._opened[name].append(
                    File.from_path(str(content), extension=extension), step=step / STEP_SCALE
                )
        self._flush()
        return ()

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the run and close it."""
        with self._told():
            if self._run.parent is not None:
                self._opened[f"{_OWN}/forking/parent"] = self._parent or self._run.parent
                if self._run.fork_step is not None:
                    step = float(step_text(self._run.fork_step))
                    self._opened[f"{_OWN}/forking/step"] = step
            self._opened[f"{_OWN}/content"] = content
            self._opened[f"{_OWN}/complete"] = complete
            self._opened.stop()
        self._finished = True
        if complete:
            self._ledger.note(self._run, Entry(self.id, content))
            with self._told():
                publish(self._folder, self._run, self.id)

    def read_back(self) -> Inventory | None:
        """Return what the offline run holds; None when it was synchronised meanwhile."""
        if not self._finished:
            self._flush()
        folder = container_folder(self._folder, self.id)
        if folder is None:
            return None
        return read_offline(folder).inventory()

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the path in Minfx; of a file of a series with its step."""
        name = self._names.of(path)
        return name if step is None else f"{name}@{step_text(step)}"

    def _upload_text(self, path: str, extension: str, pieces: Iterable[str]) -> None:
        from minfx.neptune_v2.types import File

        copy = self._new_copy()
        write_text(copy, pieces)
        upload = File.from_path(str(copy), extension=extension)
        self._opened[self._names.of(path)].upload(upload)

    def _new_copy(self) -> Path:
        folder = _copies(self._folder, self._run)
        folder.mkdir(parents=True, exist_ok=True)
        self._copied += 1
        return folder / str(self._copied)

    def _flush(self) -> None:
        with self._told():
            self._opened.wait(disk_only=True)

    def _told(self, path: str | None = None) -> contextlib.AbstractContextManager[None]:
        return _told(str(self._folder), self._run.run_id, path)


def _new_names() -> Names:
    """Return what names attributes: none is the beginning of another, as in Minfx none can be."""
    own = (f"{_OWN}/{name}" for name in ("original_run_id", "original_project_id"))
    return Names(
        lambda path: "/".join(_parts(path)),
        limit=1_024,
        nested=False,
        taken=[_OWN, f"{_OWN}/forking", *own],
    )


def _parts(path: str) -> Sequence[str]:
    parts = [part for part in path.split("/") if part] or ["_"]
    if parts[0] == "sys" and "/".join(parts) not in _SETTABLE:
        return [_OWN, *parts]
    return parts


def _copies(folder: Path, run: SourceRun) -> Path:
    return folder / "files" / short_digest(run.project, run.run_id)


def _is_exact(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _told(where: str, run: str, path: str | None = None) -> contextlib.AbstractContextManager[None]:
    """Turn what the client raises into our errors, which name run and attribute."""
    from minfx.neptune_v2.exceptions import NeptuneException

    refused = (NeptuneException, OSError, ValueError, TypeError)
    return translated("Minfx's client", where=where, run=run, path=path, refused=refused)
