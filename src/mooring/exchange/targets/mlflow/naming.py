"""Names that MLflow can have for attributes, and where files lie among a run's artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mooring.exchange.filling.steps import step_text
from mooring.exchange.names import allocate_names, folders_of, with_digest
from mooring.exchange.source import FILE_TYPES
from mooring.model import AttributeType

MAX_NAME = 250
"""Characters that MLflow has for the name of a metric, param or tag."""

MAX_FILE_NAME = 200
"""Characters of a file's name that we use of the 255 bytes that file systems have."""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_\-. /]")
_NOT_IN_FILES = re.compile(r"[^\w\-. ()+=@,]")
_DOTS = re.compile(r"\.{1,2}")

_ARTIFACTS = FILE_TYPES | {
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
    AttributeType.FILE_SERIES,
}


def clean_name(path: str) -> str:
    """Return a name that MLflow takes: its characters, and no part that a file path would lose.

    >>> clean_name("train:loss"), clean_name("a//b"), clean_name("../x")
    ('train_loss', 'a/_/b', '__/x')
    """
    parts = _NOT_IN_NAMES.sub("_", path).split("/")
    return "/".join(_DOTS.sub(lambda dots: "_" * len(dots[0]), part) if _DOTS.fullmatch(part) else
                    part or "_" for part in parts)  # fmt: skip


def cut_name(path: str) -> str:
    """Return a name that MLflow takes, as long as it takes them."""
    return clean_name(path)[:MAX_NAME]


def clean_file_name(name: str) -> str:
    """Return a name that a file can have among artifacts.

    >>> clean_file_name("a/../plot?.png"), clean_file_name("..")
    ('a_.._plot_.png', '__')
    """
    cleaned = _NOT_IN_FILES.sub("_", name) or "file"
    if _DOTS.fullmatch(cleaned):
        cleaned = "_" * len(cleaned)
    if len(cleaned.encode()) > MAX_FILE_NAME:
        stem, dot, extension = cleaned.rpartition(".")
        if not dot or len(extension) > 10:
            stem, extension = cleaned, ""
        stem = stem.encode()[: MAX_FILE_NAME - 20].decode(errors="ignore")
        cleaned = with_digest(stem, name) + dot * bool(extension) + extension
    return cleaned


class Names:
    """The names of a run's attributes. The same attributes always get the same names.

    Params, metrics and artifacts each have names of their own. In a folder (`nested` False) no
    name can be the folder of another one.
    """

    def __init__(self, attributes: Sequence[tuple[str, AttributeType]], *, nested: bool) -> None:
        groups: dict[str, list[str]] = {"param": [], "metric": [], "artifact": []}
        for path, type in attributes:
            groups[_group(type)].append(path)
        self._names: Mapping[str, Mapping[str, str]] = {
            group: allocate_names(
                paths,
                cut_name,
                limit=MAX_NAME,
                nested=nested or group == "artifact",
                taken={"mooring"} if group == "artifact" else (),
            )
            for group, paths in groups.items()
        }
        artifacts = self._names["artifact"].values()
        self._folders = {*artifacts, *(folder for name in artifacts for folder in folders_of(name))}

    def of(self, path: str, type: AttributeType) -> str:
        """Return the name of an attribute: of a param or metric, or the folder of artifacts."""
        names = self._names[_group(type)]
        return names[path] if path in names else cut_name(path)

    def file(self, path: str, type: AttributeType, step: str | None, name: str) -> str:
        """Return where a file of an attribute lies among the artifacts."""
        folder = self.of(path, type)
        if step is not None:
            folder = f"{folder}/step_{step}"
        base = clean_file_name(name or path.rpartition("/")[2])
        if f"{folder}/{base}" in self._folders:
            stem, dot, extension = base.rpartition(".")
            base = with_digest(stem or base, path) + (dot + extension if stem else "")
        return f"{folder}/{base}"

    def renamed(self) -> Mapping[str, str]:
        """Return the attributes whose name is not their path."""
        return {
            path: name
            for names in self._names.values()
            for path, name in names.items()
            if path != name
        }


def series_file(folder: str, type: AttributeType) -> str:
    """Return where the points of a string or histogram series lie among the artifacts."""
    name = "series.txt" if type is AttributeType.STRING_SERIES else "histograms.json"
    return f"{folder}/{name}"


def step_folder(step: int | None, multiplier: int) -> str | None:
    """Return the step in the name of a file's folder."""
    return None if step is None else step_text(step, multiplier)


def _group(type: AttributeType) -> str:
    if type is AttributeType.FLOAT_SERIES:
        return "metric"
    return "artifact" if type in _ARTIFACTS else "param"
