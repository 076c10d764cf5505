"""Log files of several writers, whole and damaged, as rows."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from loguru import logger as loguru

from mooring.errors import InvalidInput
from mooring.tracker import Logger, Reader, Tracker, use_backend

FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {name}:{function}:{line}!📁!{message}"
HEAD = "2023-12-14 21:46:55.290 | TRACKING | xetrack.logging:log:69!📁!"
ROW = {"accuracy": 0.9, "note": "é", "epoch": 1}

for name, number in (("MONITOR", 26), ("TRACKING", 27), ("EXPERIMENT", 28)):
    loguru.level(name, no=number)


@pytest.fixture
def add() -> Iterator[Any]:
    """Add a sink to loguru's logger; all are removed afterwards."""
    loguru.remove()
    yield loguru.add
    loguru.remove()


@pytest.fixture
def reader() -> Logger:
    return Logger(stdout=False)


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    return path


# files that loguru wrote


@pytest.mark.parametrize("serialize", [False, True])
def test_files_of_loguru(tmp_path: Path, add: Any, reader: Logger, serialize: bool) -> None:
    add(f"{tmp_path}/{{time:YYYY-MM-DD}}.log", format=FORMAT, serialize=serialize)
    spaced = {**ROW, "drift": math.nan, "high": math.inf}
    compact = {"x": [1, None], "y": {"z": "!"}}
    loguru.log("TRACKING", json.dumps(spaced))  # as xetrack 0.2.2 did
    loguru.log("MONITOR", json.dumps(compact, separators=(",", ":"), ensure_ascii=False))
    loguru.warning("Column accuracy already exists")
    loguru.log("EXPERIMENT", json.dumps({"params": ROW}, indent=4))
    loguru.info("several\nlines {}\nof text")
    loguru.log("EXPERIMENT", json.dumps({"params": compact}, indent=2))
    loguru.log("TRACKING", "{}")
    loguru.remove()
    rows = reader.read_logs(tmp_path)
    assert repr(rows) == repr([spaced, compact, {"params": ROW}, {"params": compact}, {}])
    (file,) = tmp_path.iterdir()
    assert reader.read_log(file, level="EXPERIMENT") == [{"params": ROW}, {"params": compact}]
    assert reader.read_structured_logs(file)[1] == compact
    assert len(Reader.read_logs(tmp_path)) == 4  # the empty row is dropped


# which files


def test_newest_file_first(tmp_path: Path, reader: Logger) -> None:
    for name, year in (("z", 2021), ("deep/down/a", 2023), ("m", 2022)):
        write(tmp_path / f"{name}.log", HEAD.replace("2023", str(year)), f'{{"year":{year}}}\n')
    write(tmp_path / "other.txt", "2026-01-01 no log\n")
    write(tmp_path / "table.csv", "x\n1\n")
    write(tmp_path / "suffix.txt", HEAD.replace("2023", "2024"), '{"year":2024}\n')
    write(tmp_path / "rows.jsonl", '{"timestamp":"2025","level":"MONITOR","year":2025}\n')
    os.mkfifo(tmp_path / "pipe.log")
    years = [2024, 2023, 2022, 2021]
    assert [row["year"] for row in reader.read_logs(tmp_path)] == years
    assert Reader.read_logs(tmp_path, limit=2)["year"].tolist() == years[:2]
    assert Reader.read_logs(str(tmp_path / "m.log"))["year"].tolist() == [2022]
    assert reader.read_logs(tmp_path, limit=0) == []


def test_nothing_to_read(tmp_path: Path) -> None:
    assert Reader.read_logs(tmp_path).empty
    assert Reader.read_logs(write(tmp_path / "empty.log")).empty
    for read in (Reader.read_logs, Reader.read_jsonl):
        with pytest.raises(InvalidInput, match=r"no log file or folder /.*nowhere"):
            read(tmp_path / "nowhere")


# what was cut


def test_every_cut_of_a_file(tmp_path: Path, reader: Logger) -> None:
    whole = "".join(f"{HEAD}{json.dumps({'i': i, 'text': 'é' * 3})}\n" for i in range(3)).encode()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    file = tmp_path / "x.log"
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        begun = max(end for end in [0, *ends] if end <= size)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            rows = reader.read_logs(tmp_path)
        kept = sum(end <= size + 1 for end in ends)  # a row without its line break is whole
        assert [row["i"] for row in rows] == list(range(kept))
        assert len(told) == (size > begun and size + 1 not in ends)
        for warning in told:
            assert str(warning.message).startswith(f"{file}: 1 line could not be read")
            assert warning.filename == __file__


def test_every_beginning_that_is_gone(tmp_path: Path, reader: Logger) -> None:
    whole = "".join(f"{HEAD}{json.dumps({'i': i})}\n" for i in range(2)).encode()
    mark = whole.index("!📁!".encode())
    file = tmp_path / "x.log"
    for start in range(mark + 1, whole.index(b"\n")):
        file.write_bytes(whole[start:])
        with pytest.warns(UserWarning, match="1 line"):
            assert reader.read_logs(tmp_path) == [{"i": 1}]


def test_a_line_that_goes_on_after_a_cut_one(tmp_path: Path, reader: Logger) -> None:
    line = f'{HEAD}{{"i":1,"text":"abc"}}'
    for size in range(1, len(line) - 1):
        write(tmp_path / "x.log", f"{HEAD}{{}}\n", line[:size], line, f'\n{HEAD}{{"i":2}}\n')
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert reader.read_logs(tmp_path)[1:] == [{"i": 1, "text": "abc"}, {"i": 2}]
        assert len(told) == (size >= len(HEAD))


def test_cut_experiments_and_messages(tmp_path: Path, reader: Logger) -> None:
    pretty = HEAD + json.dumps({"a": {"b": 1}}, indent=2) + "\n"
    message = HEAD.replace("TRACKING", "INFO    ")
    write(
        tmp_path / "x.log",
        *(pretty[:-4], "\n", pretty, "print of the program\n", message, "{oops\n"),
        *(message, "two\n", "lines\n", pretty),
        *("\n", HEAD[:30], "\n", f'{HEAD}{{"c":2}}\n', f"{HEAD}\ufffd\n"),
    )
    with pytest.warns(UserWarning, match="3 lines could not be read"):
        assert reader.read_logs(tmp_path) == [{"a": {"b": 1}}] * 2 + [{"c": 2}]


def test_bytes_that_are_no_text(tmp_path: Path, reader: Logger) -> None:
    deep = b"[" * 100_000
    (tmp_path / "x.log").write_bytes(
        b"\xff\xfe\n" + b"".join(HEAD.encode() + body + b"\n" for body in (
            b'{"a":"\xff"}', b'{"a":' + deep, b'{"b":1}', b'{"text":' + deep, b"[1]", b"1"
        )) + b'{"text":' + deep + b"\n" + b'{"text": 5}\n'
    )  # fmt: skip
    with pytest.warns(UserWarning, match="6 lines could not be read"):
        assert reader.read_logs(tmp_path) == [{"b": 1}]


def test_cut_serialised_records(tmp_path: Path, reader: Logger) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, prettify=False, file_format="x.log")
    logger.monitor([{"i": 0}, {"i": 1}])
    first, second = (tmp_path / "x.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "x.log").write_bytes(first[:-20] + second + first + second[:-3])
    with pytest.warns(UserWarning, match="2 lines"):
        assert reader.read_logs(tmp_path) == [{"i": 1}, {"i": 0}]


def test_cut_jsonl(tmp_path: Path) -> None:
    lines = [f'{{"timestamp":"t","level":"MONITOR","i":{i}}}' for i in range(3)]
    write(tmp_path / "x", lines[0], "\n\n", lines[1][:-4], lines[1], "\n[1]\n", lines[2], "\n{")
    with pytest.warns(UserWarning, match="x: 3 lines"):
        frame = Reader.read_jsonl(tmp_path / "x")
    assert frame["i"].tolist() == [0, 1, 2]


# frames


def test_types_of_columns(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"int": 1, "some": 1, "float": 1, "bool": True, "list": [1], "mixed": 1, "none": None},
        {"int": 2**60, "float": math.nan, "bool": False, "list": [], "mixed": "a"},
        {"int": 3, "some": 2**60, "float": None, "bool": True, "list": None, "mixed": None},
        {"nothing": None},
    ]
    with Tracker(Tracker.SKIP_INSERT, logs_path=tmp_path) as tracker:
        tracker.logger.monitor(rows)
        tracker.logger.monitor({"float": math.nan})
    frame = Reader.read_logs(tmp_path)
    assert list(frame) == ["int", "some", "float", "bool", "list", "mixed", "none"]
    assert len(frame) == 4  # a row of NaN is a row, one of nothing is none
    assert frame["int"].tolist()[:3] == [1, 2**60, 3]
    assert frame["some"].dropna().tolist() == [1, 2**60]
    assert frame["list"].tolist()[:2] == [[1], []]
    assert isinstance(frame, pd.DataFrame)
    with use_backend("polars"):
        in_polars: Any = Reader.read_logs(tmp_path)
    assert isinstance(in_polars, pl.DataFrame)
    assert in_polars["int"].to_list() == [1, 2**60, 3, None]
    assert str(in_polars["float"].to_list()) == "[1.0, nan, None, nan]"
    assert in_polars["mixed"].to_list() == [1, "a", None, None]
    assert in_polars["list"].to_list() == [[1], [], None, None]


def test_words_of_levels() -> None:
    for text in ("… | monitor  | …", "EXPERIMENT", "a TRACKING b"):
        assert Logger.is_tracked_entry(text)
    for text in ("", "monitoring", "TRACKINGS", "INFO"):
        assert not Logger.is_tracked_entry(text)
