"""Runs of all kinds of content, and the shortest loader that can bring them into a target."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from mooring.exchange.source import SourceFile, SourceRun, SourceValue, make_points
from mooring.exchange.target import Lost, Target, TargetRun
from mooring.model import AttributeType, Typed

NOON = 1_767_614_400_123_456
FLOATS, TEXTS, HISTOGRAMS = (
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
)


@dataclass(frozen=True)
class Content:
    """What a run holds: values, points by type, and files by (path, type, step)."""

    values: Mapping[str, SourceValue] = field(default_factory=dict)
    points: Mapping[AttributeType, pa.Table] = field(default_factory=dict)
    files: Mapping[tuple[str, AttributeType, int | None], bytes] = field(default_factory=dict)

    def attributes(self) -> Sequence[tuple[str, AttributeType]]:
        """Return path and type of each attribute."""
        found = {path: _type_of(value) for path, value in self.values.items()}
        for type, points in self.points.items():
            found |= dict.fromkeys(points["path"].unique().to_pylist(), type)
        found |= {path: type for path, type, _ in self.files}
        return sorted(found.items())

    def counts(self) -> Mapping[str, int]:
        """Return the number of points of each series that is no file series."""
        counts: dict[str, int] = {}
        for points in self.points.values():
            for path in points["path"].to_pylist():
                counts[path] = counts.get(path, 0) + 1
        return counts


def series(type: AttributeType, content: Mapping[str, Sequence[tuple[float, object]]]) -> pa.Table:
    """Return points: (step, value) by path, a second apart."""
    rows = [
        (path, round(step * 1_000_000), NOON + number * 1_000_000, value)
        for path, points in content.items()
        for number, (step, value) in enumerate(points)
    ]
    return make_points(type, *([row[column] for row in rows] for column in range(4)))


def everything() -> Content:
    """Return content of every type, with what is hard to hold and names that meet."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("train.py", "print('ü')\n")
    histogram = {"kind": "COUNTING", "edges": [0.0, 0.1, 2.0], "values": [3.0, 4.0]}
    return Content(
        values={
            "sys/id": "DIG-1",
            "sys/custom_run_id": "run-1",
            "sys/name": 'the "best" run\'s naïve 日本',
            "sys/description": "what it is for",
            "sys/creation_time": datetime(2026, 1, 5, 12, tzinfo=UTC),
            "sys/modification_time": datetime(2026, 1, 5, 13, tzinfo=UTC),
            "sys/tags": frozenset({"best", "two words"}),
            "sys/failed": False,
            "sys/state": Typed(AttributeType.RUN_STATE, "inactive"),
            "params/lr": 0.1,
            "params/nan": math.nan,
            "params/inf": math.inf,
            "params/big": 2**60 + 1,
            "params/flag": True,
            "params/text": "two lines,\n'quoted' \"ü\" 日本",
            "params/empty": "",
            "params/when": datetime(2026, 1, 5, 12, 0, 0, 123_456, tzinfo=UTC),
            "params/set": frozenset({"x", "y,z"}),
            "params/a:b": 1,
            "params/a_b": 2,
            "params/a b": 3,
            "source_code/git": Typed(AttributeType.GIT_REF, {"commit_id": "abc", "dirty": True}),
        },
        points={
            FLOATS: series(
                FLOATS,
                {
                    "metrics/loss": [
                        (-1.5, 9.0),
                        (0, 8.0),
                        (0.29, 7.5),
                        (0.5, math.nan),
                        (1.15, math.inf),
                        (2, -math.inf),
                        (3, 0.1),
                    ],
                    "metrics/whole": [(step, step / 10) for step in range(5)],
                    "metrics/a:b": [(0, 1.0)],
                    "metrics/a_b": [(0, 2.0), (1, 3.0)],
                    "metrics/a/b": [(0, 4.0), (1, 5.0), (2, 6.0)],
                },
            ),
            TEXTS: series(
                TEXTS, {"logs/out": [(0, "first"), (1, 'it\'s\ntwo "lines" ü'), (2, "")]}
            ),
            HISTOGRAMS: series(HISTOGRAMS, {"hist/weights": [(0, histogram), (10, histogram)]}),
        },
        files={
            ("files/model.bin", AttributeType.FILE, None): b"\x00\x01model",
            ("files/notes", AttributeType.FILE, None): "naïve\n".encode(),
            ("img/sample", AttributeType.FILE_SERIES, 0): b"zero",
            ("img/sample", AttributeType.FILE_SERIES, 500_000): b"half",
            ("source_code/files", AttributeType.FILE_SET, None): zipped.getvalue(),
            ("data/train", AttributeType.ARTIFACT, None): json.dumps(
                [{"filePath": "a.csv", "fileHash": "0" * 40}]
            ).encode(),
        },
    )


def open_run(
    target: Target, run: SourceRun, content: Content, *, parent: str | None = None
) -> TargetRun:
    """Create a run, or go on with it, and tell it which attributes are to come."""
    found = target.find_run(run)
    opened = target.open_run(run, content.values, parent=parent, found=found is not None)
    plan_names = getattr(opened, "plan_names", None)
    if plan_names is not None:
        plan_names(content.attributes())
    return opened


def write(opened: TargetRun, content: Content, folder: Path) -> Sequence[Lost]:
    """Hand all content over; return what is told lost."""
    lost = [*opened.write_values(content.values)]
    for type, points in content.points.items():
        lost += opened.write_points(type, points)
    for number, ((path, type, step), data) in enumerate(content.files.items()):
        copy = folder / f"content-{number}"
        copy.write_bytes(data)
        name = path.rsplit("/", 1)[-1] + {AttributeType.FILE_SET: ".zip"}.get(type, "")
        file = SourceFile(location=str(copy), name=name, size_bytes=len(data))
        lost += opened.write_file(path, type, step, file, copy)
    return lost


def load(
    target: Target,
    run: SourceRun,
    content: Content,
    folder: Path,
    *,
    parent: str | None = None,
    digest: str = "d1",
) -> tuple[TargetRun, Sequence[Lost]]:
    """Bring a whole run into a target, and mark it complete."""
    opened = open_run(target, run, content, parent=parent)
    lost = write(opened, content, folder)
    opened.finish(complete=True, content=digest)
    return opened, lost


def count_lost(lost: Iterable[Lost], path: str) -> int:
    """Return how much of an attribute is told lost."""
    return sum(entry.count for entry in lost if entry.path == path)


def _type_of(value: SourceValue) -> AttributeType:
    kinds = {
        bool: AttributeType.BOOL,
        int: AttributeType.INT,
        float: AttributeType.FLOAT,
        str: AttributeType.STRING,
        datetime: AttributeType.DATETIME,
        frozenset: AttributeType.STRING_SET,
    }
    return value.type if isinstance(value, Typed) else kinds[type(value)]
