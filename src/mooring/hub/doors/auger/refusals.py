"""Answers that say no, as errors: what a handler raises and the engine turns into JSON."""

from __future__ import annotations

import re

from mooring.errors import HubError

_WORD = re.compile(r"[^A-Za-z0-9]+")


class Refused(HubError):
    """A request that is answered with a status of its own and a list of errors."""

    def __init__(self, status: int, *errors: dict[str, str], echo: bool = False) -> None:
        super().__init__(
            "; ".join(f"{each.get('error_param', '')} {each['message']}".strip() for each in errors)
            or f"refused with {status}",
            status=status,
        )
        self.errors = list(errors)
        self.echo = echo
        """Whether the answer repeats the parameters, as `meta.request_params`."""


def invalid(param: str, message: str, *, echo: bool = False) -> Refused:
    """Return the refusal of a parameter: 400 with its name and what is wrong."""
    return Refused(
        400,
        {"error_type": "invalid_param", "error_param": param, "message": message},
        echo=echo,
    )


def missing(resource: str) -> Refused:
    """Return the refusal for an object that is not there, or not for this user.

    >>> str(missing("experiment_session"))
    "Couldn't find ExperimentSession"
    """
    return Refused(
        404, {"message": f"Couldn't find {camel_case(resource)}", "error_type": "not_found"}
    )


def no_token() -> Refused:
    """Return the refusal of the optimizers service for whoever has no token that it takes."""
    return Refused(
        401,
        {
            "error_type": "unauthenticated",
            "error_param": "token",
            "message": "authentication required",
        },
    )


def no_route() -> Refused:
    """Return the refusal of a path, or of a method that it does not have."""
    return Refused(404, {"message": "Not Found", "error_type": "not_found"})


def denied(message: str) -> Refused:
    """Return the refusal of what a role does not allow."""
    return Refused(403, {"message": message, "error_type": "forbidden"})


def camel_case(resource: str) -> str:
    """Return a resource's name as `get_status` and errors write it.

    >>> camel_case("trial_search")
    'TrialSearch'
    """
    return "".join(word.capitalize() for word in _WORD.split(resource))
