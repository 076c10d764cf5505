"""The page `docs/conformance-neptune.md`, from what the clients called and how the tests went."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

NOTES: dict[str, str] = {
    "neptune_scale.Run": "also with `mode` offline and disabled, as a fork, again, and by several "
    "processes at a time",
    "neptune_scale.Run.get_run_url": "leads to a page of the hub that shows code which reads it",
    "neptune_scale.Run.get_experiment_url": "as `get_run_url`",
    "neptune_scale.Run.terminate": "what it has not sent by then is sent by `neptune sync`",
    "neptune_scale.projects.create_project": "`visibility`, `description` and `key` are taken and "
    "change nothing",
    "neptune_scale.legacy.Attribute.append": "`wait` is not known to the client either",
    "neptune_scale.cli.commands.sync": "`neptune sync`, of what was logged offline or could not "
    "be sent; through `main`, not through the command's script",
    "neptune_query.runs.download_files": "by links in the manner of S3, Azure and GCP",
    "neptune_fetcher.fetchable.FetchableSeries.fetch_values": "`step_range` has both ends, as "
    "on Neptune's server; the client's docstring has the left one excluded",
    "neptune_fetcher.fetchable.UnsupportedFetchable.fetch": "the client answers None by itself",
    "neptune_fetcher.fetchable.UnsupportedFetchable.fetch_last": "as `fetch`",
    "neptune_fetcher.fetchable.UnsupportedFetchable.fetch_values": "an empty frame, as `fetch`",
}
"""What a row has to tell beside how it went."""

UNPROVED: dict[str, str] = {
    "neptune_fetcher.fetchable.Fetchable.fetch": "abstract: those of its subclasses are called",
}
"""Why a call is not made."""

_INTRODUCTION = """\
# Conformance with Neptune 3's clients

This page is made by the tests: `pytest tests/conformance/neptune3 --write-conformance`. They run
the packages from PyPI, unmodified, each in an environment of its own, against a hub. The rows are
what the packages offer: functions, classes (that is, making one), methods, operators. Exceptions,
constants and enumerations have no rows. The tests note which calls are made.

- **passed**: a script calls it as a user does; the test looks at what it answers, or at what the
  store has afterwards.
- **passed, within**: another call of the package makes it for the user; the test looks at what
  that one answers.

| | calls | passed | passed, within | failed | not proved |
| --- | --- | --- | --- | --- | --- |
{summary}
"""

PASSED, WITHIN, FAILED, NONE = "passed", "passed, within", "**failed**", "not proved"


@dataclass(frozen=True, slots=True)
class Row:
    """A public call of a package, and how it went."""

    distribution: str
    module: str
    call: str
    state: str
    test: str = ""


def judge(
    tests: dict[str, bool], passed: dict[str, bool], breadth: dict[str, int]
) -> tuple[str, str]:
    """Return the state of a call, and the test that looks at the least beside it."""
    order = {test: number for number, test in enumerate(passed)}
    known = [test for test in tests if test in passed]
    failed = [test for test in known if not passed[test]]
    if failed:
        return FAILED, min(failed, key=order.__getitem__)
    if not known:
        return NONE, ""
    best = min(known, key=lambda test: (not tests[test], breadth[test], order[test]))
    return PASSED if tests[best] else WITHIN, best


def render(rows: list[Row], versions: dict[str, str]) -> str:
    """Return the page."""
    summary = "\n".join(
        _summary(distribution, versions[distribution], list(of))
        for distribution, of in groupby(rows, attrgetter("distribution"))
    )
    lines = [_INTRODUCTION.format(summary=summary)]
    for module, of in groupby(rows, attrgetter("module")):
        lines += [f"## `{module}`\n", "| call | | test | note |", "| --- | --- | --- | --- |"]
        lines += [_line(row) for row in of]
        lines.append("")
    return "\n".join(lines)


def _summary(distribution: str, version: str, rows: list[Row]) -> str:
    states = [row.state for row in rows]
    counts = " | ".join(str(states.count(state)) for state in (PASSED, WITHIN, FAILED, NONE))
    return f"| `{distribution}` {version} | {len(rows)} | {counts} |"


def _line(row: Row) -> str:
    name = f"{row.module}.{row.call}"
    note = NOTES.get(name) or UNPROVED.get(name, "")
    test = row.test.removeprefix("tests/conformance/neptune3/").replace("|", "\\|")
    return f"| `{row.call}` | {row.state} | {f'`{test}`' if test else ''} | {note} |"
