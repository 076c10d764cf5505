"""`neptune-query` and our `ReadOnlyProject`, on the hub and on the file, give equal tables.

Where no run has what is sorted by, ours raises `AttributeNotFound`, and theirs does not sort.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mooring import ReadOnlyProject
from mooring.query import field
from tests.conformance.neptune3.frames_sample import PROJECT, log_frames
from tests.conformance.neptune3.framing import Question, ask, runs_table
from tests.serving import HubThread

ALL = "^(params/|metrics/|notes/|sys/tags$)"


def _runs(theirs: str = "", **ours: Any) -> Question:
    """Ask for a table of runs: a filter, an order or a limit of theirs, and what it is here."""
    arguments = f"attributes={ALL!r}, {theirs}"
    return (
        f"runs.fetch_runs_table({arguments})",
        lambda project: runs_table(project, columns_regex=ALL, **ours),
    )


def _heads(theirs: str = "", **ours: Any) -> Question:
    arguments = f"attributes={ALL!r}, {theirs}"
    return (
        f"npt.fetch_experiments_table({arguments})",
        lambda project: runs_table(project, heads=True, columns_regex=ALL, **ours),
    )


def _typed(path: str, type: str) -> str:
    return f"Attribute({path!r}, type={type!r})"


LR, LOSS = _typed("params/lr", "float"), _typed("metrics/loss", "float_series")
TEXT, TAGS = _typed("params/optimizer", "string"), _typed("sys/tags", "string_set")
NOTE = _typed("notes/text", "string_series")
OPTIMIZER = "`params/optimizer`:string"

QUESTIONS: dict[str, Question] = {
    "all": _runs(),
    "heads": _heads(),
    "the oldest first": _runs("sort_direction='asc'", ascending=True),
    "a limit": _runs("limit=7", limit=7),
    "by a float, up": _runs(
        f"sort_by={LR}, sort_direction='asc'", sort_by="params/lr", ascending=True
    ),
    "by a float, down, some": _runs(f"sort_by={LR}, limit=9", sort_by="params/lr", limit=9),
    "by an int": _runs(f"sort_by={_typed('params/layers', 'int')}", sort_by="params/layers"),
    "by a text": _runs(f"sort_by={TEXT}", sort_by="params/optimizer"),
    "by a bool": _runs(
        f"sort_by={_typed('params/amp', 'bool')}, sort_direction='asc'",
        sort_by="params/amp",
        ascending=True,
    ),
    "by a series": _runs(f"sort_by={LOSS}", sort_by="metrics/loss"),
    "by a series of texts": _runs(f"sort_by={NOTE}", sort_by="notes/text"),
    "by an untyped name": _runs("sort_by='params/lr'", sort_by="params/lr"),
    "heads by a float": _heads(f"sort_by={LR}", sort_by="params/lr"),
    "ids by a pattern": _runs("runs='^r[01][24]|f'", custom_id_regex="^r[01][24]|f"),
    "ids of a list": _runs("runs=['r03', 'f2', 'r20']", custom_ids=["r03", "f2", "r20"]),
    "names by a pattern": _heads("experiments='[24]$'", names_regex="[24]$"),
    "names but those": _heads("experiments='!exp [13]'", names_exclude_regex="exp [13]"),
    "a class of characters": _runs(
        "runs='^r[[:digit:]]4$'", query='`sys/custom_run_id`:string MATCHES "^r[[:digit:]]4$"'
    ),
    "a text by a pattern": _runs(
        f"runs=Filter.matches({TEXT}, 'dam')", query=f'{OPTIMIZER} MATCHES "dam"'
    ),
    "a text but a pattern": _runs(
        f"runs=Filter.matches({TEXT}, '!dam')", query=f'{OPTIMIZER} NOT MATCHES "dam"'
    ),
    "a text with odd characters": _runs(
        f"runs=Filter.matches({TEXT}, r'\\(y\\)\\[')", query=rf'{OPTIMIZER} MATCHES "\\(y\\)\\["'
    ),
    "a tag": _runs(f"runs=Filter.contains_all({TAGS}, 'third')", tags=["third"]),
    "tags": _runs(f"runs=Filter.contains_all({TAGS}, ['even', 'a b'])", tags=["even", "a b"]),
    "no such tags": _runs(
        f"runs=Filter.contains_none({TAGS}, ['even', 'third'])",
        query='`sys/tags`:stringSet NOT CONTAINS "even" AND '
        '`sys/tags`:stringSet NOT CONTAINS "third"',
    ),
    "a text in another": _runs(
        f"runs=Filter.contains_all({TEXT}, 'quoted')", query=f'{OPTIMIZER} CONTAINS "quoted"'
    ),
    "a text not in another": _runs(
        f"runs=Filter.contains_none({TEXT}, 'a')", query=f'{OPTIMIZER} NOT CONTAINS "a"'
    ),
    "a float": _runs(f"runs=Filter.lt({LR}, 1)", query=field("params/lr").typed("float") < 1),
    "a float and no other": _runs(
        f"runs=Filter.ge({LR}, 0.5) & Filter.ne({LR}, 2.0)",
        query="`params/lr`:float >= 0.5 AND `params/lr`:float != 2.0",
    ),
    "a metric": _runs(
        f"runs=Filter.gt({LOSS}, 1.5)", query=field("metrics/loss").typed("float_series") > 1.5
    ),
    "a note": _runs(
        f"runs=Filter.eq({NOTE}, '13 at 3')", query='`notes/text`:stringSeries == "13 at 3"'
    ),
    "there": _runs(
        f"runs=Filter.exists({LOSS})", query=field("metrics/loss").typed("float_series").exists()
    ),
    "there of another type": _runs(
        f"runs=~Filter.exists({_typed('params/lr', 'int')})", query="NOT `params/lr`:int EXISTS"
    ),
    "not there": _runs(f"runs=~Filter.exists({LR})", query="NOT `params/lr`:float EXISTS"),
    "this or that, not the other": _runs(
        f"runs=(Filter.lt({LR}, 0.5) | Filter.exists({NOTE})) & ~Filter.eq({TEXT}, 'adam')",
        query="(`params/lr`:float < 0.5 OR `notes/text`:stringSeries EXISTS) AND "
        f'NOT {OPTIMIZER} == "adam"',
    ),
    "exact columns": (
        "runs.fetch_runs_table(runs='^r1', attributes=['params/lr', 'metrics/loss', 'none'])",
        lambda project: runs_table(
            project, columns=["params/lr", "metrics/loss", "none"], custom_id_regex="^r1"
        ),
    ),
    "columns of a path that ends alike": (
        "runs.fetch_runs_table(attributes='loss$')",
        lambda project: runs_table(project, columns_regex="loss$"),
    ),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    log_frames(started.hub)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def theirs(hub: HubThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ask("neptune_query", QUESTIONS, hub, PROJECT, tmp_path_factory.mktemp("query"))


@pytest.fixture(scope="module", params=["the hub", "the file"])
def ours(request: pytest.FixtureRequest, hub: HubThread) -> Iterator[ReadOnlyProject]:
    """Our reader, by the address of the hub, and by that of its file."""
    address = hub.address if request.param == "the hub" else str(hub.settings.store)
    with ReadOnlyProject(PROJECT, api_token=hub.admin, store=address) as project:
        yield project


@pytest.mark.parametrize("question", QUESTIONS)
def test_equal(theirs: dict[str, Any], ours: ReadOnlyProject, question: str) -> None:
    made = QUESTIONS[question][1](ours)
    assert made == theirs[question]
    assert made["rows"]
