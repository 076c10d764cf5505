"""What is tried of each client: a case for each of its methods, and for each behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from auger.hub_api_client import HubApiClient

from mooring import HubClient
from mooring.client.generating import method_names
from mooring.wire.auger.resources import RESOURCES

ORIGINAL = "original"
OURS = "HubClient"
KINDS = (ORIGINAL, OURS)

INTERNAL = frozenset(
    {
        "build_full_resource_path",
        "close",
        "compress",
        "define_action",
        "define_actions",
        "extract_plain_text",
        "format_api_error",
        "format_full_resource_path",
        "format_response",
        "full_path",
        "get",
        "get_paginated_response",
        "handle_response",
        "iterate_all_resource_pages",
        "log_request",
        "log_response",
        "make_and_handle_request",
        "plural_ending",
        "request",
        "tokens_payload",
    }
)
"""What the clients' own methods are built from."""

BY_HAND = {
    "get_project_file_url": "GET /api/v1/project_file_urls",
    "iterate_all_project_file_urls": "GET /api/v1/project_file_urls",
    "refit_trial": "POST /api/v1/trials",
    "get_next_trials": "POST /next_trials",
    "get_next_trials_v2": "POST /v2/next_trials",
    "get_fte": "POST /fte",
}
"""Methods that are other names for an operation of the table, or of the optimizers service."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a client does. `note` is told in the page."""

    name: str
    check: Callable[[Any], None]
    kinds: tuple[str, ...] = KINDS
    note: str = ""


@dataclass(slots=True)
class Registry:
    """Cases by name, and how they went by name and client."""

    cases: dict[str, Case] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], bool] = field(default_factory=dict)

    def add(
        self, name: str, *, kinds: tuple[str, ...] = KINDS, note: str = ""
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        def enter(check: Callable[[Any], None]) -> Callable[[Any], None]:
            assert name not in self.cases, f"two cases for {name}"
            self.cases[name] = Case(name, check, kinds, note)
            return check

        return enter

    def complete(self) -> bool:
        """Return whether every case was tried."""
        return all((c.name, kind) in self.outcomes for c in self.cases.values() for kind in c.kinds)

    def parameters(self) -> list[tuple[str, str]]:
        return [(case.name, kind) for case in self.cases.values() for kind in case.kinds]


METHODS = Registry()
BEHAVIOURS = Registry()


def public_methods(kind: str) -> set[str]:
    """Return what a client offers to its users."""
    if kind == ORIGINAL:
        HubApiClient(hub_app_url="http://127.0.0.1:9")  # the methods appear with the first one
    offered: type = HubApiClient if kind == ORIGINAL else HubClient
    return {
        name
        for name in dir(offered)
        if not name.startswith("_")
        and name not in INTERNAL
        and callable(getattr(offered, name))
        and not isinstance(getattr(offered, name), type)
    }


def requests_by_method() -> dict[str, str]:
    """Return what each method sends, in the order of the table."""
    found = {
        name: f"{operation.method} {operation.path}"
        for resource in RESOURCES
        for name, operation in method_names(resource)
    }
    return {**found, **BY_HAND}
