"""Attribute paths for the names of another tracker: valid, and one for each name and type."""

from __future__ import annotations

import re

from mooring.model import AttributeType
from mooring.model.names import MAX_PATH_BYTES

_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ENDINGS = {
    AttributeType.FLOAT_SERIES: "scalars",
    AttributeType.STRING_SERIES: "text",
    AttributeType.HISTOGRAM_SERIES: "histograms",
    AttributeType.FILE_SERIES: "files",
}


class TagPaths:
    """Gives each tag of a run its path. `renamed` tells which are not the tag itself, and why.

    >>> tags = TagPaths()
    >>> tags.path("loss", AttributeType.FLOAT_SERIES)
    'loss'
    >>> tags.path("loss", AttributeType.STRING_SERIES)
    'loss/text'
    """

    def __init__(self) -> None:
        self._paths: dict[tuple[str, AttributeType], str] = {}
        self._taken: set[str] = set()
        self.renamed: dict[tuple[str, str], str] = {}

    def path(self, tag: str, type: AttributeType) -> str:
        """Return the path of a tag; always the same one."""
        known = self._paths.get((tag, type))
        if known is None:
            known = self._paths[tag, type] = self._choose(tag, type)
        return known

    def _choose(self, tag: str, type: AttributeType) -> str:
        path, why = _REFUSED.sub("_", tag) or "untitled", ""
        if len(path.encode()) > MAX_PATH_BYTES:
            path = path.encode()[: MAX_PATH_BYTES - 24].decode(errors="ignore")
        if path != tag:
            why = "it cannot be a path as it is"
        free = path
        number = 1
        while free in self._taken:
            why = why or "the run has another attribute of this name"
            ending = _ENDINGS.get(type, "value")
            free = f"{path}/{ending}" if number == 1 else f"{path}/{ending}_{number}"
            number += 1
        self._taken.add(free)
        if why:
            self.renamed[tag, free] = why
        return free
