"""Writes runs as folders of TensorBoard's event files."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mooring.errors import TargetRefused
from mooring.exchange.event_files.records import require_tensorboard
from mooring.exchange.filling import marks
from mooring.exchange.filling.finished import FinishedRun
from mooring.exchange.source import SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, LoadSettings, TargetRun
from mooring.exchange.targets.tensorboard.run import (
    MARK_FILE,
    TensorBoardRun,
    file_name,
    read_inventory,
    write_json,
)
from mooring.model import AttributeType

_PLAIN = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_PARTIAL = ".mooring-partial"
_REPLACED = ".mooring-replaced"


class TensorBoardTarget:
    """A log directory that runs are written to, one folder for each.

    A run is written to a folder beside its place, which is renamed when it is finished. A load
    that was cut goes on in that folder, whose ledger tells what was written. A file
    `mooring.json` in each folder tells which run it is, and whether all of it is there.

    Parameters
    ----------
    root : the log directory; made when it is missing
    """

    def __init__(self, root: str | Path, *, settings: LoadSettings | None = None) -> None:
        require_tensorboard()
        self._root = Path(root).absolute()
        self._settings = settings or LoadSettings()
        self._open: TensorBoardRun | None = None
        if self._root.exists() and not self._root.is_dir():
            raise TargetRefused(f"{self._root} is no folder", where=str(self._root))

    @property
    def name(self) -> str:
        """Its name."""
        return "tensorboard"

    @property
    def address(self) -> str:
        """Where the log directory is."""
        return str(self._root)

    @property
    def capabilities(self) -> Capabilities:
        """What event files can hold."""
        return Capabilities(
            types=frozenset(AttributeType),
            nan=True,
            infinity=True,
            negative_steps=True,
            point_times=True,
            microseconds=True,
            forks="tag",
            finds_runs=True,
            resumes=True,
            reads_back=True,
            notes=(
                "TensorBoard shows scalars with 32 bits; import_runs gets them back exactly",
                "single values are hyperparameters: integers become doubles, times and sets text",
                "images and WAV clips of file series are events, at the time of the load",
                "other files lie in the run's folder, below files/",
            ),
        )

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the run that an earlier load made of this one."""
        folder, mark = self._place(run)
        if mark is None or not mark.get("complete"):
            begun = mark is not None or _is_left_of(_partial_of(folder), run)
            return FoundRun(self._id(folder), False) if begun else None
        return FoundRun(self._id(folder), True, str(mark.get("content", "")))

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> TargetRun:
        """Begin to write a run, or go on with one."""
        folder, mark = self._place(run)
        if mark is not None and mark.get("complete"):
            return FinishedRun(self._id(folder), folder, read=lambda: read_inventory(folder))
        partial = _partial_of(folder)
        try:
            if _is_left_of(partial, run):
                if mark is not None:
                    shutil.rmtree(folder)  # it was begun anew since
            elif mark is not None:
                folder.rename(partial)
            else:
                partial.mkdir(parents=True)
                write_json(partial / MARK_FILE, mark_of(run))
        except OSError as error:
            raise TargetRefused(f"{partial} cannot be made: {error}", where=str(partial)) from error
        wall = time.time() if run.created is None else run.created / 1e6
        fork: dict[str, float | str | bool] = {}
        if run.parent is not None:
            fork["mooring/forked_from"] = parent or run.parent
            if run.fork_step is not None:
                fork["mooring/fork_step"] = run.fork_step / 1e6
        self.close()
        self._open = TensorBoardRun(
            id=self._id(folder),
            folder=partial,
            place=folder,
            replaced=folder.with_name(folder.name + _REPLACED),
            mark=mark_of(run),
            wall=wall,
            extra=fork,
            multiplier=self._settings.step_multiplier,
        )
        return self._open

    def close(self) -> None:
        """Close the files of a run that was not finished; a later load goes on with it."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _id(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix()

    def _place(self, run: SourceRun) -> tuple[Path, Mapping[str, Any] | None]:
        """Return the folder of a run, and its mark when it is there.

        A name that a file system might not tell from another one, or cannot have, is replaced by
        one with a digest.
        """
        parts = [f"{self._settings.name_prefix}{run.project}".split("/"), [run.run_id]]
        project = [part if _is_plain(part) else file_name(part) for part in parts[0]]
        names = [file_name(run.run_id)]
        if _is_plain(run.run_id):
            names.insert(0, run.run_id)
        for name in names:
            folder = self._root.joinpath(*project, name)
            replaced = folder.with_name(folder.name + _REPLACED)
            if not folder.exists() and replaced.is_dir():
                replaced.rename(folder)  # a load was killed between two renames
            if not folder.exists():
                return folder, None
            mark = read_mark(folder)
            if mark is not None and marks.is_note_of(mark, run):
                return folder, mark
        raise TargetRefused(
            f"{folder} is there, and was not made from {run.project}/{run.run_id}; "
            "choose another log directory, or move it away",
            where=str(folder),
            run=run.run_id,
        )


def _partial_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _PARTIAL)


def mark_of(run: SourceRun) -> dict[str, Any]:
    """Return what the mark of a run says before it is complete."""
    return {
        "format": 1,
        "project": run.project,
        "run_id": run.run_id,
        "name": run.name,
        "sys_id": run.sys_id,
        "parent": run.parent,
        "fork_step": None if run.fork_step is None else run.fork_step / 1e6,
        "complete": False,
        "content": "",
    }


def read_mark(folder: Path) -> Mapping[str, Any] | None:
    """Return the mark of a folder; None when it has none that can be read."""
    try:
        mark = json.loads((folder / MARK_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None


def _is_plain(name: str) -> bool:
    if name.endswith((".", _PARTIAL, _REPLACED)) or _RESERVED.match(name):
        return False
    return bool(_PLAIN.match(name)) and name == name.strip()


def _is_left_of(partial: Path, run: SourceRun) -> bool:
    """Return whether a load of this run that was cut left a folder, and nobody else made it."""
    if not partial.exists():
        return False
    mark = read_mark(partial)
    if mark is not None and marks.is_note_of(mark, run):
        return True
    if not any(partial.iterdir()):
        partial.rmdir()
        return False
    raise TargetRefused(
        f"{partial} is there, and no load of {run.run_id} left it; move it away",
        where=str(partial),
        run=run.run_id,
    )
