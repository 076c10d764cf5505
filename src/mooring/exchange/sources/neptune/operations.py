"""The client's operations, applied one after the other."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

from mooring.errors import InvalidInput
from mooring.exchange.reading.replay import RunReplay, micros_of_seconds, micros_of_step
from mooring.exchange.source import SourceFile, SourceValue
from mooring.exchange.sources.neptune.contents import Contents, FileSetStep, guess_extension
from mooring.exchange.sources.neptune.lines import Line
from mooring.model import STEP_SCALE, AttributeType, Typed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the operations of a log refer to.

    `find_value` returns the value of an attribute of another object, given its id and the path.
    """

    folder: Path
    contents: Contents
    find_value: Callable[[str, str], SourceValue | None]


class Operations:
    """Applies operations to a run.

    `described` and `configured` name series with what a store has no place for: descriptions of
    images, and the range and unit that a float series is shown with.
    """

    def __init__(self, run: RunReplay) -> None:
        self._run = run
        self.described: dict[str, int] = {}
        self.configured: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        """Where the present value of an attribute was set, for those that refer to files."""

    def apply(self, line: Line, around: Surroundings) -> None:
        """Apply one operation; `InvalidInput` tells why it cannot be."""
        operation = line.operation
        try:
            path = "/".join(operation["path"])
            change = _CHANGES[operation["type"]]
        except (KeyError, TypeError):
            raise InvalidInput(f"unknown operation {operation.get('type')!r}") from None
        try:
            change(self, path, line, around)
        except InvalidInput:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{type_name(error)}{error}") from None

    # single values
    def _assign_int(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.assign(path, int(line.operation["value"]))

    def _assign_float(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.assign(path, float(line.operation["value"]))

    def _assign_bool(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.assign(path, bool(line.operation["value"]))

    def _assign_string(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.assign(path, _text(line.operation["value"]))

    def _assign_datetime(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.assign(path, _EPOCH + timedelta(milliseconds=line.operation["value"]))

    def _delete(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.delete(path)
        self.described.pop(path, None)
        self.configured.pop(path, None)

    def _copy(self, path: str, line: Line, around: Surroundings) -> None:
        source = "/".join(line.operation["source_path"])
        value = around.find_value(line.operation["container_id"], source)
        if value is None:
            raise InvalidInput(
                f"it is a copy of {source!r} of {line.operation['container_id']}, "
                "whose value is not among these data"
            )
        self._run.assign(path, value)

    # string sets
    def _add_strings(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.change_set(path, add=map(_text, line.operation["values"]))

    def _remove_strings(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.change_set(path, remove=map(_text, line.operation["values"]))

    def _clear_strings(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.clear(path, AttributeType.STRING_SET)

    # series
    def _log_floats(self, path: str, line: Line, around: Surroundings) -> None:
        self._log(path, AttributeType.FLOAT_SERIES, line, lambda point, *_: float(point["value"]))

    def _log_strings(self, path: str, line: Line, around: Surroundings) -> None:
        self._log(path, AttributeType.STRING_SERIES, line, lambda point, *_: _text(point["value"]))

    def _log_images(self, path: str, line: Line, around: Surroundings) -> None:
        def read(point: Mapping[str, Any], index: int, step: int) -> object:
            value = point["value"]
            image = value if isinstance(value, dict) else {"data": value}
            data, name = image.get("data"), image.get("name")
            if not isinstance(data, str) or not data:
                raise InvalidInput("the client kept no content of the image")
            extension = guess_extension(base64.b64decode(data[:16]))
            stem = _file_name(name) if isinstance(name, str) and name else ""
            if image.get("description"):
                self.described[path] = self.described.get(path, 0) + 1
            return {
                "location": around.contents.in_line(line, index),
                "name": f"{stem or f'{step / STEP_SCALE:.15g}'}.{extension}",
                "mime_type": None,
                "size_bytes": len(data) * 3 // 4 - data[-2:].count("="),
                "digest": None,
            }

        self._log(path, AttributeType.FILE_SERIES, line, read)

    def _log(
        self,
        path: str,
        type: AttributeType,
        line: Line,
        read: Callable[[Mapping[str, Any], int, int], object],
    ) -> None:
        """Add the points of a line; a bad one does not cost the others."""
        series = self._run.series(path, type)
        points = line.operation["values"]
        refused: list[str] = []
        for index, point in enumerate(points):
            try:
                step = micros_of_step(point.get("step"))
                if step is None:
                    step = series.next_step
                series.append(step, micros_of_seconds(point["ts"]), read(point, index, step))
            except (InvalidInput, AttributeError, KeyError, TypeError, ValueError) as error:
                refused.append(f"{type_name(error)}{error}")
        if refused:
            raise InvalidInput(f"{len(refused)} of {len(points)} points: {refused[0]}")

    def _clear_floats(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.clear(path, AttributeType.FLOAT_SERIES)

    def _clear_texts(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.clear(path, AttributeType.STRING_SERIES)

    def _clear_images(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.clear(path, AttributeType.FILE_SERIES)
        self.described.pop(path, None)

    def _configure(self, path: str, line: Line, around: Surroundings) -> None:
        self._run.claim(path, AttributeType.FLOAT_SERIES)
        told = {name: line.operation.get(name) for name in ("min", "max", "unit")}
        if text := ", ".join(
            f"{name} {value}" for name, value in told.items() if value is not None
        ):
            self.configured[path] = text

    # files
    def _upload(self, path: str, line: Line, around: Surroundings) -> None:
        operation = line.operation
        if operation.get("file_path"):
            file = Path(operation["file_path"])
            name = file.name
        else:
            kept = operation["tmp_file_name"]
            if not kept or PurePath(kept).name != kept or kept in (".", ".."):
                raise InvalidInput(f"{kept!r} is no name of a file in upload_path")
            file = around.folder / "upload_path" / kept
            name = _named(path, operation["ext"])
        self._set_file(path, SourceFile(location=around.contents.of_path(file), name=name), line)

    def _upload_content(self, path: str, line: Line, around: Surroundings) -> None:
        text = line.operation["file_content"]
        file = SourceFile(
            location=around.contents.in_line(line),
            name=_named(path, line.operation["ext"]),
            size_bytes=len(text) * 3 // 4 - text[-2:].count("="),
        )
        self._set_file(path, file, line)

    def _upload_set(self, path: str, line: Line, around: Surroundings) -> None:
        steps = () if line.operation["reset"] in ("True", True) else self._steps(path)
        patterns = tuple(map(_text, line.operation["file_globs"]))
        self._set_file(
            path, Typed(AttributeType.FILE_SET, (*steps, FileSetStep(patterns=patterns))), line
        )

    def _delete_files(self, path: str, line: Line, around: Surroundings) -> None:
        removed = tuple(map(_text, line.operation["file_paths"]))
        steps = (*self._steps(path), FileSetStep(removed=removed))
        self._set_file(path, Typed(AttributeType.FILE_SET, steps), line)

    def _track(self, path: str, line: Line, around: Surroundings) -> None:
        entries = tuple((_text(where), into) for where, into in line.operation["entries"])
        before = self._run.values.get(path)
        known = before.value if isinstance(before, Typed) else ()
        self._set_file(path, Typed(AttributeType.ARTIFACT, (*known, *entries)), line)

    def _assign_artifact(self, path: str, line: Line, around: Surroundings) -> None:
        raise InvalidInput(
            f"only the hash of the artifact is in the log ({line.operation['hash']}), not its files"
        )

    def _clear_artifact(self, path: str, line: Line, around: Surroundings) -> None:
        self._set_file(path, Typed(AttributeType.ARTIFACT, ()), line)

    def _steps(self, path: str) -> Sequence[FileSetStep]:
        before = self._run.values.get(path)
        known: Sequence[FileSetStep] = before.value if isinstance(before, Typed) else ()
        return known

    def _set_file(self, path: str, value: SourceValue, line: Line) -> None:
        self._run.assign(path, value)
        self.lines[path] = line.where


_CHANGES: Mapping[str, Callable[[Operations, str, Line, Surroundings], None]] = {
    "AssignInt": Operations._assign_int,
    "AssignFloat": Operations._assign_float,
    "AssignBool": Operations._assign_bool,
    "AssignString": Operations._assign_string,
    "AssignDatetime": Operations._assign_datetime,
    "AssignArtifact": Operations._assign_artifact,
    "DeleteAttribute": Operations._delete,
    "CopyAttribute": Operations._copy,
    "AddStrings": Operations._add_strings,
    "RemoveStrings": Operations._remove_strings,
    "ClearStringSet": Operations._clear_strings,
    "LogFloats": Operations._log_floats,
    "LogStrings": Operations._log_strings,
    "LogImages": Operations._log_images,
    "ClearFloatLog": Operations._clear_floats,
    "ClearStringLog": Operations._clear_texts,
    "ClearImageLog": Operations._clear_images,
    "ConfigFloatSeries": Operations._configure,
    "UploadFile": Operations._upload,
    "UploadFileContent": Operations._upload_content,
    "UploadFileSet": Operations._upload_set,
    "DeleteFiles": Operations._delete_files,
    "TrackFilesToArtifact": Operations._track,
    "ClearArtifact": Operations._clear_artifact,
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{value!r} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:  # halves of surrogate pairs, which no text can hold
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def type_name(error: Exception) -> str:
    """Return what to put before the message of an error that is not ours."""
    return "" if isinstance(error, InvalidInput) else f"malformed: {type(error).__name__}: "


def _file_name(text: str) -> str:
    return "".join("_" if char in "/\\:\0" or ord(char) < 32 else char for char in _text(text))[
        :100
    ]


def _named(path: str, extension: Any) -> str:
    stem = _file_name(path.rsplit("/", 1)[-1])
    return f"{stem}.{_file_name(extension)}" if isinstance(extension, str) and extension else stem
