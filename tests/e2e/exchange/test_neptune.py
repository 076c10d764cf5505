"""What the real `neptune` client leaves on the disk, read as a source."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources import SourceOptions, detect_source, open_source
from mooring.exchange.sources.neptune import NeptuneSource, open_neptune
from mooring.model import AttributeType, RunKind, Typed
from mooring.store import open_store
from tests.e2e.exchange.peer import Peer, find_peer

WRITE = """
import datetime, io
import neptune
from neptune.types import File, FloatSeries
from pathlib import Path

Path("files/sub").mkdir(parents=True)
Path("files/a.txt").write_text("A")
Path("files/sub/b.txt").write_text("B")
Path("model.bin").write_bytes(b"weights")
# the smallest GIF: the client passes images on as they are
gif = b"GIF89a\\x01\\x00\\x01\\x00\\x80\\x00\\x00\\xff\\xff\\xff\\x00\\x00\\x00,"
gif += b"\\x00\\x00\\x00\\x00\\x01\\x00\\x01\\x00\\x00\\x02\\x02D\\x01\\x00;"
Path("dot.gif").write_bytes(gif)

run = neptune.init_run(
    mode="offline", name="first", description="d", tags=["x", "y"], source_files=[],
    capture_stdout=False, capture_stderr=False, capture_hardware_metrics=False,
)
run["params"] = {"lr": 0.1, "n": 3, "flag": True, "opt": "adam", "deep": {"er": "v"}}
run["when"] = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
for i in range(300):
    run["loss"].append(1 / (i + 1), timestamp=1700000000 + i)
run["acc"].extend([0.1, 0.2, 0.3], steps=[0.5, 1, 2.25], timestamps=[1700000000.123456, 2, 3])
run["acc"].append(0.4)
run["log"].append("hello")
run["log"].append("w\\u00f6rld\\nline")
run["upload"].upload("model.bin")
run["content"].upload(File.from_content("some text", extension="md"))
run["stream"].upload(File.from_stream(io.BytesIO(b"streamed")))
run["set"].upload_files(["files/*.txt", "files/sub"])
run["set"].delete_files(["files/a.txt"])
run["artifact"].track_files("files")
run["artifact"].track_files("model.bin", destination="dest")
run["artifact"].track_files("s3://bucket/key")
run["image"].append(File("dot.gif"), name="shot", description="of what", step=3)
run["image"].append(File("dot.gif"))
run["set of texts"].add(["a", "b", "c"])
run["set of texts"].remove("b")
run["other type"] = 3
del run["other type"]
run["other type"] = "now text"
run["gone"] = 1
del run["gone"]
run["shown"] = FloatSeries([1, 2, 3], min=0, max=10, unit="s")
run["copy"] = run["params/lr"]
run.stop()
"""

UNSENT = """
import sys, threading
from pathlib import Path
from queue import Queue
from neptune.core.components.queue.disk_queue import DiskQueue
from neptune.internal.backends.neptune_backend_mock import NeptuneBackendMock
from neptune.internal.container_type import ContainerType
from neptune.internal.operation import AssignFloat, AssignString, CopyAttribute, LogFloats
from neptune.internal.operation import Operation
from neptune.internal.operation_processors.async_operation_processor import AsyncOperationProcessor
from neptune.attributes.atoms.float import Float

def log(id, kind, operations):
    processor = AsyncOperationProcessor(
        id, kind, backend=NeptuneBackendMock(), lock=threading.RLock(), queue=Queue()
    )
    for operation in operations:
        processor.enqueue_operation(operation, wait=False)
    processor.flush()
    processor.close()
    return processor.data_path

log("v1", ContainerType.MODEL_VERSION, [AssignFloat(["score"], 0.5)])
log("m1", ContainerType.MODEL, [AssignString(["sys", "name"], "the model"),
    CopyAttribute(["best"], "v1", ContainerType.MODEL_VERSION, ["score"], Float),
    CopyAttribute(["lost"], "v9", ContainerType.MODEL_VERSION, ["score"], Float)])
log("p1", ContainerType.PROJECT, [AssignString(["about"], "all of it")])
point = LogFloats.ValueType
for part in range(2):  # a run that two processes logged to
    log("r1", ContainerType.RUN, [
        LogFloats(["loss"], [point(float(part * 10 + i), None, 1.0 + i) for i in range(3)])
    ])
# A run of which a part was sent: the queue removes the files that the server has acknowledged.
folder = Path(".neptune/async/run__r2__1__key")
folder.mkdir()
queue = DiskQueue(
    folder, lambda o: o.to_dict(), Operation.from_dict, threading.RLock(), max_file_size=500
)
for i in range(20):
    queue.put(LogFloats(["loss"], [point(float(i), None, float(i))]))
queue.flush()
queue.ack(10)
queue.close()
"""


@pytest.fixture(scope="module")
def peer() -> Peer:
    return find_peer("neptune")


@pytest.fixture(scope="module")
def offline(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offline")
    peer.run(WRITE, cwd=folder)
    return folder


@pytest.fixture
def source(offline: Path) -> Iterator[NeptuneSource]:
    source = open_neptune(offline, project="team/digits")
    yield source
    source.close()


def only_run(source: NeptuneSource) -> SourceRun:
    (run,) = source.list_runs("team/digits")
    return run


def content(source: NeptuneSource, file: object) -> bytes:
    assert isinstance(file, SourceFile)
    with source.open_file(file) as stream:
        return stream.read()


def test_run_is_listed(source: NeptuneSource) -> None:
    run = only_run(source)
    assert source.list_projects() == ["team/digits"]
    assert source.list_runs("team/other") == []
    assert (run.kind, run.name, run.incomplete) == (RunKind.RUN, "first", "")
    assert run.created is not None


def test_values(source: NeptuneSource) -> None:
    values = source.read_values(only_run(source))
    expected = {
        "params/lr": 0.1,
        "params/n": 3,
        "params/flag": True,
        "params/opt": "adam",
        "params/deep/er": "v",
        "when": datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "set of texts": frozenset("ac"),
        "other type": "now text",
        "copy": 0.1,
        "sys/name": "first",
        "sys/tags": frozenset("xy"),
    }
    assert {path: values[path] for path in expected} == expected
    assert type(values["params/n"]) is int
    assert values["params/flag"] is True
    assert "gone" not in values


def test_series(source: NeptuneSource) -> None:
    run = only_run(source)
    counts = {each.path: (each.type.value, each.count) for each in source.list_series(run)}
    assert counts == {
        "loss": ("float_series", 300),
        "acc": ("float_series", 4),
        "shown": ("float_series", 3),
        "log": ("string_series", 2),
        "image": ("file_series", 2),
    }
    points = source.read_points(run, AttributeType.FLOAT_SERIES, ["acc"]).to_pydict()
    assert points["step"] == [500_000, 1_000_000, 2_250_000, 3_000_000]
    assert points["time"][:3] == [1_700_000_000_123_456, 2_000_000, 3_000_000]
    assert points["value"] == [0.1, 0.2, 0.3, 0.4]
    loss = source.read_points(run, AttributeType.FLOAT_SERIES, ["loss"]).to_pydict()
    assert loss["step"] == [i * 1_000_000 for i in range(300)]
    assert loss["time"] == [(1_700_000_000 + i) * 1_000_000 for i in range(300)]
    assert loss["value"] == [1 / (i + 1) for i in range(300)]
    texts = source.read_points(run, AttributeType.STRING_SERIES)
    assert texts["value"].to_pylist() == ["hello", "wörld\nline"]


def test_files(source: NeptuneSource, offline: Path) -> None:
    run = only_run(source)
    values = source.read_values(run)
    assert content(source, values["upload"]) == b"weights"
    assert content(source, values["content"]) == b"some text"
    assert content(source, values["stream"]) == b"streamed"
    names = [values[path].name for path in ("upload", "content", "stream")]  # type: ignore[union-attr]
    assert names == ["model.bin", "content.md", "stream.bin"]
    images = source.read_points(run, AttributeType.FILE_SERIES)
    assert images["step"].to_pylist() == [3_000_000, 4_000_000]
    assert [each["name"] for each in images["value"].to_pylist()] == ["shot.gif", "4.gif"]
    for image in images["value"].to_pylist():
        read = content(source, SourceFile(location=image["location"]))
        assert read == (offline / "dot.gif").read_bytes()
        assert image["size_bytes"] == len(read)


def test_file_set_is_a_zip_of_what_is_there(source: NeptuneSource) -> None:
    found = source.read_values(only_run(source))["set"]
    assert isinstance(found, Typed)
    assert found.type is AttributeType.FILE_SET
    packed = content(source, found.value)
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        assert {name: files.read(name) for name in files.namelist()} == {"files/sub/b.txt": b"B"}
    assert content(source, found.value) == packed


def test_artifact_is_a_list_of_what_was_tracked(source: NeptuneSource) -> None:
    found = source.read_values(only_run(source))["artifact"]
    assert isinstance(found, Typed)
    files = json.loads(content(source, found.value))
    assert [(each["filePath"], each["size"]) for each in files] == [
        ("a.txt", 1),
        ("dest/model.bin", 7),
        ("sub/b.txt", 1),
    ]


def test_what_a_store_has_no_place_for_is_told(source: NeptuneSource) -> None:
    run = only_run(source)
    source.read_values(run)
    source.close()
    source.read_values(run)  # read again, told once
    told = [str(problem) for problem in source.problems.named]
    assert len(told) == 3
    assert "1 descriptions of images" in told[0]
    assert "min 0, max 10, unit s" in told[1]
    assert "s3://bucket/key is not on this machine" in told[2]


def test_folders_within_can_be_named(offline: Path) -> None:
    (folder,) = (offline / ".neptune" / "offline").iterdir()
    for path in (offline / ".neptune", offline / ".neptune" / "offline", folder):
        (run,) = open_neptune(path, project="team/digits").list_runs("team/digits")
        assert run.name == "first"


def test_moved_data_keep_copied_files_and_tell_of_the_others(offline: Path, tmp_path: Path) -> None:
    shutil.copytree(offline / ".neptune", tmp_path / "moved" / ".neptune")
    (offline / "model.bin").rename(tmp_path / "away")
    try:
        source = open_neptune(tmp_path / "moved", project="team/digits")
        values = source.read_values(only_run(source))
    finally:
        (tmp_path / "away").rename(offline / "model.bin")
    assert content(source, values["content"]) == b"some text"
    assert "upload" not in values
    told = [str(problem) for problem in source.problems.named]
    assert any("attribute 'upload'" in each and "data-1.log, line" in each for each in told)


def test_cut_log_is_read_as_far_as_it_goes(offline: Path, tmp_path: Path) -> None:
    shutil.copytree(offline / ".neptune", tmp_path / ".neptune")
    (log,) = tmp_path.rglob("data-1.log")
    lines = log.read_bytes().splitlines(keepends=True)
    lines[20] = b'{"obj": {"type": "AssignInt"}, "version": 21}\n'
    lines[21] = b"\x00\xff no JSON\n"
    lines[22] = b'{"obj": {"type": "Fly", "path": ["up"]}, "version": 23}\n'
    log.write_bytes(b"".join(lines[:100]) + lines[100][:30])
    source = open_neptune(tmp_path, project="team/digits")
    run = only_run(source)
    assert "data-1.log ends in the middle of an operation" in run.incomplete
    assert "its log ends at 100" in run.incomplete
    count = {each.path: each.count for each in source.list_series(run)}["loss"]
    assert count is not None
    assert 60 < count < 100
    told = [str(problem) for problem in source.problems.named]
    assert any("line 21)" in each and "unknown operation" in each for each in told)
    assert any("line 22: left out" in each for each in told)
    assert any("line 23)" in each and "'Fly'" in each for each in told)
    assert any("operations 22 to 22 are missing" in each for each in told)
    assert len(told) == 4


def test_data_that_were_not_sent(peer: Peer, tmp_path: Path) -> None:
    peer.run(UNSENT, cwd=tmp_path)
    source = open_neptune(tmp_path, project="team/digits")
    runs = {run.run_id: run for run in source.list_runs("team/digits")}
    assert {id: run.kind.value for id, run in runs.items()} == {
        "v1": "model_version",
        "m1": "model",
        "p1": "project",
        "r1": "run",
        "r2": "run",
    }
    assert runs["m1"].name == "the model"
    assert source.read_values(runs["m1"]) == {"sys/name": "the model", "best": 0.5}
    assert "'score' of v9" in str(source.problems.named[-1])
    assert source.read_values(runs["p1"]) == {"about": "all of it"}
    both = source.read_points(runs["r1"], AttributeType.FLOAT_SERIES)
    assert both["value"].to_pylist() == [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]
    assert both["step"].to_pylist() == [i * 1_000_000 for i in range(6)]
    assert runs["r1"].incomplete == ""
    assert "were sent to the server and removed" in runs["r2"].incomplete
    left = source.read_points(runs["r2"], AttributeType.FLOAT_SERIES)["value"].to_pylist()
    assert left == [float(i) for i in range(20 - len(left), 20)]
    assert 10 <= len(left) < 20


def test_killed_process(peer: Peer, tmp_path: Path) -> None:
    peer.run(
        """
        import os
        import neptune
        run = neptune.init_run(mode="offline", name="killed", source_files=[],
            capture_stdout=False, capture_stderr=False, capture_hardware_metrics=False)
        for i in range(2000):
            run["loss"].append(float(i))
        os.kill(os.getpid(), 9)
        """,
        cwd=tmp_path,
        check=False,
    )
    source = open_neptune(tmp_path, project="team/digits")
    run = only_run(source)
    assert run.name == "killed"
    assert "tells of" in run.incomplete  # the client's buffer died with it
    values = source.read_points(run, AttributeType.FLOAT_SERIES)["value"].to_pylist()
    assert values == [float(i) for i in range(len(values))]
    assert 1500 < len(values) < 2000
    assert source.problems.named == []


def test_import(source: NeptuneSource, offline: Path, tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        (first,) = import_runs(source, store, verify=True).runs
        again = import_runs(open_neptune(offline, project="team/digits"), store, verify=True)
    assert (first.outcome, first.verified, first.points) == (Outcome.PARTLY, True, 311)
    # What a store cannot hold is told again; nothing is changed.
    assert [run.outcome for run in again.runs] == [Outcome.PARTLY]


def test_is_known_by_its_looks(offline: Path) -> None:
    assert detect_source(str(offline)) == "neptune"
    source = open_source(str(offline), options=SourceOptions(project="team/digits"))
    assert source.list_projects()
    source.close()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="project='workspace/name'"):
        open_neptune(tmp_path)
    with pytest.raises(SourceUnreadable, match=r"no file data-\*\.log"):
        open_neptune(tmp_path, project="a/b")
    with pytest.raises(SourceUnreadable, match="is no folder"):
        open_neptune(tmp_path / "missing", project="a/b")
