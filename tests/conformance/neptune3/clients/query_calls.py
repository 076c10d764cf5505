"""Makes calls of `neptune-query` that read by experiment, and filters one by one."""

import json
import os
import warnings
from pathlib import Path

import neptune_query as npt
import recording
from neptune_query import runs
from neptune_query.experimental import fetch_experiments_table_global
from neptune_query.filters import Attribute, AttributeFilter, Filter
from neptune_query.types import File, Histogram

warnings.simplefilter("ignore")
LR = Attribute("params/lr", type="float")
BIG, LAYERS = AttributeFilter("^big$"), AttributeFilter("^params/layers$")


def where(condition):
    return runs.list_runs(runs=condition)


def cells(frame):
    return [
        [list(index) if isinstance(index, tuple) else index, value]
        for column in frame.columns
        for index, value in frame[column].items()
    ]


def with_a_token():
    npt.set_api_token(os.environ["NEPTUNE_API_TOKEN"])
    return npt.list_experiments()


def contents():
    table = npt.fetch_experiments_table(experiments=["alpha"], attributes="^notes/file$")
    return [
        Path(path).read_text()
        for path in npt.download_files(files=table, destination="files").to_numpy().ravel()
    ]


def files():
    by_name = npt.fetch_experiments_table(experiments=["alpha"], attributes="^notes/file$")
    by_id = runs.fetch_runs_table(runs=["a-new"], attributes="^notes/file$")
    found = [frame.to_numpy().ravel()[0] for frame in (by_name, by_id)]
    return [
        [isinstance(file, File), file.container_identifier, file.size_bytes, file.attribute_path]
        for file in found
    ]


def histograms():
    found = cells(npt.fetch_series(experiments=["alpha"], attributes="^weights$"))
    return [
        [index, isinstance(value, Histogram), value.type, list(value.edges), list(value.values)]
        for index, value in found
    ]


questions = {
    "with a token": with_a_token,
    "attributes of experiments": lambda: npt.list_attributes(
        experiments=["beta"], attributes="^params/l"
    ),
    "texts of experiments": lambda: cells(
        npt.fetch_series(experiments=["gamma"], attributes="^notes/text$")
    ),
    "histograms": histograms,
    "contents": contents,
    "files": files,
    "global": lambda: cells(
        fetch_experiments_table_global(
            experiments=Filter.eq(Attribute("sys/name", type="string"), "alpha"),
            attributes=["params/lr"],
        )
    ),
    "attributes of either": lambda: runs.list_attributes(runs=["b"], attributes=BIG | LAYERS),
    "attributes of any": lambda: runs.list_attributes(
        runs=["a-new"], attributes=BIG.any(BIG, LAYERS)
    ),
    "ge": lambda: where(Filter.ge(LR, 0.1)),
    "lt": lambda: where(Filter.lt(LR, 0.01)),
}

answers = {}
for question, ask in questions.items():
    recording.ask(question)
    try:
        answers[question] = ask()
    except Exception as error:  # noqa: BLE001 - what is raised is an answer too
        answers[question] = {"raised": type(error).__name__, "text": str(error)}
print(json.dumps(answers))
