"""`mooring study`: searches asked and told from a shell, and what is shown of them."""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring.optimize import Categorical, Float, Int, Study, TrialState

SPACE = {
    "C": {"type": "float", "bounds": [0.001, 1000], "log": True},
    "kernel": ["rbf", "linear"],
    "max_iter": 1000,
}


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(Path.cwd())):
            del sys.modules[name]


@pytest.fixture
def svc(mooring: Any) -> str:
    """A study of the store `runs.db`, which `MOORING_STORE` does not name."""
    done = mooring(
        *("study", "create", "svc", "--space", "-", "--objective", "accuracy=maximize"),
        *("--seed", 1, "--store", "runs.db", "--project", "team/wine"),
        input=json.dumps(SPACE),
    )
    assert done.exit_code == 0, done.stderr
    return "svc"


def study_of(mooring: Any) -> Any:
    """Return what runs a command on studies of `runs.db`."""
    return lambda *arguments, **more: mooring("study", *arguments, "--store", "runs.db", **more)


def as_json(mooring: Any, *arguments: object) -> Any:
    done = study_of(mooring)(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


# create


def test_create_tells_what_it_made(mooring: Any) -> None:
    Path("space.json").write_text(json.dumps({"svm.SVC": {"C": SPACE["C"]}, "Tree": {}}))
    done = study_of(mooring)(
        *("create", "both", "--space", "space.json", "--method", "random", "--retries", 0),
        *("--prune-on", "metrics/loss", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["project"] == "local/studies"
    assert told["objectives"] == {"objective": "minimize"}
    assert (told["method"], told["retries"]) == ("random", 0)
    assert (told["prune_on"], told["pruner"]) == ("metrics/loss", {"name": "median"})
    assert told["space"]["svm.SVC"] == {"C": SPACE["C"]}
    assert done.stderr == "created study 'both' in project local/studies of runs.db\n"
    with Study("both", store="runs.db", resume=True) as study:
        assert study.space is not None
        assert study.space.algorithms["svm.SVC"] == {"C": Float(0.001, 1000, log=True)}


def test_create_for_people_shows_the_space(mooring: Any) -> None:
    done = study_of(mooring)("create", "s", "--space", "-", input=json.dumps(SPACE))
    assert re.search(r"\| C +\| float +\| 0.001 to 1000, log \|", done.stdout)
    assert re.search(r'\| kernel +\| categorical +\| \["rbf", "linear"\] +\|', done.stdout)
    assert re.search(r"\| max_iter +\| constant +\| 1000 +\|", done.stdout)


def test_dry_run_makes_nothing_and_sees_what_is_there(mooring: Any, svc: str) -> None:
    command = ("study", "create", "svc", "--space", "-", "--dry-run", "--store")
    done = mooring(*command, "new.db", input=json.dumps(SPACE))
    assert done.exit_code == 0
    assert "would create study 'svc' in project local/studies of new.db" in done.stderr
    assert not Path("new.db").exists()
    done = mooring(*command, "runs.db", input=json.dumps(SPACE))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "team/wine has a study 'svc' already" in done.stderr


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ('{"SVC": {"C": {"type": "float", "bounds": [1]}}}', ["'SVC'", "'C'", "two numbers"]),
        ('{"C": {"type": "flaot", "bounds": [1, 2]}}', ["'C'"]),
        ('{"C": {"type": "int", "bounds": [1, "x"]}, "k": [1]}', ["'C'", "'x'"]),
        ('{"a": [1', ["standard input", "line 1"]),
        ('{"a": 1, "a": 2}', ["'a'", "twice"]),
        ("[]", ["no object"]),
        ("{}", ["no parameter"]),
    ],
)
def test_bad_space_is_told_by_its_place(space: str, told: list[str], mooring: Any) -> None:
    done = study_of(mooring)("create", "s", "--space", "-", input=space)
    assert (done.exit_code, done.stdout) == (1, "")
    assert [part for part in told if part not in done.stderr] == []
    assert not Path("runs.db").exists()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--direction", "up"), 1, "'minimize' or 'maximize', not 'up'"),
        (("--objective", "loss"), 2, "accuracy=maximize, not loss"),
        (("--objective", "a=minimize", "--objective", "a=maximize"), 2, "twice"),
        (("--objective", "a=minimize", "--direction", "minimize"), 2, "contradict"),
        (("--pruner", "medan"), 1, "closest: median"),
        (("--method", "tpee"), 1, "tpee"),
        (("--seed", "-1"), 1, "0 or more"),
        (
            ("--objective", "a=minimize", "--objective", "b=minimize", "--pruner", "median"),
            1,
            "cann",
        ),
    ],
)
def test_bad_options_are_told(options: tuple[str, ...], code: int, told: str, mooring: Any) -> None:
    done = study_of(mooring)("create", "s", "--space", "-", *options, input=json.dumps(SPACE))
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr


def test_second_study_of_a_name_is_refused(mooring: Any, svc: str) -> None:
    done = study_of(mooring)(
        "create", svc, "--space", "-", "--project", "team/wine", input=json.dumps(SPACE)
    )
    assert done.exit_code == 1
    assert "already" in done.stderr


# ask, tell, best


def test_ask_gives_trials_that_are_told_later(mooring: Any, svc: str) -> None:
    first, second = as_json(mooring, "ask", svc, "--count", 2)
    assert (first["number"], second["number"]) == (0, 1)
    assert first["run_id"] == "svc/0"
    assert first["params"].keys() == {"C", "kernel", "max_iter"}
    assert 0.001 <= first["params"]["C"] <= 1000
    (told,) = as_json(mooring, "tell", svc, 1, 0.75)
    assert (told["state"], told["values"], told["params"]) == (
        "complete",
        {"accuracy": 0.75},
        second["params"],
    )
    (told,) = as_json(mooring, "tell", svc, 0, "accuracy=-1e-3")
    assert told["values"] == {"accuracy": -0.001}
    (best,) = as_json(mooring, "best", svc)
    assert best["number"] == 1
    runs = json.loads(mooring("runs", "runs.db", "--columns", "params/C", "--json").stdout)
    assert {run["params/C"] for run in runs} == {first["params"]["C"], second["params"]["C"]}


def test_table_of_asked_trials_has_a_column_for_each_parameter(mooring: Any, svc: str) -> None:
    done = study_of(mooring)("ask", svc, "--format", "csv")
    header, row = done.stdout.splitlines()
    assert header == "number,run_id,params/C,params/kernel,params/max_iter"
    assert row.startswith("0,svc/0,")


def test_trials_end_otherwise(mooring: Any, svc: str) -> None:
    as_json(mooring, "ask", svc, "--count", 3)
    (failed,) = as_json(mooring, "tell", svc, 0, "--failed", "--error", "out of memory")
    assert (failed["state"], failed["error"]) == ("failed", "out of memory")
    (pruned,) = as_json(mooring, "tell", svc, 1, 0.5, "--pruned")
    assert (pruned["state"], pruned["values"]) == ("pruned", {"accuracy": 0.5})
    (nothing,) = as_json(mooring, "tell", svc, 2, "nan")
    assert (nothing["state"], nothing["values"]) == ("failed", {})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((0, 1), 1, "trial 0 of study 'svc' is complete already"),
        ((7, 1), 1, "no trial 7"),
        ((1, "good"), 2, "good is not a number"),
        ((1, "--faild"), 2, "--faild is no option"),
        ((1, 1, 2), 1, "2 values"),
        ((1, "loss=1"), 1, "loss"),
        ((1, "accuracy=1", 2), 2, "name all values"),
        ((1,), 2, "tell a value"),
        ((1, 0.5, "--failed"), 2, "contradict"),
        ((1, "--failed", "--pruned"), 2, "contradict"),
        ((1, 0.5, "--error", "x"), 2, "add --failed"),
    ],
)
def test_wrong_words_change_nothing(
    arguments: tuple[object, ...], code: int, told: str, mooring: Any, svc: str
) -> None:
    as_json(mooring, "ask", svc, "--count", 2)
    as_json(mooring, "tell", svc, 0, 0.5)
    done = study_of(mooring)("tell", svc, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr
    states = {trial["number"]: trial["state"] for trial in as_json(mooring, "show", svc)["last"]}
    assert states == {0: "complete", 1: "running"}


def test_several_objectives_are_told_by_name_or_in_order(mooring: Any) -> None:
    done = study_of(mooring)(
        *("create", "two", "--space", "-"),
        *("--objective", "accuracy=maximize", "--objective", "seconds=minimize"),
        input=json.dumps(SPACE),
    )
    assert done.exit_code == 0, done.stderr
    as_json(mooring, "ask", "two", "--count", 3)
    as_json(mooring, "tell", "two", 0, 0.9, 5)
    as_json(mooring, "tell", "two", 1, "seconds=1", "accuracy=0.8")
    as_json(mooring, "tell", "two", 2, 0.7, 2)
    assert [trial["number"] for trial in as_json(mooring, "best", "two")] == [0, 1]


def test_names_that_are_not_there(mooring: Any, svc: str) -> None:
    study = study_of(mooring)
    for command in ("ask", "best", "show", "resume"):
        done = study(command, "scv")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "study 'scv' not found in runs.db; closest: svc" in done.stderr
    assert "closest: team/wine" in study("show", svc, "--project", "team/win").stderr
    assert "no trial of study 'svc' is complete yet" in study("best", svc).stderr
    done = mooring("study", "ask", svc, "--store", "other.db")
    assert done.exit_code == 1
    assert not Path("other.db").exists()


def test_study_of_two_projects_needs_one_named(mooring: Any, svc: str) -> None:
    study = study_of(mooring)
    done = study("create", svc, "--space", "-", "--project", "x/y", input=json.dumps(SPACE))
    assert done.exit_code == 0
    done = study("ask", svc)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "add --project" in done.stderr
    assert study("ask", svc, "--project", "x/y").exit_code == 0
    listed = as_json(mooring, "list")
    assert [(row["project"], row["study"], row["running"]) for row in listed] == [
        ("team/wine", "svc", 0),
        ("x/y", "svc", 1),
    ]
    (only,) = as_json(mooring, "list", "--project", "x/y")
    assert only["project"] == "x/y"


def test_environment_names_store_and_project(
    mooring: Any, svc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STORE", "runs.db")
    monkeypatch.setenv("MOORING_PROJECT", "team/wine")
    assert mooring("study", "ask", svc).exit_code == 0
    monkeypatch.setenv("MOORING_PROJECT", "team/other")
    assert "team/other" in mooring("study", "ask", svc).stderr


def test_list_counts_and_tells_the_best(mooring: Any, svc: str) -> None:
    as_json(mooring, "ask", svc, "--count", 3)
    as_json(mooring, "tell", svc, 0, 0.5)
    as_json(mooring, "tell", svc, 1, "--failed")
    (row,) = as_json(mooring, "list")
    assert row == {
        "project": "team/wine",
        "study": "svc",
        "objectives": "accuracy (maximize)",
        "best": 0.5,
        "trials": 3,
        "waiting": 0,
        "running": 1,
        "complete": 1,
        "pruned": 0,
        "failed": 1,
        "method": "tpe",
    }


# resume


def test_trials_that_were_asked_by_hand_are_given_up_when_told_so(mooring: Any, svc: str) -> None:
    (asked,) = as_json(mooring, "ask", svc)
    study = study_of(mooring)
    assert "no trial of study 'svc' is to be given out again" in study("resume", svc).stderr
    done = study("resume", svc, "--detached", "--json")
    (entered,) = json.loads(done.stdout)
    assert (entered["number"], entered["retry_of"], entered["state"]) == (1, 0, "waiting")
    assert "trial 0 has failed; it is given out again as trial 1" in done.stderr
    (again,) = as_json(mooring, "ask", svc)
    assert (again["number"], again["params"]) == (1, asked["params"])
    study("resume", svc, "--detached")
    as_json(mooring, "ask", svc)
    done = study("resume", svc, "--detached")
    assert "failed, and not given out again after 2 retries: 2" in done.stderr


def test_function_of_a_file_is_searched(mooring: Any, svc: str) -> None:
    Path("train.py").write_text("def accuracy(trial):\n    return trial['C'] / 1000\n")
    done = study_of(mooring)("resume", svc, "train.py:accuracy", "--trials", 5, "--json")
    assert done.exit_code == 0, done.stderr
    (best,) = json.loads(done.stdout)
    assert best["values"]["accuracy"] == pytest.approx(best["params"]["C"] / 1000)
    assert "trials that ended: 5 complete" in done.stderr
    assert as_json(mooring, "show", svc)["trials"]["complete"] == 5


def test_functions_that_fail_end_the_search(mooring: Any, svc: str) -> None:
    Path("broken.py").write_text("def objective(trial):\n    raise OSError('no such drive')\n")
    done = study_of(mooring)("resume", svc, "broken:objective", "--budget", 60, "--max-failures", 2)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "trials that ended: 2 failed" in done.stderr
    assert "no such drive" in done.stderr
    table = study_of(mooring)("show", svc).stdout
    assert "OSError: no such drive" in table
    assert "Traceback" not in table


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("train.py:accurcy", "--trials", 1), 1, "closest: accuracy"),
        (("train.py:NUMBER", "--trials", 1), 1, "no function"),
        (("trian.py:accuracy", "--trials", 1), 1, "no file trian.py"),
        (("trian:accuracy", "--trials", 1), 1, "no module 'trian'"),
        (("json.py:accuracy", "--trials", 1), 1, "name of another module"),
        (("train", "--trials", 1), 2, "FILE.py:NAME"),
        (("train.py:accuracy",), 2, "--trials, --budget"),
        (("--trials", 3), 2, "need a FUNCTION"),
        (("train.py:accuracy", "--trials", 1, "--jobs", 0), 1, "n_jobs"),
    ],
)
def test_functions_that_are_not_there(
    arguments: tuple[object, ...], code: int, told: str, mooring: Any, svc: str
) -> None:
    Path("train.py").write_text("NUMBER = 1\ndef accuracy(trial):\n    return 1.0\n")
    Path("json.py").write_text("def accuracy(trial):\n    return 1.0\n")
    done = study_of(mooring)("resume", svc, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr
    assert as_json(mooring, "show", svc)["last"] == []


# show


@pytest.fixture
def searched() -> str:
    """A study with 30 trials of two algorithms, some of which fail or are pruned."""
    space = {
        "sklearn.svm.SVC": {"C": Float(0.01, 100, log=True), "kernel": Categorical(["rbf", None])},
        "Tree$s": {"depth": Int(1, 9), "criterion": Categorical(["gini", "a|b\x1b[2J"])},
    }
    from mooring.optimize import SearchSpace

    def objective(trial: Any) -> float:
        if trial.number % 10 == 3:
            raise RuntimeError("broken on purpose")
        if trial.number % 10 == 7:
            trial.prune()
        if trial.algorithm == "Tree$s":
            return float(trial["depth"])
        return float(trial["C"])

    with Study(
        "mixed", store="runs.db", space=SearchSpace(space), objectives={"acc": "maximize"}, seed=3
    ) as study:
        study.optimize(objective, n_trials=30, progress=False)
    return "mixed"


def test_show_tells_counts_best_and_last(mooring: Any, searched: str) -> None:
    told = as_json(mooring, "show", searched, "--last", 2)
    assert told["trials"] == {
        "waiting": 0,
        "running": 0,
        "complete": 24,
        "pruned": 3,
        "failed": 3,
    }
    assert [trial["number"] for trial in told["last"]] == [28, 29]
    with Study(searched, store="runs.db", resume=True) as study:
        assert [trial["number"] for trial in told["best"]] == [study.best_trial.number]
    done = study_of(mooring)("show", searched, "--last", 0)
    headings = [line for line in done.stdout.splitlines() if line.startswith("## ")]
    assert headings == ["## study", "## space", "## trials", "## best", "## last"]


def test_pictures_in_the_terminal(mooring: Any, searched: str) -> None:
    done = study_of(mooring)("show", searched, "--plot", "all")
    assert done.exit_code == 0, done.stderr
    assert "History of acc (maximize)" in done.stdout
    for label in ("SVC", "Tree$s", "best so far", "pruned, no value", "failed"):
        assert re.search(rf"^⠤.⠤ {re.escape(label)}$", done.stdout, re.MULTILINE)
    assert re.search(r"^ *depth +1 │.*O.*│ 9$", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout
    only = study_of(mooring)("show", searched, "--plot", "importance").stdout
    assert "Importance of parameters" in only
    assert "History" not in only


def test_plot_of_characters_is_no_data(mooring: Any, searched: str) -> None:
    done = study_of(mooring)("show", searched, "--plot", "all", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--picture" in done.stderr


def svg_texts(path: str) -> list[str]:
    from xml.etree import ElementTree

    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_svg_holds_names_and_values_as_text(mooring: Any, searched: str) -> None:
    done = study_of(mooring)("show", searched, "--picture", "out.svg", "--json")
    assert done.exit_code == 0, done.stderr
    assert "wrote out.svg" in done.stderr
    assert json.loads(done.stdout)["name"] == "mixed"
    texts = svg_texts("out.svg")
    expected = {
        "Study mixed",
        "History of acc",
        "trial",
        "acc (maximize)",
        "best so far",
        "failed",
        "pruned, no value",
        "SVC",
        "Tree$s",
        "Importance of parameters",
        "C (log)",
        "depth",
        "rbf",
        "null",
        "gini",
    }
    assert expected - set(texts) == set()
    assert any(text.startswith("Parallel coordinates of SVC: ") for text in texts)
    assert "\x1b" not in Path("out.svg").read_text()
    with Study(searched, store="runs.db", resume=True) as study:
        assert f"{study.best_value:.4g}" in texts


def test_one_panel_is_drawn_alone(mooring: Any, searched: str) -> None:
    heights = {}
    for panel in ("history", "importance", "parallel", "all"):
        done = study_of(mooring)("show", searched, "--picture", f"{panel}.svg", "--plot", panel)
        assert done.exit_code == 0, done.stderr
        texts = svg_texts(f"{panel}.svg")
        titles = ("History of acc", "Importance of parameters", "Parallel coordinates of SVC")
        drawn = [title for title in titles if any(text.startswith(title) for text in texts)]
        heights[panel] = len(drawn)
    assert heights == {"history": 1, "importance": 1, "parallel": 1, "all": 3}


def test_png_has_its_size_and_is_not_overwritten(mooring: Any, searched: str) -> None:
    from matplotlib.image import imread

    show = ("show", searched, "--picture", "out.png", "--plot", "history")
    assert study_of(mooring)(*show).exit_code == 0
    content = Path("out.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (1320, 552)
    pixels = imread("out.png")
    assert pixels.shape == (552, 1320, 4)
    colours = {tuple(round(255 * part) for part in pixel[:3]) for pixel in pixels.reshape(-1, 4)}
    assert (255, 255, 255) in colours
    assert (0, 0, 0) in colours
    done = study_of(mooring)(*show)
    assert done.exit_code == 1
    assert "--overwrite" in done.stderr
    assert Path("out.png").read_bytes() == content
    assert study_of(mooring)(*show, "--overwrite").exit_code == 0
    assert study_of(mooring)("show", searched, "--picture", "out.pdf").exit_code == 2


def test_several_objectives_show_the_front(mooring: Any) -> None:
    with Study(
        "two",
        store="runs.db",
        space={"x": Float(0, 1), "same": 3},
        objectives={"loss": "minimize", "size": "minimize"},
        seed=1,
    ) as study:
        study.optimize(lambda t: (t["x"], (1 - t["x"]) ** 2), n_trials=12, progress=False)
    done = study_of(mooring)("show", "two", "--picture", "two.svg")
    assert done.exit_code == 0, done.stderr
    texts = svg_texts("two.svg")
    assert {"loss (minimize)", "size (minimize)", "no other is better (Pareto front)"} <= set(texts)
    assert "History of loss" not in texts
    assert "same" not in texts
    shown = study_of(mooring)("show", "two", "--plot", "all").stdout
    assert "What was reached of loss (minimize) and size (minimize)" in shown
    assert "Importance of parameters for size" in shown


@pytest.mark.parametrize("trials", [0, 1, 4])
def test_too_few_trials_are_drawn_and_told(trials: int, mooring: Any) -> None:
    with Study("few", store="runs.db", space={"x": Float(0, 1)}, seed=1) as study:
        if trials:
            study.optimize(lambda trial: trial["x"], n_trials=trials, progress=False)
    told = "there are none yet" if not trials else f"there are {trials}"
    for arguments in (("--plot", "all"), ("--picture", "few.svg"), ("--picture", "few.png")):
        done = study_of(mooring)("show", "few", *arguments)
        assert done.exit_code == 0, done.stderr
        assert f"need 10 complete trials; {told}" in done.stderr
    assert any("need 10 complete trials" in text for text in svg_texts("few.svg"))


def test_values_that_no_axis_holds(mooring: Any) -> None:
    values = [1.0, 2.0, float("inf"), 1e300, -1e300, 0.0, 3.0, 1.5, 1.2, 1.1, 2.2, 1.7, 1.9]
    with Study("wild", store="runs.db", space={"x": Float(0, 1)}, seed=1) as study:
        study.optimize(lambda trial: values[trial.number], n_trials=len(values), progress=False)
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * len(values)
    for arguments in (("--plot", "all"), ("--picture", "wild.svg")):
        done = study_of(mooring)("show", "wild", *arguments)
        assert done.exit_code == 0, done.stderr
        assert "infinite: values of 1 trials" in done.stderr
    assert "worse, beyond the axis" in svg_texts("wild.svg")
