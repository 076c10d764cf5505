"""Calls what `neptune-fetcher` has for series, files, contexts and filters, one by one."""

import json
import math
import os
import warnings
from pathlib import Path

import recording
from neptune_fetcher import ReadOnlyProject, ReadOnlyRun
from neptune_fetcher import alpha as npt
from neptune_fetcher.alpha import runs
from neptune_fetcher.alpha.filters import Attribute, AttributeFilter, Filter

warnings.simplefilter("ignore")
TOKEN = os.environ["NEPTUNE_API_TOKEN"]
LR = Attribute("params/lr", type="float")
TAGS = Attribute("sys/tags", type="string_set")
NAME = Attribute("sys/name", type="string")
project = ReadOnlyProject()


def open_run(custom_id):
    return ReadOnlyRun(project, custom_id=custom_id)


def rows(frame):
    return [[step, value] for step, value in zip(frame["step"], frame["value"], strict=True)]


def points(frame):
    """Return for each column and run the steps and values that are there."""
    told = {}
    for column in frame.columns:
        for (run, step), value in frame[column].items():
            if value is not None and not (isinstance(value, float) and math.isnan(value)):
                told.setdefault(column, {}).setdefault(run, []).append([step, value])
    return told


def contents(frame):
    return [Path(path).read_text() for path in frame.to_numpy().ravel() if isinstance(path, str)]


def prefetched():
    run = open_run("a-new")
    run.prefetch_series_values(
        ["metrics/loss", "metrics/score", "none"], use_threads=True, progress_bar=False
    )
    return {name: rows(run[name].fetch_values()) for name in ("metrics/loss", "metrics/score")}


def values(run, path, **options):
    return rows(open_run(run)[path].fetch_values(**options))


def last():
    series = open_run("a-new")["metrics/loss"]
    return [series.fetch(), series.fetch_last()]


def forgotten():
    run = open_run("b")
    run.prefetch(["params/layers"])
    del run["params/layers"]
    return run["params/layers"].fetch()


def unsupported():
    texts = open_run("a-new")["notes/text"]
    return [texts.fetch(), texts.fetch_last(), len(texts.fetch_values())]


def contexts():
    before = npt.get_context()
    told = [before.project, before.api_token == TOKEN]
    try:
        npt.set_project("team/table")
        told.append(len(runs.list_runs()))
        npt.set_context(npt.Context(project="team/nets").with_api_token(TOKEN))
        told.append(npt.list_experiments())
        told.append(npt.set_api_token(TOKEN) == npt.get_context())
        told.append(npt.list_experiments(context=before.with_project("other/secret")))
    finally:
        npt.set_context()
    return [*told, npt.get_context() == before]


def where(condition):
    return runs.list_runs(condition)


questions = {
    "runs by both ids": lambda: [
        run["sys/custom_run_id"].fetch()
        for run in project.fetch_read_only_runs(with_ids=["NET-1"], custom_ids=["plain"])
    ],
    "experiments by name": lambda: [
        [run["sys/custom_run_id"].fetch(), "params/lr" in run.field_names]
        for run in project.fetch_read_only_experiments(names=["alpha", "beta"])
    ],
    "series": lambda: values("a-new", "metrics/loss"),
    "series without times": lambda: list(
        open_run("a-new")["metrics/loss"].fetch_values(include_timestamp=False).columns
    ),
    "series from a step": lambda: values("a-new", "metrics/loss", step_range=(1.0, None)),
    "series of a fork": lambda: values("fork", "metrics/loss"),
    "series of a fork alone": lambda: len(
        open_run("fork")["metrics/loss"].fetch_values(include_inherited=False)
    ),
    "prefetched": prefetched,
    "last": last,
    "forgotten": forgotten,
    "unsupported": unsupported,
    "contexts": contexts,
    "metrics of experiments": lambda: points(npt.fetch_metrics("gamma", ["metrics/loss"])),
    "metrics of runs": lambda: points(
        runs.fetch_metrics(["a-new"], "^metrics/", step_range=(1.0, 2.0))
    ),
    "metrics tail": lambda: points(runs.fetch_metrics(["a-new"], "^metrics/loss$", tail_limit=1)),
    "series of experiments": lambda: points(npt.fetch_series("gamma", "notes/text")),
    "series of runs": lambda: points(runs.fetch_series(["a-new"], "notes/text", tail_limit=2)),
    "files of experiments": lambda: contents(
        npt.download_files("alpha", "^notes/file$", destination="of experiments")
    ),
    "files of runs": lambda: contents(
        runs.download_files(["a-new"], "^notes/file$", destination="of runs")
    ),
    "attributes of either": lambda: runs.list_attributes(
        ["a-new"], AttributeFilter(name_eq="big") | AttributeFilter(name_eq="params/lr")
    ),
    "attributes of any": lambda: npt.list_attributes(
        "alpha", AttributeFilter.any(AttributeFilter(name_eq="big"), AttributeFilter(name_eq="no"))
    ),
    "eq": lambda: where(Filter.eq(LR, 0.5)),
    "ne": lambda: where(Filter.ne(LR, 0.5)),
    "gt": lambda: where(Filter.gt(LR, 0.1)),
    "ge": lambda: where(Filter.ge(LR, 0.1)),
    "lt": lambda: where(Filter.lt(LR, 0.01)),
    "le": lambda: where(Filter.le(LR, 0.01)),
    "matches all": lambda: where(Filter.matches_all(NAME, ["^a", "a$"])),
    "matches none": lambda: where(Filter.matches_none(NAME, ["^a", "^b"])),
    "contains all": lambda: where(Filter.contains_all(TAGS, ["best", "a b"])),
    "contains none": lambda: where(Filter.contains_none(TAGS, ["best", "worst"])),
    "exists": lambda: where(Filter.exists("params/when")),
    "all": lambda: where(Filter.all(Filter.gt(LR, 0.001), Filter.exists("params/layers"))),
    "any": lambda: where(Filter.any(Filter.eq(LR, 0.5), Filter.exists("params/when"))),
    "negate": lambda: where(Filter.negate(Filter.exists(LR))),
    "and": lambda: where(Filter.gt(LR, 0.001) & Filter.exists("params/layers")),
    "or": lambda: where(Filter.eq(LR, 0.5) | Filter.exists("params/when")),
    "invert": lambda: where(~Filter.exists(LR)),
    "name eq": lambda: npt.list_experiments(Filter.name_eq("alpha")),
    "name in": lambda: npt.list_experiments(Filter.name_in("alpha", "beta", "nobody")),
    "queries": lambda: list(
        project.fetch_runs_df(
            query=f"({Filter.exists(LR).to_query()}) AND ({LR.to_query()} = 0.5)",
            progress_bar=False,
        )["sys/custom_run_id"]
    ),
}

answers = {}
for question, ask in questions.items():
    recording.ask(question)
    try:
        answers[question] = ask()
    except Exception as error:  # noqa: BLE001 - what is raised is an answer too
        answers[question] = {"raised": type(error).__name__, "text": str(error)}
print(json.dumps(answers))
