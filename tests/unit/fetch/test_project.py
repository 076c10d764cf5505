"""`ReadOnlyProject`: every row of the parameter table, lists, and runs to read."""

from __future__ import annotations

import math

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mooring.errors import AttributeNotFound, InvalidInput, QueryError, RunNotFound
from mooring.fetch import ProgressBarCallback, ReadOnlyRun
from mooring.query import field

IDENTIFIERS = ["sys/id", "sys/name", "sys/custom_run_id"]


def ids(frame):
    """Return the own ids of a table's runs, in its order."""
    return frame["sys/custom_run_id"].tolist()


@pytest.fixture
def select(project):
    """Return a function that tells which runs `fetch_runs_df` selects."""
    return lambda **parameters: ids(
        project.fetch_runs_df(columns=["sys/custom_run_id"], **parameters)
    )


# lists


def test_list_runs_yields_identifiers_newest_first(project):
    listed = list(project.list_runs())
    assert [run["sys/custom_run_id"] for run in listed] == ["alpha-2", "beta-1", "alpha-1"]
    assert listed[0] == {
        "sys/id": "DIG-3",
        "sys/name": "tree_32",
        "sys/custom_run_id": "alpha-2",
    }
    assert iter(project.list_runs())


def test_fetch_runs_has_the_three_columns(project):
    frame = project.fetch_runs()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == IDENTIFIERS
    assert ids(frame) == ["alpha-2", "beta-1", "alpha-1"]


def test_runs_without_a_name_are_listed(project, store):
    from tests.unit.fetch.conftest import create

    create(store, "nameless")
    assert next(project.list_runs())["sys/name"] is None
    assert pd.isna(project.fetch_runs()["sys/name"][0])


def test_experiments_are_the_newest_runs_of_their_names(project):
    assert ids(project.fetch_experiments()) == ["alpha-2", "beta-1"]
    assert [run["sys/custom_run_id"] for run in project.list_experiments()] == ["alpha-2", "beta-1"]
    table = project.fetch_experiments_df(columns=["sys/custom_run_id"], names_exclude_regex="99$")
    assert ids(table) == ["alpha-2"]
    assert [run.custom_id for run in project.fetch_read_only_experiments(["tree_32"])] == [
        "alpha-2"
    ]
    assert len(list(project.fetch_read_only_experiments())) == 2
    with pytest.raises(RunNotFound, match="closest: tree_32"):
        list(project.fetch_read_only_experiments(names=["tree_33"]))


# the parameters of fetch_runs_df


def test_columns_none_shows_all(project):
    frame = project.fetch_runs_df()
    assert {"sys/id", "sys/tags", "params/lr", "metrics/loss", "runtime/stdout"} <= set(frame)
    assert frame["params/layers"].tolist()[1:] == [4, 3]
    assert pd.isna(frame["params/layers"][0])
    assert frame["metrics/loss"].tolist()[1:] == [0.0, 0.25]
    assert frame["sys/tags"].tolist()[1:] == ["v1", "best,v1"]
    assert str(frame["sys/creation_time"].dtype) == "datetime64[us, UTC]"


def test_columns_include_the_id_and_what_no_run_has(project):
    frame = project.fetch_runs_df(columns=["params/lr", "params/nothing"])
    assert list(frame.columns) == ["sys/id", "params/lr", "params/nothing"]
    assert frame["params/lr"].tolist() == [0.001, 0.01, 0.1]
    assert frame["params/nothing"].tolist() == [None] * 3


def test_columns_regex_adds_to_columns(project):
    frame = project.fetch_runs_df(columns=["sys/name"], columns_regex="tree/.*")
    assert list(frame.columns) == ["sys/id", "sys/name", "tree/depth"]
    assert list(project.fetch_runs_df(columns_regex="^params/[[:lower:]]r$")) == [
        "sys/id",
        "params/lr",
    ]
    assert list(project.fetch_runs_df(columns_regex="^params/l")) == [
        "sys/id",
        "params/layers",
        "params/lr",
    ]


def test_names_regex(select):
    assert select(names_regex="tree_3[2-4]+") == ["alpha-2", "alpha-1"]
    assert select(names_regex="99") == ["beta-1"]
    assert select(names_regex="^99") == []


def test_custom_id_regex(select):
    assert select(custom_id_regex="^alpha") == ["alpha-2", "alpha-1"]


def test_with_ids(select):
    assert select(with_ids=["DIG-1", "DIG-2", "DIG-99"]) == ["beta-1", "alpha-1"]
    assert select(with_ids=[]) == []


def test_custom_ids(select):
    assert select(custom_ids=["alpha-1", "nobody"]) == ["alpha-1"]
    assert select(custom_ids=["alpha-1"], with_ids=["DIG-2"]) == []


def test_thousands_of_ids(select):
    assert select(custom_ids=[f"x-{n}" for n in range(5000)] + ["alpha-1"]) == ["alpha-1"]
    assert select(query=field("params/layers").is_in(range(4, 3000))) == ["beta-1"]


def test_states(select):
    assert select(states=["active"]) == ["beta-1"]
    assert select(states=["inactive"]) == ["alpha-2", "alpha-1"]
    assert select(states=["active", "inactive"]) == ["alpha-2", "beta-1", "alpha-1"]


def test_owners(select):
    assert select(owners=["bob", "eve"]) == ["beta-1"]
    assert select(owners=["ada", "bob"]) == ["alpha-2", "beta-1", "alpha-1"]


def test_tags_must_all_match(select):
    assert select(tags="v1") == ["beta-1", "alpha-1"]
    assert select(tags=["v1", "best"]) == ["alpha-1"]
    assert select(tags=["v1", "nope"]) == []


def test_trashed(select):
    assert select(trashed=False) == select() == ["alpha-2", "beta-1", "alpha-1"]
    assert select(trashed=True) == ["gone-1"]
    assert select(trashed=None) == ["gone-1", "alpha-2", "beta-1", "alpha-1"]


def test_limit(select):
    assert select(limit=2) == ["alpha-2", "beta-1"]
    assert select(limit=100) == ["alpha-2", "beta-1", "alpha-1"]
    with pytest.raises(InvalidInput, match="limit"):
        select(limit=0)


def test_sort_by_and_ascending(select):
    assert select(sort_by="params/lr") == ["alpha-1", "beta-1", "alpha-2"]
    assert select(sort_by="params/lr", ascending=True) == ["alpha-2", "beta-1", "alpha-1"]
    assert select(sort_by="params/optimizer", ascending=True) == ["alpha-1", "beta-1", "alpha-2"]
    assert select(ascending=True) == ["alpha-1", "beta-1", "alpha-2"]
    assert select(sort_by="metrics/loss", ascending=True) == ["beta-1", "alpha-1", "alpha-2"]
    assert select(sort_by=field("metrics/loss").max, limit=1) == ["beta-1"]
    assert select(sort_by="sys/id") == ["alpha-2", "beta-1", "alpha-1"]


def test_sort_by_what_cannot_be_sorted_by(select):
    with pytest.raises(AttributeNotFound, match="closest: params/lr"):
        select(sort_by="params/lrr")
    with pytest.raises(InvalidInput, match="'sys/tags', which is a string_set"):
        select(sort_by="sys/tags")
    with pytest.raises(InvalidInput, match="'model', which is a file"):
        select(sort_by="model")
    with pytest.raises(InvalidInput, match="sort_by is the path"):
        select(sort_by=3)
    with pytest.raises(InvalidInput, match="ascending is True or False"):
        select(ascending="yes")


class Recorder(ProgressBarCallback):
    calls: list = []  # noqa: RUF012

    def update(self, *, by, total=None):
        self.calls.append((by, total))


def test_progress_bar(project, capsys):
    for silent in (None, False):
        project.fetch_runs_df(progress_bar=silent)
    assert capsys.readouterr().err == ""
    project.fetch_runs_df(progress_bar=True)
    assert "3/3" in capsys.readouterr().err
    Recorder.calls.clear()
    project.fetch_runs_df(progress_bar=Recorder)
    assert Recorder.calls == [(3, 3)]
    with pytest.raises(InvalidInput, match="progress_bar"):
        project.fetch_runs_df(progress_bar="yes")


def test_chunks_of_runs_make_one_table(project, monkeypatch):
    whole = project.fetch_runs_df()
    monkeypatch.setattr("mooring.fetch.project._CHUNK_RUNS", 2)
    Recorder.calls.clear()
    pd.testing.assert_frame_equal(project.fetch_runs_df(progress_bar=Recorder), whole)
    assert Recorder.calls == [(2, 3), (1, 3)]


def test_query(select):
    assert select(query="`params/lr`:float > 0.005") == ["beta-1", "alpha-1"]
    assert select(query=field("params/lr") > 0.005, tags="best") == ["alpha-1"]
    assert select(query='`sys/tags`:stringSet CONTAINS "best"') == ["alpha-1"]
    with pytest.raises(QueryError):
        select(query="`params/lr` >")


def test_format(project):
    columns = ["params/lr"]
    polars = project.fetch_runs_df(columns, format="polars")
    assert isinstance(polars, pl.DataFrame)
    assert polars["params/lr"].to_list() == [0.001, 0.01, 0.1]
    arrow = project.fetch_runs_df(columns, format="arrow")
    assert isinstance(arrow, pa.Table)
    assert arrow.column_names == ["sys/id", "params/lr"]
    assert isinstance(project.fetch_runs(format="polars"), pl.DataFrame)
    with pytest.raises(InvalidInput, match="format"):
        project.fetch_runs_df(format="csv")


def test_parameters_have_the_order_of_the_reference(project):
    import inspect

    names = list(inspect.signature(project.fetch_runs_df).parameters)
    assert names[:15] == [
        "columns",
        "columns_regex",
        "names_regex",
        "custom_id_regex",
        "with_ids",
        "custom_ids",
        "states",
        "owners",
        "tags",
        "trashed",
        "limit",
        "sort_by",
        "ascending",
        "progress_bar",
        "query",
    ]


def test_a_project_without_runs_gives_empty_tables(store):
    from mooring.fetch import ReadOnlyProject

    store.create_project("local/empty")
    project = ReadOnlyProject("empty", store=store)
    assert list(project.list_runs()) == []
    assert list(project.fetch_runs().columns) == IDENTIFIERS
    assert project.fetch_runs_df(sort_by="params/lr").empty
    assert len(project.fetch_metrics()) == 0
    assert len(project.fetch_metrics(buckets=3)) == 0


# runs to read


def test_fetch_read_only_runs(project):
    runs = list(project.fetch_read_only_runs(with_ids=["DIG-2"], custom_ids=["alpha-1", "beta-1"]))
    assert all(isinstance(run, ReadOnlyRun) for run in runs)
    assert [run.with_id for run in runs] == ["DIG-2", "DIG-1"]
    assert [run.with_id for run in project.fetch_read_only_runs()] == ["DIG-3", "DIG-2", "DIG-1"]
    assert list(project.fetch_read_only_runs(with_ids=[])) == []
    with pytest.raises(RunNotFound, match="closest: alpha-1"):
        project.fetch_read_only_runs(custom_ids=["alpha-11"])


# points of many runs


def test_fetch_metrics_of_everything(project):
    frame = project.fetch_metrics()
    assert list(frame.columns) == ["run", "path", "step", "timestamp", "value"]
    assert frame["run"].cat.categories.tolist() == ["beta-1", "alpha-1"]
    assert frame["path"].cat.categories.tolist() == ["metrics/acc", "metrics/loss"]
    assert len(frame) == 13
    assert frame["value"].isna().sum() == 1
    assert (frame["value"] == math.inf).sum() == 1


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (["alpha-1"], ["alpha-1"]),
        (["DIG-2", "alpha-1", "DIG-1"], ["beta-1", "alpha-1"]),
        (["alpha-1", "DIG-2"], ["alpha-1", "beta-1"]),
        ("^alpha", ["alpha-1"]),
        (field("params/lr") < 0.05, ["beta-1"]),
        ([], []),
    ],
)
def test_fetch_metrics_of_chosen_runs(project, runs, expected):
    frame = project.fetch_metrics(runs, ["metrics/loss"])
    assert list(dict.fromkeys(frame["run"])) == expected


def test_fetch_metrics_of_runs_to_read_and_of_queries(project):
    run = ReadOnlyRun(project, with_id="DIG-2")
    assert set(project.fetch_metrics(run)["run"]) == {"beta-1"}
    assert set(project.fetch_metrics([run, "alpha-1"])["run"]) == {"beta-1", "alpha-1"}
    assert set(project.fetch_metrics(query="`params/lr` < 0.05")["run"]) == {"beta-1"}
    assert set(project.fetch_metrics("a-1$", query="`params/lr` < 0.05")["run"]) == {"beta-1"}
    with pytest.raises(InvalidInput, match="query= cannot go with a list"):
        project.fetch_metrics(["alpha-1"], query="`params/lr` < 0.05")
    with pytest.raises(RunNotFound, match="closest: alpha-"):
        project.fetch_metrics(["alpha-9"])
    with pytest.raises(InvalidInput, match="runs is a list"):
        project.fetch_metrics(3)


def test_fetch_metrics_of_chosen_paths_steps_and_tails(project):
    assert set(project.fetch_metrics(paths="acc$")["path"]) == {"metrics/acc"}
    assert len(project.fetch_metrics(paths="nothing")) == 0
    frame = project.fetch_metrics(["alpha-1"], ["metrics/loss"], step_range=(1, 3))
    assert frame["step"].tolist() == [1, 2, 3]
    frame = project.fetch_metrics(["alpha-1"], ["metrics/loss"], tail=2)
    assert frame["step"].tolist() == [3, 4]
    with pytest.raises(AttributeNotFound, match="'runtime/stdout' not found in the float series"):
        project.fetch_metrics(["alpha-1"], ["runtime/stdout"])


def test_fetch_metrics_in_buckets(project):
    frame = project.fetch_metrics(["alpha-1"], ["metrics/loss"], buckets=2)
    assert frame["step_from"].tolist() == [0, 2]
    assert frame["step_to"].tolist() == [2, 4]
    assert frame["count"].tolist() == [2, 3]
    assert frame["nan_count"].tolist() == [1, 0]
    assert frame["positive_inf_count"].tolist() == [0, 1]
    assert frame["max"].tolist() == [1.0, 0.5]
    assert frame["mean"].tolist() == [1.0, 0.375]
    fixed = project.fetch_metrics(["alpha-1"], ["metrics/loss"], buckets=10, step_range=(0, 100))
    assert fixed["step_to"].tolist() == [10.0]


@pytest.mark.parametrize("format", ["polars", "arrow"])
def test_fetch_metrics_in_other_formats(project, format):
    for buckets in (None, 2):
        frame = project.fetch_metrics(buckets=buckets, format=format)
        assert len(frame) == len(project.fetch_metrics(buckets=buckets))


@pytest.mark.parametrize(
    "wrong",
    [{"buckets": 0}, {"tail": -1}, {"lineage": "mine"}, {"step_range": (3, 1)}, {"paths": ""}],
)
def test_fetch_metrics_says_which_argument_is_wrong(project, wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        project.fetch_metrics(**wrong)


def test_fetch_metrics_of_a_fork(project, store):
    from tests.unit.fetch.conftest import create

    parent = store.find_run("local/digits", run_id="beta-1")
    child = create(store, "child", name="tree_99", parent=parent.key, fork_step=1_000_000)
    with_own = store.open_writer(child.key)
    with_own.log({"metrics/loss": 0.0}, step=2)
    with_own.close()

    def values(lineage):
        return project.fetch_metrics(["child"], ["metrics/loss"], lineage=lineage)["value"].tolist()

    assert values("full") == [2.0, 1.0, 0.0]
    assert values("own") == [0.0]
    assert values("experiment") == [2.0, 1.0, 0.0]
    series = ReadOnlyRun(project, custom_id="child")["metrics/loss"]
    assert series.fetch_values()["value"].tolist() == [2.0, 1.0, 0.0]
    assert series.fetch_values(include_inherited=False)["value"].tolist() == [0.0]


def test_fetch_metrics_with_previews(project, store):
    run = store.find_run("local/digits", run_id="alpha-2")
    writer = store.open_writer(run.key)
    writer.log({"p": 1.0}, step=1)
    writer.log({"p": 2.0}, step=2, preview_completion=0.5)
    writer.close()
    assert project.fetch_metrics(["alpha-2"])["value"].tolist() == [1.0]
    frame = project.fetch_metrics(["alpha-2"], include_previews=True)
    assert frame["value"].tolist() == [1.0, 2.0]
    assert frame["preview"].tolist() == [False, True]
    assert frame["completion_ratio"].tolist() == [1.0, 0.5]
