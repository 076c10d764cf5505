"""Asks `neptune-fetcher`, the old interface and alpha, about runs; prints one line of JSON."""

import json
import math
import os
import warnings
from datetime import UTC, datetime

import neptune_fetcher.alpha as npt
import pandas as pd
import recording
from neptune_fetcher import ReadOnlyProject, ReadOnlyRun
from neptune_fetcher.alpha import runs
from neptune_fetcher.alpha.filters import Attribute, AttributeFilter, Filter

warnings.simplefilter("ignore")

ODD = os.environ["ODD"]
SYS = ("sys/id", "sys/custom_run_id", "sys/name")
LOSS = Attribute("metrics/loss", type="float_series")
project = ReadOnlyProject()


def plain(value):
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.item() if hasattr(value, "item") else value


def missing(value):
    return value is None or value is pd.NA or value is pd.NaT or plain(value) == "nan"


def frame(df):
    """Return the rows of a frame in their order, without what is missing."""
    return [
        {column: plain(value) for column, value in row.items() if not missing(value)}
        for row in df.to_dict("records")
    ]


def ids(**options):
    return [row["sys/custom_run_id"] for row in frame(project.fetch_runs_df(**options))]


def table(df):
    return {
        index: {
            "/".join(column) if isinstance(column, tuple) else column: plain(value)
            for column, value in row.items()
            if not missing(value)
        }
        for index, row in df.to_dict("index").items()
    }


def run_of(**options):
    return next(iter(project.fetch_read_only_runs(**options)))


def fetch_all():
    run = run_of(custom_ids=["a-new"])
    names = [name for name in run.field_names if not name.startswith("sys/")]
    run.prefetch(names)
    return {name: plain(run[name].fetch()) for name in names}


def fetch_lazily():
    run = run_of(custom_ids=["b"], eager_load_fields=False)
    return [run["params/lr"].fetch(), run["params/layers"].fetch(), run["sys/name"].fetch()]


def fetch_missing():
    run_of(custom_ids=["b"])["none"]


def unknown_run():
    ReadOnlyRun(project, with_id="NET-999")


def read_only_runs():
    return [
        ReadOnlyRun(project, with_id="NET-1")["sys/custom_run_id"].fetch(),
        ReadOnlyRun(project, custom_id="plain")["sys/id"].fetch(),
        ReadOnlyRun(project, experiment_name="alpha")["sys/custom_run_id"].fetch(),
    ]


questions = {
    # the old interface
    "list_runs": lambda: list(project.list_runs()),
    "list_experiments": lambda: list(project.list_experiments()),
    "fetch_runs": lambda: frame(project.fetch_runs()),
    "fetch_experiments": lambda: frame(project.fetch_experiments()),
    "df of columns": lambda: frame(
        project.fetch_runs_df(columns=["params/lr", "params/mixed", "metrics/loss", "sys/tags"])
    ),
    "df of a pattern": lambda: frame(
        project.fetch_runs_df(columns_regex="^(params|odd|big)", custom_ids=["a-new"])
    ),
    "df of heads": lambda: frame(project.fetch_experiments_df(columns=["params/lr"])),
    "df by names": lambda: [
        row["sys/custom_run_id"]
        for row in frame(
            project.fetch_experiments_df(names_regex="a$", names_exclude_regex=["^b", "^g"])
        )
    ],
    "df by ids": lambda: ids(with_ids=["NET-1", "NET-3"]),
    "df by custom ids": lambda: ids(custom_id_regex="^a-[[:alpha:]]"),
    "df by tags": lambda: ids(tags=["best", "a b"]),
    "df by owner": lambda: ids(owners=["nobody"]),
    "df by state": lambda: ids(states=["inactive"]),
    "df by active state": lambda: ids(states=["active"]),
    "df in the trash": lambda: ids(trashed=True),
    "df in the trash or not": lambda: ids(trashed=None),
    "df by a query": lambda: ids(
        query="(last(`metrics/loss`:floatSeries) < 1) AND (`params/lr`:float < 0.1)"
    ),
    "df by a bare query": lambda: ids(
        query="params/lr:float = 0.5 OR sys/tags:stringSet CONTAINS worst"
    ),
    "df by a relative time": lambda: ids(query="`sys/creation_time`:datetime > -2h"),
    "df by an aggregate": lambda: ids(query="max(`metrics/loss`:floatSeries) >= 4"),
    "df up by a float": lambda: ids(sort_by="params/lr", ascending=True),
    "df down by a float": lambda: ids(sort_by="params/lr"),
    "df by a series": lambda: ids(sort_by="metrics/loss"),
    "df by unknown": lambda: ids(sort_by="none"),
    "df limited": lambda: ids(limit=2),
    "df of a bad query": lambda: ids(query="() OR ()"),
    "fetch of each type": fetch_all,
    "fetch lazily": fetch_lazily,
    "fetch of a missing field": fetch_missing,
    "an unknown run": unknown_run,
    "runs by each id": read_only_runs,
    "names of a fork": lambda: [
        name for name in run_of(custom_ids=["fork"]).field_names if not name.startswith("sys/")
    ],
    "last of a fork": lambda: run_of(custom_ids=["fork"])["metrics/loss"].fetch_last(),
    "a missing project": lambda: ReadOnlyProject("team/none"),
    # alpha
    "alpha experiments": lambda: npt.list_experiments(),
    "alpha experiments of a pattern": lambda: npt.list_experiments("^al|ta$"),
    "alpha runs": lambda: runs.list_runs(),
    "alpha runs by id": lambda: runs.list_runs(["b", "plain"]),
    "alpha attributes": lambda: npt.list_attributes("alpha", "params/"),
    "alpha attributes of runs": lambda: runs.list_attributes(
        "^(b|plain)$", AttributeFilter(type_in=["float_series", "int"])
    ),
    "alpha untyped filter": lambda: runs.list_runs(Filter.eq("params/layers", 4)),
    "alpha series filter": lambda: npt.list_experiments(Filter.lt(LOSS, 1)),
    "alpha aggregate filter": lambda: npt.list_experiments(
        Filter.ge(Attribute("metrics/loss", type="float_series", aggregation="max"), 4)
    ),
    "alpha matches": lambda: runs.list_runs(
        Filter.matches_all("params/optimizer", ["sgd", r"\(.*\)"])
    ),
    "alpha matches none": lambda: runs.list_runs(Filter.matches_none("sys/name", "a$")),
    "alpha table": lambda: table(
        npt.fetch_experiments_table(
            "alpha|beta",
            AttributeFilter(name_eq=["params/lr", ODD])
            | AttributeFilter(
                name_matches_all="^metrics/loss$", aggregations=["last", "min", "max", "variance"]
            ),
        )
    ),
    "alpha sorted": lambda: list(
        npt.fetch_experiments_table(
            sort_by=Attribute("metrics/loss", type="float_series", aggregation="min"),
            sort_direction="asc",
        ).index
    ),
    "alpha runs table": lambda: table(
        runs.fetch_runs_table("^(a-new|fork)$", "metrics/|notes/text|params/names")
    ),
}

answers = {}
for question, ask in questions.items():
    recording.ask(question)
    try:
        answers[question] = ask()
    except Exception as error:  # noqa: BLE001 - what is raised is an answer too
        answers[question] = {"raised": type(error).__name__, "text": str(error)}
print(json.dumps(answers, default=plain))
