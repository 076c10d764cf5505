"""Values come out safely, and cannot be taken for others, in each format."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from mooring.cli.cells import escaped, plain, shown, to_json
from mooring.cli.formats import Format, csv_lines, json_array, json_lines, markdown_lines
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.cli.terminal import write_table
from mooring.model import FileRef

DANGEROUS = ["\x1b[2J", "\x9b31m", "\r", "\x07", "\u202e", "\x00", "\u2028"]


def _markdown_cells(text: str) -> list[str]:
    return [line[2:].split(" | ")[0].strip() for line in text.splitlines()[2:]]


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_a_terminal_would_obey_never_reaches_it(text: str) -> None:
    table = [("value",), (f"a{text}b",)]
    for lines in (
        markdown_lines(Table(table[0], table[1:])),
        json_array(Table(table[0], table[1:])),
        json_lines(Table(table[0], table[1:])),
        csv_lines(Table(table[0], table[1:]), for_terminal=True),
    ):
        assert all(char.isprintable() or char == "\n" for char in "".join(lines))
    stream = io.StringIO()
    write_table(Table([f"h{text}"], table[1:]), stream, width=80)
    assert all(char.isprintable() or char == "\n" for char in stream.getvalue())


@pytest.mark.parametrize("text", [*DANGEROUS, "a,b", 'say "a"', "two\nlines", " padded ", "1", ""])
def test_csv_and_json_give_back_every_text(text: str) -> None:
    (_, row) = csv.reader(
        io.StringIO("".join(csv_lines(Table(["v", "w"], [(text, 1)]))), newline="")
    )
    assert row == [text, "1"]
    assert json.loads("".join(json_array(Table(["v"], [(text,)])))) == [{"v": text}]
    assert json.loads("".join(json_lines(Table(["v"], [(text,)])))) == {"v": text}


def test_markdown_tells_apart_what_looks_alike() -> None:
    values: list[Any] = [None, "", '""', "NaN", math.nan, "1", 1, "true", True, b"\x01", "x'01'"]
    values += ["a", "a\nb", "a\\nb", math.inf, -math.inf, 2**70]
    cells = _markdown_cells("".join(markdown_lines(Table(["v", "w"], [(v, 1) for v in values]))))
    assert len(set(cells)) == len(values)
    assert cells[:7] == ["", '""', r'"\"\""', '"NaN"', "NaN", '"1"', "1"]


def test_texts_alone_are_not_quoted() -> None:
    cells = _markdown_cells("".join(markdown_lines(Table(["v", "w"], [("0123456789012345", 1)]))))
    assert cells == ["0123456789012345"]


def test_json_has_no_number_that_is_none() -> None:
    row = (math.nan, math.inf, -math.inf, None, 2**63 - 1, 0.1)
    text = "".join(json_lines(Table(list("abcdef"), [row])))
    strict = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert list(strict.values()) == ["NaN", "Infinity", "-Infinity", None, 2**63 - 1, 0.1]


def test_other_values_are_plain() -> None:
    assert plain(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05+00:00"
    assert plain(FileRef("d" * 64, 5))["size_bytes"] == 5
    assert plain({"k": [b"\x01", math.nan]}) == {"k": ["x'01'", "NaN"]}
    assert shown(frozenset({"b", "a"})) == '["a", "b"]'
    assert to_json("\U0001f600") == '"\U0001f600"'
    assert escaped("\U000e0001") == "\\udb40\\udc01"


def test_same_name_twice_is_told_apart() -> None:
    table = Table(["a", "a", "a_2"], [(1, 2, 3)])
    assert json.loads("".join(json_lines(table))) == {"a": 1, "a_2": 2, "a_2_2": 3}


def test_no_rows() -> None:
    assert json.loads("".join(json_array(Table(["a"], [])))) == []
    assert "".join(csv_lines(Table(["a"], []))) == "a\n"
    assert "".join(markdown_lines(Table(["a"], []))) == "| a   |\n|:----|\n"


@pytest.mark.parametrize("format", list(Format))
def test_sections_keep_every_row(format: Format, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Table(["x"], [("one",), ("two",)]), Table(["y"], [("three",)])
    Output(format).sections({"first": first, "second": second})
    printed = capsys.readouterr().out
    assert [printed.count(word) for word in ("one", "two", "three", "second")] == [1, 1, 1, 1]
    if format is Format.JSON:
        assert json.loads(printed)["second"] == [{"y": "three"}]


def test_wide_cells_are_folded_whole() -> None:
    stream = io.StringIO()
    text = "0123456789" * 30
    assert write_table(Table(["a", "b"], [(text, 1)]), stream, width=40) == []
    printed = stream.getvalue()
    assert max(map(len, printed.splitlines())) <= 40
    assert "".join(char for char in printed if char.isdigit()).replace("1", "", 0).count("9") == 30
    assert "…" not in printed


def test_columns_without_room_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"column_{i:02}" for i in range(40)]
    Output(Format.TABLE).table(Table(names, [range(40)]))
    told = capsys.readouterr()
    shown_columns = [name for name in names if name in told.out.replace("\n", " ")]
    hidden = len(names) - len(shown_columns)
    assert hidden
    assert f"{hidden} of 40 columns have no room" in told.err
    assert names[len(shown_columns)] in told.err
    assert "--format" in told.err
