"""The page `docs/conformance.md`, from how the cases went."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.auger.registry import (
    BEHAVIOURS,
    METHODS,
    ORIGINAL,
    OURS,
    Case,
    Registry,
    requests_by_method,
)

_INTRODUCTION = """\
# Conformance with the Auger hub API

This page is made by the tests: `pytest tests/conformance/auger --write-conformance`. They call
every method of `auger-hub-api-client` {version} from PyPI, unmodified, and every method of
`HubClient`, against `mooring hub` as a process, and look at what it answers.

| | methods | passed | failed |
| --- | --- | --- | --- |
{summary}
"""

_WORDS = {True: "passed", False: "**failed**"}


def render(version: str) -> str:
    """Return the page, of cases that were all tried."""
    summary = "\n".join(_summary(kind) for kind in (ORIGINAL, OURS))
    introduction = _INTRODUCTION.format(version=version, summary=summary)
    return "\n".join([introduction, *_methods(), "", *_behaviours()]) + "\n"


def _summary(kind: str) -> str:
    outcomes = [passed for (_, of), passed in METHODS.outcomes.items() if of == kind]
    label = "`auger-hub-api-client`" if kind == ORIGINAL else "`HubClient`"
    failed = outcomes.count(False)
    return f"| {label} | {len(outcomes)} | {len(outcomes) - failed} | {failed} |"


def _methods() -> Iterator[str]:
    yield "## Methods\n"
    yield "`iter_…` are generators that only `HubClient` has; `cluster` is of older clients.\n"
    yield "| method | request | original | HubClient | note |"
    yield "| --- | --- | --- | --- | --- |"
    sent = requests_by_method()
    for name in _in_order(sent):
        case = METHODS.cases[name]
        yield f"| `{name}` | `{sent[name]}` | {_cells(METHODS, case)} | {_cell(case.note)} |"


def _in_order(sent: dict[str, str]) -> list[str]:
    places = {name: number for number, name in enumerate(sent)}
    by_path = {path: places[name] for name, path in reversed(sent.items())}
    return sorted(METHODS.cases, key=lambda name: (by_path[sent[name]], places[name]))


def _behaviours() -> Iterator[str]:
    yield "## Errors, repeats, sending\n"
    yield "A gateway stands before the hub, sees what is sent, and tells 503 for a hub that is"
    yield "stopped, as platforms do.\n"
    yield "| behaviour | original | HubClient | note |"
    yield "| --- | --- | --- | --- |"
    for case in BEHAVIOURS.cases.values():
        yield f"| {_cell(case.name)} | {_cells(BEHAVIOURS, case)} | {_cell(case.note)} |"


def _cells(registry: Registry, case: Case) -> str:
    return " | ".join(
        _WORDS[registry.outcomes[case.name, kind]] if kind in case.kinds else "absent"
        for kind in (ORIGINAL, OURS)
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
