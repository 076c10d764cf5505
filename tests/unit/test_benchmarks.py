"""The benchmarks' arithmetic and tables. What they measure is no matter for a test."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.figures import (
    Bar,
    Better,
    Figure,
    Measure,
    Rival,
    against,
    failed,
    over_rounds,
    percentile,
)
from benchmarks.jobs import searching
from benchmarks.jobs.functions import FUNCTIONS
from benchmarks.measures.columns import whole_rows
from benchmarks.measures.fit_time import divide, error_factor
from benchmarks.measures.searching import race_outcome, verdict
from benchmarks.peers.mooring_tracker import MooringTracker
from benchmarks.peers.tables import COLUMNS, QUESTIONS, TAIL, columns_rows, run_name
from benchmarks.report import Report
from mooring.optimize.fit_time import FitRecord

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


@pytest.mark.parametrize(
    ("measure", "rival", "limit", "origin"),
    [
        (NO_BARS, Rival("peer", 20), 5.0, "peer / 20"),
        (NO_BARS, Rival("peer"), 100.0, "peer"),
        (MANY_IS_GOOD, Rival("peer", 20), 2_000.0, "20 x peer"),
    ],
)
def test_a_rival_sets_a_bar_by_its_own_figure(
    measure: Measure, rival: Rival, limit: float, origin: str
) -> None:
    lines = [figure(measure, "Mooring", 1.0), figure(measure, "peer", 100.0)]
    mooring, peer = against(lines, "Mooring", rival)
    assert mooring.measure.bars == (Bar("median", limit, origin),)
    assert peer == lines[1]


def test_a_rival_without_a_figure_sets_no_bar() -> None:
    absent = failed(SLOW_IS_BAD, "peer", is_mooring=False, problem="gone")
    lines = [figure(SLOW_IS_BAD, "Mooring", 1.0), absent]
    assert against(lines, "Mooring", Rival("peer"), Rival("other")) == lines


def test_a_saved_report_prints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(
        figures=[
            *against(
                [figure(SLOW_IS_BAD, "Mooring", 16.0, p99=31.0), figure(NO_BARS, "peer", 1234.5)],
                "Mooring",
                Rival("peer", 2),
            ),
            failed(NO_BARS, "absent", is_mooring=False, problem="pip install failed: | no"),
        ],
        facts={"machine": "2 cores"},
    )
    file = tmp_path / "results.json"
    report.save(file)
    assert main(["--from", str(file)]) == 3
    text = capsys.readouterr().out
    assert text == report.as_text() + "\n"
    reached = "median ≤ 617 (peer / 2): reached"
    for words in ("1,234", "77.2", "median ≤ 15.0: NOT reached", reached, "pip install failed"):
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


def test_a_row_counts_when_all_of_its_cells_are_there() -> None:
    rows = [row for number in range(2) for row in columns_rows(number, rows=5, every=2)]
    assert {len(row) for row in rows} == {3}
    points = {name: sum(name in row for row in rows) for row in rows for name in row}
    assert len(points) == 1 + 3 + 2 * 3
    assert whole_rows(points) == 10
    for name in points:
        assert whole_rows({**points, name: points[name] - 1}) == 9


def test_the_questions_to_a_table_have_the_same_answer_once_it_is_sealed(tmp_path: Path) -> None:
    tasks = MooringTracker().other_tasks()
    task = {"folder": str(tmp_path), "runs": 3, "rows": 20, "run": run_name(1), "repeats": 2}
    written = tasks["write_rows"](task)
    shapes = {"all": 60, "run": 20, "latest": 20, "tail": TAIL, "last": TAIL}
    expected = {name: [length, len(COLUMNS) + 2] for name, length in shapes.items()}
    for state in ("log", "sealed"):
        for question in QUESTIONS:
            answer = tasks["read_rows"]({**task, "question": question})
            assert len(answer["taken_s"]) == 2
            if question == "sql":
                assert answer["answer"] == pytest.approx([written["mean"], written["count"]])
            else:
                assert (state, question, answer["answer"]) == (state, question, expected[question])
        if state == "log":
            assert tasks["seal_rows"](task)["points_sealed"] == 60 * len(COLUMNS)


def test_names_and_reads_are_counted_by_what_a_reader_finds(tmp_path: Path) -> None:
    peer = MooringTracker()
    tasks = peer.other_tasks()
    task = {"folder": str(tmp_path), "names": 7, "names_a_call": 3, "seconds": 60.0}
    logged = tasks["many_names"](task)
    assert (logged["calls"], logged["errors"]) == (3, 0)
    assert tasks["found_names"](task)["names"] == 7
    assert sum(peer.count_points(tmp_path).values()) == 7


def test_fits_are_divided_into_records_and_others_that_are_held_out() -> None:
    fits = [
        FitRecord(algorithm=name, params={}, rows=100, columns=5, seconds=number + 1)
        for name in ("a", "b")
        for number in range(20)
    ]
    pool, held_out = divide(fits, random.Random(1))
    records = [fit for own in pool.values() for fit in own]
    assert [len(own) for own in pool.values()] == [12, 12]
    assert sorted(map(str, [*records, *held_out])) == sorted(map(str, fits))


@pytest.mark.parametrize(
    ("guessed", "taken", "factor"), [(4, 2, 2), (1, 2, 2), (3, 3, 1), (1e-9, 2e-3, 2)]
)
def test_a_guess_is_wrong_by_a_factor_in_either_direction(
    guessed: float, taken: float, factor: float
) -> None:
    assert error_factor(guessed, taken) == factor


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("Branin", (3.141592653589793, 2.275)),
        ("Hartmann 6", (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)),
        ("Rosenbrock 5", (1.0,) * 5),
        ("Rastrigin 5", (2.1 * 0.37,) * 5),
        ("Ackley 10", (8 * 0.37,) * 10),
    ],
)
def test_a_function_has_its_minimum_where_it_was_published_or_moved_to(
    name: str, at: tuple[float, ...]
) -> None:
    function = FUNCTIONS[name]
    names = [parameter[0] for parameter in function.space[""]]
    reached = function.evaluate("", dict(zip(names, at, strict=True)))
    assert reached == pytest.approx(function.least, abs=1e-6)


@pytest.mark.parametrize("who", ["mooring", "optuna", "random"])
@pytest.mark.parametrize("name", ["mixed", "two algorithms"])
def test_every_way_searches_a_function_within_its_space(who: str, name: str) -> None:
    task = {"who": who, "function": name, "seeds": [1, 2], "trials": 3}
    best = searching.search(task)["best"]
    assert len(set(best)) == 2
    assert all(value >= FUNCTIONS[name].least for value in best)


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ((1, 2, 3), "better than"),
        ((100, 200, 300), "worse than"),
        ((20, 1, 300), "no difference shown to"),
    ],
)
def test_a_search_is_judged_by_the_interval_of_paired_differences(
    ours: tuple[float, ...], word: str
) -> None:
    assert verdict(ours, [10, 20, 30]).startswith(f"{word} Optuna")


def test_a_race_counts_trials_in_the_store_and_tells_locks_from_other_errors() -> None:
    assert race_outcome(10_000, 10_000, 10_000, []) == "10,000 trials in the end; 0 errors"
    told = race_outcome(5, 4, 3, ["A: bad <- B: database is locked", "C: gone"])
    assert told.startswith(
        "5 trials in the end, 3 were told, only 4 numbers; 2 errors, 1 of them locks: A: bad"
    )


@pytest.mark.parametrize("who", ["mooring", "optuna_on_mooring", "rdb", "journal"])
def test_each_storage_keeps_what_was_asked_and_told(who: str, tmp_path: Path) -> None:
    task = {"who": who, "folder": str(tmp_path)}
    searching.create(task)
    ask_and_tell = searching.open_study(who, tmp_path)
    assert [ask_and_tell(0.0)[0] for _ in range(3)] == [0, 1, 2]
    assert searching.count(task) == {"trials": 3, "distinct": 3}
