"""Offline folders of the real wandb as a source."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import ProjectNotFound, SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import Source, SourceFile, SourceRun
from mooring.exchange.sources.wandb import WandbSource
from mooring.model import AttributeType
from mooring.store import open_store
from mooring.store.contract import Store
from tests.unit.exchange.tensorboard.conftest import png
from tests.unit.exchange.wandb.conftest import log_of, tracking

FLOATS, STRINGS = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES
HISTOGRAMS, FILES = AttributeType.HISTOGRAM_SERIES, AttributeType.FILE_SERIES


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def read_one(folder: Path) -> tuple[WandbSource, SourceRun]:
    source = WandbSource(folder)
    (project,) = source.list_projects()
    (run,) = source.list_runs(project)
    return source, run


def points_of(
    source: WandbSource, run: SourceRun, type: AttributeType, path: str
) -> list[tuple[float, Any]]:
    points = source.read_points(run, type, [path])
    return [(row["step"] / 1e6, row["value"]) for row in points.to_pylist()]


def content_of(source: WandbSource, file: object) -> bytes:
    assert isinstance(file, SourceFile)
    with source.open_file(file) as content:
        return content.read()


def told(source: WandbSource) -> str:
    return "\n".join(map(str, source.problems.named))


def test_a_run_and_what_it_is(folder: Path) -> None:
    with tracking(
        folder,
        project="digits",
        entity="team",
        name="the run",
        notes="a note",
        tags=["b", "a"],
        group="group",
        job_type="train",
        config={"lr": 0.1, "layers": 3, "net": {"kind": "mlp", "sizes": [64, 32]}, "on": True},
    ) as run:
        run.config.update({"lr": 0.2}, allow_val_change=True)
        run.summary["best"] = 0.9
    source, found = read_one(folder)
    assert isinstance(source, Source)
    assert source.list_projects() == ["team/digits"]
    assert (found.run_id, found.name, found.incomplete) == ("abc123", "the run", "")
    assert found.created is not None
    values = source.read_values(found)
    assert values["sys/tags"] == frozenset({"a", "b"})
    assert values["sys/description"] == "a note"
    assert values["wandb/group"] == "group"
    assert values["wandb/job_type"] == "train"
    assert values["wandb/exit_code"] == 0
    assert values["config/lr"] == 0.2
    assert values["config/layers"] == 3
    assert isinstance(values["config/layers"], int)
    assert values["config/net/kind"] == "mlp"
    assert values["config/net/sizes"] == "[64, 32]"
    assert values["config/on"] is True
    assert values["summary/best"] == 0.9
    assert str(values["wandb/environment/python"]).startswith("CPython 3")
    assert not told(source)
    with pytest.raises(ProjectNotFound):
        source.list_runs("local/other")
    assert WandbSource(folder, project="mine").list_projects() == ["local/mine"]


def test_history(folder: Path) -> None:
    with tracking(folder, project="p") as run:
        for value in (0.1, math.nan, math.inf, -math.inf):
            run.log({"loss": value, "_timestamp": 1_700_000_000.000001})
        run.log({"a": {"b": {"c": 7}}, "note": "text", "flag": True, "list": [1, "x"]})
        run.log({"sparse": 2**60 + 1}, step=100)
        run.log({"nothing": None})
    source, found = read_one(folder)
    losses = points_of(source, found, FLOATS, "loss")
    assert [step for step, _ in losses] == [0, 1, 2, 3]
    assert losses[0][1] == 0.1
    assert math.isnan(losses[1][1])
    assert [value for _, value in losses[2:]] == [math.inf, -math.inf]
    times = source.read_points(found, FLOATS, ["loss"])["time"].to_pylist()
    assert times == [1_700_000_000_000_001] * 4
    assert points_of(source, found, FLOATS, "a/b/c") == [(4, 7.0)]
    assert points_of(source, found, STRINGS, "note") == [(4, "text")]
    assert points_of(source, found, STRINGS, "list") == [(4, '[1, "x"]')]
    assert points_of(source, found, FLOATS, "flag") == [(4, 1.0)]
    assert points_of(source, found, FLOATS, "sparse") == [(100, 2.0**60)]
    assert "flag: 1 changed: true and false are 1 and 0" in told(source)
    assert "nothing: 1 left out: a point without a value" in told(source)
    assert "sparse: 1 changed: an integer that a double does not hold" in told(source)


def test_steps_of_a_column_of_their_own(folder: Path) -> None:
    with tracking(folder, project="p") as run:
        run.define_metric("epoch")
        run.define_metric("val/*", step_metric="epoch")
        run.define_metric("batch loss", step_metric="epoch")
        for step in range(6):
            run.log({"batch loss": step, "epoch": step // 3})
            if step % 3 == 2:
                run.log({"val/acc": step * 10, "epoch": step // 3 + 0.5})
    source, found = read_one(folder)
    assert points_of(source, found, FLOATS, "val/acc") == [(0.5, 20.0), (1.5, 50.0)]
    # Several points of one epoch: W&B's own steps, so that none of them is lost.
    assert [step for step, _ in points_of(source, found, FLOATS, "batch loss")] == [
        0, 1, 2, 4, 5, 6,
    ]  # fmt: skip
    assert len(points_of(source, found, FLOATS, "epoch")) == 8


def test_histograms_and_media(folder: Path) -> None:
    import wandb

    image, other = folder / "x.png", folder / "other.html"
    image.write_bytes(png())
    other.write_text("<b>html</b>")
    with tracking(folder, project="p") as run:
        for step in range(3):
            run.log({"h": wandb.Histogram(np_histogram=([1, step], [0.0, 0.5, 2.0]))})
        run.log({"bad": {"_type": "histogram", "values": [1], "bins": [2.0, 2.0]}})
        run.log({"html": wandb.Html(str(other)), "table": wandb.Table(["a"], [[1]])})
        run.log({"odd": {"_type": "video-file", "path": "../../secret"}})
        run.log({"odd": {"_type": "strange"}})
    source, found = read_one(folder)
    assert points_of(source, found, HISTOGRAMS, "h") == [
        (step, {"kind": "COUNTING", "edges": [0.0, 0.5, 2.0], "values": [1.0, float(step)]})
        for step in range(3)
    ]
    files = {
        row["path"]: SourceFile(**row["value"])
        for row in source.read_points(found, FILES).to_pylist()
    }
    assert set(files) == {"html", "table"}
    assert files["html"].mime_type == "text/html"
    assert b"<b>html</b>" in content_of(source, files["html"])
    assert b'"data"' in content_of(source, files["table"])
    assert "histogram 'bad': 1 left out" in told(source)
    assert "outside the run" in told(source)
    assert "'strange' cannot be held" in told(source)
    assert not any("media/" in path for path in source.read_values(found))


def test_files_and_artifacts(folder: Path) -> None:
    import wandb

    saved = folder / "saved.txt"
    saved.write_text("saved")
    secret = folder / "secret.txt"
    secret.write_text("secret")
    with tracking(folder, project="p") as run:
        run.save(str(saved), base_path=str(folder), policy="now")
        for version in range(2):
            artifact = wandb.Artifact("model", "weights", metadata={"size": version})
            saved.write_text(f"version {version}")
            artifact.add_file(str(saved), name="in/model.bin")
            artifact.add_reference("https://example.com/x", name="far", checksum=False)
            run.log_artifact(artifact, aliases=["best"])
        (Path(run.dir) / "own.log").write_text("own")
        (Path(run.dir) / "link").symlink_to(secret)
    source, found = read_one(folder)
    values = source.read_values(found)
    assert content_of(source, values["files/saved.txt"]) == b"version 1"  # a link, as W&B made it
    assert content_of(source, values["files/own.log"]) == b"own"
    assert "files/link" not in values
    assert "files/link: 1 left out: is a link that the log does not list" in told(source)
    for version in range(2):
        content = content_of(source, values[f"artifacts/model/v{version}/in/model.bin"])
        assert content == f"version {version}".encode()
        about = f"wandb/artifacts/model/v{version}"
        assert values[f"{about}/type"] == "weights"
        assert values[f"{about}/metadata"] == f'{{"size":{version}}}'
        assert values[f"{about}/references/far"] == "https://example.com/x"
        assert values[f"{about}/aliases"] == frozenset({"best", "latest"})


def test_content_of_an_artifact_that_is_another_one_is_not_read(folder: Path) -> None:
    import wandb

    data = folder / "data.bin"
    data.write_text("data")
    with tracking(folder, project="p") as run:
        artifact = wandb.Artifact("data", "dataset")
        artifact.add_file(str(data), name="data.bin")
        run.log_artifact(artifact)
    source, found = read_one(folder)
    file = source.read_values(found)["artifacts/data/v0/data.bin"]
    assert isinstance(file, SourceFile)
    Path(file.location).chmod(0o600)
    Path(file.location).write_text("other")
    source, found = read_one(folder)
    assert "artifacts/data/v0/data.bin" not in source.read_values(found)
    assert "missing or another one" in told(source)


def test_console_metrics_of_the_system_and_alerts(folder: Path) -> None:
    code = """
        import sys, time, wandb
        run = wandb.init(project="p", mode="offline", dir=sys.argv[1], id="abc123")
        print("first line")
        print("to errors", file=sys.stderr)
        sys.stdout.write("in "); sys.stdout.write("pieces\\nno end")
        run.alert("careful", "something")
        run.log({"loss": 1})
        run.finish(exit_code=3)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    subprocess.run(command, check=True, timeout=120, capture_output=True, cwd=folder)
    source, found = read_one(folder)
    lines = [line for _, line in points_of(source, found, STRINGS, "monitoring/stdout")]
    assert lines == ["first line", "in pieces", "no end"]
    errors = [line for _, line in points_of(source, found, STRINGS, "monitoring/stderr")]
    assert "to errors" in errors
    series = {series.path for series in source.list_series(found)}
    assert any(path.startswith("monitoring/proc.") for path in series)
    ((_, alert),) = points_of(source, found, STRINGS, "monitoring/alerts")
    assert alert == "INFO: careful\nsomething"
    assert source.read_values(found)["wandb/exit_code"] == 3
    assert not found.incomplete


def test_a_killed_run_is_incomplete(folder: Path) -> None:
    with tracking(folder, project="p") as run:
        for step in range(500):
            run.log({"loss": step})
    log = log_of(folder)
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    source, found = read_one(folder)
    assert "ends within a record" in found.incomplete
    steps = [step for step, _ in points_of(source, found, FLOATS, "loss")]
    assert steps == list(range(len(steps)))
    assert 100 < len(steps) < 400
    with_no_end = whole[:20_000]
    log.write_bytes(with_no_end)
    _, found = read_one(folder)
    assert found.incomplete


def test_damage_is_told_with_file_and_offset(folder: Path) -> None:
    with tracking(folder, project="p") as run:
        for step in range(2_000):
            run.log({"loss": step})
    log = log_of(folder)
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    source, found = read_one(folder)
    assert not found.incomplete
    assert len(points_of(source, found, FLOATS, "loss")) > 1_500
    assert f"{log.name} at byte " in told(source)
    assert "checksum" in told(source)


def test_logs_of_a_resumed_run_are_one(folder: Path) -> None:
    with tracking(folder, project="p", config={"a": 1}) as run:
        run.log({"loss": 1.0}, step=0)
    (first,) = (folder / "wandb").glob("offline-run-*")
    first.rename(first.with_name("offline-run-20200101_000000-abc123"))
    with tracking(folder, project="p", config={"b": 2}) as run:
        run.log({"loss": 2.0}, step=5)
    source, found = read_one(folder)
    assert points_of(source, found, FLOATS, "loss") == [(0, 1.0), (5, 2.0)]
    values = source.read_values(found)
    assert (values["config/a"], values["config/b"]) == (1, 2)


def test_several_projects_and_a_log_that_cannot_be_read(folder: Path) -> None:
    for number, project in enumerate(("one", "two")):
        with tracking(folder, f"run{number}", project=project):
            pass
    bad = folder / "wandb" / "offline-run-20200101_000000-bad"
    bad.mkdir()
    (bad / "run-bad.wandb").write_text("nothing")
    source = WandbSource(folder)
    assert source.list_projects() == ["local/one", "local/two"]
    assert "run-bad.wandb: left out" in told(source)
    (run,) = source.list_runs("local/two")
    assert run.run_id == "run1"


def test_what_is_no_folder_of_wandb(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="no folder"):
        WandbSource(tmp_path / "missing")
    with pytest.raises(SourceUnreadable, match="no transaction logs"):
        WandbSource(tmp_path)


def test_imports_into_a_store_and_twice_changes_nothing(folder: Path, store: Store) -> None:
    import wandb

    with tracking(folder, project="p", config={"lr": 0.1, "x": [1]}, tags=["t"]) as run:
        for step in range(50):
            run.log({"loss": 1 / (step + 1), "h": wandb.Histogram([1.0, 2.0])})
        run.log({"table": wandb.Table(["a"], [[1]])})
    first = import_runs(WandbSource(folder), store, verify=True)
    assert first.is_complete, first
    assert [run.outcome for run in first.runs] == [Outcome.DONE]
    second = import_runs(WandbSource(folder), store)
    assert [run.outcome for run in second.runs] == [Outcome.PRESENT]
    shutil.rmtree(folder)
