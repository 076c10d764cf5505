"""Pages of runs: of several projects, and of lists that are asked for again and again."""

from __future__ import annotations

import math
import random
from contextlib import closing
from typing import Any

import pytest

from mooring.errors import InvalidName, ProjectNotFound
from mooring.model import AttributeType, RunSpec
from mooring.query import Compare, Field, Not, Operator, Sort
from mooring.store import PathSelector, RunQuery, Store
from tests.conformance.store.conftest import Place
from tests.conformance.store.reading import run_ids

# several projects


def test_runs_of_several_projects(store: Store) -> None:
    for project in ("a", "b", "team/c"):
        for number in (1, 2):
            run = store.create_run(RunSpec(project=project, run_id=f"{project[-1]}{number}"))
            store.open_writer(run.key).assign({"n": number, project[-1]: 1})
    store.ensure_project("empty")
    sort = Sort(Field("n"), ascending=True)
    for projects, expected in {
        ("local/a",): ["a1", "a2"],
        ("a", "team/c"): ["c1", "a1", "c2", "a2"],
        ("a", "a", "unknown", "empty"): ["a1", "a2"],
        ("unknown", "empty"): [],
        (): [],
        None: ["c1", "b1", "a1", "c2", "b2", "a2"],
        (*(f"p{i}" for i in range(2000)), "b"): ["b1", "b2"],
    }.items():
        found = store.query_runs(RunQuery(projects=projects, sort=sort, limit=10))
        assert [run.run_id for run in found.runs] == expected
        assert found.total == len(expected)
        listed = store.list_attributes(None, PathSelector(patterns=("^.$",)), projects=projects)
        names = {"a", "b", "c"} & {run_id[0] for run_id in expected} | (
            {"n"} if expected else set()
        )
        assert [path for path, _ in listed] == sorted(names)
    assert run_ids(store, project="a", projects=("a", "b")) == ["a2", "a1"]
    assert run_ids(store, project="a", projects=("b",)) == []
    with pytest.raises(ProjectNotFound):
        store.query_runs(RunQuery(project="unknown", projects=("a",)))
    with pytest.raises(InvalidName):
        store.query_runs(RunQuery(projects=("a/b/c",)))


# pages of lists that were asked for before


def test_pages_follow_what_changes(place: Place) -> None:
    """The same pages again and again, of two store objects, while everything about them changes."""
    stores = [place.open(), place.open()]
    store = stores[0]
    runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(6)]
    writers = [store.open_writer(run.key) for run in runs]
    expected = {str(i): (i % 2, float(i // 2)) for i in range(6)}
    for i, writer in enumerate(writers):
        writer.assign({"even": i % 2 == 0, "score": float(i // 2)})
    named = Compare(Field("even"), Operator.EQ, True)
    by_score = Sort(Field("score", AttributeType.FLOAT), ascending=False)

    def check(
        matching: list[str], scores: dict[str, float], order: list[str], state: str = ""
    ) -> None:
        """Compare all pages with the runs that match, newest first, and their scores."""
        ranked = sorted(
            matching, key=lambda id: (id not in scores, -scores.get(id, 0.0), order.index(id))
        )
        for _ in range(3):
            for each in stores:
                for offset in range(4):
                    for sort, wanted in ((by_score, ranked), (None, matching)):
                        page = each.query_runs(
                            RunQuery(project="p", filter=named, sort=sort, limit=2, offset=offset)
                        )
                        assert [run.run_id for run in page.runs] == wanted[offset : offset + 2]
                        assert page.total == len(wanted)

    order = ["5", "4", "3", "2", "1", "0"]
    scores = {id: score for id, (_, score) in expected.items()}
    check(["4", "2", "0"], scores, order)
    writers[0].assign({"score": 9.0})
    scores["0"] = 9.0
    check(["4", "2", "0"], scores, order)
    writers[1].log({"loss": 1.0})  # which touches nothing of these
    check(["4", "2", "0"], scores, order)
    stores[1].open_writer(runs[3].key).assign({"even": True})
    check(["4", "3", "2", "0"], scores, order)
    writers[2].delete("score")
    del scores["2"]
    check(["4", "3", "2", "0"], scores, order)
    store.trash_runs([runs[4].key])
    check(["3", "2", "0"], scores, order)
    stores[1].restore_runs([runs[4].key])
    check(["4", "3", "2", "0"], scores, order)
    new = stores[1].create_run(RunSpec(project="p", run_id="new"))
    stores[1].open_writer(new.key).assign({"even": True, "score": 1.0})
    scores["new"] = 1.0
    order = ["new", *order]
    check(["new", "4", "3", "2", "0"], scores, order)
    stores[1].compact()
    check(["new", "4", "3", "2", "0"], scores, order)
    store.delete_runs([runs[0].key])
    check(["new", "4", "3", "2"], scores, order)
    fork = store.create_run(
        RunSpec(project="p", run_id="fork", parent=runs[4].key, inherit_attributes=True)
    )
    scores["fork"] = scores["4"]
    order = ["fork", *order]
    check(["fork", "new", "4", "3", "2"], scores, order)
    assert fork.parent == runs[4].key


def test_pages_tell_a_run_that_became_active_or_trashed(store: Store) -> None:
    runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(3)]
    active = Compare(Field("sys/state"), Operator.EQ, "active")
    trashed = Compare(Field("sys/trashed"), Operator.EQ, True)
    for run in runs:
        assert run_ids(store, active, limit=5) == []
        assert run_ids(store, active, limit=5) == []
        writer = store.open_writer(run.key)
        assert run_ids(store, active, limit=5) == [run.run_id]
        writer.close()
    for number, run in enumerate(runs):
        for _ in range(3):
            assert len(run_ids(store, trashed, trashed=None, limit=5)) == number
        store.trash_runs([run.key])


def test_one_and_true_are_different_questions(store: Store) -> None:
    one, true = (store.create_run(RunSpec(project="p", run_id=id)) for id in ("one", "true"))
    store.open_writer(one.key).assign({"v": 1})
    store.open_writer(true.key).assign({"v": True})
    for _ in range(3):
        assert run_ids(store, Compare(Field("v"), Operator.EQ, 1), limit=5) == ["one"]
        assert run_ids(store, Compare(Field("v"), Operator.EQ, True), limit=5) == ["true"]


def test_values_of_several_types_are_sorted_alike_on_every_page(store: Store) -> None:
    values: list[Any] = [2, "b", 2.0, math.nan, None, 2**60, "a", True, 2**60 + 1, -1.5, "a"]
    for number, value in enumerate(values):
        run = store.create_run(RunSpec(project="p", run_id=str(number)))
        if value is not None:
            store.open_writer(run.key).assign({"v": value})
    for ascending in (True, False):
        sort = Sort(Field("v"), ascending=ascending)
        whole = run_ids(store, sort=sort)
        for _ in range(3):
            paged = [
                id
                for offset in range(0, len(values), 2)
                for id in run_ids(store, sort=sort, limit=2, offset=offset)
            ]
            assert paged == whole


def test_a_list_whose_runs_change_now_and_then(place: Place) -> None:
    """What is filtered by changes itself, of one run or of some, before each question."""
    stores = [place.open(), place.open()]
    chance = random.Random(7)
    runs = [
        stores[0].create_run(
            RunSpec(project="p", run_id=str(i), created=1_767_614_400_000_000 + i // 3)
        )
        for i in range(12)
    ]
    writers = [stores[i % 2].open_writer(run.key) for i, run in enumerate(runs)]
    scores: dict[int, float] = {}
    above = Compare(Field("score", AttributeType.FLOAT), Operator.GT, 0.5)
    below = Not(above)
    for _ in range(150):
        for number in chance.sample(range(12), chance.choice([0, 1, 1, 3])):
            if number in scores and chance.random() < 0.2:
                writers[number].delete("score")
                del scores[number]
            else:
                scores[number] = chance.random()
                writers[number].assign({"score": scores[number]})
        wanted = [i for i in reversed(range(12)) if scores.get(i, 0.0) > 0.5]
        rest = [i for i in reversed(range(12)) if i not in wanted]
        ranked = sorted(wanted, key=lambda i: -scores[i])
        by_score = Sort(Field("score", AttributeType.FLOAT), ascending=False)
        for filter, sort, expected in (
            (above, None, wanted),
            (above, by_score, ranked),
            (below, None, rest),
        ):
            store = chance.choice(stores)
            page = store.query_runs(RunQuery(project="p", filter=filter, sort=sort, limit=4))
            assert [int(run.run_id) for run in page.runs] == expected[:4]
            assert page.total == len(expected)


def test_a_list_of_heads_follows_names(store: Store) -> None:
    heads = Compare(Field("sys/experiment/is_head"), Operator.EQ, True)
    runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(4)]
    expected: dict[str, str] = {}
    for number, name in [(0, "a"), (1, "b"), (2, "a"), (3, "c"), (0, "b"), (1, "a")]:
        with closing(store.open_writer(runs[number].key)) as writer:
            writer.assign({"sys/name": name})
        expected = {n: r for n, r in expected.items() if r != str(number)}
        expected[name] = str(number)
        for _ in range(3):
            found = run_ids(store, heads, limit=5)
            assert sorted(found) == sorted(expected.values())
