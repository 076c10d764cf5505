"""The benchmarks' arithmetic and tables. What they measure is no matter for a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds, percentile
from benchmarks.report import Report

SLOW_IS_BAD = Measure(key="log-5", title="log()", unit="µs", bars=(Bar("median", 15.0),))
NO_BARS = replace(SLOW_IS_BAD, bars=())
MANY_IS_GOOD = Measure(key="rate", title="rate", unit="calls/s", better=Better.MORE)


def figure(measure: Measure, subject: str, *rounds: float, p99: float | None = None) -> Figure:
    mooring = subject == "Mooring"
    return over_rounds(measure, subject, rounds, is_mooring=mooring, n="9 calls", p99=p99)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    made = figure(SLOW_IS_BAD, "Mooring", 30.0, 10.0, 11.0)
    assert (made.median, made.low, made.high, made.rounds) == (11.0, 10.0, 30.0, 3)


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], percent) == value


def test_a_ratio_above_one_says_that_mooring_is_ahead() -> None:
    assert figure(SLOW_IS_BAD, "peer", 40.0).times_of(figure(SLOW_IS_BAD, "Mooring", 10.0)) == 4
    assert figure(MANY_IS_GOOD, "peer", 10.0).times_of(figure(MANY_IS_GOOD, "Mooring", 40.0)) == 4


def test_a_bar_is_reached_missed_or_not_measured() -> None:
    (bar,) = SLOW_IS_BAD.bars
    assert figure(SLOW_IS_BAD, "Mooring", 15.0).reached(bar) is True
    assert figure(SLOW_IS_BAD, "Mooring", 15.1).reached(bar) is False
    assert figure(SLOW_IS_BAD, "Mooring", 1.0).reached(Bar("p99", 1.0)) is None


def test_a_saved_report_prints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(
        figures=[
            figure(SLOW_IS_BAD, "Mooring", 16.0, p99=31.0),
            figure(NO_BARS, "peer", 1234.5),
            failed(NO_BARS, "absent", is_mooring=False, problem="pip install failed: | no"),
        ],
        facts={"machine": "2 cores"},
    )
    file = tmp_path / "results.json"
    report.save(file)
    assert main(["--from", str(file)]) == 3
    text = capsys.readouterr().out
    assert text == report.as_text() + "\n"
    for words in ("1,234", "77.2", "median ≤ 15.0: NOT reached", "pip install failed"):
        assert words in text
    main(["--from", str(file), "--markdown"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "absent" in line]
    assert len(rows) == 1
    assert rows[0].count("|") == 11 - 1


def test_an_unknown_measure_or_peer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, name in ((["--only", "log,speed"], "speed"), (["--peers", "aims"], "aims")):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert f"unknown: {name}" in capsys.readouterr().err
