"""What every target does, driven by the engine with a store that has one of everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring import Run
from mooring.exchange.loading import LoadReport, RunStatus, load_runs
from mooring.exchange.selection import Selection
from mooring.exchange.source import SourceRun
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings, Target, TargetRun
from mooring.model import AttributeType
from mooring.store import Store, open_store
from tests.conformance.targets.packages import MLFLOW_WARNS
from tests.conformance.targets.sample import PROJECT

pytestmark = MLFLOW_WARNS

OpenTarget = Callable[..., Target]

SERIES = (
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
)


def statuses(report: LoadReport) -> set[RunStatus]:
    return {run.status for run in report.runs}


def told(report: LoadReport) -> str:
    """Everything that went wrong, for the message of a failing test."""
    return "\n".join(
        str(problem) for run in report.runs for problem in (run.status, *run.problems)
    ) + "\n".join(str(problem) for problem in report.problems)


def test_a_load_arrives_whole(sample: Store, open_target: OpenTarget) -> None:
    target = open_target()
    report = load_runs(StoreSource(sample), target)

    assert report.is_complete, told(report)
    assert statuses(report) == {RunStatus.LOADED}
    assert all(run.checked for run in report.runs) == target.capabilities.reads_back
    assert len({run.id for run in report.runs}) == len(report.runs) == 6


def test_the_manifest_tells_every_attribute(sample: Store, open_target: OpenTarget) -> None:
    target = open_target()
    source = StoreSource(sample)
    report = load_runs(source, target)
    assert report.manifest is not None
    manifest = json.loads(report.manifest.read_text())

    assert manifest["outcome"] == report.outcome
    by_id = {(run["project"], run["run_id"]): run for run in manifest["runs"]}
    for run in source.list_runs(PROJECT):
        listed = by_id[(PROJECT, run.run_id)]
        paths = {*source.read_values(run), *(series.path for series in source.list_series(run))}
        assert set(listed["attributes"]) == paths
        states = {entry["state"] for entry in listed["attributes"].values()}
        assert states <= {"arrived", "cannot be held"}


def test_what_it_cannot_hold_is_told(sample: Store, open_target: OpenTarget) -> None:
    target = open_target()
    source = StoreSource(sample)
    report = load_runs(source, target)
    root = next(run for run in report.runs if (run.project, run.run_id) == (PROJECT, "root"))
    lost = {loss.path for loss in root.lost}
    held = target.capabilities

    run = next(run for run in source.list_runs(PROJECT) if run.run_id == "root")
    for series in source.list_series(run):
        assert (series.path in lost) or series.type in held.types
    assert held.decimal_steps or "decimal" in lost
    assert (held.infinity and held.nan) or "odd" in lost
    assert report.outcome != "completed" or not lost


@pytest.mark.parametrize("forgetful", [False, True], ids=["journal", "no journal"])
def test_what_is_there_is_not_loaded_again(
    sample: Store, open_target: OpenTarget, forgetful: bool
) -> None:
    first = load_runs(StoreSource(sample), open_target())
    target = open_target()
    if forgetful:
        if not target.capabilities.finds_runs:
            pytest.skip("only the journal knows")
        for file in Path(".mooring").glob("*.jsonl"):
            file.unlink()
    second = load_runs(StoreSource(sample), target)

    assert statuses(second) == {RunStatus.PRESENT}, told(second)
    assert [run.id for run in second.runs] == [run.id for run in first.runs]
    assert [run.content for run in second.runs] == [run.content for run in first.runs]
    assert second.outcome == first.outcome or forgetful


def test_a_run_that_changed_is_told_and_left(open_target: OpenTarget, tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs.db")
    with Run(PROJECT, store=store, run_id="one", name="n") as run:
        run.log({"loss": 1.0}, step=0)
    first = load_runs(StoreSource(store), open_target())
    with Run(PROJECT, store=store, run_id="one", resume=True) as run:
        run.log({"loss": 2.0}, step=1)
    second = load_runs(StoreSource(store), open_target())
    store.close()

    assert first.is_complete, told(first)
    assert statuses(second) == {RunStatus.CHANGED}
    assert not second.is_complete
    assert "other content" in told(second)


def test_a_dry_run_writes_nothing(sample: Store, open_target: OpenTarget, place: Path) -> None:
    report = load_runs(StoreSource(sample), open_target(), dry_run=True)

    assert statuses(report) == {RunStatus.WOULD_LOAD}
    assert not Path(".mooring").exists()
    assert statuses(load_runs(StoreSource(sample), open_target())) == {RunStatus.LOADED}


def test_a_part_can_be_loaded(sample: Store, open_target: OpenTarget) -> None:
    chosen = Selection(
        projects=(PROJECT,), run_ids=frozenset({"fork"}), attributes=("^train/|^params/",)
    )
    report = load_runs(StoreSource(sample), open_target(), selection=chosen)

    (run,) = report.runs
    assert run.status is RunStatus.LOADED, told(report)
    assert run.series == 1
    assert any("root" in loss.why for loss in run.lost)  # its parent is not there


def test_a_call_that_is_repeated_changes_nothing(
    sample: Store, open_target: OpenTarget, place: Path
) -> None:
    """What a load hands over once more after a kill is in the target once."""
    target = open_target()
    if not (target.capabilities.reads_back and target.capabilities.resumes):
        pytest.skip("it cannot be asked")
    source = StoreSource(sample)
    run = next(run for run in source.list_runs(PROJECT) if run.run_id == "root")

    once = _fill(target, source, run, place, found=False)
    again = open_target()
    found = again.find_run(run)
    assert found is not None
    assert not found.complete
    twice = _fill(again, source, run, place, found=True)
    twice = _fill(again, source, run, place, found=True)

    assert twice == once


def test_names_that_meet_are_kept_apart(sample: Store, open_target: OpenTarget) -> None:
    target = open_target()
    source = StoreSource(sample)
    run = next(run for run in source.list_runs(PROJECT) if run.run_id.startswith("it's"))
    values = source.read_values(run)
    opened = target.open_run(run, values, parent=None, found=False)
    paths = [(series.path, series.type) for series in source.list_series(run)]
    plan = getattr(opened, "plan_names", None)
    if plan is not None:
        plan(paths)
    names = [opened.name_of(path, type) for path, type in paths]
    opened.finish(complete=False, content="")

    assert len(set(names)) == len(paths)


class Cut(BaseException):
    """Stands for the end of the process: nothing catches it."""


class CutTarget:
    """A target whose runs end the load after so many calls, before or after the call."""

    def __init__(self, target: Target, calls: int, *, after: bool) -> None:
        self._target = target
        self.left = calls
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def open_run(self, *arguments: Any, **options: Any) -> Any:
        run = self.count(lambda: self._target.open_run(*arguments, **options))
        return CutRun(run, self)

    def count(self, call: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self._after:
            raise Cut
        result = call()
        if self.left == 0:
            raise Cut
        return result


class CutRun:
    def __init__(self, run: TargetRun, target: CutTarget) -> None:
        self._run = run
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._run, name)
        if name not in ("write_values", "write_points", "write_file", "finish"):
            return found
        return lambda *arguments, **options: self._target.count(
            lambda: found(*arguments, **options)
        )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_load_that_is_cut_goes_on(
    sample: Store, open_target: OpenTarget, place: Path, after: bool
) -> None:
    """Cut after each third call, until nothing is left: the result is that of one load."""
    source = StoreSource(sample)
    if not open_target().capabilities.finds_runs:
        pytest.skip("runs that were begun cannot be found")
    resumes = open_target().capabilities.resumes
    for attempt in range(100):
        # One that begins a run again needs ever more calls to come through it.
        target = CutTarget(open_target(), 3 if resumes else 3 + 10 * attempt, after=after)
        try:
            report = load_runs(source, target)
        except Cut:
            continue
        break
    else:
        pytest.fail("it gets nowhere")

    assert report.is_complete, told(report)
    if not resumes:
        return  # a run that is complete cannot be opened again to be compared
    whole = open_target(LoadSettings(name_prefix="whole"))
    uncut = load_runs(source, whole, journal=place / "whole.jsonl")
    assert _inventories(open_target(), source, report) == _inventories(
        open_target(LoadSettings(name_prefix="whole")), source, uncut
    )


def _fill(
    target: Target, source: StoreSource, run: SourceRun, place: Path, *, found: bool
) -> tuple[Any, ...]:
    values = source.read_values(run)
    opened = target.open_run(run, values, parent=None, found=found)
    plain = {path: value for path, value in values.items() if not hasattr(value, "location")}
    series = source.list_series(run)
    plan = getattr(opened, "plan_names", None)
    if plan is not None:
        plan(
            [*((path, AttributeType.STRING) for path in plain), *((s.path, s.type) for s in series)]
        )
    opened.write_values(plain)
    for type in SERIES:
        if type in target.capabilities.types:
            opened.write_points(type, source.read_points(run, type))
    content = place / "content"
    for path, value in values.items():
        if path not in plain:
            with source.open_file(value) as file:  # type: ignore[arg-type]
                content.write_bytes(file.read())
            opened.write_file(path, AttributeType.FILE, None, value, content)  # type: ignore[arg-type]
    held = opened.read_back()
    opened.finish(complete=False, content="")
    if held is None:
        held = opened.read_back()
    assert held is not None
    return held.values, dict(held.points), dict(held.files), dict(held.different)


def _inventories(target: Target, source: StoreSource, report: LoadReport) -> list[Any]:
    found = []
    for load in report.runs:
        run = next(r for r in source.list_runs(load.project) if r.run_id == load.run_id)
        opened = target.open_run(run, source.read_values(run), parent=None, found=True)
        assert opened.id == load.id
        held = opened.read_back()
        if held is not None:
            files = {path: size for path, size in held.files.items() if "mooring" not in path}
            found.append((held.values, dict(held.points), files))
    return found
