"""What a trial is in the store: an ordinary run with a few attributes more.

=====================  ==========================================================================
`params/<name>`        value of a parameter, for people and questions
`trial/space/<name>`   JSON text `[place, number, distribution]`: the same, exact, as Optuna's
`trial/study`          name of the study
`trial/number`         0, 1, 2, … in the study; the run's own id is `<study>/<number>`
`trial/state`          `waiting`, `running`, `complete`, `pruned` or `failed`
`trial/values/<name>`  float: what was reached of each objective
`trial/started`, `trial/finished`      times
`trial/algorithm`      which of the space's algorithms, where they have names
`trial/method`         what suggested the parameters
`trial/worker`         host and process that took it; as long as the process lives the run is active
`trial/error`          why it failed
`trial/attempt`, `trial/retry_of`      how often it was given out, and the trial it repeats
`trial/claim`, `trial/end`     mark of the process that took it, and of the one that ended it
`trial/died`           True where its process ended without a word
`trial/user/<name>`, `trial/system/<name>`      JSON text: Optuna's attributes of a trial
`trial/intermediate`   float series: values reported to Optuna; a study can name another series
=====================  ==========================================================================

Names have `%` and control characters percent-encoded, so that any name is a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from mooring.errors import InvalidPath, InvalidSpace
from mooring.model import Value, validate_path
from mooring.optimize.observations import TrialState
from mooring.optimize.spaces import Categorical, Constant, Float, Int, Parameter
from mooring.store.contract import AttributeColumn

PARAMS = "params/"
PREFIX = "trial/"
SPACE = "trial/space/"
VALUES = "trial/values/"
USER = "trial/user/"
SYSTEM = "trial/system/"
INTERMEDIATE = "trial/intermediate"
STATE = "trial/state"

_ODD = re.compile(r"[%\x00-\x1f\x7f\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class ParamRecord:
    """A parameter's value as Optuna holds it: a number, and the distribution it is of, as JSON.

    `place` orders the parameters of a trial.
    """

    number: float
    distribution: str
    place: int = 0

    @property
    def value(self) -> Any:
        """The value that an objective gets."""
        kind, attributes = _parse_distribution(self.distribution)
        if kind == "CategoricalDistribution":
            return attributes["choices"][int(self.number)]
        if kind.startswith("Int"):
            return int(self.number)
        return self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial as the store has it; see the head of this module for each field.

    `values` are by the names of the objectives, `intermediate` by step. Times are in UTC.
    """

    key: int
    number: int
    state: TrialState
    space: Mapping[str, ParamRecord] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    intermediate: Mapping[int, float] = field(default_factory=dict)
    started: datetime | None = None
    finished: datetime | None = None
    algorithm: str = ""
    method: str | None = None
    worker: str | None = None
    error: str | None = None
    attempt: int = 1
    retry_of: int | None = None
    died: bool = False
    claim: str | None = None
    end: str | None = None
    active: bool = False
    user: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TrialRecord({self.number}, {self.state}, {self.params!r}, {dict(self.values)!r})"

    @property
    def params(self) -> dict[str, Any]:
        """Values by name."""
        return {name: one.value for name, one in self.space.items()}

    @property
    def value(self) -> float | None:
        """What was reached of the only objective; None where nothing was."""
        return next(iter(self.values.values()), None)


def encode_name(name: str) -> str:
    """Return a name as the last part of a path; `InvalidPath` for one that is too long.

    >>> encode_name("lr"), encode_name("100%"), encode_name("")
    ('lr', '100%25', '%')
    """
    if not name:
        return "%"
    return _ODD.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found.group())), name)


def decode_name(text: str) -> str:
    """Return the name that `encode_name` wrote."""
    return "" if text == "%" else unquote(text, errors="surrogatepass")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def param_attributes(name: str, param: ParamRecord) -> dict[str, Value]:
    """Return the attributes that hold a parameter."""
    held: dict[str, Value] = {
        SPACE + encode_name(name): json.dumps([param.place, param.number, param.distribution])
    }
    plain = _plain(param.value)
    if plain is not None and (path := _valid_path(PARAMS + name)):
        held[path] = plain
    return held


def _plain(value: object) -> Value | None:
    """Return a value as an attribute holds it; None has none."""
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    return json.dumps(value)


def _valid_path(path: str) -> str | None:
    try:
        return validate_path(path)
    except InvalidPath:
        return None


def as_param(parameter: Parameter, value: Any, place: int = 0) -> ParamRecord:
    """Return a value of a parameter of a space as it is held."""
    match parameter:
        case Float():
            attributes: dict[str, object] = {
                "step": parameter.step,
                "low": parameter.low,
                "high": parameter.high,
                "log": parameter.log,
            }
            text = _distribution("FloatDistribution", attributes)
            return ParamRecord(float(value), text, place)
        case Int():
            attributes = {
                "log": parameter.log,
                "step": parameter.step,
                "low": parameter.low,
                "high": parameter.high,
            }
            text = _distribution("IntDistribution", attributes)
            return ParamRecord(float(value), text, place)
        case Categorical() | Constant():
            choices = (
                parameter if isinstance(parameter, Categorical) else Categorical([parameter.value])
            )
            for index, choice in enumerate(choices.choices):
                if Constant(choice).contains(value):
                    text = _distribution("CategoricalDistribution", {"choices": choices.choices})
                    return ParamRecord(float(index), text, place)
    raise InvalidSpace(f"{value!r:.80} is no value of {parameter!r:.200}")


def _distribution(name: str, attributes: Mapping[str, object]) -> str:
    return json.dumps({"name": name, "attributes": attributes})


_PARSED: dict[str, tuple[str, Mapping[str, Any]]] = {}


def _parse_distribution(text: str) -> tuple[str, Mapping[str, Any]]:
    found = _PARSED.get(text)
    if found is None:
        held = json.loads(text)
        found = held["name"], held["attributes"]
        if len(_PARSED) > 10_000:
            _PARSED.clear()
        _PARSED[text] = found
    return found


def json_attribute(prefix: str, name: str, value: object) -> dict[str, Value]:
    """Return the attribute that holds any JSON under a name."""
    return {prefix + encode_name(name): json.dumps(value)}


def read_trials(keys: list[int], columns: Iterable[AttributeColumn]) -> list[dict[str, Any]]:
    """Return the fields of trials, in the order of `keys`, from their attributes."""
    found: list[dict[str, Any]] = [
        {"space": {}, "values": {}, "user": {}, "system": {}} for _ in keys
    ]
    for column in columns:
        decode = _decoder(column.path)
        if decode is None:
            continue
        into, name, convert = decode
        for row, value in zip(column.rows, column.values, strict=True):
            held = found[int(row)]
            (held if into is None else held[into])[name] = convert(value)
    for held in found:
        held["space"] = dict(sorted(held["space"].items(), key=lambda item: item[1].place))
    return found


def with_values(trial: TrialRecord, values: Mapping[str, Value]) -> TrialRecord:
    """Return a trial with attributes set that were written to its run."""
    changes: dict[str, Any] = {}
    for path, value in values.items():
        decode = _decoder(path)
        if decode is None or decode[1] in ("study", "number"):
            continue
        into, name, convert = decode
        if into is None:
            changes[name] = convert(value)
        else:
            changes.setdefault(into, dict(getattr(trial, into)))[name] = convert(value)
    if "space" in changes:
        changes["space"] = dict(sorted(changes["space"].items(), key=lambda item: item[1].place))
    return replace(trial, **changes)


def _decoder(path: str) -> tuple[str | None, str, Any] | None:
    """Return where an attribute's value goes: into which dict, under which name, converted how."""
    if not path.startswith(PREFIX):
        if path != "sys/state":
            return None
        return None, "active", lambda value: value == "active"
    if path.startswith(SPACE):
        return "space", decode_name(path.removeprefix(SPACE)), _read_param
    if path.startswith(VALUES):
        return "values", decode_name(path.removeprefix(VALUES)), float
    if path.startswith(USER):
        return "user", decode_name(path.removeprefix(USER)), json.loads
    if path.startswith(SYSTEM):
        return "system", decode_name(path.removeprefix(SYSTEM)), json.loads
    name = path.removeprefix(PREFIX)
    convert = _FIELDS.get(name)
    return None if convert is None else (None, name, convert)


def _read_param(text: str) -> ParamRecord:
    place, number, distribution = json.loads(text)
    return ParamRecord(float(number), distribution, place)


_FIELDS: dict[str, Any] = {
    "study": str,
    "number": int,
    "state": TrialState,
    "started": lambda value: value,
    "finished": lambda value: value,
    "algorithm": str,
    "method": str,
    "worker": str,
    "error": str,
    "attempt": int,
    "retry_of": int,
    "died": bool,
    "claim": str,
    "end": str,
}
