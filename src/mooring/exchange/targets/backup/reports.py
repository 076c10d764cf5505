"""What a backup did, in numbers, and what it could not save."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.exchange.reports import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBackup:
    """What a backup did with the runs of one project.

    Attributes
    ----------
    runs : how many were chosen: the sum of the next two
    written, unchanged : runs that were new or had changed, and those that were there already
    incomplete : those of them that the source could not give all of; they are tried again
    files, size_bytes : of the files that these runs have in the backup, and their bytes
    """

    project: str
    runs: int
    written: int
    unchanged: int
    incomplete: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup did; with `dry_run` what it would do.

    Attributes
    ----------
    source, folder : where from, where to
    projects : one entry for each project
    verified : runs that were read back and found equal; None when that was not asked for
    problems : what is not in the backup, or not as it was, and why
    problems_not_named : how many more problems there are than `problems` names
    """

    source: str
    folder: str
    dry_run: bool
    projects: tuple[ProjectBackup, ...]
    verified: int | None = None
    problems: tuple[Problem, ...] = ()
    problems_not_named: int = 0

    @property
    def written(self) -> int:
        """Number of runs that were new or had changed."""
        return sum(project.written for project in self.projects)

    @property
    def unchanged(self) -> int:
        """Number of runs that were there as they are."""
        return sum(project.unchanged for project in self.projects)

    @property
    def is_complete(self) -> bool:
        """Whether everything that was chosen is in the backup."""
        return not self.problems
