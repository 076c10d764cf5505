"""What the real `neptune-scale` client leaves on the disk, read as a source."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import HasExtras, SourceFile, SourceRun
from mooring.exchange.sources import SourceOptions, detect_source, open_source
from mooring.exchange.sources.neptune_scale import NeptuneScaleSource, open_neptune_scale
from mooring.model import AttributeType
from mooring.store import open_store
from tests.e2e.exchange.peer import Peer, find_peer

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

WRITE = """
import datetime, os, sys

def main():
    from neptune_scale import Run
    from neptune_scale.types import File, Histogram

    open("my.model.v1.bin", "wb").write(b"weights")

    def start(id, capture=False, **more):
        return Run(run_id=id, project="team/digits", mode="offline",
                   enable_console_log_capture=capture, **more)

    run = start("run-1", experiment_name="exp", capture=True)
    print("first words")
    run.log_configs({
        "lr": 0.1, "n": 3, "flag": True, "opt": "adam", "nan": float("nan"), "set": ["a", "b"],
        "when": datetime.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc),
    })
    run.add_tags(["t1", "t2"])
    run.add_tags(["g"], group_tags=True)
    run.remove_tags(["t2"])
    at = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    for i in range(10):
        run.log_metrics({"loss": 1 / (i + 1), "acc": i / 10}, step=i,
                        timestamp=at + datetime.timedelta(microseconds=i))
    run.log_metrics({"loss": float("inf"), "half": 1.0}, step=10.5)
    run.log_metrics({"ahead": 0.5}, step=1)
    run.log_metrics({"ahead": 0.01}, step=1, preview=True, preview_completion=0.5)
    run.log_metrics({"ahead": 0.02}, step=2, preview=True, preview_completion=0.25)
    run.log_string_series({"log": "hello"}, step=1)
    run.log_string_series({"log": "w\\u00f6rld"}, step=2)
    run.log_histograms({"counts": Histogram(bin_edges=[0, 1, 2], counts=[3, 4])}, step=1)
    densities = Histogram(bin_edges=[0., 1., 2.], densities=[.25, .75])
    run.log_histograms({"densities": densities}, step=1)
    run.assign_files({
        "files/path": "my.model.v1.bin", "files/bytes": b"bytes",
        "files/named": File(b"text", mime_type="text/plain", destination="some/where.txt"),
    })
    run.log_files({"pages": b"one"}, step=1)
    run.log_files({"pages": File("my.model.v1.bin")}, step=2)
    run.close()

    again = start("run-1", capture=True)
    print("other words")
    again.log_metrics({"loss": 0.001}, step=12)
    again.log(metrics={"no step": 1.0, "loss": 0.0005})
    again.close()

    fork = start("fork", fork_run_id="run-1", fork_step=5)
    fork.log_configs({"lr": 0.2})
    fork.add_tags(["t3"])
    fork.log_metrics({"loss": 9.0}, step=6)
    fork.close()
    bare = start("bare fork", fork_run_id="run-1", fork_step=2.5, inherit_configs=False)
    bare.close()
    late = start("run-1")
    late.log_configs({"later": 1})
    late.close()
    lost = start("orphan", fork_run_id="not here", fork_step=1)
    lost.close()
    other = Run(run_id="run-1", project="team/other", mode="offline",
                enable_console_log_capture=False)
    other.close()
    if len(sys.argv) > 1:
        killed = start("killed")
        killed.log_metrics({"loss": 1.0}, step=1)
        killed.log_metrics({"loss": 2.0}, step=2)
        os.kill(os.getpid(), 9)

if __name__ == "__main__":
    main()
"""


NAMES = (
    *("Timestamp", "Step", "ForkPoint", "StringSet", "FileRef", "Histogram", "Value"),
    *("ModifyStringSet", "ModifySet", "Run", "Preview", "UpdateRunSnapshot"),
    *("UpdateRunSnapshots", "RunOperation", "Counts", "Densities"),
)


@pytest.fixture(scope="module")
def peer() -> Peer:
    return find_peer("neptune_scale")


@pytest.fixture(scope="module")
def offline(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offline")
    peer.run(WRITE, "kill", cwd=folder, check=False)
    return folder


@pytest.fixture
def source(offline: Path) -> Iterator[NeptuneScaleSource]:
    source = open_neptune_scale(offline)
    yield source
    source.close()


def runs(source: NeptuneScaleSource) -> dict[str, SourceRun]:
    return {run.run_id: run for run in source.list_runs("team/digits")}


def content(source: NeptuneScaleSource, location: str) -> bytes:
    with source.open_file(SourceFile(location=location)) as stream:
        return stream.read()


def test_runs_and_lineage(source: NeptuneScaleSource) -> None:
    assert source.list_projects() == ["team/digits", "team/other"]
    found = runs(source)
    assert [*found] == ["run-1", "fork", "bare fork", "orphan", "killed"]
    assert (found["run-1"].name, found["run-1"].parent) == ("exp", None)
    assert (found["fork"].parent, found["fork"].fork_step) == ("run-1", 5_000_000)
    assert (found["bare fork"].parent, found["bare fork"].fork_step) == ("run-1", 2_500_000)
    assert all(run.incomplete == "" and run.created for run in found.values())


def test_values(source: NeptuneScaleSource) -> None:
    values = source.read_values(runs(source)["run-1"])
    expected = {
        "lr": 0.1,
        "n": 3,
        "flag": True,
        "opt": "adam",
        "set": frozenset("ab"),
        "when": datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "sys/tags": frozenset({"t1"}),
        "sys/group_tags": frozenset({"g"}),
        "later": 1,
    }
    assert {path: values[path] for path in expected} == expected
    assert type(values["n"]) is int
    assert values["flag"] is True
    nan = values["nan"]
    assert isinstance(nan, float)
    assert math.isnan(nan)


def test_series(source: NeptuneScaleSource) -> None:
    run = runs(source)["run-1"]
    counts = {each.path: (each.type.value, each.count) for each in source.list_series(run)}
    assert counts == {
        "loss": ("float_series", 13),
        "acc": ("float_series", 10),
        "half": ("float_series", 1),
        "ahead": ("float_series", 1),
        "no step": ("float_series", 1),
        "log": ("string_series", 2),
        "runtime/stdout": ("string_series", 2),
        "counts": ("histogram_series", 1),
        "densities": ("histogram_series", 1),
        "pages": ("file_series", 2),
    }
    loss = source.read_points(run, AttributeType.FLOAT_SERIES, ["loss"]).to_pydict()
    whole = [i * 1_000_000 for i in range(10)]
    assert loss["step"] == [*whole, 10_500_000, 12_000_000, 13_000_000]
    assert loss["value"] == [*(1 / (i + 1) for i in range(10)), math.inf, 0.001, 0.0005]
    start = 1_704_067_200_000_000
    assert loss["time"][:10] == [start + i for i in range(10)]
    together = source.read_points(run, AttributeType.FLOAT_SERIES, ["no step"])
    assert together["step"].to_pylist() == [13_000_000]  # one step for all of an update
    histograms = source.read_points(run, AttributeType.HISTOGRAM_SERIES)["value"].to_pylist()
    assert histograms == [
        {"kind": "COUNTING", "edges": [0, 1, 2], "values": [3, 4]},
        {"kind": "DENSITY", "edges": [0, 1, 2], "values": [0.25, 0.75]},
    ]


def test_console_of_a_resumed_run_goes_on(source: NeptuneScaleSource) -> None:
    run = runs(source)["run-1"]
    lines = source.read_points(run, AttributeType.STRING_SERIES, ["runtime/stdout"])
    assert lines["value"].to_pylist() == ["first words", "other words"]


def test_previews_after_the_last_point(source: NeptuneScaleSource) -> None:
    assert isinstance(source, HasExtras)
    previews = source.read_extras(runs(source)["run-1"]).previews
    assert previews is not None
    (preview,) = previews.drop_columns(["time"]).to_pylist()
    assert preview == {"path": "ahead", "step": 2_000_000, "value": 0.02, "completion": 0.25}
    assert source.read_extras(runs(source)["fork"]).previews is None


def test_files(source: NeptuneScaleSource) -> None:
    run = runs(source)["run-1"]
    values = source.read_values(run)
    files = {path: values[f"files/{path}"] for path in ("path", "bytes", "named")}
    read = {}
    for path, file in files.items():
        assert isinstance(file, SourceFile)
        read[path] = content(source, file.location), file.size_bytes, file.mime_type
    assert read == {
        "path": (b"weights", 7, "application/octet-stream"),
        "bytes": (b"bytes", 5, "application/octet-stream"),
        "named": (b"text", 4, "text/plain"),
    }
    assert files["path"].name == "my.model.v1.bin"  # type: ignore[union-attr]
    assert files["named"].name == "where.txt"  # type: ignore[union-attr]
    pages = source.read_points(run, AttributeType.FILE_SERIES)
    assert pages["step"].to_pylist() == [1_000_000, 2_000_000]
    contents = [content(source, page["location"]) for page in pages["value"].to_pylist()]
    assert contents == [b"one", b"weights"]


def test_fork_has_what_its_parent_had(source: NeptuneScaleSource) -> None:
    found = runs(source)
    values = source.read_values(found["fork"])
    assert (values["lr"], values["opt"]) == (0.2, "adam")
    assert values["sys/tags"] == {"t1", "t3"}
    assert "files/path" in values
    assert "later" not in values  # set after the fork
    bare = source.read_values(found["bare fork"])
    assert {*bare} == {"sys/tags", "sys/group_tags"}
    assert [each.path for each in source.list_series(found["fork"])] == ["loss"]
    assert source.read_values(found["orphan"]) == {}
    (told,) = map(str, source.problems.named)
    assert "'not here' is not among these data" in told


def test_killed_process(source: NeptuneScaleSource) -> None:
    points = source.read_points(runs(source)["killed"], AttributeType.FLOAT_SERIES)
    assert points["value"].to_pylist() == [1.0, 2.0]


def test_nothing_is_left_beside_the_files(offline: Path) -> None:
    files = {path for path in offline.rglob("*") if "killed" not in str(path)}
    source = open_neptune_scale(offline, project="team/digits")
    for run in source.list_runs("team/digits"):
        source.read_values(run)
    assert {path for path in offline.rglob("*") if "killed" not in str(path)} == files
    assert source.list_projects() == ["team/digits"]


def test_moved_data_keep_copied_files_and_tell_of_the_others(offline: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(offline / ".neptune", tmp_path / "moved")
    offline.rename(tmp_path / "away")
    try:
        source = open_neptune_scale(moved)
        values = source.read_values(runs(source)["run-1"])
        points = source.read_points(runs(source)["run-1"], AttributeType.FILE_SERIES)
    finally:
        (tmp_path / "away").rename(offline)
    file = values["files/bytes"]
    assert isinstance(file, SourceFile)
    assert content(source, file.location) == b"bytes"
    assert "files/path" not in values
    assert points["step"].to_pylist() == [1_000_000]
    told = [str(problem) for problem in source.problems.named]
    assert len(told) == 2
    assert "attribute 'files/path' (operation " in told[0]
    assert "my.model.v1.bin cannot be read" in told[0]


def test_what_was_sent_is_told(offline: Path, tmp_path: Path) -> None:
    """The client deletes operations as the server acknowledges them."""
    (folder,) = (offline / ".neptune").glob("team_digits_fork_*")
    copy = shutil.copytree(folder, tmp_path / "copy") / "run_operations.sqlite3"
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM run_operations WHERE sequence_id <= 2")
    run = runs(open_neptune_scale(copy))["fork"]
    assert "operations 1 to 2 were sent to the server" in run.incomplete
    assert "its creation is not among the data" in run.incomplete
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM run_operations")
    source = open_neptune_scale(copy)
    run = runs(source)["fork"]
    assert "all 4 operations were sent" in run.incomplete
    assert source.list_series(run) == []


def test_damage_is_told_and_the_rest_goes_on(offline: Path, tmp_path: Path) -> None:
    data = shutil.copytree(offline / ".neptune", tmp_path / ".neptune")
    first, *_ = sorted(data.glob("team_digits_run-1_*"), key=lambda each: each.name)
    with closing(sqlite3.connect(first / "run_operations.sqlite3")) as connection, connection:
        connection.execute("UPDATE run_operations SET operation = x'ffffff' WHERE sequence_id = 5")
    (fork,) = data.glob("team_digits_fork_*")
    (fork / "run_operations.sqlite3").write_bytes(b"not a database" * 100)
    (bare,) = data.glob("team_digits_bare_fork_*")
    with closing(sqlite3.connect(bare / "run_operations.sqlite3")) as connection, connection:
        connection.execute("UPDATE metadata SET version = 'v9'")
    source = open_neptune_scale(data)
    assert {*runs(source)} == {"run-1", "orphan", "killed"}
    told = [str(problem) for problem in source.problems.named]
    assert len(told) == 2
    assert any("'v9'" in each for each in told)
    assert any("no SQLite file" in each for each in told)
    assert source.list_series(runs(source)["run-1"])
    assert "operation 5 of" in str(source.problems.named[-1])


def test_truncated_file(peer: Peer, tmp_path: Path) -> None:
    peer.run(
        """
        def main():
            from neptune_scale import Run
            run = Run(run_id="long", project="team/digits", mode="offline",
                      enable_console_log_capture=False)
            for i in range(2000):
                run.log_metrics({f"loss/{i % 7}": float(i)}, step=i)
            run.close()
        if __name__ == "__main__":
            main()
        """,
        cwd=tmp_path,
    )
    (file,) = tmp_path.rglob("run_operations.sqlite3")
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    source = open_neptune_scale(tmp_path)
    run = runs(source)["long"]
    assert "is cut off" in run.incomplete
    source.list_series(run)
    assert "not read to their end" in str(source.problems.named[-1])


def test_our_messages_are_those_of_the_client(peer: Peer, tmp_path: Path) -> None:
    from mooring.wire.neptune3.schema import message

    told = peer.run(
        """
        import json
        from neptune_api.proto.neptune_pb.ingest.v1 import common_pb2
        from neptune_api.proto.neptune_pb.ingest.v1.pub import ingest_pb2
        from google.protobuf.timestamp_pb2 import Timestamp

        found = {}
        def add(descriptor):
            if descriptor.name in found:
                return
            found[descriptor.name] = fields = {}
            for field in descriptor.fields:
                group = field.containing_oneof
                own = group.name if group and not group.name.startswith("_") else None
                fields[field.name] = [field.number, field.has_presence, own]
                if field.message_type:
                    add(field.message_type)
        for root in (common_pb2.Run, common_pb2.UpdateRunSnapshots, ingest_pb2.RunOperation,
                     common_pb2.Histogram, Timestamp):
            add(root.DESCRIPTOR)
        print(json.dumps(found))
        """,
        cwd=tmp_path,
    )
    theirs = json.loads(told)
    for name in NAMES:
        ours = message(name).DESCRIPTOR
        for field in ours.fields:
            group = field.containing_oneof
            own = group.name if group and not group.name.startswith("_") else None
            expected = [field.number, field.has_presence, own]
            assert theirs[name][field.name] == expected, (name, field.name)


def test_import(source: NeptuneScaleSource, offline: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        first = import_runs(source, store, verify=True)
        again = import_runs(open_neptune_scale(offline), store, verify=True)
        fork = store.find_run("team/digits", run_id="fork")
        assert fork is not None
        assert fork.fork_step == 5_000_000
    outcomes = {(run.project, run.run_id): run.outcome for run in first.runs}
    assert outcomes.pop(("team/digits", "orphan")) is not Outcome.DONE
    assert {*outcomes.values()} == {Outcome.DONE}
    assert all(run.verified for run in first.runs)
    there = {run.outcome for run in again.runs if run.run_id != "orphan"}
    assert there == {Outcome.PRESENT}


def test_data_of_two_clients_are_not_confused(offline: Path, tmp_path: Path) -> None:
    data = shutil.copytree(offline / ".neptune", tmp_path / ".neptune")
    (data / "offline" / "run__1__2__3").mkdir(parents=True)
    (data / "offline" / "run__1__2__3" / "data-1.log").touch()
    with pytest.raises(SourceUnreadable, match="--from neptune-scale"):
        detect_source(str(tmp_path))


def test_is_known_by_its_looks(offline: Path) -> None:
    assert detect_source(str(offline)) == "neptune-scale"
    source = open_source(str(offline), options=SourceOptions(project="team/digits"))
    assert source.list_projects()
    source.close()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="nothing is at"):
        open_neptune_scale(tmp_path / "missing")
    with pytest.raises(SourceUnreadable, match=r"no file run_operations\.sqlite3"):
        open_neptune_scale(tmp_path)
