"""A run of a target that is whole already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.errors import TargetRefused
from mooring.exchange.source import SourceFile, SourceValue
from mooring.exchange.target import Inventory, Lost
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa


class FinishedRun:
    """A run that is complete: it is read, and not written.

    Parameters
    ----------
    id : the target's id of the run
    folder : where it lies
    read : tells what is there
    name : the name of an attribute that shares it with no other one
    """

    def __init__(
        self,
        id: str,
        folder: Path,
        *,
        read: Callable[[], Inventory],
        name: Callable[[str], str] = str,
    ) -> None:
        self._id = id
        self._folder = folder
        self._read = read
        self._name = name

    @property
    def id(self) -> str:
        """The target's id of the run."""
        return self._id

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Refuse."""
        raise self._complete()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Refuse."""
        raise self._complete()

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Refuse."""
        raise self._complete()

    def finish(self, *, complete: bool, content: str) -> None:
        """Do nothing."""

    def read_back(self) -> Inventory:
        """Return what is there."""
        return self._read()

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name of an attribute."""
        return self._name(path)

    def _complete(self) -> TargetRefused:
        return TargetRefused(f"{self._folder} is complete; it is not replaced")
