"""`runs`, `run show`, `series`, `projects`, `compact`, `doctor`, `du`, `config show`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mooring import Run


def _json(mooring: Any, *arguments: object) -> Any:
    done = mooring(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_runs_newest_first(mooring: Any, store: str) -> None:
    second, first = _json(mooring, "runs", store)
    assert (first["sys/id"], first["sys/custom_run_id"]) == ("DIG-1", "alpha")
    assert (first["sys/tags"], first["sys/state"]) == (["best"], "inactive")
    assert second["sys/custom_run_id"] == "beta"


def test_runs_filtered_sorted_limited(mooring: Any, store: str) -> None:
    def ids(*arguments: str) -> list[str]:
        return [row["sys/custom_run_id"] for row in _json(mooring, "runs", store, *arguments)]

    assert ids("--query", "`params/lr`:float > 0.05") == ["alpha"]
    assert ids("--sort-by", "params/lr") == ["alpha", "beta"]
    assert ids("--sort-by", "params/lr", "--ascending") == ["beta", "alpha"]
    assert ids("--ascending", "--limit", "1") == ["alpha"]
    assert ids("--project", "team/digits", "--trashed") == []
    (row,) = _json(
        mooring, "runs", store, "--columns", "params/lr,loss", "--query", "`loss`:float_series < 1"
    )
    assert row == {"sys/id": "DIG-1", "params/lr": 0.1, "loss": 0.1}


def test_runs_that_were_not_shown_are_counted(mooring: Any, store: str) -> None:
    assert "1 of 2 runs" in mooring("runs", store, "--limit", "1").stderr


def test_runs_of_several_projects_say_which(mooring: Any, store: str) -> None:
    with Run("team/other", store=store, run_id="gamma", on_error="raise"):
        pass
    assert {row["project"] for row in _json(mooring, "runs", store)} == {
        "team/digits",
        "team/other",
    }
    assert _json(mooring, "projects", store) == [
        {"project": "team/digits", "runs": 2, "trashed": 0},
        {"project": "team/other", "runs": 1, "trashed": 0},
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("runs", "--query", "`lr` <<< 1"), "position"),
        (("runs", "--sort-by", "params/lrr"), "closest: params/lr"),
        (("runs", "--project", "team/digit"), "closest: team/digits"),
        (("run show", "alpah"), "closest: alpha"),
        (("series", "alpha", "los"), "closest: loss"),
        (("series", "alpha", "params/lr"), "run show"),
        (("series", "alpha", "line", "--buckets", "2"), "string_series"),
    ],
)
def test_errors_name_what_is_near(
    arguments: tuple[str, ...], told: str, mooring: Any, store: str
) -> None:
    command, *rest = arguments
    done = mooring(*command.split(), store, *rest)
    assert (done.exit_code, done.stdout) == (1, "")
    assert told in done.stderr


def test_run_show(mooring: Any, store: str) -> None:
    for name in ("alpha", "DIG-1"):
        shown = _json(mooring, "run", "show", store, name)
        values = {row["path"]: row["value"] for row in shown["attributes"]}
        assert (values["params/lr"], values["sys/tags"]) == (0.1, ["best"])
        series = {row["path"]: row for row in shown["series"]}
        assert (series["loss"]["count"], series["loss"]["last"], series["loss"]["max"]) == (
            10,
            0.1,
            1.0,
        )
        assert (series["line"]["last"], series["line"]["mean"]) == ("at 9", None)
        files = {row["path"]: row["size_bytes"] for row in shown["files"]}
        assert files == {"model/weights": 1000, "image": 10}


def test_run_of_two_projects_needs_the_project(mooring: Any, store: str) -> None:
    with Run("team/other", store=store, run_id="alpha", on_error="raise"):
        pass
    done = mooring("run", "show", store, "alpha")
    assert done.exit_code == 1
    assert "--project" in done.stderr
    assert mooring("run", "show", store, "alpha", "--project", "team/other").exit_code == 0


def test_series(mooring: Any, store: str) -> None:
    points = _json(mooring, "series", store, "alpha", "loss")
    assert [point["step"] for point in points] == list(range(10))
    assert points[3]["value"] == 0.25
    assert points[3]["time"].endswith("+00:00")
    assert _json(mooring, "series", store, "alpha", "loss", "--tail", "2") == points[-2:]
    (bucket,) = _json(mooring, "series", store, "alpha", "loss", "--buckets", "1")
    assert (bucket["count"], bucket["max"], bucket["last"]) == (10, 1.0, 0.1)
    assert _json(mooring, "series", store, "alpha", "line", "--tail", "1")[0]["value"] == "at 9"
    assert mooring("series", store, "alpha", "loss", "--tail", "1", "--buckets", "1").exit_code == 2


def test_compact_says_what_it_did(mooring: Any, store: str) -> None:
    before = _json(mooring, "series", store, "alpha", "loss")
    assert "would seal" in mooring("compact", store, "--dry-run").stderr
    assert not Path(f"{store}-data/segments").exists()
    report = _json(mooring, "compact", store, "--project", "team/digits")
    assert (report["points_sealed"], report["segments_written"]) == (22, 1)
    assert _json(mooring, "series", store, "alpha", "loss") == before


def test_doctor_tells_damage_by_its_exit_code(mooring: Any, store: str) -> None:
    sound = mooring("doctor", store)
    assert (sound.exit_code, "sound" in sound.stderr) == (0, True)
    mooring("compact", store)
    (segment,) = Path(f"{store}-data/segments").glob("*.parquet")
    segment.write_bytes(segment.read_bytes()[:-1] + b"X")
    for more in ((), ("--repair",)):
        hurt = mooring("doctor", store, "--json", *more)
        assert hurt.exit_code == 1
        assert {row["severity"] for row in json.loads(hurt.stdout)} == {"error"}
        assert segment.name in hurt.stdout


def test_doctor_sweeps_what_a_killed_process_left(mooring: Any, store: str) -> None:
    mooring("compact", store)
    orphan = Path(f"{store}-data/segments/orphan.parquet")
    orphan.write_bytes(b"half a file")
    os.utime(orphan, (0, 0))
    assert mooring("doctor", store).exit_code == 1
    assert orphan.exists()
    mended = mooring("doctor", store, "--repair")
    assert (mended.exit_code, "1 repaired" in mended.stderr) == (0, True)
    assert not orphan.exists()
    assert mooring("doctor", store).exit_code == 0


def test_du_counts_files_exactly(mooring: Any, store: str) -> None:
    (project,) = _json(mooring, "du", store)
    assert (project["project"], project["file_bytes"]) == ("team/digits", 1110)
    attributes = {row["attribute"]: row for row in _json(mooring, "du", store, "--by", "attribute")}
    assert attributes["image"]["file_bytes"] == 110
    assert attributes["model/weights"]["file_bytes"] == 1000
    assert attributes["loss"]["log_bytes"] > 0
    told = mooring("du", store).stderr
    assert "files 1,110" in told


def test_config_tells_where_values_come_from(mooring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_STORE", "mine.db")
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "very-secret")
    monkeypatch.delenv("MOORING_API_TOKEN", raising=False)
    rows = {row["setting"]: row for row in _json(mooring, "config", "show")}
    assert rows["store"] == {
        "setting": "store",
        "value": "mine.db",
        "source": "environment, MOORING_STORE",
    }
    assert rows["api_token"]["source"] == "environment, NEPTUNE_API_TOKEN"
    assert rows["project"]["source"] == "not set"
    assert "very-secret" not in mooring("config", "show").stdout
