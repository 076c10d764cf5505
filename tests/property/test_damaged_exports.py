"""Whatever happens to the pages of a part: nothing crashes, and what it spares comes in."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from mooring.exchange.reports import Outcome
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.summary import summarize
from mooring.store import open_store
from tests.unit.exchange.parquet.exporter_files import export_run, identity, points, row
from tests.unit.exchange.parquet.importing import bring_in, outcomes, points_of, told, values_of
from tests.unit.exchange.parquet.test_worked_example import BATCHES, CONTENTS

CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12)


@given(CHANGES)
@example([(0.8998368089822686, 1)])  # a page of booleans that has too few of them, and no error
def test_pages_with_changed_bytes(changes: list[tuple[float, int]]) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "exports"
        (part,) = export_run(folder, "c", BATCHES, files=CONTENTS)
        export_run(folder, "b", [[*identity("b"), row("n", "int", 1)], points("loss", [1.0, 2.0])])
        data = bytearray(part.read_bytes())
        # The footer is left alone: of some changes in it pyarrow ends the process.
        (footer,) = struct.unpack("<I", data[-8:-4])
        for place, byte in changes:
            data[4 + int(place * (len(data) - footer - 13))] = byte
        part.write_bytes(data)
        with open_store(Path(text) / "runs.db") as store:
            report = bring_in(folder, store)
            assert outcomes(report)["b"] is Outcome.DONE, told(report)
            assert values_of(store, "b")["n"] == 1
            assert points_of(store, "b", "loss") == [(0, 1.0), (1, 2.0)]
            assert store.check().ok
            again = bring_in(folder, store)
            assert again.is_complete == report.is_complete
        (project,) = summarize(ParquetSource(folder)).projects
        assert project.runs >= 1
        with open_store(folder) as in_place:
            assert points_of(in_place, "b", "loss") == [(0, 1.0), (1, 2.0)]
