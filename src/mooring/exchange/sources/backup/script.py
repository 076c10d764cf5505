"""A run that Neptune's bulk backup script wrote: what its files say, and what they let us guess.

The script left out types, so some are guessed: `ScriptRules` tells how, and overrides it.
"""

from __future__ import annotations

import ast
import json
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidInput, InvalidPath, MooringError, SourceUnreadable
from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.names import METADATA
from mooring.exchange.backup.reading import Tell
from mooring.exchange.backup.texts import (
    EMPTY,
    HEADER,
    read_series,
)
from mooring.exchange.source import SourceFile, SourceRun, SourceSeries, SourceValue, make_points
from mooring.model import (
    STEP_SCALE,
    AttributeType,
    Typed,
    micros_from_datetime,
    validate_path,
)
from mooring.query import compile_pattern

RUN_FOLDER = re.compile(r"[A-Z0-9]+-\d+")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00:00")
_INDEXED = re.compile(r"(0|[1-9]\d*)\.([\w+.-]+)", re.ASCII)
_JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_EXPECTED = ("sys/id", "sys/creation_time", "sys/owner", "sys/modification_time", "sys/trashed")
"""Attributes that every run has, and that come last in what the script read."""
_NO_FILE = (
    "is no plain file, and is not followed. The script makes links to artifacts that were local: "
    "copy the tree with what they point to (cp -rL), and take the copy"
)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRules:
    """How to read what the script's trees leave open.

    Attributes
    ----------
    zone : time zone of the machine that wrote them, such as `Europe/Berlin`, whose local time
        stands in CSV files; None: that of this machine
    string_sets : attributes that are sets of texts where they look like one; others stay texts
    datetimes : whether texts that look like the script's form of a time are times
    string_series : regular expressions for series that hold texts even where all are numbers
    log : text of the script's log file, which tells where a run was cut
    """

    zone: str | None = None
    string_sets: tuple[str, ...] = ("sys/tags", "sys/group_tags")
    datetimes: bool = True
    string_series: tuple[str, ...] = (r"(^|/)(stdout|stderr|traceback)$",)
    log: str = ""


@dataclass(slots=True)
class _Found:
    """What a run's folder holds: series by path, file series by path, files by path."""

    series: dict[str, str] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


class ScriptRun:
    """Reads one run that the script wrote.

    Locations of files are their names below the folder of the run, after `prefix`.
    """

    def __init__(
        self,
        folder: Folder,
        project: str,
        name: str,
        *,
        rules: ScriptRules,
        zone: str,
        tell: Tell,
        prefix: str = "",
    ) -> None:
        self._folder = folder
        self._project = project
        self._name = name
        self._rules = rules
        self._zone = zone
        self._tell = tell
        self._prefix = prefix
        self._texts = [compile_pattern(pattern) for pattern in rules.string_series]
        self._values: dict[str, SourceValue] | None = None
        self._why_not = ""
        self._odd: list[tuple[str, str]] = []
        self._found: _Found | None = None
        self._types: dict[str, AttributeType | None] = {}

    # the run

    def describe(self) -> SourceRun:
        """Return what identifies the run, without its handle."""
        values = self._metadata()
        created = values.get("sys/creation_time")
        if isinstance(created, str) and _DATETIME.fullmatch(created):
            created = datetime.fromisoformat(created)
        return SourceRun(
            project=self._project,
            run_id=_text(values.get("sys/custom_run_id")) or self._name,
            sys_id=_text(values.get("sys/id")) or self._name,
            name=_text(values.get("sys/name")),
            created=micros_from_datetime(created) if isinstance(created, datetime) else None,
            trashed=values.get("sys/trashed") is True,
            incomplete=self._incomplete(),
        )

    def _incomplete(self) -> str:
        lacking = [path for path in _EXPECTED if path not in self._metadata()]
        if self._why_not:
            return self._why_not
        if lacking:
            return (
                f"the script ended before it had all of it: {METADATA} lacks {', '.join(lacking)}"
            )
        return cut_in_log(self._rules.log, self._name)

    # values

    def read_values(self) -> dict[str, SourceValue]:
        """Return all attributes that are no series."""
        values = dict(self._metadata())
        if self._why_not:
            self._told(None, self._why_not, METADATA)
        for path, why in self._odd:
            self._told(path, why, METADATA)
        for path, name in self._scan().files.items():
            file = SourceFile(
                location=self._prefix + name,
                name=name.rpartition("/")[2].rstrip("."),
                mime_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                size_bytes=self._folder.size(name),
            )
            values[path] = Typed(AttributeType.FILE_SET, file) if name.endswith(".zip") else file
        return values

    def _metadata(self) -> dict[str, SourceValue]:
        if self._values is None:
            self._values = {}
            try:
                stored = json.loads(self._folder.read(METADATA))
                if not isinstance(stored, dict):
                    raise ValueError("it holds no object")
            except SourceUnreadable as error:
                self._why_not = f"{METADATA} cannot be read: {error}"
            except (ValueError, RecursionError) as error:
                self._why_not = f"{METADATA} is cut or no JSON: {error}"
            else:
                for path, value in stored.items():
                    try:
                        self._values[validate_path(path)] = self._value(path, value)
                    except MooringError as error:
                        self._odd.append((path, str(error)))
        return self._values

    def _value(self, path: str, value: object) -> SourceValue:
        if isinstance(value, (bool, float)):
            return value
        if isinstance(value, int) and value in _INT64:
            return value
        if not isinstance(value, str):
            raise SourceUnreadable(f"a value that no attribute can hold: {str(value)[:40]}")
        if path in self._rules.string_sets:
            found = parse_set(value)
            return value if found is None else found
        if self._rules.datetimes and _DATETIME.fullmatch(value):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                return value
        return value

    # series

    def list_series(self) -> list[SourceSeries]:
        """Return the series that have points."""
        found = self._scan()
        listed = [
            SourceSeries(path, AttributeType.FILE_SERIES, len(names))
            for path, names in found.folders.items()
        ]
        for path in found.series:
            type = self._type_of(path)
            if type is not None:
                listed.append(SourceSeries(path, type))
        return listed

    def read_points(self, type: AttributeType, paths: Sequence[str] | None) -> pa.Table:
        """Return the points of series of one type, see `Source.read_points`."""
        found = self._scan()
        wanted = sorted([*found.series, *found.folders] if paths is None else set(paths))
        if type is AttributeType.FILE_SERIES:
            return self._file_points([path for path in wanted if path in found.folders])
        columns: list[pa.Table] = []
        for path in wanted:
            if path in found.series and self._type_of(path) is type:
                try:
                    points = self._points(type, found.series[path])
                except MooringError as error:
                    self._told(path, str(error), found.series[path])
                else:
                    names = pa.DictionaryArray.from_arrays(
                        np.zeros(points.num_rows, np.int32), pa.array([path], pa.string())
                    )
                    columns.append(points.add_column(0, "path", names))
        if not columns:
            return make_points(type, [], [], [], [])
        points = pa.concat_tables(columns).unify_dictionaries()
        return make_points(type, *(points[name] for name in ("path", "step", "time", "value")))

    def _points(self, type: AttributeType, name: str) -> pa.Table:
        created = self.describe().created or 0
        texts = type is AttributeType.STRING_SERIES
        return read_series(
            lambda: self._folder.open(name), self._zone, texts=texts, missing=created
        )

    def _type_of(self, path: str) -> AttributeType | None:
        """Return the type that a series seems to have; None when it has no points."""
        if path not in self._types:
            name = self._scan().series[path]
            try:
                self._types[path] = self._guess(path, name)
                if self._types[path] is None:
                    self._told(path, "has no points, so its type is not known", name)
            except MooringError as error:
                self._types[path] = None
                self._told(path, str(error), name)
        return self._types[path]

    def _guess(self, path: str, name: str) -> AttributeType | None:
        with self._folder.open(name) as file:
            if file.read(len(HEADER) + 2).replace(b"\r\n", b"\n") in (EMPTY, HEADER):
                return None
        if any(pattern.search(path) for pattern in self._texts):
            return AttributeType.STRING_SERIES
        try:
            read_series(lambda: self._folder.open(name), self._zone, texts=False)
        except InvalidInput:
            return AttributeType.STRING_SERIES
        return AttributeType.FLOAT_SERIES

    def _file_points(self, paths: Sequence[str]) -> pa.Table:
        named, steps, values = [], [], []
        for path in paths:
            for name in self._scan().folders[path]:
                base = name.rpartition("/")[2]
                named.append(path)
                steps.append(int(base.partition(".")[0]) * STEP_SCALE)
                values.append(
                    {
                        "location": self._prefix + name,
                        "name": base,
                        "mime_type": _image_type(base),
                        "size_bytes": self._folder.size(name),
                        "digest": None,
                    }
                )
        created = self.describe().created or 0
        return make_points(AttributeType.FILE_SERIES, named, steps, [created] * len(named), values)

    # files

    def _scan(self) -> _Found:
        """Return what lies in the folder, by the path that each attribute has."""
        if self._found is not None:
            return self._found
        found = self._found = _Found()
        folders: dict[str, list[str]] = {}
        for name in self._folder.walk():
            above, _, base = name.rpartition("/")
            if base not in _JUNK and name != METADATA:
                folders.setdefault(above, []).append(name)
        others: list[tuple[str, str]] = []
        for above, names in folders.items():
            if above and _is_series(names):
                found.folders[above] = sorted(names, key=_index)
                continue
            for name in names:
                if self._folder.kind(name) != "file":
                    self._told(None, _NO_FILE, name)
                elif name.endswith(".csv") and self._is_csv(name):
                    found.series[name.removesuffix(".csv")] = name
                else:
                    stem, _, _ = name.rpartition("/")[2].rpartition(".")
                    path = f"{above}/{stem}" if above else stem
                    others.append((path if stem else name, name))
        taken = {*found.series, *found.folders, *self._metadata()}
        many = Counter(path for path, _ in others)
        for path, name in others:
            # Files that differ in their extension alone are told apart by it.
            clear = many[path] == 1 and path not in taken
            found.files[path if clear else name] = name
        for group in (found.series, found.folders, found.files):
            for path in list(group):
                try:
                    validate_path(path)
                except InvalidPath as error:
                    self._told(None, str(error), repr(path))
                    del group[path]
        return found

    def _is_csv(self, name: str) -> bool:
        with self._folder.open(name) as file:
            start = file.read(len(HEADER) + 1).replace(b"\r\n", b"\n")
        return start == EMPTY or start.startswith(HEADER)

    def _told(self, path: str | None, why: str, name: str) -> None:
        where = f"run {self._name!r} of {self._project}, file {self._folder.root}/{name}"
        self._tell(path or name, f"{where}: {why}")


def parse_set(text: str) -> frozenset[str] | None:
    """Return the set of texts that Python wrote as `text`; None when it is none.

    >>> sorted(parse_set("{'b', 'a'}")), parse_set("set()"), parse_set("{'a': 1}")
    (['a', 'b'], frozenset(), None)
    """
    if text == "set()":
        return frozenset()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, set) or not all(isinstance(one, str) for one in found):
        return None
    return frozenset(found)


def cut_in_log(log: str, run: str) -> str:
    """Return why the script's log tells that a run was cut; empty when it does not.

    >>> log = "12:00 INFO Fetching DIG-1\\n12:01 ERROR Error while downloading a/b\\nno answer"
    >>> cut_in_log(log, "DIG-1"), cut_in_log(log, "DIG-2")
    ('the script failed at a/b: no answer', '')
    """
    current = ""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        ids = re.findall(r"(?<![\w-])[A-Z0-9]+-\d+(?![\w-])", line.partition("Error while")[0])
        current = next((id for id in ids if not id.isdigit()), current)
        _, found, path = line.partition("Error while downloading ")
        if found and current == run:
            why = lines[number + 1] if number + 1 < len(lines) else ""
            return f"the script failed at {path}: {why}".strip(": ")
    return ""


def _is_series(names: Sequence[str]) -> bool:
    """Return whether these are the files of a series: images numbered from 0 on."""
    bases = [name.rpartition("/")[2] for name in names]
    numbers = set()
    for base in bases:
        match = _INDEXED.fullmatch(base)
        if match is None or not _image_type(base).startswith("image/"):
            return False
        numbers.add(int(match[1]))
    return numbers == set(range(len(bases)))


def _index(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])


def _image_type(base: str) -> str:
    subtype = base.partition(".")[2]
    return mimetypes.guess_type(base)[0] or (
        f"image/{subtype}" if f"image/{subtype}" in mimetypes.types_map.values() else ""
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def iter_run_folders(project: Folder, known: Mapping[str, object]) -> Iterator[tuple[str, bool]]:
    """Yield each folder of a project that is none of `known`, and whether the script made it."""
    for name in project.names():
        if name in known or name.startswith(".") or project.kind(name) != "folder":
            continue
        below = project.folder(name)
        yield name, below.kind(METADATA) == "file" or RUN_FOLDER.fullmatch(name) is not None
