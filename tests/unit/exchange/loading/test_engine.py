"""The engine: order, failures by attribute, resume, read-back, what is said in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring import Run
from mooring.errors import InvalidInput, ProjectNotFound
from mooring.exchange.loading import LoadReport, RetrySettings, RunStatus, load_runs
from mooring.exchange.selection import Selection
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings
from mooring.store import Store, open_store
from tests.unit.exchange.loading.folder import FolderTarget

FAST = RetrySettings(attempts=3, first_wait_s=0.001)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(here: Path) -> Iterator[Store]:
    store = open_store(here / "runs.db")
    with Run("team/p", store=store, run_id="old", name="e") as old:
        old["lr"] = 0.1
        old.log({"a": 1.0, "b": 2.0, "text": "x"}, step=0)
        old.log({"a": 2.0, "b": 3.0}, step=1)
        old["file"].upload(b"four", name="f.txt")
        for step in range(2):
            old.log_file("files", b"x" * (step + 1), step=step, name="s.txt")
    with Run("team/p", store=store, run_id="fork", parent="old", fork_step=0) as fork:
        fork.log({"a": 3.0}, step=1)
    yield store
    store.close()


def load(store: Store, target: FolderTarget, **options: object) -> LoadReport:
    return load_runs(StoreSource(store), target, retry=FAST, **options)  # type: ignore[arg-type]


def test_everything_arrives_and_is_completed(store: Store, here: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = FolderTarget(here / "t")
    report = load(store, target, progress=lambda done, total: seen.append((done, total)))

    assert report.is_complete
    assert [run.run_id for run in report.runs] == ["old", "fork"]
    old = report.runs[0]
    assert (old.series, old.points, old.files, old.bytes) == (3, 5, 3, 7)
    assert old.checked
    assert seen == [(1, 2), (2, 2)]
    assert target.parents == {"old": None, "fork": "team_p_old"}


def test_completed_is_only_said_when_nothing_is_missing(store: Store, here: Path) -> None:
    with_times = load(store, FolderTarget(here / "t"))
    assert with_times.outcome == "completed, but for what the target cannot hold"
    again = load(store, FolderTarget(here / "t"))
    assert [run.status for run in again.runs] == [RunStatus.PRESENT] * 2
    assert again.outcome == with_times.outcome
    plain = load(
        store,
        FolderTarget(here / "other"),
        selection=Selection(run_ids=frozenset({"old"}), attributes=("^(lr|a|b)$",)),
    )
    assert plain.outcome == "completed"


def test_an_attribute_that_fails_does_not_stop_the_run(store: Store, here: Path) -> None:
    target = FolderTarget(here / "t", refuses=frozenset({"a"}))
    report = load(store, target)

    old = report.runs[0]
    assert old.status is RunStatus.PARTIAL
    assert [str(problem) for problem in old.problems] == ["a: no a here"]
    assert (old.series, old.files) == (2, 3)
    assert "finish False" in target.calls
    assert not report.is_complete
    assert report.manifest is not None
    manifest = json.loads(report.manifest.read_text())
    assert manifest["runs"][0]["attributes"]["a"]["state"] == "failed"

    target = FolderTarget(here / "t")
    report = load(store, target)
    assert report.is_complete
    assert [call for call in target.calls if call.startswith(("points", "file", "values"))] == [
        "points a",
        "points a",
    ]


def test_what_fails_for_the_moment_is_tried_again(store: Store, here: Path) -> None:
    report = load(store, FolderTarget(here / "t", passing=2))
    assert report.is_complete


def test_a_target_that_is_gone_ends_the_load(store: Store, here: Path) -> None:
    target = FolderTarget(here / "t", passing=1_000_000)
    report = load(store, target)

    assert [run.status for run in report.runs] == [RunStatus.FAILED, RunStatus.FAILED]
    retry = RetrySettings(attempts=2, first_wait_s=0.001, give_up_after=1)
    report = load_runs(StoreSource(store), target, retry=retry)
    assert [run.status for run in report.runs] == [RunStatus.FAILED, RunStatus.NOT_REACHED]
    assert "broke off" in str(report.problems[0])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("path", ["lr", "b", "file", "files"])
def test_what_is_missing_when_it_is_read_back_is_told(
    store: Store, here: Path, path: str, late: bool
) -> None:
    report = load(store, FolderTarget(here / "t", loses=frozenset({path}), late=late))

    old = report.runs[0]
    assert old.status is RunStatus.PARTIAL
    assert {problem.what for problem in old.problems} == {path}
    if not late:  # it was marked before it could be asked: only the report tells
        report = load(store, FolderTarget(here / "t"))
        assert report.is_complete, report.runs[0].problems


def test_a_target_that_cannot_find_runs_is_told_by_the_journal(store: Store, here: Path) -> None:
    first = load(store, FolderTarget(here / "t", finds=False))
    target = FolderTarget(here / "t", finds=False)
    second = load(store, target)

    assert first.is_complete
    assert [run.status for run in second.runs] == [RunStatus.PRESENT] * 2
    assert target.calls == []


def test_a_run_that_was_cut_and_cannot_be_found_is_told(store: Store, here: Path) -> None:
    load(store, FolderTarget(here / "t", finds=False, refuses=frozenset({"a"})))
    report = load(store, FolderTarget(here / "t", finds=False))

    assert any("may hold that one too" in loss.why for loss in report.runs[0].lost)


def test_a_run_that_changed_is_left(store: Store, here: Path) -> None:
    load(store, FolderTarget(here / "t"))
    with Run("team/p", store=store, run_id="old", resume=True) as run:
        run["lr"] = 0.2
    report = load(store, FolderTarget(here / "t"))

    assert [run.status for run in report.runs] == [RunStatus.CHANGED, RunStatus.PRESENT]
    assert not report.is_complete


def test_a_newer_run_of_the_experiment_changes_no_other(store: Store, here: Path) -> None:
    load(store, FolderTarget(here / "t"))
    Run("team/p", store=store, run_id="newer", name="e").close()
    report = load(store, FolderTarget(here / "t"))

    assert [run.status for run in report.runs] == [
        RunStatus.PRESENT,
        RunStatus.PRESENT,
        RunStatus.LOADED,
    ]


def test_other_steps_are_other_content(store: Store, here: Path) -> None:
    first = load(store, FolderTarget(here / "t"))
    second = load(store, FolderTarget(here / "t2"), settings=LoadSettings(step_multiplier=10))
    assert first.runs[0].content != second.runs[0].content


def test_a_file_that_is_gone_costs_that_file(store: Store, here: Path) -> None:
    source = StoreSource(store)
    run = source.list_runs("team/p")[0]
    file = source.read_values(run)["file"]
    blob = next(path for path in here.rglob("*") if file.location in path.name)  # type: ignore[union-attr]
    blob.unlink()
    report = load(store, FolderTarget(here / "t"))

    assert report.runs[0].status is RunStatus.PARTIAL
    assert [problem.what for problem in report.runs[0].problems] == ["file"]
    assert report.runs[1].status is RunStatus.LOADED


def test_a_dry_run_tells_and_does_nothing(store: Store, here: Path) -> None:
    target = FolderTarget(here / "t")
    report = load(store, target, dry_run=True)

    assert [run.status for run in report.runs] == [RunStatus.WOULD_LOAD] * 2
    assert (report.runs[0].points, report.runs[0].files) == (5, 3)
    assert target.calls == []
    assert not Path(".mooring").exists()
    assert report.outcome == "nothing was written"


def test_what_the_selection_names_has_to_be_there(store: Store, here: Path) -> None:
    with pytest.raises(ProjectNotFound):
        load(store, FolderTarget(here / "t"), selection=Selection(projects=("team/q",)))


def test_two_loads_do_not_write_one_journal(store: Store, here: Path) -> None:
    from mooring.exchange.loading.journal import Journal

    held = Journal(here / "j", source=store.address, target=str(here / "t"))
    with pytest.raises(InvalidInput, match="another load"):
        load(store, FolderTarget(here / "t"), journal=here / "j")
    held.close()


def test_a_run_with_unreadable_points_is_not_complete(store: Store, here: Path) -> None:
    class Holey(StoreSource):
        def read_points(self, run, type, paths=None):  # type: ignore[no-untyped-def]
            if paths and "b" in paths:
                if len(paths) > 1:
                    raise OSError("no such part")
                self.problems.add("b", "a bad page")
                return super().read_points(run, type, []).slice(0, 0)
            return super().read_points(run, type, paths)

    report = load_runs(Holey(store), FolderTarget(here / "t"), retry=FAST)
    old = report.runs[0]
    assert old.status is RunStatus.PARTIAL
    assert old.series == 2
    assert "b: a bad page" in [str(problem) for problem in old.problems]
