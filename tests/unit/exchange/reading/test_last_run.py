"""Sources that read a run whole keep one of them, and tell once what they cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import SourceUnreadable
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reading.replay import RunReplay
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceRun
from mooring.model import AttributeType


class Counting(LastRunSource[RunReplay]):
    def __init__(self) -> None:
        super().__init__(Path("/data"))
        self.reads: list[str] = []

    def _read(self, run: SourceRun, problems: ProblemList) -> RunReplay:
        assert self._last is None, "the run before is still in memory"
        self.reads.append(f"{run.project}/{run.run_id}")
        problems.add(f"run {run.run_id}", "a line is cut")
        if run.run_id == "broken":
            raise SourceUnreadable("it is broken")
        content = RunReplay()
        content.append("loss", AttributeType.FLOAT_SERIES, None, 0, 0.5)
        content.assign("lr", 0.1)
        return content


def test_a_run_is_read_once_for_all_that_is_asked_of_it() -> None:
    source, run = Counting(), SourceRun(project="a/b", run_id="r")
    assert source.read_values(run) == {"lr": 0.1}
    assert [series.path for series in source.list_series(run)] == ["loss"]
    assert source.read_points(run, AttributeType.FLOAT_SERIES).num_rows == 1
    assert source.reads == ["a/b/r"]
    assert source.address == "/data"


def test_runs_of_one_id_in_two_projects_are_two() -> None:
    source = Counting()
    source.read_values(SourceRun(project="a/b", run_id="r"))
    source.read_values(SourceRun(project="a/c", run_id="r"))
    assert source.reads == ["a/b/r", "a/c/r"]


def test_what_is_read_again_is_not_told_again() -> None:
    source, run = Counting(), SourceRun(project="a/b", run_id="r")
    source.read_values(run)
    source.close()
    source.read_values(run)
    assert source.reads == ["a/b/r"] * 2
    assert len(source.problems.named) == 1


def test_after_a_run_that_cannot_be_read_the_others_can() -> None:
    source = Counting()
    with pytest.raises(SourceUnreadable):
        source.read_values(SourceRun(project="a/b", run_id="broken"))
    assert source.read_values(SourceRun(project="a/b", run_id="r")) == {"lr": 0.1}


def test_values_belong_to_the_caller() -> None:
    source, run = Counting(), SourceRun(project="a/b", run_id="r")
    source.read_values(run).clear()  # type: ignore[attr-defined]
    assert source.read_values(run) == {"lr": 0.1}
