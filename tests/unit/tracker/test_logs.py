"""What a tracker also writes to log files, JSONL and stdout."""

from __future__ import annotations

import io
import json
import logging
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from loguru import logger as process_logger
from loguru._datetime import datetime as LoguruTime
from loguru._file_sink import FileDateFormatter

from mooring.errors import InvalidInput, InvalidValue, LogNotWritten
from mooring.tracker import Logger, Reader, Tracker
from mooring.tracker.logs.names import FileNames

NOON = 1_767_614_400_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


@contextmanager
def quiet_tracker(folder: Path, **options: object) -> Iterator[Tracker]:
    given = {"logs_path": folder / "logs", "on_error": "raise", **options}
    with Tracker(Tracker.SKIP_INSERT, **given) as tracker:  # type: ignore[arg-type]
        yield tracker


def only_file(folder: Path) -> Path:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


def lines(folder: Path) -> list[str]:
    return only_file(folder).read_bytes().decode().split("\n")[:-1]


def bodies(folder: Path) -> list[str]:
    return [line.partition("!📁!")[2] for line in lines(folder)]


# the line


def test_a_line_to_the_byte(tmp_path: Path) -> None:
    with quiet_tracker(tmp_path, track_id="marvellous-stork-4885") as tracker:
        row = tracker.log({"a": 1, "b": 2.5, "c": "é"})
        tracker.logger.info("ready")
    time = str(row["timestamp"])
    here = re.escape(f"{__name__}:test_a_line_to_the_byte:")
    first, second = lines(tmp_path)
    head, _, body = first.partition("!📁!")
    assert re.fullmatch(re.escape(f"{time[:23]} | TRACKING | ") + here + r"\d+", head)
    assert body == (
        f'{{"a":1,"b":2.5,"c":"é","timestamp":"{time}","track_id":"marvellous-stork-4885"}}'
    )
    assert re.fullmatch(r".{23} \| INFO     \| " + here + r"\d+!📁!ready", second)
    assert only_file(tmp_path).name == f"{time[:10]}.log"


def test_the_example_of_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Tracker(
        db=Tracker.IN_MEMROY, logs_path=str(tmp_path / "logs"), logs_stdout=True
    ) as tracker:
        row = tracker.log({"accuracy": 0.9})
    printed = capsys.readouterr().out
    assert re.fullmatch(r"[^!]*\| TRACKING \| [^!]*!📁!\{[^!]*\}\n", printed)
    assert [printed.rstrip("\n")] == lines(tmp_path)
    frame = Reader.read_logs(path=str(tmp_path / "logs"))
    assert list(frame) == ["accuracy", "timestamp", "track_id"]
    assert frame.to_dict("records") == [row]


def test_not_numbers_are_no_nulls(tmp_path: Path) -> None:
    row = {"nan": math.nan, "inf": math.inf, "less": -math.inf, "none": None, "text": "null NaN"}
    with quiet_tracker(tmp_path, jsonl=tmp_path / "rows.jsonl") as tracker:
        tracker.logger.monitor(row)
        (read,) = tracker.logger.read_logs(tmp_path / "logs")
    assert repr(read) == repr(row)
    (line,) = (tmp_path / "rows.jsonl").read_text().splitlines()
    in_jsonl = json.loads(line)
    assert repr({name: in_jsonl[name] for name in row}) == repr(row)
    assert pd.read_json(io.StringIO(line), lines=True)["inf"].tolist() == [math.inf]
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_json(?)", [str(tmp_path / "rows.jsonl")])
        (cells,) = found.fetchdf().to_dict("records")
    assert (cells["inf"], cells["less"]) == (math.inf, -math.inf)


def test_a_value_that_holds_the_delimiter_keeps_its_row(tmp_path: Path) -> None:
    texts = ["!📁!", "!📁!📁!", '"}!📁!{"a":1}', "\\!📁!", "!📁"]
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.monitor([{"text": text, text: 1} for text in texts])
        tracker.logger.experiment({"texts": texts})
        rows = tracker.logger.read_logs()
    assert rows == [{"text": text, text: 1} for text in texts] + [{"texts": texts}]
    # also for a reader that cuts a line at each delimiter
    first, *_ = (tmp_path / "logs").rglob("*.log")
    assert all(line.count("!📁!") <= 1 for line in first.read_text().split("\n"))


@pytest.mark.parametrize("delimiter", ["|||", "##", "::", "»", ',"x"', "+!"])
def test_another_delimiter(tmp_path: Path, delimiter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGS_DELIMITER", delimiter)
    row = {"a": delimiter, "b": 'x,"x":', "y": "!📁!"}
    with quiet_tracker(tmp_path) as tracker:
        monkeypatch.delenv("LOGS_DELIMITER")
        tracker.logger.monitor(row)
        monkeypatch.setenv("LOGS_DELIMITER", delimiter)
        assert tracker.logger.read_logs() == [row]
    assert delimiter in lines(tmp_path)[0]


@pytest.mark.parametrize("delimiter", [":", " | ", "abc", "-", "\n", "a b", "x\ny"])
def test_a_delimiter_that_ends_the_wrong_thing(
    delimiter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGS_DELIMITER", delimiter)
    with pytest.raises(InvalidInput, match="LOGS_DELIMITER"):
        Logger(stdout=False)


def test_values_are_those_of_cells(tmp_path: Path) -> None:
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.monitor(
            {
                1: np.float32(0.5),
                ("a", 2): b"\x01\xff",
                "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                "path": Path("x") / "y",
                "nested": {"set": {2, 1}, 3: np.arange(2)},
                "missing": pd.NA,
                "never": pd.NaT,
            }
        )
        assert tracker.logger.read_logs() == [
            {
                "1": 0.5,
                "('a', 2)": "01ff",
                "when": "2026-01-02 03:04:05+00:00",
                "path": "x/y",
                "nested": {"set": [1, 2], "3": [0, 1]},
                "missing": None,
                "never": None,
            }
        ]


def test_bytes_of_a_row_are_digits_in_its_line(tmp_path: Path) -> None:
    with Tracker(Tracker.IN_MEMORY, logs_path=tmp_path / "logs", on_error="raise") as tracker:
        row = tracker.log({"digest": b"\x01\xff"})
        assert row["digest"] == b"\x01\xff"
        assert tracker.logger.read_logs() == [{**row, "digest": "01ff"}]


def test_a_value_that_json_has_no_form_for(tmp_path: Path) -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with quiet_tracker(tmp_path, on_error="warn") as tracker:
        tracker.logger.monitor({"a": 1, "bad": object(), "worse": "\ud800", "worst": cycle})
        assert tracker.logger.read_logs() == [{"a": 1}]
        assert tracker.failures == {"InvalidValue": 3}
        tracker.logger.monitor(5)
        tracker.logger.log({"a": 2}, level="a | b")
        assert tracker.failures == {"InvalidValue": 3, "InvalidInput": 2}
    logger = Logger(stdout=False, logs_path=tmp_path / "more", on_error="raise")
    with pytest.raises(InvalidValue, match="'bad'"):
        logger.monitor({"a": 1, "bad": object()})
    with pytest.raises(InvalidInput, match="a dict, a list of dicts or a data frame, not a int"):
        logger.monitor(5)
    assert not (tmp_path / "more").exists()


# rows, levels, messages


FRAME = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})


@pytest.mark.parametrize(
    "data",
    [
        [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}],
        ({"x": x, "y": y} for x, y in ((1, "a"), (2, "b"))),
        FRAME,
        pl.DataFrame(FRAME.to_dict("list")),
        pa.table(FRAME.to_dict("list")),
    ],
    ids=lambda data: type(data).__module__.partition(".")[0] + "." + type(data).__name__,
)
def test_the_level_of_many_rows(tmp_path: Path, data: object) -> None:
    with quiet_tracker(tmp_path, jsonl=tmp_path / "rows.jsonl") as tracker:
        tracker.logger.log(data, level="DRIFT")
        rows = [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
        (file,) = (tmp_path / "logs").iterdir()
        assert tracker.logger.read_log(file, level="DRIFT") == rows
        assert tracker.logger.read_log(file, level="MONITOR") == []
    assert Reader.read_jsonl(tmp_path / "rows.jsonl")["level"].tolist() == ["DRIFT", "DRIFT"]


def test_missing_cells_of_frames(tmp_path: Path) -> None:
    columns = {"x": [0.5, math.nan], "text": ["a", None], "n": pd.array([1, None], dtype="Int64")}
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.monitor(pd.DataFrame(columns))
        tracker.logger.monitor(pd.Series({"x": 1.0, "y": "b"}))
    assert bodies(tmp_path) == [
        '{"x":0.5,"text":"a","n":1}',
        '{"x":NaN,"text":null,"n":null}',
        '{"x":1.0,"y":"b"}',
    ]


def test_many_rows_are_written_in_parts(tmp_path: Path) -> None:
    rows = [{"i": i, "text": "x" * 1000} for i in range(5000)]
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.monitor(rows)
        assert tracker.logger.read_logs() == rows


def test_experiments_are_for_people_and_for_machines(tmp_path: Path) -> None:
    params = {"model": {"depth": 3}, "scores": [0.5, math.inf], "note": "two\nlines"}
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.experiemnt(params)
        tracker.logger.experiment({"lr": 0.1})
        tracker.logger.monitor({"x": 1})
        assert tracker.logger.read_logs() == [params, {"lr": 0.1}, {"x": 1}]
    assert lines(tmp_path)[0].endswith("!📁!{")
    assert lines(tmp_path)[1:3] == ['  "model": {', '    "depth": 3']


def test_messages(tmp_path: Path) -> None:
    with quiet_tracker(tmp_path, jsonl=tmp_path / "rows.jsonl") as tracker:
        logger = tracker.logger
        logger.debug("plain {braces}")
        logger.info("{} of {n}", 1, n=2)
        logger.warning("{}{}", 1)
        logger.error(ValueError("out of luck"))
        assert logger.read_logs(tmp_path / "logs") == []
        assert not (tmp_path / "rows.jsonl").exists()
    told = [re.sub(r".* \| (\w+) .*!📁!", r"\1 ", line) for line in lines(tmp_path)]
    assert told == ["DEBUG plain {braces}", "INFO 1 of 2", "WARNING {}{} 1", "ERROR out of luck"]


def test_a_message_cannot_pass_for_a_row(tmp_path: Path) -> None:
    forged = 'x\n2026-01-01 00:00:00.000 | TRACKING | a:b:1!📁!{"accuracy":1.0}'
    with quiet_tracker(tmp_path) as tracker:
        tracker.logger.info(forged)
        tracker.logger.info("two\nlines")
        tracker.logger.monitor({"x": 1})
        assert tracker.logger.read_logs() == [{"x": 1}]


# files


def test_the_file_follows_the_date(tmp_path: Path) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, file_format="{time:YYYY-MM-DD}/x.txt")
    for day in range(3):
        logger.write_rows([({"day": day}, NOON + day * DAY)])
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt"))
    dates = [datetime.fromtimestamp(NOON / 1e6 + 86_400 * day, UTC).date() for day in range(3)]
    assert found == [f"{date}/x.txt" for date in dates]
    assert logger.read_logs() == [{"day": 2}, {"day": 1}, {"day": 0}]
    assert logger.read_logs(limit=1) == [{"day": 2}]


def test_a_name_that_tells_seconds_stands_for_the_start(tmp_path: Path) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, file_format="run-{time}.log")
    logger.write_rows([({"i": i}, NOON + i * DAY) for i in range(2)])
    logger.write_rows([({"i": 2}, NOON + 2 * DAY)])
    assert re.fullmatch(r"run-\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d{6}\.log", only_file(tmp_path).name)


@pytest.mark.parametrize(
    "spec",
    [
        "YYYY YY-Q-MMMM-MMM-MM-M",
        "DDDD DDD DD D dddd ddd d E",
        "HH-H-hh-h mm-m ss-s A Z ZZ X",
        "S SS SSS SSSS SSSSS SSSSSS",
        "YYYYMMDDHHmmss",
        "[YYYY] YYYY [x]",
        "HH!UTC",
        "%Y%m%d",
        "",
    ],
)
def test_names_are_those_of_loguru(spec: str) -> None:
    template = f"{{time:{spec}}}.log" if spec else "{time}.log"
    for month in range(1, 13):
        time = datetime(2026, month, month * 2, month * 2 - 1, 7, 9, 12_345).astimezone()
        theirs = LoguruTime.fromtimestamp(time.timestamp(), time.tzinfo)
        assert FileNames(template).at(time) == template.format(time=FileDateFormatter(theirs))


def test_names_that_do_not_work() -> None:
    for template in ("{", "{name}.log", "{time!r}", "../{time:YYYY}.log", "/tmp/x.log", "", "a/.."):
        with pytest.raises(InvalidInput, match=r"file name|gives"):
            Logger(stdout=False, file_format=template or "{time:[]}")


def test_a_file_that_was_moved_is_begun_anew(tmp_path: Path) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, file_format="x.log")
    logger.write_rows([({"i": 0}, NOON)])
    (tmp_path / "x.log").rename(tmp_path / "y.log")
    logger.write_rows([({"i": 1}, NOON + SECOND)])
    assert logger.read_log(tmp_path / "y.log") == [{"i": 0}]
    assert logger.read_log(tmp_path / "x.log") == [{"i": 1}]


def test_a_cut_line_of_another_costs_itself_alone(tmp_path: Path) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, file_format="x.log", jsonl=tmp_path / "j")
    logger.monitor({"i": 0})
    logger.close()
    for file, size in ((tmp_path / "x.log", 10), (tmp_path / "j", 20)):
        content = file.read_bytes()
        file.write_bytes(content + content[:-size])
    logger.monitor({"i": 1})
    with pytest.warns(UserWarning, match=r"x\.log: 1 line could not be read"):
        assert logger.read_logs() == [{"i": 0}, {"i": 1}]
    with pytest.warns(UserWarning, match="j: 1 line could not be read"):
        assert Reader.read_jsonl(tmp_path / "j")["i"].tolist() == [0, 1]


def test_serialised_records(tmp_path: Path) -> None:
    logger = Logger(stdout=False, logs_path=tmp_path, prettify=False)
    logger.monitor({"x": 1, "text": "!📁!"})
    logger.experiment({"y": {"z": 2}})
    logger.info("hello")
    first, second, third = map(json.loads, lines(tmp_path))
    assert first["text"].startswith(first["record"]["time"]["repr"][:10])
    assert first["record"]["level"] == {"name": "MONITOR", "no": 26}
    assert first["record"]["function"] == "test_serialised_records"
    assert second["record"]["message"] == '{\n  "y": {\n    "z": 2\n  }\n}'
    assert third["record"]["message"] == "hello"
    assert logger.read_structured_logs(only_file(tmp_path)) == logger.read_logs()
    assert logger.read_logs() == [{"x": 1, "text": "!📁!"}, {"y": {"z": 2}}]


# JSONL


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    with Tracker(Tracker.IN_MEMORY, {"model": "m"}, jsonl=path, on_error="raise") as tracker:
        assert tracker.jsonl_path == path
        before = datetime.now(UTC)
        row = tracker.log({"level": 3, "_level": 4, "x": [1, 2]})
        tracker.logger.monitor({"timestamp": "mine", "nested": {"a": [1]}})
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    time = datetime.fromisoformat(first.pop("timestamp"))
    assert time.tzinfo is not None
    assert before <= time <= datetime.now(UTC)
    assert time.astimezone().replace(tzinfo=None).isoformat(" ") == row["timestamp"]
    assert first == {
        "level": "TRACKING",
        "_level": 3,
        "__level": 4,
        "x": "[1, 2]",
        "model": "m",
        "track_id": tracker.track_id,
    }
    assert second.pop("timestamp")
    assert second == {"level": "MONITOR", "_timestamp": "mine", "nested": {"a": [1]}}


# failures


def test_a_log_that_cannot_be_written_does_not_touch_the_row(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, where a folder should be")
    jsonl = tmp_path / "rows.jsonl"
    options = {"logs_path": tmp_path / "logs", "jsonl": jsonl}
    with Tracker(Tracker.IN_MEMORY, **options) as tracker:  # type: ignore[arg-type]
        row = tracker.log({"x": 1})
        tracker.log_batch([{"x": 2}, {"x": 3}])
        assert row["x"] == 1
        assert tracker.failures == {"LogNotWritten": 3}
        assert tracker.to_df()["x"].tolist() == [1, 2, 3]
    assert Reader.read_jsonl(jsonl)["x"].tolist() == [1, 2, 3]
    with Tracker(Tracker.IN_MEMORY, on_error="raise", **options) as tracker:  # type: ignore[arg-type]
        with pytest.raises(LogNotWritten, match=r"logs/.*not touched") as caught:
            tracker.log({"x": 4})
        assert caught.value.lines == 1
        assert [Path(target).parent for target in caught.value.targets] == [tmp_path / "logs"]
        assert tracker.latest["x"] == 4
        assert tracker.to_df()["x"].tolist() == [4]
    assert Reader.read_jsonl(jsonl)["x"].tolist() == [1, 2, 3, 4]


def test_a_logger_of_its_own_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("")
    logger = Logger(stdout=False, logs_path=tmp_path / "logs")
    logger.monitor([{"x": 1}, {"x": 2}])
    logger.info("hello")
    assert logger.failures == {"LogNotWritten": 3}
    assert "not written" in caplog.text
    with pytest.raises(LogNotWritten):
        Logger(stdout=False, logs_path=tmp_path / "logs", on_error="raise").info("hello")


def test_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    logger = Logger(on_error="raise")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    logger.monitor({"name": "é"})
    assert raw.getvalue().endswith(rb'!\U0001f4c1!{"name":"\xe9"}' + b"\n")
    sys.stdout.close()
    with pytest.raises(LogNotWritten, match="stdout: I/O operation on closed file"):
        logger.monitor({"x": 1})
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(LogNotWritten, match="no stdout"):
        logger.monitor({"x": 1})


def test_a_tracker_without_logs() -> None:
    with Tracker(Tracker.IN_MEMORY) as tracker:
        assert not tracker.logger
        assert not tracker.warnings
        for call in (
            lambda: tracker.logger.monitor({"x": 1}),
            lambda: tracker.logger.info("hello"),
            lambda: tracker.logger.experiment({}),
        ):
            with pytest.raises(InvalidInput, match=r"logs_path.*logs_stdout.*jsonl"):
                call()
        with pytest.raises(ValueError, match="name a folder"):
            tracker.logger.read_logs()


def test_warnings_are_lines_too(tmp_path: Path) -> None:
    for warnings in (True, False):
        folder = tmp_path / str(warnings)
        with quiet_tracker(folder, on_error="warn", warnings=warnings) as tracker:
            assert tracker.warnings is warnings
            tracker.log({"x": 1, "timestamp": "mine"})
            assert tracker.logger.read_logs()[0]["x"] == 1
    told = [line for line in lines(tmp_path / "True") if "WARNING" in line]
    assert len(told) == 2  # at the time, and when it closed
    assert all("'timestamp' is set by the tracker" in line for line in told)
    assert "WARNING" not in "".join(lines(tmp_path / "False"))


def test_warnings_that_cannot_be_written_are_counted(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    with quiet_tracker(tmp_path, on_error="warn") as tracker:
        tracker.log({"timestamp": "mine", "x": 1})
        assert tracker.failures == {"InvalidInput": 1, "LogNotWritten": 2}


# each for itself


def test_two_trackers_and_the_process_have_logs_of_their_own(tmp_path: Path) -> None:
    heard: list[str] = []
    process_logger.remove()
    process_logger.add(heard.append, format="{message}")
    handlers = logging.getLogger().handlers.copy()
    with quiet_tracker(tmp_path / "a") as first, quiet_tracker(tmp_path / "b") as second:
        first.log({"x": 1})
        second.log({"x": 2})
        assert Reader.read_logs(tmp_path / "a")["x"].tolist() == [1]
        first.log({"x": 3})
        process_logger.info("still here")
        assert [row["x"] for row in first.logger.read_logs()] == [1, 3]
        assert [row["x"] for row in second.logger.read_logs()] == [2]
    assert heard == ["still here\n"]
    assert logging.getLogger().handlers == handlers


def test_reading_changes_nothing(tmp_path: Path) -> None:
    with quiet_tracker(tmp_path) as tracker:
        tracker.log({"x": 1})
    file = only_file(tmp_path)
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    Reader.read_logs(tmp_path)
    assert (only_file(tmp_path).read_bytes(), file.stat().st_mtime_ns) == before


# with nothing stored


def test_skip_insert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Tracker(db=Tracker.SKIP_INSERT, params={"model": "m"}, logs_path="logs") as tracker:
        row = tracker.log({"accuracy": 0.9})
        assert list(row) == ["accuracy", "model", "timestamp", "track_id"]
        assert tracker.latest == row
        last = tracker.log_batch([{"accuracy": 0.8}, {"accuracy": 0.7}])
        assert tracker.latest == last
        assert tracker.log({}) == {}
        assert "text" not in tracker.log({"text": "\ud800"})
        assert "" not in tracker.log({"": 1})
        assert tracker.logger.read_logs()[0] == row
        assert tracker.logger.read_logs()[2] == last
        assert len(tracker.logger.read_logs()) == 5
        assert len(tracker.to_df()) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_folder_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Tracker(Tracker.SKIP_INSERT, logs_path="logs", jsonl="x.jsonl") as tracker:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        tracker.log({"x": 1})
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "x.jsonl").exists()


def test_lines_follow_the_run(tmp_path: Path) -> None:
    with Tracker(Tracker.IN_MEMORY, track_id="ant", logs_path=tmp_path) as tracker:
        tracker.log({"x": 1})
        tracker.track_id = "bee"
        tracker.log({"x": 2})
        assert [row["track_id"] for row in tracker.logger.read_logs()] == ["ant", "bee"]
