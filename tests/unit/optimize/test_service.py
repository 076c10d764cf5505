"""The service's two calls: histories as clients send them, contexts, budgets, warm starts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from mooring.errors import InvalidInput, InvalidSpace, UnknownOptimizer
from mooring.optimize.context import MAX_PENDING, MAX_PENDING_BYTES
from mooring.optimize.methods import has_gp
from mooring.optimize.observations import Observation
from mooring.optimize.service import MAX_BATCH, next_trials, next_trials_v2

SVC = "sklearn.svm.SVC"
FOREST = "sklearn.ensemble.RandomForestClassifier"
SPACE = {
    SVC: {
        "C": {"type": "float", "bounds": [0.1, 10], "log": True, "tunable": True},
        "kernel": {"type": "categorical", "values": ["rbf", "linear", None], "tunable": True},
        "probability": {"type": "categorical", "values": [True], "tunable": False},
    }
}
BOTH = {**SPACE, FOREST: {"n_estimators": {"type": "int", "bounds": [10, 500]}}}


def ask(space: object = SPACE, **changes: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Ask as a client does: what is sent and what is answered goes through JSON."""
    request = {
        "optimizer_name": "optimizers_service.optimizers.x.TPEHyperoptOptimizer",
        "search_space": space,
        **changes,
    }
    trials, context = json.loads(json.dumps(next_trials(request)))
    return trials, context


def ask_v2(space: object = SPACE, **changes: Any) -> dict[str, Any]:
    request = {"trials_total_count": 20, "search_space": space, **changes}
    found: dict[str, Any] = json.loads(json.dumps(next_trials_v2(request)))
    return found


def item(at: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a finished trial as clients tell of it; it is best at C = 2."""
    c = 0.1 + at % 100 / 10
    return {
        "uid": f"item {at}",
        "algorithm_name": SVC,
        "algorithm_params": {"C": c, "kernel": "rbf", "probability": True},
        "score": -abs(math.log(c / 2)),
        "error": None,
        "ratio": 1.0,
        "budget": None,
        "evaluation_time": 1.5,
        **changes,
    }


def test_one_trial_is_answered_unless_more_are_asked_for() -> None:
    trials, context = ask()

    assert [set(trial) for trial in trials] == [{"algorithm_name", "algorithm_params"}]
    assert trials[0]["algorithm_name"] == SVC
    assert list(trials[0]["algorithm_params"]) == ["C", "kernel", "probability"]
    assert trials[0]["algorithm_params"]["probability"] is True
    assert (context["v"], context["asked"], context["records"]) == (1, 1, 0)


@pytest.mark.parametrize(("batch", "count"), [(3, 3), (5.0, 5), (None, 1), (10**9, MAX_BATCH)])
def test_a_batch_is_as_large_as_asked_within_bounds(batch: object, count: int) -> None:
    space = {"a": {"x": {"type": "float", "bounds": [0, 1]}}}
    trials, _ = ask(space, optimizer_name="random", optimizer_params={"batch_size": batch})

    assert len(trials) == count


@pytest.mark.parametrize("batch", [0, -1, 1.5, "3", True, [1], math.nan, math.inf, 2**60])
def test_a_batch_of_no_size_is_refused(batch: object) -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        next_trials(
            {
                "optimizer_name": "tpe",
                "optimizer_params": {"batch_size": batch},
                "search_space": SPACE,
            }
        )


def test_unknown_optimizers_and_spaces_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(UnknownOptimizer):
        ask(optimizer_name="x.Unknown")
    with pytest.raises(UnknownOptimizer):
        ask(optimizer_name="x.EnsembleOptimizer")
    with pytest.raises(InvalidInput, match="optimizer_name"):
        ask(optimizer_name=5)
    with pytest.raises(InvalidSpace, match=SVC):
        ask({SVC: {"C": {}}})


def test_it_learns_from_the_history() -> None:
    history = [item(at) for at in range(100)]
    trials, context = ask(trials_history=history, optimizer_params={"batch_size": 20, "seed": 1})

    near = [0.7 < trial["algorithm_params"]["C"] < 5 for trial in trials]
    assert context["records"] == 100
    assert sum(near) > 14


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        "text",
        [],
        {},
        item(score=None),
        item(score=math.nan),
        item(score=-math.inf),
        item(score="0.9"),
        item(score=True),
        item(score=10**400),
        item(error="out of memory"),
        item(error={"kind": "killed"}),
        item(algorithm_name="foreign.Algorithm"),
        item(algorithm_name=None),
        item(algorithm_name=[SVC]),
        item(algorithm_params=None),
        item(algorithm_params=[1]),
        item(algorithm_params={}),
        item(algorithm_params={"C": 1.0}),
    ],
)
def test_what_is_wrong_in_a_history_is_no_record_and_no_error(wrong: Any) -> None:
    request = {
        "optimizer_name": "tpe",
        "search_space": SPACE,
        "trials_history": [wrong, item(1), wrong],
    }
    trials, context = next_trials(request)

    assert len(trials) == 1
    assert context["records"] == 1
    v2 = {"trials_total_count": 5, "search_space": SPACE, "trials_history": [wrong, wrong, wrong]}
    assert len(next_trials_v2(v2)["trials"]) == 2


@pytest.mark.parametrize("key", ["uid", "ratio", "error", "budget", "evaluation_time"])
def test_much_may_be_missing_in_a_history(key: str) -> None:
    told = item()
    del told[key]

    assert ask(trials_history=[told])[1]["records"] == 1


@pytest.mark.parametrize(
    "changes",
    [{"score": 1}, {"ratio": None}, {"ratio": "x"}, {"ratio": math.nan}, {"error": ""}],
)
def test_odd_values_that_say_enough_are_records(changes: dict[str, Any]) -> None:
    _, context = next_trials(
        {"optimizer_name": "tpe", "search_space": SPACE, "trials_history": [item(**changes)]}
    )

    assert context["records"] == 1


def test_partial_trials_are_records_where_there_are_no_others() -> None:
    part = item(ratio=0.2)

    assert ask(trials_history=[part, part])[1]["records"] == 2
    assert ask(trials_history=[part, item(), part])[1]["records"] == 1


def test_a_long_history_is_learned_from() -> None:
    history = [item(at, uid=None) for at in range(20_000)]
    trials, context = ask(trials_history=history, optimizer_params={"batch_size": 5, "seed": 1})

    assert context["records"] == 20_000
    assert sum(0.7 < trial["algorithm_params"]["C"] < 5 for trial in trials) >= 4


# ---- contexts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"what": "ever"},
        [],
        "text",
        5,
        {"v": 2, "seed": 1, "asked": 1},
        {"v": 1, "seed": "1", "asked": 1},
        {"v": 1, "seed": 1, "asked": -1},
        {"v": 1, "seed": 1, "asked": 10**30},
        {"v": 1, "seed": True, "asked": 1},
        {"v": 1, "seed": 1, "asked": 2, "pending": {"a": 1}, "points": [1]},
        {
            "v": 1,
            "seed": 1,
            "asked": 2,
            "points": {SVC: -1, "other": "x"},
            "pending": [
                None,
                {"number": 1},
                {"number": 9, "algorithm_name": SVC, "algorithm_params": {}},
                {"number": 1, "algorithm_name": SVC, "algorithm_params": {"C": "x"}},
                {"number": 1, "algorithm_name": "other", "algorithm_params": {"C": [1]}},
            ],
        },
    ],
)
@pytest.mark.parametrize("optimizer", ["tpe", "qmc"])
def test_any_context_is_accepted(context: object, optimizer: str) -> None:
    trials, after = ask(optimizer_name=optimizer, optimizer_context=context)

    assert len(trials) == 1
    assert after["v"] == 1
    assert len(after["pending"]) == 1


def test_a_fresh_search_does_not_repeat_another() -> None:
    starts = {json.dumps(ask()[0]) for _ in range(5)}

    assert len(starts) == 5


@pytest.mark.parametrize("optimizer", ["tpe", "random", "qmc", "cma-es", "gp", "warm-start"])
def test_with_its_context_a_search_goes_on_and_does_not_repeat_itself(optimizer: str) -> None:
    context: dict[str, Any] = {}
    seen = []
    for _ in range(12):
        trials, context = ask(optimizer_name=optimizer, optimizer_context=context)
        seen.append(trials[0]["algorithm_params"]["C"])

    assert context["asked"] == 12
    assert len(set(seen)) == 12


def test_the_same_request_has_the_same_answer() -> None:
    _, context = ask()
    history = [item(at) for at in range(30)]

    first, again = (ask(trials_history=history, optimizer_context=context) for _ in range(2))
    assert first == again


def test_trials_that_came_back_are_pending_no_longer() -> None:
    trials, context = ask(optimizer_params={"batch_size": 3})
    assert len(context["pending"]) == 3
    done = [
        # Clients round: six digits are enough to know it by.
        {**trial, "algorithm_params": rounded(trial["algorithm_params"]), "score": 0.5}
        for trial in trials[:2]
    ]
    _, after = ask(trials_history=done, optimizer_context=context)

    assert [one["number"] for one in after["pending"]] == [2, 3]


@pytest.mark.parametrize("odd", [10**400, math.nan, [[1]], {"a": None}, True, "2", None])
def test_odd_values_come_back_as_no_trial_that_was_given_out(odd: object) -> None:
    trials, context = ask()
    params = trials[0]["algorithm_params"]
    history = [{"algorithm_name": SVC, "algorithm_params": {**params, "C": odd}, "score": 1.0}] * 2

    _, after = next_trials(
        {
            "optimizer_name": "tpe",
            "search_space": SPACE,
            "trials_history": history,
            "optimizer_context": context,
        }
    )
    assert [one["number"] for one in after["pending"]] == [0, 1]


def rounded(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.8g}") if isinstance(value, float) else value
        for name, value in params.items()
    }


def test_a_context_stays_small() -> None:
    context: dict[str, Any] = {}
    for _ in range(4):
        _, context = ask(optimizer_params={"batch_size": 150}, optimizer_context=context)
    assert len(context["pending"]) == MAX_PENDING

    long = {"a": {f"parameter {n}": {"type": "float", "bounds": [0, 1]} for n in range(300)}}
    _, context = ask(long, optimizer_name="random", optimizer_params={"batch_size": 50})
    assert 0 < len(json.dumps(context["pending"])) <= MAX_PENDING_BYTES + 1_000


def test_what_is_never_heard_of_is_given_up() -> None:
    context: dict[str, Any] = {}
    for _ in range(80):
        _, context = ask(optimizer_name="random", optimizer_context=context)

    assert len(context["pending"]) <= 65


def test_a_seed_of_the_clients_own_makes_a_search_that_can_be_repeated() -> None:
    first, again = (ask(optimizer_params={"seed": 7, "batch_size": 4}) for _ in range(2))

    assert first == again
    assert first[1]["seed"] == 7


@pytest.mark.skipif(has_gp(), reason="PyTorch is installed")
def test_a_method_that_stands_in_is_told() -> None:
    _, context = ask(optimizer_name="x.SkOptBaseOptimizer")
    assert "PyTorch" in context["fallback"]
    assert "tpe" in context["fallback"]

    _, context = ask(
        optimizer_name="x.SkOptBaseOptimizer", optimizer_params={"base_estimator": "ET"}
    )
    assert "fallback" not in context


@pytest.mark.parametrize("space", [{}, {"version": 1, "optimizers_space": {}}])
def test_a_space_without_algorithms_has_no_trials(space: object) -> None:
    assert ask(space)[0] == []
    assert ask_v2(space)["trials"] == []


def test_an_algorithm_without_parameters_is_suggested_as_it_is() -> None:
    trials, _ = ask({"a": {}}, optimizer_params={"batch_size": 2})

    assert trials == [{"algorithm_name": "a", "algorithm_params": {}}] * 2


# ---- version 2 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "limit", "finished", "count"),
    [
        (20, None, 0, 10),
        (20, 3, 0, 3),
        (20, 10, 15, 5),
        (20, 10, 20, 0),
        (20, 10, 30, 0),
        (0, 5, 0, 0),
    ],
)
def test_as_many_are_answered_as_the_budget_has_left(
    total: int, limit: int | None, finished: int, count: int
) -> None:
    foreign = {"algorithm_name": "foreign", "score": 1.0}
    answer = ask_v2(
        trials_total_count=total,
        trials_history=[foreign] * finished,
        **({} if limit is None else {"trials_limit": limit}),
    )

    assert len(answer["trials"]) == count
    assert answer["optimizer_context"]["asked"] == count


@pytest.mark.parametrize("name", ["trials_total_count", "trials_limit"])
@pytest.mark.parametrize("value", [-1, 1.5, "3", True])
def test_a_budget_that_is_no_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        ask_v2(**{name: value})


def test_a_budget_is_needed() -> None:
    with pytest.raises(InvalidInput, match="trials_total_count"):
        ask_v2(trials_total_count=None)


def test_the_first_trials_fill_the_space_evenly() -> None:
    space = {"a": {"x": {"type": "float", "bounds": [0, 1]}}}
    answer = ask_v2(full(space, num_trials=8), trials_limit=8)

    eighths = sorted(int(trial["algorithm_params"]["x"] * 8) for trial in answer["trials"])
    assert eighths == list(range(8))
    assert answer["optimizer_context"]["points"] == {"a": 8}


def test_each_algorithm_has_trials_at_the_start() -> None:
    names = [trial["algorithm_name"] for trial in ask_v2(BOTH, trials_limit=4)["trials"]]

    assert sorted(names) == [FOREST, FOREST, SVC, SVC]


def test_unknown_optimizers_of_the_full_form_are_refused_and_labels_are_not() -> None:
    with pytest.raises(UnknownOptimizer):
        ask_v2(full(SPACE, optimizers=["x.Unknown"]))
    assert ask_v2(full(SPACE, optimizers=["x.EnsembleOptimizer"]))["trials"]


def test_after_the_start_optimizers_take_turns() -> None:
    """Of two listed, one takes points of a sequence: half of what is asked."""
    answer = ask_v2(
        full(SPACE, num_trials=2, optimizers=["x.RandomSearchOptimizer", "qmc"]), trials_limit=10
    )

    assert answer["optimizer_context"]["points"][SVC] == 10
    only = ask_v2(full(SPACE, num_trials=2, optimizers=["random"]), trials_limit=10)
    assert only["optimizer_context"]["points"][SVC] == 2


def full(
    space: dict[str, Any], *, num_trials: int = 2, optimizers: list[str] | None = None
) -> dict[str, Any]:
    return {
        "version": 1,
        "optimizers_space": {
            "x.WarmStartOptimizer": {"num_trials": num_trials},
            "x.TPEHyperoptOptimizer": {},
        },
        "user_config_dict": {
            "model_type": "classification",
            "model_group": {"classification": {"learning_algorithms": space}},
        },
        "global_config_dict": {"global": {"optimizers": optimizers}},
    }


# ---- warm starts ---------------------------------------------------------------------------------


def warm(c: float, **changes: Any) -> Observation:
    params = {"C": c, "kernel": "linear", "probability": False}
    return Observation(**{"algorithm": SVC, "params": params, "values": (0.9,), **changes})


def test_a_warm_start_comes_first_best_first() -> None:
    request = {"trials_total_count": 20, "trials_limit": 3, "search_space": full(SPACE)}
    offered = [warm(3.0, algorithm="foreign"), warm(3.0, params={"C": 1}), warm(2.0), warm(99.0)]

    trials = next_trials_v2(request, warm=offered)["trials"]

    assert [trial["algorithm_params"] for trial in trials[:2]] == [
        {"C": 2.0, "kernel": "linear", "probability": True},
        {"C": 10.0, "kernel": "linear", "probability": True},
    ]
    assert trials[2]["algorithm_params"]["C"] not in (2.0, 10.0)


def test_a_warm_start_does_not_repeat_what_was_tried_or_given_out() -> None:
    tried = item(algorithm_params={"C": 2.0, "kernel": "linear", "probability": False})
    request = {
        "optimizer_name": "WarmStartOptimizer",
        "search_space": SPACE,
        "trials_history": [tried],
    }
    offered = [warm(2.0), warm(3.0), warm(4.0)]

    first, context = next_trials(request, warm=offered)
    second, _ = next_trials({**request, "optimizer_context": context}, warm=offered)

    assert [first[0]["algorithm_params"]["C"], second[0]["algorithm_params"]["C"]] == [3.0, 4.0]


def test_other_optimizers_do_without_a_warm_start() -> None:
    request = {"optimizer_name": "random", "search_space": SPACE}

    trials, _ = next_trials(request, warm=[warm(2.0)])

    assert trials[0]["algorithm_params"]["C"] != 2.0
