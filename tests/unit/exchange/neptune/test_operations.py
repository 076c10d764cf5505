"""Operations of the `neptune` client that its present version writes seldom or no more."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.neptune import NeptuneSource, open_neptune
from mooring.model import AttributeType, Typed

FOLDER = "run__7e9f__1__key"


def write(folder: Path, *operations: Any, name: str = f".neptune/offline/{FOLDER}") -> None:
    """Write a log of operations; text is written as it is."""
    place = folder / name
    place.mkdir(parents=True)
    lines = [
        each
        if isinstance(each, str)
        else json.dumps({"obj": each, "version": number, "at": 1_700_000_000.5})
        for number, each in enumerate(operations, 1)
    ]
    (place / "data-1.log").write_text("".join(f"{line}\n" for line in lines))


def op(type: str, path: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "path": path.split("/"), **more}


def point(value: Any, step: Any = None, ts: Any = 1.0) -> dict[str, Any]:
    return {"value": value, "step": step, "ts": ts}


def read(folder: Path) -> tuple[NeptuneSource, SourceRun]:
    source = open_neptune(folder, project="team/digits")
    (run,) = source.list_runs("team/digits")
    return source, run


def told(source: NeptuneSource) -> list[str]:
    return [str(problem) for problem in source.problems.named]


def content(source: NeptuneSource, value: object) -> bytes:
    file = value.value if isinstance(value, Typed) else value
    assert isinstance(file, SourceFile)
    with source.open_file(file) as stream:
        return stream.read()


def test_content_within_the_log(tmp_path: Path) -> None:
    data = base64.b64encode(b"inside").decode()
    write(
        tmp_path,
        op("UploadFileContent", "a/file", ext="txt", file_content=data),
        op("LogImages", "image", values=[point(data), point({"data": data, "name": "../x"})]),
        op("LogImages", "image", values=[point({"data": None, "name": None})]),
    )
    source, run = read(tmp_path)
    file = source.read_values(run)["a/file"]
    assert isinstance(file, SourceFile)
    assert (file.name, file.size_bytes, content(source, file)) == ("file.txt", 6, b"inside")
    images = source.read_points(run, AttributeType.FILE_SERIES)["value"].to_pylist()
    assert [image["name"] for image in images] == ["0.bin", ".._x.bin"]
    assert all(
        content(source, SourceFile(location=each["location"])) == b"inside" for each in images
    )
    (problem,) = told(source)
    assert "line 3" in problem
    assert "no content of the image" in problem


def test_paths_of_uploads_cannot_leave_their_folder(tmp_path: Path) -> None:
    (tmp_path / ".neptune" / "secret").parent.mkdir(parents=True)
    (tmp_path / ".neptune" / "secret").write_text("secret")
    kept = {"ext": "txt", "file_path": None}
    write(
        tmp_path,
        op("UploadFile", "up", tmp_file_name="../../../secret", **kept),
        op("UploadFile", "dots", tmp_file_name="..", **kept),
        op("UploadFile", "none", tmp_file_name=None, **kept),
    )
    source, run = read(tmp_path)
    assert source.read_values(run) == {}
    assert len(told(source)) == 3


def test_values_that_json_has_no_words_for(tmp_path: Path) -> None:
    write(
        tmp_path,
        op("AssignFloat", "nan", value=float("-inf")),
        op("AssignString", "half", value="\ud800x"),
        op("LogFloats", "loss", values=[point(float("inf")), point(1.0)]),
    )
    source, run = read(tmp_path)
    assert source.read_values(run) == {"nan": float("-inf"), "half": "\ufffdx"}
    values = source.read_points(run, AttributeType.FLOAT_SERIES)["value"].to_pylist()
    assert values == [float("inf"), 1.0]


def test_bad_points_do_not_cost_the_others(tmp_path: Path) -> None:
    values = [point(1.0), point("x"), point(2.0, step=1e300), point(3.0, ts=None), {}, point(4.0)]
    write(tmp_path, op("LogFloats", "loss", values=values))
    source, run = read(tmp_path)
    points = source.read_points(run, AttributeType.FLOAT_SERIES)
    assert points["value"].to_pylist() == [1.0, 4.0]
    (problem,) = told(source)
    assert "attribute 'loss'" in problem
    assert "4 of 6 points" in problem


@pytest.mark.parametrize(
    "bad",
    [
        op("AssignInt", "x", value="no number"),
        op("AssignInt", "x", value=2**63),
        op("AssignString", "x", value=3),
        op("AssignDatetime", "x", value=10**18),
        op("AssignInt", "", value=1),
        op("AssignInt", "a\x00b", value=1),
        {"type": "AssignInt", "path": None, "value": 1},
        {"type": "AssignInt", "path": [3], "value": 1},
        op("AssignArtifact", "x", hash="abc"),
        op("CopyAttribute", "x", container_id="7e9f", source_path=["missing"]),
        op("AddStrings", "x", values=[1]),
        op("LogFloats", "good", values=[point(1.0)]),
        "[]",
        '"text"',
        "{}",
        '{"obj": 3, "version": 2}',
        "[" * 100_000,
    ],
)
def test_bad_operation_is_told_with_its_place(tmp_path: Path, bad: Any) -> None:
    write(tmp_path, op("AssignInt", "good", value=1), bad, op("AssignInt", "also", value=2))
    source, run = read(tmp_path)
    values = source.read_values(run)
    assert (values["good"], values["also"]) == (1, 2)
    assert "data-1.log, line 2" in told(source)[0]


def test_artifacts_and_sets_can_be_started_anew(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write(
        tmp_path,
        op("TrackFilesToArtifact", "art", project_id="p", entries=[["a", None]]),
        op("ClearArtifact", "art"),
        op("TrackFilesToArtifact", "art", project_id="p", entries=[["b", None]]),
        op("UploadFileSet", "set", file_globs=[str(tmp_path / "a")], reset="False"),
        op("UploadFileSet", "set", file_globs=[str(tmp_path / "b")], reset="True"),
        op("UploadFileSet", "set", file_globs=[str(tmp_path / "missing*")], reset="False"),
        op("DeleteAttribute", "never there"),
    )
    source, run = read(tmp_path)
    values = source.read_values(run)
    files = json.loads(content(source, values["art"]))
    assert [file["filePath"] for file in files] == ["b"]
    with zipfile.ZipFile(io.BytesIO(content(source, values["set"]))) as packed:
        assert packed.namelist() == ["b"]
    (problem,) = told(source)
    assert "no file is at" in problem


@pytest.mark.parametrize(
    ("name", "id"),
    [
        (".neptune/offline/7e9f", "7e9f"),
        (".neptune/offline/run__7e9f", "7e9f"),
        (".neptune/async/run__7e9f/exec-1-2023-01-01_00.00.00.0", "7e9f"),
        (".neptune/async/7e9f/exec-1-2023-01-01_00.00.00.0", "7e9f"),
        (f".neptune/async/{FOLDER}", "7e9f"),
    ],
)
def test_folders_of_older_versions(tmp_path: Path, name: str, id: str) -> None:
    write(tmp_path, op("AssignInt", "x", value=1), name=name)
    _, run = read(tmp_path)
    assert (run.run_id, run.created) == (id, 1_700_000_000_500_000)


def test_later_points_of_a_step_are_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        op("LogFloats", "loss", values=[point(1.0, 0), point(2.0, 0), point(3.0, 1)]),
    )
    source, run = read(tmp_path)
    assert source.read_points(run, AttributeType.FLOAT_SERIES)["value"].to_pylist() == [2.0, 3.0]
    assert "1 points were left out: a later one has the same step" in told(source)[0]


def test_a_log_that_changed_meanwhile(tmp_path: Path) -> None:
    data = base64.b64encode(b"inside").decode()
    write(tmp_path, op("UploadFileContent", "file", ext="txt", file_content=data))
    source, run = read(tmp_path)
    file = source.read_values(run)["file"]
    (log,) = tmp_path.rglob("data-1.log")
    log.write_text("{}\n")
    with pytest.raises(SourceUnreadable, match="has changed"):
        content(source, file)
    log.unlink()
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        content(source, file)
