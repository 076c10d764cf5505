"""`Target`: another tracker that runs are loaded into, and what it can hold.

`mooring.exchange.loading` drives a target: it orders runs (parents first), skips what is there
already, hands over one attribute after the other, keeps the journal that a killed load resumes
from, reads the result back, and writes the manifest. A target only translates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a target can hold; what it cannot is told item by item in the manifest of a load.

    Attributes
    ----------
    types : attribute types that arrive, as whatever the target has for them
    nan, infinity : whether such points of a float series arrive as what they are
    decimal_steps, negative_steps : whether such steps arrive; else steps are multiplied and cut
    point_times : whether points keep their times
    microseconds : whether times keep what is finer than a millisecond
    run_times : whether the run gets the start and end that the source tells
    forks : "native", "tag" (noted on the run), or "" (lost)
    finds_runs : whether runs of an earlier load are found in the target
    resumes : whether a run can be gone on with inside, attribute by attribute
    reads_back : whether what arrived can be read through the target's own interface here
    notes : what else a user should know
    """

    types: frozenset[AttributeType]
    nan: bool = False
    infinity: bool = False
    decimal_steps: bool = False
    negative_steps: bool = False
    point_times: bool = True
    microseconds: bool = False
    run_times: bool = False
    forks: str = ""
    finds_runs: bool = False
    resumes: bool = False
    reads_back: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that an earlier load made. `complete`: it was marked as holding everything.

    `content` is the digest of what that load meant to hold; empty when the target keeps none.
    """

    id: str
    complete: bool
    content: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """What a target does not hold of an attribute (`path` None: of the run), and why.

    `count` is the number of points or values concerned.
    """

    path: str | None
    why: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a target tells it holds of a run, read back through its own interface.

    `points` counts points by the target's name of a series; `values` are names of single values;
    `files` are paths of files with their sizes in bytes (None when it does not tell). `different`
    names what is there with other content than was handed over, and tells how it differs.
    """

    values: frozenset[str] = frozenset()
    points: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int | None] = field(default_factory=dict)
    different: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What every target is told.

    `step_multiplier`: what decimal steps are multiplied by before they are cut to whole ones,
    in exact arithmetic. `name_prefix`: put before the names of projects or experiments.
    """

    step_multiplier: int = 1
    name_prefix: str = ""


class TargetRun(Protocol):
    """A run of a target that is being filled.

    Each call hands over whole attributes; when it returns they are in the target. A call may be
    repeated after a kill, with the same content: the target then holds it once (it looks, where
    it cannot overwrite). Names that meet in the target (`a:b`, `a_b`) are kept apart. What the
    target cannot hold is returned, not raised. An exception means that the attributes of this
    call did not arrive, and the others go on; a `Transient` error is tried again first.
    """

    @property
    def id(self) -> str:
        """The target's id of the run, which a person finds it by."""
        ...

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write attributes that are neither series nor files; called once, `sys/*` included."""
        ...

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series (float, string or histogram), as `Source.read_points` returns them."""
        ...

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Write one file, whose content lies at `content`; `step` in millionths, of a series.

        `type` is file, file_series, file_set (a zip) or artifact (a JSON list).
        """
        ...

    def finish(self, *, complete: bool, content: str) -> None:
        """End the run. `complete` marks it, with the digest `content`, as holding everything."""
        ...

    def read_back(self) -> Inventory | None:
        """Return what the target holds now; None when it cannot be asked.

        Asked before `finish`, so that only what was checked is marked, and once more after it
        where None was returned before.
        """
        ...

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the name that an attribute (or file) has in the target, as in `Inventory`."""
        ...


@runtime_checkable
class PlansNames(Protocol):
    """A run of a target whose names depend on which others there are.

    `mooring.exchange.names` keeps names apart.
    """

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Take note of all attributes, before any is written or named."""
        ...


class Target(Protocol):
    """Another tracker.

    Made with what is needed to reach it; missing settings or credentials raise
    `mooring.errors.InvalidInput` that names the option and the environment variable, a missing
    package `MissingExtra`. Calls raise `TargetUnreachable` (Transient) when it does not answer
    and `TargetRefused` when it says no.
    """

    @property
    def name(self) -> str:
        """Its name, as in `mooring load --to NAME`."""
        ...

    @property
    def address(self) -> str:
        """Where it is; never a secret."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can hold."""
        ...

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the run that an earlier load made of this one, or None."""
        ...

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> TargetRun:
        """Create the run, or go on with it where `found`.

        `values` are all its single values, for times, tags and names that the target has fields
        for; `parent` the target's id of the run it was forked from, None when that is not there.
        """
        ...

    def close(self) -> None:
        """End all activity. Idempotent."""
        ...
