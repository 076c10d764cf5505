"""Search spaces as JSON: every form that clients of the optimizers service send, and our own.

The flat form is `{algorithm: {parameter: spec}}`. The full form ("version 1") holds flat forms for
each type of model, and the optimizers to use. A spec is of the current grammar (`type`, `bounds` or
`values`), of the one before it (`datatype` or `dtype`, `values`), or a plain constant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import InvalidSpace
from mooring.optimize.spaces import (
    Categorical,
    Constant,
    Float,
    Int,
    Parameter,
    Parameters,
    SearchSpace,
)

MAX_ALGORITHMS = 1_000
MAX_PARAMETERS = 500
"""Of one algorithm."""

MAX_CHOICES = 10_000
"""Of all parameters of one algorithm together: a model weighs each against each known trial."""

MAX_DEPTH = 20
"""How deep the lists and objects of a choice may be nested."""

_FULL_FORM = frozenset(
    {
        "version",
        "optimizers_space",
        "user_config_dict",
        "global_config_dict",
        "preprocessors_space",
        "classifier_config_dict",
        "regressor_config_dict",
        "timeseries_config_dict",
    }
)

_CONFIG_OF = {
    "classification": "classifier_config_dict",
    "regression": "regressor_config_dict",
    "timeseries": "timeseries_config_dict",
}


@dataclass(frozen=True, slots=True)
class ParsedSpace:
    """A search space that was read from JSON.

    Attributes
    ----------
    space : what to search
    optimizers : names of those to use, in turn; only the full form tells them
    version : of the full form; 0 for the flat one
    settings : of each optimizer, by its name
    """

    space: SearchSpace
    optimizers: tuple[str, ...] = ()
    version: int = 0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse_space(given: object) -> ParsedSpace:
    """Return the search space that JSON tells of, flat or full.

    A range with reversed bounds is turned round, a logarithmic one that does not begin above 0 is
    searched linearly, and `tunable: false` makes a constant of the lower bound or the first value.

    Raises
    ------
    InvalidSpace
        It cannot be read; the message names the algorithm and the parameter.

    Examples
    --------
    >>> penalty = {"type": "float", "bounds": [0.1, 10], "log": True, "tunable": True}
    >>> parsed = parse_space({"svm.SVC": {"C": penalty}})
    >>> parsed.space.algorithms["svm.SVC"]
    {'C': Float(low=0.1, high=10.0, log=True, step=None)}
    """
    if not isinstance(given, Mapping):
        raise InvalidSpace(f"a search space is an object, not {given!r:.80}")
    if not _is_full(given):
        return ParsedSpace(SearchSpace(_algorithms(given)))
    version = given.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version != 1:
        raise InvalidSpace(f"search spaces of version 1 are read, not of version {version!r:.80}")
    settings = {
        name: one if isinstance(one, Mapping) else {}
        for name, one in _object(given, "optimizers_space").items()
    }
    return ParsedSpace(
        SearchSpace(_algorithms(_learning_algorithms(given))),
        optimizers=_optimizers(given, settings),
        version=version,
        settings=settings,
    )


def space_to_json(space: SearchSpace) -> dict[str, dict[str, Any]]:
    """Return a space in the flat form, which `parse_space` reads back as the same space.

    `step`, which the service's grammar does not have, stands beside the bounds.

    Examples
    --------
    >>> space_to_json(SearchSpace.of({"depth": Int(1, 9), "kernel": ["rbf", None], "seed": 3}))
    {'': {'depth': {'type': 'int', 'bounds': [1, 9]},
    'kernel': {'type': 'categorical', 'values': ['rbf', None]},
    'seed': 3}}
    """
    return {
        algorithm: {name: _spec(parameter) for name, parameter in parameters.items()}
        for algorithm, parameters in space.algorithms.items()
    }


def _spec(parameter: Parameter) -> object:
    match parameter:
        case Float() | Int():
            spec: dict[str, Any] = {
                "type": "float" if isinstance(parameter, Float) else "int",
                "bounds": [parameter.low, parameter.high],
            }
            if parameter.log:
                spec["log"] = True
            if parameter.step not in (None, 1) or (
                isinstance(parameter, Float) and parameter.step is not None
            ):
                spec["step"] = parameter.step
            return spec
        case Categorical():
            return {"type": "categorical", "values": list(parameter.choices)}
        case Constant(value=value):
            if value is None or isinstance(value, (bool, int, str)):
                return value
            if isinstance(value, float) and math.isfinite(value):
                return value
            only = Categorical([value])  # refuses what JSON cannot say
            return {"type": "categorical", "values": list(only.choices), "tunable": False}


# ---- the two forms -------------------------------------------------------------------------------


def _is_full(given: Mapping[str, Any]) -> bool:
    """Whether its keys are those of the full form, and not names of algorithms."""
    return isinstance(given.get("version"), int) or (bool(given) and given.keys() <= _FULL_FORM)


def _object(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key; an empty one where there is none or null."""
    found = given.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise InvalidSpace(f"{key} of a search space is an object, not {found!r:.80}")
    return found


def _optimizers(given: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[str, ...]:
    listed = _object(_object(given, "global_config_dict"), "global").get("optimizers")
    if listed is None:
        return tuple(settings)
    if not isinstance(listed, Sequence) or not all(isinstance(name, str) for name in listed):
        raise InvalidSpace(f"optimizers of a search space are a list of names, not {listed!r:.80}")
    if isinstance(listed, str):
        return (listed,)
    return tuple(listed) or tuple(settings)


def _learning_algorithms(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the flat form for the type of model that the user chose."""
    user = _object(given, "user_config_dict")
    groups = _object(user, "model_group")
    model_type = user.get("model_type")
    if model_type is None and len(groups) == 1:
        model_type = next(iter(groups))
    if isinstance(model_type, str):
        chosen = _object(groups, model_type).get("learning_algorithms")
        if chosen is not None:
            return _object(_object(groups, model_type), "learning_algorithms")
        return _all_groups(_object(given, _CONFIG_OF.get(model_type, f"{model_type}_config_dict")))
    there = [key for key in _CONFIG_OF.values() if _object(given, key)]
    return _all_groups(_object(given, there[0])) if len(there) == 1 else {}


def _all_groups(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the flat forms of all groups of models as one."""
    found: dict[str, Any] = {}
    for name in config:
        group = config[name]
        if isinstance(group, Mapping):
            found.update(_object(group, "learning_algorithms"))
    return found


# ---- algorithms and their parameters -------------------------------------------------------------


def _algorithms(flat: Mapping[str, Any]) -> dict[str, Parameters]:
    if len(flat) > MAX_ALGORITHMS:
        raise InvalidSpace(
            f"a search space has at most {MAX_ALGORITHMS:,} algorithms, not {len(flat):,}"
        )
    return {name: _parameters(name, specs) for name, specs in flat.items()}


def _parameters(algorithm: str, specs: object) -> Parameters:
    if specs is None:
        return {}
    if not isinstance(specs, Mapping):
        raise InvalidSpace(
            f"algorithm {algorithm!r:.200}: parameters are an object, not {specs!r:.80}"
        )
    if len(specs) > MAX_PARAMETERS:
        raise InvalidSpace(
            f"algorithm {algorithm!r:.200} has {len(specs):,} parameters; "
            f"{MAX_PARAMETERS} are searched"
        )
    found: dict[str, Parameter] = {}
    choices = 0
    for name, spec in specs.items():
        try:
            if not name:
                raise InvalidSpace("a parameter has a name")
            parameter = _parameter(spec)
        except InvalidSpace as error:
            raise InvalidSpace(
                f"algorithm {algorithm!r:.200}, parameter {name!r:.200}: {error}"
            ) from None
        if parameter is None:
            continue
        if isinstance(parameter, Categorical):
            choices += len(parameter.choices)
            if choices > MAX_CHOICES:
                raise InvalidSpace(
                    f"algorithm {algorithm!r:.200}, parameter {name!r:.200}: with it there are "
                    f"more than {MAX_CHOICES:,} choices"
                )
        found[name] = parameter
    return found


def _parameter(spec: object) -> Parameter | None:
    """Return what a spec means; None for one that configures other parts than the algorithm."""
    if spec is None or isinstance(spec, (bool, int, str)):
        return Constant(spec)
    if isinstance(spec, float):
        if not math.isfinite(spec):
            raise InvalidSpace(f"a constant is finite, not {spec!r}")
        return Constant(spec)
    if not isinstance(spec, Mapping):
        raise InvalidSpace(f"a spec is an object or a constant, not {spec!r:.80}")
    kind = next((spec[key] for key in ("type", "datatype", "dtype") if key in spec), None)
    match kind:
        case "float" | "int" | "integer":
            return _range(spec, "bounds", is_float=kind == "float")
        case "range":
            return _range(spec, "values", is_float=_is_of_floats(spec))
        case "categorical" | "list":
            return _choice(spec)
        case "function":
            return None
        case None:
            raise InvalidSpace("a spec has a type: float, int or categorical")
        case _:
            raise InvalidSpace(f"a spec is of type float, int or categorical, not {kind!r:.80}")


def _is_of_floats(spec: Mapping[str, Any]) -> bool:
    """Whether a range of the earlier grammar holds floats; its values tell where it does not."""
    kind = spec.get("list_datatype")
    if kind is not None:
        return bool(kind not in ("integer", "int"))
    values = spec.get("values")
    return not isinstance(values, Sequence) or any(isinstance(value, float) for value in values)


def _range(spec: Mapping[str, Any], key: str, *, is_float: bool) -> Parameter:
    given = spec.get(key, spec.get("bounds", spec.get("values")))
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidSpace(f"{key} are a list of two numbers, not {given!r:.80}")
    if key == "bounds" and len(given) != 2:
        raise InvalidSpace(f"{key} are two numbers, not {len(given):,}")
    if any(bound is None for bound in given):
        return _open(spec, is_float=is_float)
    if not given:
        raise InvalidSpace(f"{key} are two numbers, not none")
    numbers = [_number(bound) for bound in given]
    low, high = min(numbers), max(numbers)
    if not is_float:
        low, high = math.ceil(low), math.floor(high)
        if low > high:
            raise InvalidSpace(f"there is no integer from {min(numbers)!r} to {max(numbers)!r}")
    if not _is_tunable(spec):
        return Constant(float(low) if is_float else low)
    log = _flag(spec, "log") and low > 0
    step = spec.get("step")
    if is_float:
        return Float(low, high, log=log, step=None if step is None else _number(step))
    return Int(int(low), int(high), log=log, step=1 if step is None else step)


def _open(spec: Mapping[str, Any], *, is_float: bool) -> Constant:
    """Return the default of a range that is open at one end."""
    default = spec.get("default")
    if default is None:
        raise InvalidSpace("a range with an open bound needs a default")
    number = _number(default)
    return Constant(float(number) if is_float else round(number))


def _choice(spec: Mapping[str, Any]) -> Parameter:
    values = spec.get("values")
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidSpace(f"values are a list, not {values!r:.80}")
    if not values:
        raise InvalidSpace("values are at least one")
    if len(values) > MAX_CHOICES:
        raise InvalidSpace(f"values are at most {MAX_CHOICES:,}, not {len(values):,}")
    if any(_is_deep(value, MAX_DEPTH) for value in values):
        raise InvalidSpace(f"a value is nested at most {MAX_DEPTH} deep")
    if not _is_tunable(spec):
        return Constant(Categorical([values[0]]).choices[0])
    return Categorical(values)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidSpace(f"a bound is a number, not {value!r:.80}")
    try:
        if math.isfinite(float(value)):
            return value
    except OverflowError:
        pass
    raise InvalidSpace(f"a bound is finite, not {value!r:.80}")


def _is_tunable(spec: Mapping[str, Any]) -> bool:
    return spec.get("tunable") is None or _flag(spec, "tunable")


def _flag(spec: Mapping[str, Any], key: str) -> bool:
    """Return a flag; missing and null are false. 0 and 1 are taken, texts are not guessed at."""
    value = spec.get(key)
    if value is None:
        return False
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise InvalidSpace(f"{key} is true or false, not {value!r:.80}")
    return bool(value)


def _is_deep(value: object, depth: int) -> bool:
    """Return whether lists and objects are nested deeper than `depth`."""
    inner: Iterator[object]
    if isinstance(value, Mapping):
        inner = iter(value.values())
    elif isinstance(value, (list, tuple)):
        inner = iter(value)
    else:
        return False
    return depth == 0 or any(_is_deep(one, depth - 1) for one in inner)
