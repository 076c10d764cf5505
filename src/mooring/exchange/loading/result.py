"""What is known of a run while it is loaded, and the small steps that need no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.errors import ExportDamaged
from mooring.exchange.loading.attempts import Failure
from mooring.exchange.loading.checking import Expected
from mooring.exchange.loading.outline import Series
from mooring.exchange.loading.report import RunStatus
from mooring.exchange.reports import Problem
from mooring.exchange.source import Source, SourceFile
from mooring.exchange.target import Lost
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Result:
    """What is known of a run so far."""

    status: RunStatus = RunStatus.FAILED
    id: str = ""
    content: str = ""
    checked: bool = False
    parts: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)
    lost: list[Lost] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def note(
        self, path: str, type: AttributeType, state: str, *, count: int = 1, digest: str = ""
    ) -> None:
        """Note what became of an attribute."""
        self.attributes[path] = {"type": type, "state": state, "count": count, "digest": digest}

    def fail(self, path: str, type: AttributeType, failure: Failure, *, what: str = "") -> None:
        """Note that an attribute did not arrive."""
        self.note(path, type, "failed")
        self.problems.append(Problem(what or path, failure.why))


def fetch(source: Source, file: SourceFile, content: Path) -> tuple[str, int]:
    """Copy a file of the source to `content`; return its digest and size in bytes."""
    digest, size = sha256(), 0
    with source.open_file(file) as reader, content.open("wb") as writer:
        while block := reader.read(1 << 20):
            digest.update(block)
            writer.write(block)
            size += len(block)
    if file.digest and file.digest != digest.hexdigest():
        raise ExportDamaged(
            f"the content of {file.name or file.location} is not the one that the source tells of",
            where=file.location,
        )
    return digest.hexdigest(), size


def merge_lost(lost: Sequence[Lost]) -> tuple[Lost, ...]:
    """Return losses with those of one attribute and reason added up."""
    counts: Counter[tuple[str | None, str]] = Counter()
    for loss in lost:
        counts[(loss.path, loss.why)] += loss.count
    return tuple(Lost(path, why, count) for (path, why), count in counts.items())


def join_series(chunk: Sequence[Series]) -> pa.Table:
    """Return the points of several series as one table."""
    import pyarrow as pa

    if len(chunk) == 1:
        return chunk[0].points
    return pa.concat_tables([series.points for series in chunk])


def count_problems(source: Source) -> int:
    """Return how much of a source could not be read so far."""
    return len(source.problems.named) + source.problems.not_named


def new_problems(source: Source, known: int) -> Sequence[Problem]:
    """Return what could not be read since then."""
    count = count_problems(source) - known
    named = list(source.problems.named[-count:]) if count else []
    if count > len(named):
        named.append(Problem("run", f"{count - len(named)} more problems of the source"))
    return named
