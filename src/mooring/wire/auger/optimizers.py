"""The three calls of the optimizers service: what they take, and what is refused of it.

A request that lacks something is answered with one error, for the first parameter in the order of
the table that is missing or of another type. NaN and infinities, which other bodies of this API
may not hold, are let in: they occur as scores of trials that failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mooring.wire.auger.messages import MalformedBody
from mooring.wire.auger.table import Parameter
from mooring.wire.auger.validation import ParametersInvalid
from mooring.wire.auger.writing import parameters

TOKEN_KEYS = ("project_api_token", "cluster_api_token", "token", "system_token")
"""Where the body tells the token; the first one that is there counts."""

_TOKEN = re.compile(rb'"(?:%s)"\s*:' % "|".join(TOKEN_KEYS).encode())
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SIMPLE = re.compile(rb'\s*"([A-Za-z0-9._=+/-]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerCall:
    """One call.

    Attributes
    ----------
    name : of the client's method, without `get_`
    path : where it is posted
    what : in a sentence
    parameters : in the order in which missing ones are told
    answer : JSON schema of `data`
    """

    name: str
    path: str
    what: str
    parameters: tuple[Parameter, ...]
    answer: Mapping[str, Any]


_TRIALS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["algorithm_name", "algorithm_params"],
        "properties": {
            "algorithm_name": {"type": "string"},
            "algorithm_params": {"type": "object"},
        },
    },
}

NEXT_TRIALS = OptimizerCall(
    name="next_trials",
    path="/next_trials",
    what="Suggests the next trials by one optimizer.",
    parameters=(
        *parameters("optimizer_name string, search_space object", required=True),
        *parameters(
            "optimizer_params object, trials_history array, trial_workers_count any, "
            "optimizer_context any, tasks_run_parallel any",
            required=False,
        ),
    ),
    answer={"type": "array", "prefixItems": [_TRIALS, {"type": "object"}]},
)

NEXT_TRIALS_V2 = OptimizerCall(
    name="next_trials_v2",
    path="/v2/next_trials",
    what="Suggests the next trials by optimizers of the service's choice.",
    parameters=(
        *parameters("trials_total_count integer, search_space object", required=True),
        *parameters(
            "trials_limit integer, trials_history array, optimizer_context any", required=False
        ),
    ),
    answer={
        "type": "object",
        "required": ["trials", "optimizer_context"],
        "properties": {"trials": _TRIALS, "optimizer_context": {"type": "object"}},
    },
)

FTE = OptimizerCall(
    name="fte",
    path="/fte",
    what="Estimates the seconds of one fit.",
    parameters=parameters(
        "alg_params object, alg_name string, ncols number, nrows number", required=True
    ),
    answer={
        "type": "object",
        "required": ["estimated_time"],
        "properties": {
            "estimated_time": {"type": "number"},
            "estimated_time_low": {"type": "number"},
            "estimated_time_high": {"type": "number"},
            "records": {"type": "integer"},
        },
    },
)

OPTIMIZER_CALLS = (NEXT_TRIALS, NEXT_TRIALS_V2, FTE)


def parse_request(body: bytes) -> dict[str, Any]:
    """Return the object of a body; an empty body is an empty object.

    Raises
    ------
    MalformedBody
        For what is no JSON object, and for texts that UTF-8 cannot hold. A number beyond every
        double is infinite.
    """
    if not body.strip():
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(body)  # it may hold NaN, which the fast parser refuses
            if _SURROGATE.search(body):
                json.dumps(found, ensure_ascii=False).encode()  # a lone one raises a ValueError
        except (ValueError, RecursionError) as error:
            raise MalformedBody(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise MalformedBody("the body is no JSON object")
    return found


def find_token(body: bytes) -> str | None:
    """Return the token of a body, if a look at its text tells which one it is.

    None where the body has to be read to know. What is found may be nested somewhere: whoever
    reads the body later compares it with `token_of`.

    >>> find_token(b'{"project_api_token": "abc", "search_space": {}}')
    'abc'
    """
    places = _TOKEN.finditer(body)
    first, second = next(places, None), next(places, None)
    if first is None or second is not None:
        return None
    value = _SIMPLE.match(body, first.end())
    return None if value is None else value.group(1).decode()


def token_of(sent: Mapping[str, Any]) -> str | None:
    """Return the token that a request tells, or None."""
    for key in TOKEN_KEYS:
        if key in sent:
            text = sent[key]
            return text if isinstance(text, str) and text else None
    return None


def check_call(call: OptimizerCall, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call.

    Raises
    ------
    ParametersInvalid
        With one error, for the first parameter that is missing, of another type or out of bounds.
    """
    given: dict[str, Any] = {}
    for parameter in call.parameters:
        value = sent.get(parameter.name)
        if value is None:
            if parameter.required:
                raise refusal(parameter.name, "is required")
            continue
        if parameter.types != ("any",) and not _FITS[parameter.types[0]](value):
            raise refusal(parameter.name, f"should be {_ARTICLES[parameter.types[0]]}")
        least = _LEAST.get(parameter.name)
        if least is not None and not value >= least:  # NaN is not, either
            raise refusal(parameter.name, f"should be {least} or more")
        if least is not None and value > _MOST:
            raise refusal(parameter.name, "should be 2^53 or less")
        given[parameter.name] = value
    return given


def refusal(parameter: str, message: str) -> ParametersInvalid:
    """Return the error for one parameter."""
    return ParametersInvalid(
        [{"error_type": "invalid_param", "error_param": parameter, "message": message}]
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


_LEAST = {"trials_total_count": 0, "trials_limit": 0, "ncols": 1, "nrows": 1}
_MOST = 2**53
_FITS = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "number": _is_number,
    "integer": _is_integer,
}
_ARTICLES = {
    "string": "a string",
    "object": "an object",
    "array": "an array",
    "number": "a number",
    "integer": "an integer",
}
