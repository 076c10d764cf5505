"""What an import or export did, in numbers, and what could not be held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_PROBLEMS = 1_000
"""Problems of one kind that a report names; further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not in the result as it was: `what` and where, and `why`."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A name that had to change: of a column of `table`, or of a table or run (`column` None)."""

    table: str
    column: str | None
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableImport:
    """What an import did with one table.

    Attributes
    ----------
    table, project : its name in the source, and the project that its rows went to
    rows : number of rows in the source: the sum of the next three
    rows_added, rows_present, rows_left_out : newly in the store; there before; not held, each of
        which is a problem of the report
    runs_added, columns : new runs, and columns of the source
    """

    table: str
    project: str
    rows: int
    rows_added: int
    rows_present: int
    rows_left_out: int
    runs_added: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did; with `dry_run` what it would do.

    Attributes
    ----------
    source, store : addresses
    tables : one entry for each table
    assets_added, assets_present : assets that were new to the store, and that were there
    assets_without_rows : those of them that no row names; they are kept on a run of their own
    renamed : names that the store cannot have
    problems : what was left out or changed, and why
    problems_not_named : how many more problems there are than `problems` names
    """

    source: str
    store: str
    dry_run: bool
    tables: tuple[TableImport, ...]
    assets_added: int = 0
    assets_present: int = 0
    assets_without_rows: int = 0
    renamed: tuple[Renamed, ...] = ()
    problems: tuple[Problem, ...] = ()
    problems_not_named: int = 0

    @property
    def rows_added(self) -> int:
        """Number of rows that were new to the store."""
        return sum(table.rows_added for table in self.tables)

    @property
    def is_complete(self) -> bool:
        """Whether everything of the source is in the store as it was."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TableExport:
    """What an export did with one table.

    Attributes
    ----------
    project, table : the project whose rows they are, and the table's name in the target
    rows, runs, columns : how many of each the target has
    times_moved : rows whose timestamp is later by some microseconds, as another row of the run has
        theirs
    """

    project: str
    table: str
    rows: int
    runs: int
    columns: int
    times_moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    store, target : addresses
    tables : one entry for each table
    assets : number of pickled objects
    renamed : names that the target cannot have
    problems : what the target does not hold, and why
    problems_not_named : how many more problems there are than `problems` names
    """

    store: str
    target: str
    tables: tuple[TableExport, ...]
    assets: int = 0
    renamed: tuple[Renamed, ...] = ()
    problems: tuple[Problem, ...] = ()
    problems_not_named: int = 0

    @property
    def rows(self) -> int:
        """Number of rows in the target."""
        return sum(table.rows for table in self.tables)

    @property
    def is_complete(self) -> bool:
        """Whether the target holds everything that was asked for."""
        return not self.problems


class Outcome(StrEnum):
    """What became of one run."""

    DONE = "done"
    """It is in the target, whole."""
    PRESENT = "present"
    """It was there before, equal."""
    PARTLY = "partly"
    """It is in the target, and something of it is missing there."""
    CONFLICT = "conflict"
    """A run of this id is there, with other content; nothing was changed."""
    FAILED = "failed"
    """It is not in the target."""
    PLANNED = "planned"
    """A dry run tells that it would be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What became of one run.

    Attributes
    ----------
    project, run_id : which
    outcome : what became of it
    values, series, points, files : how many of each are in the target
    size_bytes : bytes that were written for it, where that is known
    missing : attributes that are not in the target as they are in the source, and why
    note : why it failed, or what else is to be told
    verified : whether it was read back and compared; None when that was not asked for
    """

    project: str
    run_id: str
    outcome: Outcome
    values: int = 0
    series: int = 0
    points: int = 0
    files: int = 0
    size_bytes: int = 0
    missing: tuple[Problem, ...] = ()
    note: str = ""
    verified: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReport:
    """What an export, import, backup or restore did.

    Attributes
    ----------
    source, target : addresses
    runs : one entry for each run
    problems : what could not be read, or is not in the target, beside what the runs tell
    problems_not_named : how many more problems there are than `problems` names
    """

    source: str
    target: str
    runs: tuple[RunOutcome, ...]
    problems: tuple[Problem, ...] = ()
    problems_not_named: int = 0

    def count(self, outcome: Outcome) -> int:
        """Return how many runs ended so."""
        return sum(run.outcome is outcome for run in self.runs)

    @property
    def points(self) -> int:
        """Number of points of runs that were written."""
        return sum(run.points for run in self.runs if run.outcome is not Outcome.PRESENT)

    @property
    def is_complete(self) -> bool:
        """Whether the target holds everything that was asked for."""
        good = (Outcome.DONE, Outcome.PRESENT, Outcome.PLANNED)
        return (
            not self.problems
            and not self.problems_not_named
            and all(run.outcome in good and run.verified is not False for run in self.runs)
        )


class ProblemList:
    """Problems as they are met, of which a bounded number is kept by name.

    >>> met = ProblemList()
    >>> met.add("row 7", "no timestamp")
    >>> [str(problem) for problem in met.named]
    ['row 7: no timestamp']
    """

    def __init__(self) -> None:
        self._named: list[Problem] = []
        self._kinds: Counter[str] = Counter()
        self.not_named = 0

    @property
    def named(self) -> Sequence[Problem]:
        """Those that are kept, in the order in which they were met."""
        return self._named

    def add(self, what: str, why: str, *, kind: str = "") -> None:
        """Keep a problem, or count it when there are many of its `kind`."""
        self._kinds[kind] += 1
        if self._kinds[kind] <= MAX_PROBLEMS:
            self._named.append(Problem(what, why))
        else:
            self.not_named += 1
