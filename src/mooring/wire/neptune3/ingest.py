"""What clients send: the creation of a run, and updates of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeAlias

from mooring.errors import InvalidValue
from mooring.model import (
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    Histogram,
    datetime_from_micros,
)
from mooring.wire.neptune3.schema import message

ADD, REMOVE = 1, 2
MAX_EDGES = 513
_UNSUPPORTED, _TIME, _EDGES_NAN, _EDGES_MANY, _EDGES_ORDER, _EDGES_VALUES = 20, 33, 50, 51, 52, 53


@dataclass(frozen=True, slots=True)
class WireFile:
    """A file whose content travels apart: where it is to be stored, its length and media type."""

    path: str
    size_bytes: int
    mime_type: str


WireValue: TypeAlias = int | float | bool | str | datetime | frozenset[str] | Histogram | WireFile
"""A value of an attribute, or of a point of a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRun:
    """The creation of a run, which clients send each time they open one.

    `created` is in microseconds since 1970, `fork_step` in millionths. `parent_project` is None
    when the parent is in the run's own project.
    """

    family: str = ""
    experiment: str | None = None
    created: int | None = None
    parent: str | None = None
    parent_project: str | None = None
    fork_step: int | None = None
    inherit_configs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update of a run.

    Attributes
    ----------
    step : of the points in `append`, in millionths; None leaves it to the server
    time : microseconds since 1970
    preview : how complete the points are, 0 to 1, when they are previews
    assign : values of attributes that are no series
    append : one point for each series
    add, remove : members of string sets
    refused : paths whose value cannot be held, and why
    codes : the protocol's code of each of those
    """

    step: int | None = None
    time: int | None = None
    preview: float | None = None
    assign: Mapping[str, WireValue] = field(default_factory=dict)
    append: Mapping[str, WireValue] = field(default_factory=dict)
    add: Mapping[str, frozenset[str]] = field(default_factory=dict)
    remove: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Sequence[tuple[str, str]] = ()
    codes: Sequence[int] = field(default=(), compare=False)

    @property
    def has_operations(self) -> bool:
        """Whether it tells more than a step and a time."""
        return bool(self.assign or self.append or self.add or self.remove or self.codes)


def decode_create(data: bytes) -> CreateRun:
    """Read a message `Run`; `InvalidValue` when it is none."""
    return _create(_parse("Run", data))


def _create(run: Any) -> CreateRun:
    fork = run.fork_point if run.HasField("fork_point") else None
    return CreateRun(
        family=run.family,
        experiment=run.experiment_id or None,
        created=_micros(run.creation_time) if run.HasField("creation_time") else None,
        parent=fork.parent_run_id if fork else None,
        parent_project=(fork.parent_project or None) if fork else None,
        fork_step=_step(fork.step) if fork and fork.HasField("step") else None,
        inherit_configs=run.inherit_configs,
    )


def decode_update(data: bytes) -> Update:
    """Read a message `UpdateRunSnapshot`; `InvalidValue` when it is none."""
    return _update(_parse("UpdateRunSnapshot", data))


def _update(update: Any) -> Update:
    refused: list[tuple[str, str]] = []
    codes: list[int] = []
    add: dict[str, frozenset[str]] = {}
    remove: dict[str, frozenset[str]] = {}
    for path, change in update.modify_sets.items():
        changes = change.string.values
        if added := frozenset(each for each, how in changes.items() if how == ADD):
            add[path] = added
        if removed := frozenset(each for each, how in changes.items() if how == REMOVE):
            remove[path] = removed
    preview = update.preview if update.HasField("preview") else None
    return Update(
        step=_step(update.step) if update.HasField("step") else None,
        time=_micros(update.timestamp) if update.HasField("timestamp") else None,
        preview=_ratio(preview.completion_ratio) if preview and preview.is_preview else None,
        assign=_values(update.assign, refused, codes),
        append=_values(update.append, refused, codes),
        add=add,
        remove=remove,
        refused=refused,
        codes=codes,
    )


def _parse(name: str, data: bytes) -> Any:
    kind = message(name)
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidValue(f"{len(data)} bytes are no message {name}: {error}") from None


class _Unfit(InvalidValue):
    """A value that cannot be held, with the protocol's code for that."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _values(values: Any, refused: list[tuple[str, str]], codes: list[int]) -> dict[str, WireValue]:
    read: dict[str, WireValue] = {}
    for path, value in values.items():
        kind = value.WhichOneof("value")
        try:
            if kind == "float64":
                read[path] = value.float64
            elif kind is None:
                raise InvalidValue("it has no value of a known type")
            else:
                read[path] = _value(kind, getattr(value, kind))
        except InvalidValue as error:
            refused.append((path, str(error)))
            codes.append(error.code if isinstance(error, _Unfit) else _UNSUPPORTED)
    return read


def _value(kind: str, value: Any) -> WireValue:
    match kind:
        case "timestamp":
            micros = _micros(value)
            if not MIN_TIME <= micros <= MAX_TIME:
                raise _Unfit(f"{micros} µs since 1970 is outside the years 1 to 9999", _TIME)
            return datetime_from_micros(micros)
        case "string_set":
            return frozenset(value.values)
        case "file_ref":
            return WireFile(value.path, value.size_bytes, value.mime_type)
        case "histogram":
            return _histogram(value)
    return value  # type: ignore[no-any-return]


def _histogram(value: Any) -> Histogram:
    kept = value.WhichOneof("values")
    if kept is None:
        raise InvalidValue("the histogram has neither counts nor densities")
    edges = tuple(value.bin_edges)
    values = tuple(map(float, getattr(value, kept).values))
    if any(edge != edge for edge in edges):
        raise _Unfit("an edge of the histogram is NaN", _EDGES_NAN)
    if len(edges) > MAX_EDGES:
        raise _Unfit(f"a histogram of {len(edges)} edges; at most 513 are held", _EDGES_MANY)
    if any(after <= before for before, after in pairwise(edges)):
        raise _Unfit("the edges of the histogram do not ascend", _EDGES_ORDER)
    if len(values) != len(edges) - 1 or not values:
        raise _Unfit(f"{len(values)} values for {len(edges)} edges of a histogram", _EDGES_VALUES)
    return Histogram(edges, values, "COUNTING" if kept == "counts" else "DENSITY")


def _step(step: Any) -> int:
    return int(step.whole) * STEP_SCALE + int(step.micro)


def _micros(timestamp: Any) -> int:
    # Clients get at nanoseconds through a double: 0.1 s comes as 99,999,904 ns.
    return int(timestamp.seconds) * 1_000_000 + (int(timestamp.nanos) + 500) // 1_000


def _ratio(ratio: float) -> float:
    return 0.0 if math.isnan(ratio) else min(1.0, max(0.0, ratio))
