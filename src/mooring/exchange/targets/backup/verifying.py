"""Whether a backup holds what its source holds: every file read, every value compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import pyarrow as pa

from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.manifest import Manifest
from mooring.exchange.backup.reading import RunReader, open_checked
from mooring.exchange.comparing import compare_runs
from mooring.exchange.reports import Problem, ProblemList
from mooring.exchange.source import (
    RunExtras,
    Source,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.model import AttributeType


def verify_run(
    source: Source, run: SourceRun, folder: Folder, manifest: Manifest
) -> Sequence[Problem]:
    """Read a run of a backup back; return what differs from its manifest and from its source.

    What the source could not give is in the manifest, and no difference.
    """
    copy = _OneRun(folder, manifest)
    found = [
        Problem(what, f"{why}. Run the backup again with --full to write it anew")
        for what, why in copy.reader.check_files()
    ]
    left_out = {what for what, _ in manifest.missing}
    for one in compare_runs(source, run, copy, manifest.run).differences:
        if one.path not in left_out:
            why = f"the backup does not hold what the source does now: {one}"
            found.append(Problem(one.path, f"{why}. If it has changed, run the backup again"))
    named = {problem.what for problem in found}
    return [*found, *(one for one in copy.problems.named if one.what not in named)]


class _OneRun:
    """The run of a folder as a source, which is asked for no other."""

    def __init__(self, folder: Folder, manifest: Manifest) -> None:
        self.address = str(folder.root)
        self.problems = ProblemList()
        self.reader = RunReader(folder, manifest, self.problems.add)

    def list_projects(self) -> Sequence[str]:
        return [self.reader.manifest.run.project]

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        return [self.reader.manifest.run]

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        return self.reader.read_values()

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        return self.reader.list_series()

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        return self.reader.read_points(type, paths)

    def read_extras(self, run: SourceRun) -> RunExtras:
        return self.reader.read_extras()

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        return open_checked(self.reader.folder, file.location, file.digest)

    def close(self) -> None:
        pass
