"""Log directories as a source: runs, series, files, and what is told about the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring.errors import InvalidName, ProjectNotFound, SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import Source, SourceFile, SourceRun
from mooring.exchange.sources.tensorboard import TensorBoardSource
from mooring.model import AttributeType
from mooring.store import open_store
from mooring.store.contract import Store
from tests.unit.exchange.tensorboard.conftest import (
    adding,
    event_file,
    png,
    tensor_value,
    wav,
    writing,
)

FLOATS, STRINGS = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES
HISTOGRAMS, FILES = AttributeType.HISTOGRAM_SERIES, AttributeType.FILE_SERIES


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def runs_of(source: TensorBoardSource) -> dict[str, SourceRun]:
    (project,) = source.list_projects()
    return {run.run_id: run for run in source.list_runs(project)}


def read_one(folder: Path) -> tuple[TensorBoardSource, SourceRun]:
    source = TensorBoardSource(folder)
    (run,) = runs_of(source).values()
    return source, run


def points_of(
    source: TensorBoardSource, run: SourceRun, type: AttributeType, path: str
) -> list[tuple[float, Any]]:
    points = source.read_points(run, type, [path])
    return [(row["step"] / 1e6, row["value"]) for row in points.to_pylist()]


def told(source: TensorBoardSource) -> str:
    return "\n".join(map(str, source.problems.named))


def test_each_folder_with_event_files_is_a_run(logs: Path) -> None:
    for name in ("a", "a/deep er/x", "b"):
        with writing(logs / name) as writer:
            writer.add_scalar("loss", 1.0, 1)
    (logs / "no run").mkdir()
    with writing(logs) as writer:
        writer.add_scalar("loss", 2.0, 1)
    source = TensorBoardSource(logs)
    assert isinstance(source, Source)
    assert source.list_projects() == ["local/logs"]
    assert set(runs_of(source)) == {"a", "a/deep er/x", "b", "logs"}
    assert all(run.created and not run.incomplete for run in runs_of(source).values())
    assert points_of(source, runs_of(source)["logs"], FLOATS, "loss") == [(1, 2.0)]
    other = TensorBoardSource(logs, project="team/digits")
    assert other.list_projects() == ["team/digits"]
    with pytest.raises(ProjectNotFound):
        other.list_runs("local/logs")


def test_scalars_of_both_forms(logs: Path) -> None:
    with adding(logs / "new") as add:
        for step, value in enumerate([0.1, math.nan, math.inf, -math.inf]):
            add(tensor_value("double", "scalars", np.float64(value)), step, 1.7e9 + step + 1e-6)
            add(tensor_value("float", "scalars", np.float32(value)), step)
        add(tensor_value("int", "scalars", np.int64(2**53 + 1)), -5)
        add(tensor_value("half", "scalars", np.float16(0.5)), 10**12)
        add(tensor_value("far", "scalars", np.float32(1)), 10**12 + 1)
        add(tensor_value("many", "scalars", np.zeros(3)), 0)
    with writing(logs / "old") as writer:
        writer.add_scalar("loss", 0.1, 3, walltime=1.7e9 + 0.25)
    source = TensorBoardSource(logs)
    runs = runs_of(source)
    assert points_of(source, runs["old"], FLOATS, "loss") == [(3, float(np.float32(0.1)))]
    (time,) = source.read_points(runs["old"], FLOATS)["time"].to_pylist()
    assert time == 1_700_000_000_250_000
    new = runs["new"]
    steps, values = zip(*points_of(source, new, FLOATS, "double"), strict=True)
    assert steps == (0, 1, 2, 3)
    assert np.array_equal(values, [0.1, math.nan, math.inf, -math.inf], equal_nan=True)
    times = source.read_points(new, FLOATS, ["double"])["time"].to_pylist()
    assert times == [1_700_000_000_000_001 + step * 1_000_000 for step in range(4)]
    assert points_of(source, new, FLOATS, "int") == [(-5, 2.0**53)]
    assert points_of(source, new, FLOATS, "half") == [(10**12, 0.5)]
    assert "integer that a double does not hold" in told(source)
    assert "far: 1 left out: steps beyond" in told(source)
    assert "'many': 1 left out: no single number" in told(source)


def test_texts(logs: Path) -> None:
    with writing(logs) as writer:
        writer.add_text("note", "**bold**\nü", 1)
    with adding(logs) as add:
        add(tensor_value("plain", "text", "one"), 2)
        add(tensor_value("table", "text", [["a", "b"], ["c", "d"]]), 3)
        add(tensor_value("bytes", "text", b"\xff"), 4)
    source, run = read_one(logs)
    assert points_of(source, run, STRINGS, "note/text_summary") == [(1, "**bold**\nü")]
    assert points_of(source, run, STRINGS, "plain") == [(2, "one")]
    assert points_of(source, run, STRINGS, "table") == [(3, '[["a", "b"], ["c", "d"]]')]
    assert points_of(source, run, STRINGS, "bytes") == [(4, "�")]
    assert "no UTF-8" in told(source)


def test_histograms(logs: Path) -> None:
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    with writing(logs) as writer:
        writer.add_histogram("old", np.array([0.0, 1.0, 1.0, 2.0]), 1, bins=4)
        writer.add_histogram_raw("raw", 0.0, 3.0, 6, 9.0, 20.0, [1.0, 2.0, 1.79e308], [1, 2, 3], 2)
    with adding(logs) as add:
        for step, data in enumerate(([1.0, 2.0, 4.0], [5.0, 5.0])):
            add(histogram_pb("new", data, buckets=2).value[0], step)
        add(histogram_pb("none", [], buckets=2).value[0], 0)
    source, run = read_one(logs)

    def bins(path: str) -> list[tuple[list[float], list[float]]]:
        found = points_of(source, run, HISTOGRAMS, path)
        return [(value["edges"], value["values"]) for _, value in found]

    assert bins("old") == [([0.0, 0.5, 1.0, 1.5, 2.0], [1.0, 0.0, 2.0, 1.0])]
    assert bins("raw") == [([0.0, 1.0, 2.0, 1.79e308], [1.0, 2.0, 3.0])]
    assert bins("new") == [
        ([1.0, 2.5, 4.0], [2.0, 1.0]),
        ([5.0, math.nextafter(5.0, 6.0)], [2.0]),
    ]
    assert "histogram 'new': 1 changed: all values are equal" in told(source)
    assert "histogram 'none': 1 left out: no values were counted" in told(source)
    assert "2 left out: the smallest and largest value, sum" in told(source)


def test_images_and_clips_keep_their_bytes(logs: Path) -> None:
    from tensorboard.compat.proto.summary_pb2 import Summary

    with writing(logs) as writer:
        writer.add_image("old/image", np.zeros((3, 4, 5)), 7)
    with adding(logs) as add:
        add(tensor_value("two", "images", [b"2", b"2", png(), png() + b" "]), 1)
        add(tensor_value("clips", "audio", [[wav(), b""], [wav() + b" ", b"spoken"]]), 2)
        audio = Summary.Audio(encoded_audio_string=wav(), content_type="audio/wav")
        add(Summary.Value(tag="clip", audio=audio), 3)
        add(tensor_value("no", "images", [b"2", b"2"]), 1)
    source, run = read_one(logs)
    found = {}
    for row in source.read_points(run, FILES).to_pylist():
        file = SourceFile(**row["value"])
        with source.open_file(file) as content:
            found[row["path"]] = (file.name, file.mime_type, content.read())
        assert file.size_bytes == len(found[row["path"]][2])
    assert found["two"] == ("two_1.png", "image/png", png())
    assert found["two/1"] == ("1_1.png", "image/png", png() + b" ")
    assert found["clips"] == ("clips_2.wav", "audio/wav", wav())
    assert found["clips/1"][2] == wav() + b" "
    assert found["clip"][2] == wav()
    assert found["old/image"][:2] == ("image_7.png", "image/png")
    assert found["old/image"][2].startswith(b"\x89PNG")
    assert "labels of clips 'clips': 1 left out" in told(source)
    assert "'no': 1 left out: holds no image" in told(source)


def test_a_location_never_leaves_the_log_directory(logs: Path) -> None:
    with writing(logs) as writer:
        writer.add_image("image", np.zeros((3, 4, 5)), 7)
    source, _ = read_one(logs)
    name = event_file(logs).name
    for location in (f"../logs/{name}#0/0/0", f"{logs}/{name}#0/0/0", name, f"{name}#0/0/0", "#"):
        with pytest.raises(SourceUnreadable):
            source.open_file(SourceFile(location=location))


def test_hyperparameters_are_values(logs: Path) -> None:
    with writing(logs) as writer:
        writer.add_hparams(
            {"lr": 0.1, "layers": 3, "optimizer": "adam", "nesterov": True},
            {"accuracy": 0.9},
            name="trial",
        )
    source = TensorBoardSource(logs)
    run = runs_of(source)["trial"]
    values = source.read_values(run)
    assert values["hparams/lr"] == 0.1
    assert values["hparams/layers"] == 3.0
    assert values["hparams/optimizer"] == "adam"
    assert values["hparams/nesterov"] is True
    assert values["tensorboard/session/status"] == "STATUS_SUCCESS"
    assert "accuracy" in str(values["tensorboard/experiment/metric_infos"])
    assert points_of(source, run, FLOATS, "accuracy") == [(0, float(np.float32(0.9)))]


def test_names_and_descriptions_of_tags_are_values(logs: Path) -> None:
    with writing(logs) as writer:
        writer.add_scalar("loss", 1.0, 1, display_name="The loss", summary_description="of *x*")
    source, run = read_one(logs)
    assert source.read_values(run) == {
        "tensorboard/display_names/loss": "The loss",
        "tensorboard/descriptions/loss": "of *x*",
    }


def test_the_graph_is_a_file_and_what_cannot_be_held_is_told(logs: Path) -> None:
    with writing(logs) as writer:
        writer.add_pr_curve("curve", np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.8, 0.3]), 0)
        writer.add_mesh("mesh", np.zeros((1, 3, 3)))
        writer.add_custom_scalars({"x": {"y": ["Multiline", ["loss"]]}})
    with adding(logs) as add:
        add(graph_def=b"graph")
        add(meta_graph_def=b"meta")
        add(tensor_value("mine", "my-plugin", [1.0]))
        add(tensor_value("bare", "", [1.0]))
    source, run = read_one(logs)
    graph = source.read_values(run)["tensorboard/graph"]
    assert isinstance(graph, SourceFile)
    with source.open_file(graph) as content:
        assert content.read() == b"graph"
    for what in ("pr_curves", "mesh", "custom_scalars", "meta_graph_def", "my-plugin", "(none)"):
        assert what in told(source)
    assert not source.list_series(run)


def test_a_restarted_writer_wins_and_that_is_told(logs: Path) -> None:
    for attempt, steps in enumerate((range(10), range(5, 8))):
        with writing(logs, filename_suffix=f".{attempt}") as writer:
            for step in steps:
                writer.add_scalar("loss", attempt * 100 + step, step)
    source, run = read_one(logs)
    assert points_of(source, run, FLOATS, "loss") == [
        (step, float(step + (100 if step in (5, 6, 7) else 0))) for step in range(10)
    ]
    assert "loss: 3 left out: steps written again" in told(source)


def test_one_tag_of_two_kinds(logs: Path) -> None:
    with adding(logs) as add:
        add(tensor_value("same/text", "scalars", 1.0), 0)
        add(tensor_value("same", "scalars", 1.0), 0)
        add(tensor_value("other", "text", "text"), 1)
    with adding(logs / ".." / "logs2") as add:
        add(tensor_value("same", "text", "text"), 1)
    second = event_file(logs.parent / "logs2")
    second.rename(logs / (second.name + ".2"))
    source, run = read_one(logs)
    assert {series.path: series.type for series in source.list_series(run)} == {
        "same": FLOATS,
        "same/text": FLOATS,
        "other": STRINGS,
        "same/text_2": STRINGS,
    }
    assert "comes in as 'same/text_2'" in told(source)


def test_tags_that_are_no_paths(logs: Path) -> None:
    with adding(logs) as add:
        for number, tag in enumerate(("", "a\nb", "a_b", "x" * 2_000)):
            add(tensor_value(tag, "scalars", float(number)), 0)
    source, run = read_one(logs)
    paths = [series.path for series in source.list_series(run)]
    assert len(paths) == 4
    assert {"untitled", "a_b", "a_b/scalars"} < set(paths)
    assert all(len(path.encode()) <= 1024 for path in paths)
    assert told(source).count("comes in as") == 4


def test_times_that_are_no_instants(logs: Path) -> None:
    with adding(logs) as add:
        for step, wall in enumerate((math.nan, math.inf, -1e300, 1.7e9)):
            add(tensor_value("loss", "scalars", 1.0), step, wall)
    source, run = read_one(logs)
    times = source.read_points(run, FLOATS)["time"].to_pylist()
    assert times == [0, 0, 0, 1_700_000_000_000_000]
    assert "3 changed: times that are no instants" in told(source)


def test_a_file_that_was_cut_is_read_up_to_there(logs: Path) -> None:
    with writing(logs) as writer:
        for step in range(100):
            writer.add_scalar("loss", step, step)
    file = event_file(logs)
    whole = file.read_bytes()
    for cut in (len(whole) - 1, len(whole) // 2 + 3, 30, 3, 0):
        file.write_bytes(whole[:cut])
        source, run = read_one(logs)
        assert run.incomplete
        assert file.name in run.incomplete
        steps = [step for step, _ in points_of(source, run, FLOATS, "loss")]
        assert steps == list(range(len(steps)))
        assert len(steps) < 100


def test_damage_is_named_with_file_and_offset(logs: Path) -> None:
    with writing(logs) as writer:
        for step in range(10):
            writer.add_scalar("loss", step, step)
    file = event_file(logs)
    data = bytearray(file.read_bytes())
    place = data.index(b"loss", len(data) // 2)
    data[place] ^= 1
    file.write_bytes(data)
    source, run = read_one(logs)
    assert not run.incomplete
    assert len(points_of(source, run, FLOATS, "loss")) == 9
    (problem,) = source.problems.named
    assert file.name in problem.what
    assert "at byte " in problem.what
    assert "checksum" in problem.why
    source.read_values(run)
    source.close()
    source.read_points(run, FLOATS)
    assert len(source.problems.named) == 1  # told once, however often it is read


def test_a_foreign_file_of_that_name(logs: Path) -> None:
    with writing(logs / "good") as writer:
        writer.add_scalar("loss", 1, 1)
    (logs / "bad").mkdir()
    (logs / "bad" / "my.tfevents.txt").write_text("nothing of the kind\n" * 50)
    source = TensorBoardSource(logs)
    runs = runs_of(source)
    assert runs["bad"].incomplete
    assert not source.list_series(runs["bad"])
    assert points_of(source, runs["good"], FLOATS, "loss") == [(1, 1.0)]


def test_what_is_no_log_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="no folder"):
        TensorBoardSource(tmp_path / "missing")
    with pytest.raises(SourceUnreadable, match="no event files"):
        TensorBoardSource(tmp_path)
    (tmp_path / "tfevents").touch()
    with pytest.raises(InvalidName):
        TensorBoardSource(tmp_path, project="a/b/c")


def test_imports_into_a_store_and_twice_changes_nothing(logs: Path, store: Store) -> None:
    with writing(logs / "run") as writer:
        for step in range(50):
            writer.add_scalar("loss", 1 / (step + 1), step)
        writer.add_image("image", np.zeros((3, 4, 5)), 7)
        writer.add_text("note", "text", 1)
    first = import_runs(TensorBoardSource(logs), store, verify=True)
    assert [run.outcome for run in first.runs] == [Outcome.DONE]
    assert first.is_complete
    assert first.points == 52
    second = import_runs(TensorBoardSource(logs), store)
    assert [run.outcome for run in second.runs] == [Outcome.PRESENT]
