"""What a worker does with a request: bytes in, bytes out, whatever the bytes are."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput, InvalidSpace, UnknownOptimizer
from mooring.wire.auger import messages
from mooring.wire.auger.optimizers import (
    FTE,
    NEXT_TRIALS,
    NEXT_TRIALS_V2,
    OPTIMIZER_CALLS,
    OptimizerCall,
    check_call,
    parse_request,
    refusal,
    token_of,
)
from mooring.wire.auger.validation import ParametersInvalid


@dataclass(frozen=True, slots=True)
class Given:
    """What the hub knows and a request may rest on.

    Attributes
    ----------
    fits : raw data of trials that were timed
    tried : `{"algorithm_name", "algorithm_params"}` of the best trials, best first
    """

    fits: Sequence[Mapping[str, Any]] = ()
    tried: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with.

    `token` is the one that the body tells, "" where it tells none, which the hub compares with the
    one it looked up; None where the body was not read, and the reply tells nothing of it.
    `status` is 200, or that of the refusal; `fault` the traceback of a fault of the hub's own.
    """

    status: int
    body: bytes
    token: str | None = None
    fault: str = ""


def answer(name: str, body: bytes, given: Given) -> Reply:
    """Return the reply to a call."""
    call = next(each for each in OPTIMIZER_CALLS if each.name == name)
    try:
        sent = parse_request(body)
    except messages.MalformedBody:
        return Reply(400, messages.MALFORMED)
    token = token_of(sent) or ""
    try:
        data = compute(call, check_call(call, sent), given)
        told = messages.encode({"data": data, "meta": {"status": 200}})
    except ParametersInvalid as error:
        return refused(error, token)
    except Exception as error:  # noqa: BLE001 - the edge of the process; told, and written down
        said = f"could not be searched: {type(error).__name__}: {error}"
        fault = "".join(traceback.format_exception(error))
        return refused(refusal(call.parameters[1].name, said[:500]), token, fault)
    return Reply(200, told, token)


def compute(call: OptimizerCall, sent: Mapping[str, Any], given: Given) -> Any:
    """Return the `data` of an answer; `ParametersInvalid` for what cannot be searched."""
    try:
        return _COMPUTE[call.name](sent, given)
    except UnknownOptimizer as error:
        # The other call chooses by itself, among those that its space names.
        name = "optimizer_name" if call is NEXT_TRIALS else "search_space"
        raise refusal(name, str(error)) from error
    except InvalidSpace as error:
        raise refusal("search_space", str(error)) from error
    except InvalidInput as error:
        raise refusal(_PARAMETER[call.name], str(error)) from error


def _next_trials(sent: Mapping[str, Any], given: Given) -> Any:
    from mooring.optimize.service import next_trials

    return next_trials(sent, warm=_warm(given))


def _next_trials_v2(sent: Mapping[str, Any], given: Given) -> Any:
    from mooring.optimize.service import next_trials_v2

    return next_trials_v2(sent, warm=_warm(given))


def _warm(given: Given) -> list[Any]:
    from mooring.optimize.observations import Observation

    return [
        Observation(algorithm=one["algorithm_name"], params=one["algorithm_params"])
        for one in given.tried
    ]


def _fte(sent: Mapping[str, Any], given: Given) -> Any:
    from mooring.optimize.fit_time import FitTimes, fit_record

    found = (fit_record(trial) for trial in given.fits)
    times = FitTimes.learn([record for record in found if record is not None])
    estimate = times.estimate(
        sent["alg_name"], sent["alg_params"], rows=sent["nrows"], columns=sent["ncols"]
    )
    return {
        "estimated_time": estimate.seconds,
        "estimated_time_low": estimate.low,
        "estimated_time_high": estimate.high,
        "records": estimate.records,
    }


_COMPUTE: Mapping[str, Callable[[Mapping[str, Any], Given], Any]] = {
    NEXT_TRIALS.name: _next_trials,
    NEXT_TRIALS_V2.name: _next_trials_v2,
    FTE.name: _fte,
}
_PARAMETER = {
    NEXT_TRIALS.name: "optimizer_params",
    NEXT_TRIALS_V2.name: "search_space",
    FTE.name: "alg_name",
}
"""What is named where an error does not tell which parameter it is about."""


def refused(error: ParametersInvalid, token: str | None = None, fault: str = "") -> Reply:
    """Return the reply that tells what is wrong with a request."""
    body = {"meta": {"status": 400, "errors": error.errors}}
    return Reply(400, messages.encode(body), token, fault)
