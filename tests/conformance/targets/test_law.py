"""Every target keeps the law of the contract, whatever it can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import TargetRefused
from mooring.exchange.target import Inventory
from mooring.model import AttributeType
from tests.conformance.targets.conftest import Place
from tests.conformance.targets.driving import (
    FLOATS,
    Content,
    count_lost,
    everything,
    load,
    open_run,
    series,
    write,
)
from tests.conformance.targets.trackers import source_run


def test_everything_arrives_or_is_told_lost(tracked: Place, tmp_path: Path) -> None:
    target, content = tracked.reach(), everything()
    opened, lost = load(target, source_run(), content, tmp_path)
    held = opened.read_back()
    if not target.capabilities.reads_back:
        assert held is None
        return
    assert held is not None
    counts = content.counts()
    for path, type in content.attributes():
        if type is AttributeType.FILE_SERIES or path in {key[0] for key in content.files}:
            continue
        name, missing = opened.name_of(path, type), count_lost(lost, path)
        if not type.is_series:
            assert missing or name in held.values, path
        elif name in held.points:
            assert counts[path] - missing <= held.points[name] <= counts[path], path
            assert missing or held.points[name] == counts[path], path
        else:
            assert missing >= counts[path] or name in held.files, path
    for path, type, step in content.files:
        name = opened.name_of(path, type, step)
        assert count_lost(lost, path) or name in held.files, path


def test_types_that_are_declared_are_not_lost_whole(tracked: Place, tmp_path: Path) -> None:
    target, content = tracked.reach(), everything()
    _, lost = load(target, source_run(), content, tmp_path)
    counts = content.counts()
    for path, type in content.attributes():
        if type in target.capabilities.types:
            assert count_lost(lost, path) < max(counts.get(path, 1), 2), path
        else:
            assert count_lost(lost, path), path


def test_names_are_kept_apart(tracked: Place, tmp_path: Path) -> None:
    target, content = tracked.reach(), everything()
    opened, _ = load(target, source_run(), content, tmp_path)
    held = target.capabilities.types
    names = [
        opened.name_of(path, type)
        for path, type in content.attributes()
        if type is not AttributeType.FILE_SERIES and type in held
    ]
    names += [
        opened.name_of(*key) for key in content.files if key[2] is not None and key[1] in held
    ]
    assert len(set(names)) == len(names)


def test_points_are_those_that_were_sent(tracked: Place, tmp_path: Path) -> None:
    target = tracked.reach()
    sent = [(step, step / 7) for step in range(20)]
    content = Content(points={FLOATS: series(FLOATS, {"metrics/loss": sent})})
    opened, lost = load(target, source_run(), content, tmp_path)
    if FLOATS not in target.capabilities.types:
        assert count_lost(lost, "metrics/loss")
        return
    held = tracked.read(opened.id).points[opened.name_of("metrics/loss", FLOATS)]
    assert [(float(step), float(value)) for step, value in held] == sent
    assert not lost


def test_decimal_steps_are_exact_or_told(tracked: Place, tmp_path: Path) -> None:
    # 0.29 * 100 is 28.999999999999996 in doubles
    target = tracked.reach(step_multiplier=100)
    sent = [(-1.5, 0.0), (0.29, 1.0), (1.15, 2.0)]
    content = Content(points={FLOATS: series(FLOATS, {"loss": sent})})
    opened, lost = load(target, source_run(), content, tmp_path)
    if FLOATS not in target.capabilities.types:
        return
    told = count_lost(lost, "loss")
    held = [
        float(step) for step, _ in tracked.read(opened.id).points[opened.name_of("loss", FLOATS)]
    ]
    if target.capabilities.decimal_steps:
        assert held == [-1.5, 0.29, 1.15]
    else:
        wanted = [-150.0, 29.0, 115.0]
        assert held == (wanted if target.capabilities.negative_steps else wanted[1:])
    assert told == len(sent) - len(held)


def test_a_complete_run_is_found(tracked: Place, tmp_path: Path) -> None:
    opened, _ = load(tracked.reach(), source_run(), everything(), tmp_path, digest="abc")
    target = tracked.reach()
    found = target.find_run(source_run())
    if not target.capabilities.finds_runs:
        assert found is None
        return
    assert found is not None
    assert (found.id, found.complete, found.content) == (opened.id, True, "abc")
    assert target.find_run(source_run("another")) is None


def test_a_run_that_failed_is_not_complete(tracked: Place, tmp_path: Path) -> None:
    opened = open_run(tracked.reach(), source_run(), everything())
    write(opened, everything(), tmp_path)
    opened.finish(complete=False, content="abc")
    found = tracked.reach().find_run(source_run())
    assert found is None or not found.complete


def test_a_load_that_was_killed_is_gone_on_with_and_doubles_nothing(
    tracked: Place, tmp_path: Path
) -> None:
    content = everything()
    write(open_run(tracked.reach(), source_run(), content), content, tmp_path)  # and no finish
    first = tracked.reach().find_run(source_run())
    assert first is None or not first.complete
    if not tracked.reach().capabilities.finds_runs:
        with pytest.raises(TargetRefused, match="delete it"):
            load(tracked.reach(), source_run(), content, tmp_path)
        return
    opened, lost = load(tracked.reach(), source_run(), content, tmp_path)
    if first is not None:
        assert opened.id == first.id
    held = opened.read_back()
    if held is not None:
        _check_counts(held, opened.name_of, content, lost)


def _check_counts(held: Inventory, name_of, content: Content, lost) -> None:
    for type, points in content.points.items():
        for path in set(points["path"].to_pylist()):
            if (name := name_of(path, type)) in held.points:
                assert held.points[name] <= content.counts()[path], path
                if not count_lost(lost, path):
                    assert held.points[name] == content.counts()[path], path


def test_equal_ids_of_two_projects_are_two_runs(tracked: Place, tmp_path: Path) -> None:
    target = tracked.reach()
    here, there = source_run(), source_run(project="team/other")
    first, _ = load(target, here, everything(), tmp_path, digest="1")
    second, _ = load(target, there, everything(), tmp_path, digest="2")
    if target.capabilities.finds_runs:
        again = tracked.reach()
        assert again.find_run(here).content == "1"
        assert again.find_run(there).content == "2"
    assert first.read_back() is None or first.read_back() == second.read_back()


def test_ids_that_differ_in_special_characters_are_two_runs(tracked: Place, tmp_path: Path) -> None:
    target = tracked.reach()
    ids = ["a/b", "a_b", "a:b", 'it\'s "one"', "日本", "../../out", "-", "x" * 600]
    small = Content(values={"params/lr": 1.0}, points={FLOATS: series(FLOATS, {"m": [(0, 1.0)]})})
    made = [load(target, source_run(id), small, tmp_path, digest=id)[0].id for id in ids]
    assert len(set(made)) == len(ids)
    if target.capabilities.finds_runs:
        again = tracked.reach()
        assert [again.find_run(source_run(id)).content for id in ids] == ids


def test_nothing_is_written_outside_of_the_folder(tracked: Place, tmp_path: Path) -> None:
    inner = Place(tracked.tracker, tmp_path / "inner" / "deep")
    inner.folder.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if inner.folder not in path.parents}
    target = inner.reach()
    tracked.opened.append(target)
    run = source_run("../../../out", project="../..", name="../out")
    content = everything()
    opened, _ = load(target, run, content, inner.folder)
    opened.read_back()
    after = {path for path in tmp_path.rglob("*") if inner.folder not in path.parents}
    own = {path for path in after - before if path.is_relative_to(tmp_path / "user")}
    assert after - before - own == set()


def test_a_fork_tells_its_parent(tracked: Place, tmp_path: Path) -> None:
    target = tracked.reach()
    parent, _ = load(target, source_run(), everything(), tmp_path)
    child = source_run("run-2", parent="run-1", fork_step=1_500_000)
    opened, lost = load(target, child, everything(), tmp_path, parent=parent.id)
    if not target.capabilities.forks:
        assert any(entry.path is None for entry in lost)
        return
    text = repr(tracked.read(opened.id))
    assert parent.id.rpartition("/")[2] in text
    assert "1.5" in text


def test_an_empty_run_arrives(tracked: Place, tmp_path: Path) -> None:
    opened, lost = load(tracked.reach(), source_run(), Content(), tmp_path)
    assert not lost
    assert opened.id
    held = opened.read_back()
    assert held is None or not held.points
