"""Whatever JSON can say comes out of log files and JSONL as it went in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring.tracker import Logger
from mooring.tracker.logs.lines import jsonl_name
from mooring.tracker.logs.reading import read_jsonl

MARKS = ["!📁!", "!📁!📁!", "\n", '"', "\\", "{", "\u2028", "null"]
NAMES = ["timestamp", "level", "_level", "__level"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    MARKS + NAMES
)
LEAVES = st.none() | st.booleans() | TEXTS | st.integers(-(2**63), 2**63 - 1) | st.floats(width=64)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v) | st.dictionaries(TEXTS, v), max_leaves=5)
ROWS = st.lists(st.tuples(st.dictionaries(TEXTS, VALUES, max_size=5), st.booleans()), max_size=5)


@given(ROWS, st.booleans())
def test_round_trip(rows: list[tuple[dict[str, Any], bool]], prettify: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logger = Logger(
            stdout=False,
            logs_path=folder / "logs",
            prettify=prettify,
            jsonl=folder / "rows",
            on_error="raise",
        )
        for row, is_experiment in rows:
            (logger.experiment if is_experiment else logger.monitor)(row)
            logger.info(f"about {row}")
        logger.close()
        if rows:
            assert repr(logger.read_logs()) == repr([row for row, _ in rows])
            for line, (row, _) in zip(read_jsonl(folder / "rows"), rows, strict=True):
                own = {"timestamp": line["timestamp"], "level": line["level"]}
                fields = {jsonl_name(key): value for key, value in row.items()}
                assert repr(line) == repr(own | fields)
                assert len(fields) == len(row)
