"""Asks `neptune-query` about runs and attributes; prints the answers as one line of JSON."""

import json
import math
import os
import warnings
from datetime import UTC, datetime

import neptune_query as npt
import recording
from neptune_query import runs
from neptune_query.experimental import fetch_experiments_table_global, fetch_runs_table_global
from neptune_query.filters import Attribute, AttributeFilter, Filter

warnings.simplefilter("ignore")
ODD = os.environ["ODD"]
LR = Attribute("params/lr", type="float")
LOSS = Attribute("metrics/loss", type="float_series")


def plain(value):
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if type(value).__name__ == "File":
        return ["file", value.path, value.size_bytes, value.mime_type]
    if type(value).__name__ == "Histogram":
        return ["histogram", value.type, list(value.edges), list(value.values)]
    return value.item() if hasattr(value, "item") else value


def table(frame):
    return {
        "/".join(index) if isinstance(index, tuple) else index: {
            column: plain(value)
            for column, value in row.items()
            if plain(value) not in ("nan", None)
        }
        for index, row in frame.to_dict("index").items()
    }


def experiments(**options):
    return list(npt.fetch_experiments_table(**options).index)


def rows(**options):
    return list(runs.fetch_runs_table(**options).index)


def where(condition):
    return runs.list_runs(runs=condition)


questions = {
    "experiments": lambda: npt.list_experiments(),
    "experiments of a pattern": lambda: npt.list_experiments(experiments="^al|ta$"),
    "experiments of a pattern with operators": lambda: npt.list_experiments(
        experiments="a & !^be | gamm"
    ),
    "experiments by name": lambda: npt.list_experiments(experiments=["alpha", "nobody"]),
    "runs": lambda: runs.list_runs(),
    "runs of a pattern": lambda: runs.list_runs(runs="^a-[[:alpha:]]+$"),
    "runs by id": lambda: runs.list_runs(runs=["b", "plain", "nobody"]),
    "attributes": lambda: npt.list_attributes(),
    "attributes of a pattern": lambda: runs.list_attributes(attributes="^params/.*r$|metrics"),
    "attributes with operators": lambda: runs.list_attributes(attributes="params/ & !lr | ^big$"),
    "attributes of a type": lambda: runs.list_attributes(
        runs=["a-new"], attributes=AttributeFilter(name="params/", type=["int", "bool"])
    ),
    "attributes by name": lambda: runs.list_attributes(attributes=[ODD, "params/lr", "none"]),
    "attributes of one run": lambda: runs.list_attributes(runs=["plain"], attributes="^[^s]"),
    "attributes of nobody": lambda: runs.list_attributes(runs=["nobody"]),
    "system attributes": lambda: runs.list_attributes(runs=["plain"], attributes="^sys/"),
    "ids": lambda: runs.list_attributes(runs=["plain"], attributes="sys/.*id$"),
    "times": lambda: runs.list_attributes(runs=["plain"], attributes="sys/.*_time$"),
    "attributes of a fork": lambda: runs.list_attributes(
        runs=["fork"], attributes=AttributeFilter(type=["float_series"])
    ),
    "values of each type": lambda: table(
        runs.fetch_runs_table(runs=["a-new"], attributes="^(params|big|odd|notes|weights|metrics)")
    ),
    "values by name": lambda: table(
        runs.fetch_runs_table(
            runs=["a-new", "b"], attributes=[ODD, "params/lr", "metrics/loss", "none"]
        )
    ),
    "values of a path with two types": lambda: table(
        runs.fetch_runs_table(attributes="params/mixed", type_suffix_in_column_names=True)
    ),
    "values without any finite": lambda: table(
        runs.fetch_runs_table(runs=["b"], attributes="metrics/")
    ),
    "values of a fork": lambda: table(
        runs.fetch_runs_table(runs=["fork"], attributes="metrics/|sys/forking|sys/family")
    ),
    "system values": lambda: table(
        runs.fetch_runs_table(
            runs=["a-new"], attributes="sys/(id|tags|name|trashed|archived|owner|failed)$|uuid"
        )
    ),
    "values of heads": lambda: table(npt.fetch_experiments_table(attributes=["sys/custom_run_id"])),
    "a limit": lambda: rows(limit=2),
    "oldest first": lambda: rows(sort_direction="asc"),
    "by a float, down": lambda: rows(sort_by=LR),
    "by a float, up": lambda: rows(sort_by=LR, sort_direction="asc"),
    "by an untyped name": lambda: rows(sort_by="params/layers"),
    "by the last value of a series": lambda: rows(sort_by=LOSS, sort_direction="asc"),
    "by a text": lambda: rows(sort_by="params/optimizer", sort_direction="asc"),
    "by nothing": lambda: rows(sort_by=Attribute("none", type="int")),
    "heads by a float": lambda: experiments(sort_by=LR, sort_direction="asc"),
    "eq": lambda: where(Filter.eq(LR, 1e-05)),
    "eq int": lambda: where(Filter.eq("params/layers", 4)),
    "eq big": lambda: where(Filter.eq("big", 2**53 + 1)),
    "ne": lambda: where(Filter.ne(LR, 0.5)),
    "gt": lambda: where(Filter.gt(LR, 0.05)),
    "le": lambda: where(Filter.le(LR, 0.01)),
    "eq text": lambda: where(Filter.eq("params/optimizer", 'sgd (with "momentum" \\ 0.9)')),
    "eq odd": lambda: where(Filter.eq(ODD, "odd")),
    "eq bool": lambda: where(Filter.eq(Attribute("params/verified", type="bool"), True)),
    "eq datetime": lambda: where(
        Filter.eq("params/when", datetime(2024, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC))
    ),
    "lt datetime": lambda: where(Filter.lt("params/when", datetime(2024, 5, 18, tzinfo=UTC))),
    "series": lambda: where(Filter.lt(LOSS, 1.0)),
    "series infinite": lambda: where(Filter.gt(LOSS, 1e300)),
    "text series": lambda: where(Filter.eq(Attribute("notes/text", type="string_series"), "at 3")),
    "matches": lambda: where(Filter.matches("params/optimizer", "da & ^a")),
    "matches none": lambda: where(Filter.matches("params/optimizer", "!da")),
    "contains": lambda: where(Filter.contains_all(Attribute("sys/tags", type="string_set"), "a b")),
    "contains none": lambda: where(Filter.contains_none("sys/tags", ["best"])),
    "contains text": lambda: where(Filter.contains_all("params/optimizer", "sgd (")),
    "exists": lambda: where(Filter.exists("params/when")),
    "exists of a type": lambda: where(Filter.exists(Attribute("params/mixed", type="int"))),
    "not exists": lambda: where(~Filter.exists("params/lr")),
    "both": lambda: where(Filter.gt(LR, 0.001) & Filter.exists("params/layers")),
    "either": lambda: where(Filter.eq(LR, 0.5) | Filter.contains_all("sys/tags", "worst")),
    "not": lambda: where(~(Filter.eq(LR, 0.5) | Filter.contains_all("sys/tags", "worst"))),
    "name": lambda: where(Filter.name("^alpha$")),
    "trash": lambda: where(Filter.eq(Attribute("sys/trashed", type="bool"), True)),
    "unknown attribute": lambda: where(Filter.eq("none", 1)),
    "global experiments": lambda: list(
        fetch_experiments_table_global(
            experiments=Filter.eq(Attribute("sys/name", type="string"), "alpha"),
            attributes=["params/lr"],
        ).index
    ),
    "global runs": lambda: table(
        fetch_runs_table_global(runs=Filter.eq(LR, 0.1), attributes="params/lr", sort_by=LR)
    ),
    "a tracker's table": lambda: table(
        runs.fetch_runs_table(project="team/table", attributes="accuracy|note|model")
    ),
    "a missing project": lambda: runs.list_runs(project="team/none"),
    "attributes of a missing project": lambda: runs.list_attributes(project="team/none"),
    "a bad pattern": lambda: runs.list_runs(runs="("),
}

answers = {}
for question, ask in questions.items():
    recording.ask(question)
    try:
        answers[question] = ask()
    except Exception as error:  # noqa: BLE001 - what is raised is an answer too
        answers[question] = {"raised": type(error).__name__, "text": str(error)}
print(json.dumps(answers, default=plain))
