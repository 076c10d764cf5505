"""What the engine suggests, from what it was told."""

from __future__ import annotations

import math
import threading
from typing import Any

import optuna
import pytest

from mooring.errors import InvalidSpace, UnknownOptimizer
from mooring.optimize import replay
from mooring.optimize.observations import Direction, Observation, Suggestion, TrialState
from mooring.optimize.replay import most_telling
from mooring.optimize.spaces import Categorical, Constant, Float, Int, SearchSpace
from mooring.optimize.suggesting import Suggester

PLANE = SearchSpace.of({"x": Float(-1, 1), "y": Float(-1, 1)})


def bowl(params: Any) -> float:
    return float(-((params["x"] - 0.3) ** 2) - (params["y"] + 0.6) ** 2)


def run(suggester: Suggester, trials: int) -> list[Suggestion]:
    """Search the bowl, one trial after the other."""
    made = []
    for number in range(trials):
        suggestion = suggester.suggest(f"trial {number}")
        suggester.finish(
            f"trial {number}",
            Observation(
                algorithm=suggestion.algorithm,
                params=suggestion.params,
                values=(bowl(suggestion.params),),
            ),
        )
        made.append(suggestion)
    return made


@pytest.mark.parametrize("method", ["tpe", "cma-es"])
def test_a_method_that_learns_ends_near_the_best(method: str) -> None:
    late = run(Suggester(PLANE, method=method, seed=1), 60)[40:]

    assert {suggestion.method for suggestion in late} == {method}
    assert sorted(bowl(suggestion.params) for suggestion in late)[10] > -0.1


@pytest.mark.parametrize("method", ["random", "qmc"])
def test_a_method_that_does_not_learn_covers_the_space(method: str) -> None:
    made = run(Suggester(PLANE, method=method, seed=1), 32)

    assert {suggestion.method for suggestion in made} == {method}
    assert {(one.params["x"] > 0, one.params["y"] > 0) for one in made} == {
        (a, b) for a in (True, False) for b in (True, False)
    }


def test_it_suggests_what_optuna_would_of_the_same_trials() -> None:
    suggester = Suggester(PLANE, seed=3)
    told = [(-0.9 + 0.09 * number, 0.8 - 0.07 * number) for number in range(20)]
    for number, (x, y) in enumerate(told):
        params = {"x": x, "y": y}
        suggester.add(str(number), Observation(params=params, values=(bowl(params),)))
    seed = suggester._derived_seed(0)

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=6)
    )
    spaces: Any = {"x": optuna.distributions.FloatDistribution(-1, 1)}
    spaces["y"] = spaces["x"]
    for x, y in told:
        params = {"x": x, "y": y}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=spaces, value=bowl(params))
        )

    assert suggester.suggest("next").params == study.ask(spaces).params


def test_one_seed_is_one_search() -> None:
    first, again = (run(Suggester(PLANE, seed=5), 25) for _ in range(2))

    assert first == again
    assert first != run(Suggester(PLANE, seed=6), 25)


def test_a_search_goes_on_where_it_stopped() -> None:
    whole = run(Suggester(PLANE, seed=5), 25)
    later = Suggester(PLANE, seed=5, asked=24)
    for number, suggestion in enumerate(whole[:24]):
        params = suggestion.params
        later.add(str(number), Observation(params=params, values=(bowl(params),)))

    assert later.suggest("next") == whole[24]


def test_pending_trials_are_kept_away_from() -> None:
    """Of a batch each is elsewhere, though nothing new is known."""
    suggester = Suggester(PLANE, seed=1)
    run(suggester, 30)
    batch = [suggester.suggest(f"batch {number}").params for number in range(5)]

    assert len({(params["x"], params["y"]) for params in batch}) == 5
    again = Suggester(PLANE, seed=1)
    run(again, 30)
    again.add("other", Observation(params=batch[0], state=TrialState.RUNNING))
    assert again.suggest("one").params != batch[0]


@pytest.mark.parametrize("method", ["tpe", "gp", "cma-es", "qmc", "random", "warm-start", "nsga2"])
@pytest.mark.parametrize(
    "space",
    [
        {},
        {"a": Constant([1, {"b": None}])},
        {"a": Int(3, 3), "b": Float(0.5, 0.5), "c": Categorical([None]), "d": Int(0, 1, step=5)},
    ],
)
def test_a_space_of_constants_is_suggested_as_it_is(method: str, space: dict[str, Any]) -> None:
    suggester = Suggester(SearchSpace.of(space), method=method, seed=1)
    expected = {"a": 3, "b": 0.5, "c": None, "d": 0} if len(space) > 1 else {"a": [1, {"b": None}]}

    for number in range(12):
        suggestion = suggester.suggest(str(number))
        assert suggestion.params == (expected if space else {})
        suggester.finish(str(number), Observation(params=suggestion.params, values=(1.0,)))


def test_what_is_suggested_is_not_shared() -> None:
    suggester = Suggester(SearchSpace.of({"a": Constant([1]), "b": Categorical([[2]])}), seed=1)
    first: Any = suggester.suggest("first").params
    first["a"].append(9)
    first["b"].append(9)

    assert suggester.suggest("second").params == {"a": [1], "b": [2]}


def test_true_and_one_are_two_choices() -> None:
    suggester = Suggester(SearchSpace.of({"a": [True, 1, 1.0, "1", None]}), seed=1)
    seen = {repr(suggester.suggest(str(number)).params["a"]) for number in range(60)}

    assert seen == {"True", "1", "1.0", "'1'", "None"}


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(InvalidSpace, match="no algorithm"):
        Suggester(SearchSpace({}), seed=1).suggest("a")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UnknownOptimizer):
        Suggester(PLANE, method="Unknown", seed=1)
    with pytest.raises(UnknownOptimizer):
        Suggester(PLANE, seed=1).suggest("a", method="Unknown")


# ---- what teaches, and what does not -------------------------------------------------------------


def learned(*observations: Observation) -> int:
    suggester = Suggester(PLANE, seed=1)
    for number, observation in enumerate(observations):
        suggester.add(str(number), observation)
    suggester.suggest("next")
    return len(suggester._arms[""].model._complete())


def good(**changes: Any) -> Observation:
    params = {"x": 0.1, "y": 0.2}
    return Observation(**{"params": params, "values": (0.5,), **changes})


@pytest.mark.parametrize(
    "observation",
    [
        good(values=None),
        good(values=(math.nan,)),
        good(values=(math.inf,)),
        good(values=(1.0, 2.0)),
        good(state=TrialState.FAILED),
        good(state=TrialState.PRUNED, intermediate={1: 0.5}),
        good(state=TrialState.PRUNED, intermediate={1: math.nan}),
        good(state=TrialState.WAITING),
        good(algorithm="other"),
        good(params={"x": 0.1}),
        good(params={"x": 0.1, "y": "0.2"}),
        good(params={"x": 0.1, "y": True}),
        good(params={"x": 0.1, "y": math.nan}),
        good(params={"x": 0.1, "y": None}),
    ],
)
def test_what_says_nothing_is_no_lesson_and_no_error(observation: Observation) -> None:
    assert learned(good(), observation, good()) == 2


def test_values_beyond_the_bounds_are_moved_to_them() -> None:
    assert learned(good(params={"x": 7, "y": -(10**300), "other": object()})) == 1


def test_trials_on_a_part_of_the_data_count_only_where_there_are_no_others() -> None:
    part = good(share=0.5)

    assert learned(part, part) == 2
    assert learned(part, good(), part) == 1


def test_a_trial_on_all_data_drives_the_others_out_later_too() -> None:
    suggester = Suggester(PLANE, seed=1)
    suggester.add("part", good(share=0.5))
    suggester.suggest("first")
    suggester.finish("first", good())
    suggester.suggest("second")

    assert len(suggester._arms[""].model._complete()) == 1
    assert suggester.records == 1


def test_pruned_trials_teach_what_they_had_reached() -> None:
    pruned = Suggester(PLANE, seed=1)
    failed = Suggester(PLANE, seed=1)
    for number in range(30):
        params = {"x": -1 + number / 15, "y": 0.0}
        half = number % 2 == 0
        told = Observation(params=params, values=(bowl(params),))
        pruned_one = Observation(
            params=params, state=TrialState.PRUNED, intermediate={3: bowl(params)}
        )
        failed_one = Observation(params=params, state=TrialState.FAILED)
        pruned.add(str(number), pruned_one if half else told)
        failed.add(str(number), failed_one if half else told)

    assert pruned.suggest("next").params != failed.suggest("next").params


def test_what_is_forgotten_was_never_told() -> None:
    suggester, other = (Suggester(PLANE, seed=1) for _ in range(2))
    for number in range(12):
        params = {"x": number / 20, "y": number / 30}
        for one in (suggester, other):
            one.add(str(number), Observation(params=params, values=(bowl(params),)))
    suggester.add("wrong", good(values=(1e9,)))
    suggester.add("pending", good(state=TrialState.RUNNING))
    suggester.forget("wrong")
    suggester.forget("pending")
    suggester.forget("never told")

    assert suggester.records == other.records == 12
    assert suggester.suggest("next") == other.suggest("next")


def test_of_a_trial_what_is_told_last_holds() -> None:
    suggester = Suggester(PLANE, seed=1)
    suggester.add("a", good(values=(1.0,)))
    suggester.add("a", good(state=TrialState.FAILED))

    assert suggester.records == 0


# ---- several algorithms --------------------------------------------------------------------------

TWO = SearchSpace({"bad": {"x": Float(0, 1)}, "good": {"x": Float(0, 1), "k": Categorical(["a"])}})


def test_each_algorithm_has_its_turns_and_then_the_better_one_has_most() -> None:
    suggester = Suggester(TWO, seed=1, total=40)
    taken = []
    for number in range(40):
        suggestion = suggester.suggest(str(number))
        taken.append(suggestion.algorithm)
        offset = 1.0 if suggestion.algorithm == "good" else 0.0
        suggester.finish(
            str(number),
            Observation(
                algorithm=suggestion.algorithm,
                params=suggestion.params,
                values=(suggestion.params["x"] * 0.1 + offset,),
            ),
        )

    assert taken[:6] == ["bad", "good"] * 3
    assert taken.count("good") > 25


def test_a_small_budget_has_one_turn_each() -> None:
    suggester = Suggester(TWO, seed=1, total=5)

    assert [suggester.suggest(str(number)).algorithm for number in range(2)] == ["bad", "good"]


def test_an_algorithm_that_always_fails_is_not_tried_for_ever() -> None:
    suggester = Suggester(TWO, seed=1, total=30)
    taken = []
    for number in range(30):
        suggestion = suggester.suggest(str(number))
        taken.append(suggestion.algorithm)
        works = suggestion.algorithm == "good"
        suggester.finish(
            str(number),
            Observation(
                algorithm=suggestion.algorithm,
                params=suggestion.params,
                state=TrialState.COMPLETE if works else TrialState.FAILED,
                values=(suggestion.params["x"],) if works else None,
            ),
        )

    assert taken.count("good") > 18


# ---- several objectives --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tpe", "nsga2", "cma-es"])
def test_several_objectives_are_searched_together(method: str) -> None:
    """Both are best where x is 1; y says what is gained for one and lost for the other."""
    suggester = Suggester(
        PLANE, directions=[Direction.MAXIMIZE, Direction.MINIMIZE], method=method, seed=1
    )
    late = []
    for number in range(200):
        suggestion = suggester.suggest(str(number))
        x, y = suggestion.params["x"], suggestion.params["y"]
        suggester.finish(
            str(number), Observation(params=suggestion.params, values=(x + 0.1 * y, -x + 0.1 * y))
        )
        if number >= 150:
            late.append(x)

    assert suggester.records == 200
    assert sorted(late)[25] > 0.3


def test_a_genetic_search_goes_on_from_what_is_replayed() -> None:
    suggester = Suggester(
        PLANE, directions=[Direction.MAXIMIZE, Direction.MAXIMIZE], method="nsga2", seed=1
    )
    for number in range(200):
        x = -1 + number / 100
        suggester.add(str(number), Observation(params={"x": x, "y": 0.5}, values=(x, x)))

    made = sorted(suggester.suggest(f"n{number}").params["x"] for number in range(21))
    assert made[10] > 0.4


# ---- methods that another stands in for ----------------------------------------------------------


def test_gaussian_processes_without_pytorch_are_tpe() -> None:
    if replay.has_gp():
        pytest.skip("PyTorch is installed")
    assert Suggester(PLANE, method="gp", seed=1).suggest("a").method == "tpe"


def test_cma_es_needs_two_numbers() -> None:
    space = SearchSpace.of({"x": Float(-1, 1), "y": [-1, 0, 1]})

    assert {one.method for one in run(Suggester(space, method="cma-es", seed=1), 12)} == {"tpe"}


def test_cma_es_of_very_many_numbers_is_tpe() -> None:
    space = SearchSpace.of({f"x{number}": Float(0, 1) for number in range(101)})

    assert Suggester(space, method="cma-es", seed=1).suggest("a").method == "tpe"


def test_cma_es_narrows_as_it_would_in_one_process() -> None:
    """From what is replayed it goes on, and does not begin anew with each suggestion."""
    made = run(Suggester(PLANE, method="cma-es", seed=1), 150)

    assert {one.method for one in made} == {"cma-es"}
    assert min(bowl(suggestion.params) for suggestion in made[130:]) > -1e-3


def test_cma_es_learns_from_trials_of_others() -> None:
    suggester = Suggester(PLANE, method="cma-es", seed=1)
    for number in range(120):
        params = {"x": math.sin(number), "y": math.cos(7 * number)}
        suggester.add(str(number), Observation(params=params, values=(bowl(params),)))

    made = run(suggester, 60)
    assert max(bowl(suggestion.params) for suggestion in made[40:]) > -0.01


def test_cma_es_leaves_choices_to_estimators() -> None:
    space = SearchSpace.of(
        {"k": ["a", "b", "c"], "x": Float(-1, 1), "y": Float(-1, 1), "n": Int(1, 9, log=True)}
    )
    suggester = Suggester(space, method="cma-es", seed=1)
    late = []
    for number in range(60):
        suggestion = suggester.suggest(str(number))
        score = bowl(suggestion.params) + (suggestion.params["k"] == "b") * 2
        suggester.finish(str(number), Observation(params=suggestion.params, values=(score,)))
        if number >= 40:
            late.append(suggestion)

    assert {one.method for one in late} == {"cma-es"}
    assert list(late[0].params) == ["k", "x", "y", "n"]
    assert sum(one.params["k"] == "b" for one in late) > 12


# ---- long histories ------------------------------------------------------------------------------


def test_a_model_sees_the_best_and_the_newest_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MODEL_TRIALS", 60)
    suggester = Suggester(PLANE, seed=1)
    for number in range(500):
        params = {"x": math.sin(number), "y": math.cos(number)}
        suggester.add(str(number), Observation(params=params, values=(bowl(params),)))
    suggester.suggest("next")

    assert suggester.records == 500
    seen = {params["x"] for params, _ in suggester._arms[""].model._complete()}
    assert len(seen) == 60
    best = max(range(500), key=lambda at: bowl({"x": math.sin(at), "y": math.cos(at)}))
    assert {math.sin(best), math.sin(499), math.sin(498)} <= seen


def test_a_long_search_stays_bounded_and_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MODEL_TRIALS", 60)
    suggester = Suggester(PLANE, seed=1)
    late = run(suggester, 150)[120:]

    assert len(suggester._arms[""].model._complete()) <= 90
    assert sorted(bowl(suggestion.params) for suggestion in late)[15] > -0.1


def test_what_is_kept_of_many_scores() -> None:
    import numpy as np

    scores = np.zeros(10_000)
    scores[[5, 77, 4_000]] = [3.0, 2.0, 1.0]
    kept = most_telling(scores, limit=100)

    assert len(kept) == len(set(kept)) == 100
    assert kept == sorted(kept)
    assert {5, 77, 4_000, *range(9_995, 10_000)} <= set(kept)
    gaps = np.diff([at for at in kept if at < 9_995])
    assert gaps.max() < 250


def test_what_is_told_at_once_is_what_is_told_one_by_one() -> None:
    at_once, one_by_one = (Suggester(PLANE, seed=1) for _ in range(2))
    points = [{"x": math.sin(number), "y": math.cos(number)} for number in range(40)]
    scores = [bowl(point) if number % 5 else math.nan for number, point in enumerate(points)]
    told = [
        Observation(params=point, values=(score,))
        for point, score in zip(points, scores, strict=True)
    ]
    at_once.learn("", scores, [False] * 40, told.__getitem__)
    for number, observation in enumerate(told):
        one_by_one.add(str(number), observation)

    assert at_once.records == one_by_one.records == 32
    assert at_once.suggest("next") == one_by_one.suggest("next")


# ---- proposals, threads --------------------------------------------------------------------------


def test_a_proposal_is_moved_into_the_space() -> None:
    space = SearchSpace(
        {"svc": {"C": Float(0, 1), "kernel": Categorical(["a", "b"]), "n": Constant(5)}}
    )
    suggester = Suggester(space, seed=1)

    proposal = suggester.propose("a", "svc", {"kernel": "b", "C": 7, "other": 1})

    assert proposal == Suggestion(
        algorithm="svc", params={"C": 1.0, "kernel": "b", "n": 5}, method="warm-start"
    )
    assert suggester.asked == 1
    assert suggester.propose("b", "svc", {"kernel": "c", "C": 7}) is None
    assert suggester.propose("b", "svc", {"kernel": "b"}) is None
    assert suggester.propose("b", "forest", {}) is None


def test_processes_that_draw_by_trial_take_different_points() -> None:
    first, second = (Suggester(PLANE, method="qmc", seed=1) for _ in range(2))
    both = [first.suggest("0", draw=0), second.suggest("1", draw=1), first.suggest("2", draw=2)]
    alone = Suggester(PLANE, method="qmc", seed=1)

    assert both == [alone.suggest(str(number)) for number in range(3)]


def test_threads_may_share_one() -> None:
    suggester = Suggester(PLANE, seed=1)

    def work(worker: int) -> None:
        for number in range(15):
            uid = f"{worker} {number}"
            params = suggester.suggest(uid).params
            suggester.finish(uid, Observation(params=params, values=(bowl(params),)))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert suggester.records == suggester.asked == 60


def test_no_word_of_the_studies_in_memory(capfd: pytest.CaptureFixture[str]) -> None:
    run(Suggester(TWO.of({"x": Float(-1, 1), "y": Float(-1, 1)}), seed=1), 15)

    assert capfd.readouterr().err == ""
