"""`ReadOnlyRun`: fields of every type, what is prefetched, files, and what does not fit."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from types import GeneratorType

import pandas as pd
import polars as pl
import pytest

from mooring.errors import (
    AttributeNotFound,
    InvalidInput,
    MooringError,
    RunNotFound,
    StoreCorrupt,
    TypeMismatch,
)
from mooring.fetch import ReadOnlyRun, fields
from mooring.model import FileRef, Histogram


@pytest.fixture
def run(project):
    return ReadOnlyRun(project, with_id="DIG-1")


def test_a_run_is_named_in_one_of_three_ways(project):
    assert ReadOnlyRun(project, "DIG-1").custom_id == "alpha-1"
    assert ReadOnlyRun(project, custom_id="alpha-1").with_id == "DIG-1"
    assert ReadOnlyRun(project, experiment_name="tree_32").with_id == "DIG-3"
    assert ReadOnlyRun(read_only_project=project, with_id="DIG-4", eager_load_fields=False)
    for wrong in ({}, {"with_id": "DIG-1", "custom_id": "alpha-1"}):
        with pytest.raises(InvalidInput, match="exactly one"):
            ReadOnlyRun(project, **wrong)
    with pytest.raises(InvalidInput, match="named by text"):
        ReadOnlyRun(project, with_id=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"with_id": "DIG-11"}, "'DIG-11' not found in local/digits; closest: DIG-1"),
        ({"custom_id": "alpha1"}, "closest: alpha-1"),
        ({"experiment_name": "tree32"}, "closest: tree_32"),
    ],
)
def test_an_unknown_run_names_the_closest(project, wrong, message):
    with pytest.raises(RunNotFound, match=message):
        ReadOnlyRun(project, **wrong)


def test_field_names(run):
    names = list(run.field_names)
    assert {"sys/id", "params/lr", "metrics/loss", "model"} <= set(names)
    assert names == sorted(names)
    assert next(run.field_names) == names[0]
    assert list(run) == names
    assert "params/lr" in run
    assert "params/nothing" not in run


@pytest.mark.parametrize(
    ("path", "kind", "value"),
    [
        ("params/layers", "Integer", 3),
        ("params/lr", "Float", 0.1),
        ("params/optimizer", "String", "adam"),
        ("params/amp", "Boolean", True),
        ("params/started", "Datetime", datetime(2026, 1, 5, 12, 30, tzinfo=UTC)),
        ("sys/state", "ObjectState", "inactive"),
        ("sys/tags", "StringSet", {"best", "v1"}),
        ("sys/custom_run_id", "String", "alpha-1"),
        ("sys/failed", "Boolean", False),
        ("metrics/acc", "FloatSeries", 0.4),
        ("runtime/stdout", "StringSeries", "line 1"),
        ("weights", "HistogramSeries", Histogram((0.0, 1.0, 2.0), (3.0, 5.0))),
    ],
)
@pytest.mark.parametrize("prefetched", [False, True])
def test_fetch(run, path, kind, value, prefetched):
    if prefetched:
        run.prefetch([path])
    field = run[path]
    assert type(field) is getattr(fields, kind)
    assert field.fetch() == value
    assert type(field.fetch()) is type(value)
    if field.type.is_series:
        assert field.fetch_last() == value
    assert repr(field) == f"{kind}({path!r}, run='DIG-1')"


def test_an_unknown_path_names_the_closest(run):
    with pytest.raises(
        AttributeNotFound, match="'params/lrr' not found in run DIG-1; closest: "
    ) as e:
        run["params/lrr"]
    assert "params/lr" in e.value.suggestions
    assert isinstance(e.value, KeyError)
    with pytest.raises(InvalidInput, match="by its path, not by 3"):
        run[3]


@pytest.mark.parametrize(
    ("path", "method", "message"),
    [
        (
            "params/lr",
            "fetch_values",
            r"is a float, which has no fetch_values\(\); call fetch\(\)$",
        ),
        ("params/lr", "fetch_last", r"no fetch_last\(\); call fetch\(\)$"),
        ("params/optimizer", "download", r"is a string, which has no download\(\)"),
        ("metrics/loss", "download", r"call fetch\(\) or fetch_last\(\) or fetch_values\(\)"),
        ("model", "fetch_values", r"is a file, .* call fetch\(\) or download\(\)"),
    ],
)
def test_a_call_that_the_type_does_not_have(run, path, method, message):
    with pytest.raises(TypeMismatch, match=message) as caught:
        getattr(run[path], method)()
    assert isinstance(caught.value, TypeError)


def test_fetch_values(run):
    frame = run["metrics/loss"].fetch_values()
    assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == [
        ("step", "float64"),
        ("value", "float64"),
        ("timestamp", "datetime64[us, UTC]"),
    ]
    assert frame["step"].tolist() == [0, 1, 2, 3, 4]
    assert frame["value"].tolist()[2:] == [0.5, float("inf"), 0.25]
    assert frame["timestamp"][4] == pd.Timestamp("2026-01-05 12:00:00.000004", tz="UTC")
    assert list(run["metrics/loss"].fetch_values(include_timestamp=False)) == ["step", "value"]
    assert list(run["metrics/loss"].fetch_values(False)) == ["step", "value"]


def test_fetch_values_of_a_range(run):
    series = run["metrics/loss"]
    assert series.fetch_values(step_range=(1, 3))["step"].tolist() == [1, 2, 3]
    assert series.fetch_values(step_range=(None, 0.5))["step"].tolist() == [0]
    empty = series.fetch_values(step_range=(10, None))
    assert list(empty.columns) == ["step", "value", "timestamp"]
    assert empty.empty
    with pytest.raises(InvalidInput, match="step_range"):
        series.fetch_values(step_range=3)


def test_fetch_values_with_previews(run, store):
    writer = store.open_writer(run._info.key)
    writer.log({"metrics/loss": 7.0}, step=9, preview_completion=0.25)
    writer.close()
    series = run["metrics/loss"]
    assert len(series.fetch_values()) == 5
    for prefetched in (False, True):
        if prefetched:
            run.prefetch_series_values(["metrics/loss"], progress_bar=False)
        frame = series.fetch_values(include_point_previews=True)
        assert list(frame.columns) == ["step", "value", "timestamp", "preview", "completion_ratio"]
        assert frame["preview"].tolist() == [False] * 5 + [True]
        assert frame["completion_ratio"].tolist() == [1.0] * 5 + [0.25]
        assert len(series.fetch_values()) == 5


def test_fetch_values_of_other_series(run):
    assert run["runtime/stdout"].fetch_values()["value"].tolist() == ["line 0", "line 1"]
    assert run["weights"].fetch_values()["value"][0] == Histogram((0.0, 1.0, 2.0), (3.0, 4.0))
    assert isinstance(run["samples"].fetch_values()["value"][0], FileRef)
    assert isinstance(run["metrics/loss"].fetch_values(format="polars"), pl.DataFrame)


def test_an_unknown_option_is_refused(run):
    with pytest.raises(TypeError, match="include_timestamps"):
        run["metrics/loss"].fetch_values(include_timestamps=True)


def test_values_are_current_unless_prefetched(run, store):
    field = run["params/lr"]
    assert field.fetch() == 0.1
    writer = store.open_writer(run._info.key)
    writer.assign({"params/lr": 0.2, "params/layers": 5})
    assert field.fetch() == 0.2
    run.prefetch(["params/lr", "params/no such"])
    writer.assign({"params/lr": 0.3})
    assert (field.fetch(), run["params/lr"].fetch()) == (0.2, 0.2)
    del run["params/lr"]
    assert field.fetch() == 0.3
    writer.close()


def test_what_was_prefetched_is_not_read_again(project, store, monkeypatch):
    run = ReadOnlyRun(project, with_id="DIG-1")
    run.prefetch(["params/lr", "params/optimizer"])
    run.prefetch_series_values(["metrics/loss", "nothing", "params/lr"], progress_bar=False)
    for name in ("get_value", "read_attributes", "read_series", "list_attributes"):
        monkeypatch.setattr(store, name, None)
    assert run["params/lr"].fetch() == 0.1
    assert run["params/optimizer"].fetch() == "adam"
    assert run["metrics/loss"].fetch_last() == 0.25
    assert len(run["metrics/loss"].fetch_values()) == 5


def test_prefetched_series_answer_only_the_same_question(run):
    paths = ["metrics/loss", "metrics/acc", "runtime/stdout"]
    run.prefetch_series_values(paths, use_threads=True, progress_bar=False, step_range=(2, None))
    assert run["metrics/acc"].fetch_values(step_range=(2, None))["step"].tolist() == [2, 3, 4]
    assert run["runtime/stdout"].fetch_values(step_range=(2, None)).empty
    assert len(run["metrics/acc"].fetch_values()) == 5


def test_a_field_that_was_deleted_says_so(run, store):
    field = run["params/lr"]
    writer = store.open_writer(run._info.key)
    writer.delete("params/lr")
    writer.close()
    with pytest.raises(AttributeNotFound, match="params/lr"):
        field.fetch()


def test_field_names_is_an_iterator(run):
    assert iter(run.field_names) is not None
    assert not isinstance(run.field_names, (list, GeneratorType))


def test_the_repr_names_run_and_project(run):
    assert repr(run).startswith("ReadOnlyRun(ReadOnlyProject('local/digits', store=")
    assert repr(run).endswith("with_id='DIG-1')")


# files


def test_a_file_is_written_under_its_own_name_in_the_folder(run, tmp_path):
    target = tmp_path / "out" / "deep"
    target.mkdir(parents=True)
    written = run["model"].download(target)
    assert written == target / "model.bin"
    assert written.read_bytes() == b"the model"
    assert [path.name for path in target.iterdir()] == ["model.bin"]
    assert written.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert run["model"].fetch().size_bytes == 9


def test_a_file_goes_where_it_is_told(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run["model"].download() == tmp_path / "model.bin"
    assert run["model"].download("other.bin").read_bytes() == b"the model"
    assert run["model"].download("new/").name == "model.bin"
    (tmp_path / "old.bin").write_text("old")
    assert run["model"].download("old.bin").read_bytes() == b"the model"


def test_a_link_is_replaced_and_not_followed(run, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("untouched")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.bin").symlink_to(outside)
    run["model"].download(folder)
    assert outside.read_text() == "untouched"
    assert not (folder / "model.bin").is_symlink()


def test_a_file_that_cannot_be_written_leaves_nothing(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MooringError, match="cannot write"):
        run["model"].download(tmp_path / "file" / "below")
    (tmp_path / "model.bin").mkdir()
    with pytest.raises(MooringError, match="is a folder"):
        run["model"].download(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_damaged_content_is_not_passed_on(run, store, tmp_path, monkeypatch):
    import io

    monkeypatch.setattr(store, "open_blob", lambda digest: io.BytesIO(b"other"))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(StoreCorrupt, match=r"model\.bin"):
        run["model"].download(out)
    assert list(out.iterdir()) == []


def test_files_of_a_series_are_named_by_their_steps(run, tmp_path):
    written = run["samples"].download(tmp_path)
    assert [path.name for path in written] == ["step_0_s.txt", "step_1_s.txt"]
    assert written[1].read_bytes() == b"sample 1"
    assert len(run["samples"].download(tmp_path, step_range=(1, None))) == 1


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
