"""Whatever space, history and method: what is suggested lies in the space, whole and as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.optimize.grammar import parse_space, space_to_json
from mooring.optimize.methods import METHODS
from mooring.optimize.observations import Direction, Observation, TrialState
from mooring.optimize.service import next_trials, next_trials_v2
from mooring.optimize.spaces import (
    Categorical,
    Constant,
    Float,
    Int,
    Parameter,
    SearchSpace,
)
from mooring.optimize.suggesting import Suggester

names = st.sampled_from(["C", "gamma", "n_estimators", "kernel", "ä b"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
choices = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=2), scalars)
finite = st.floats(-8e307, 8e307)
positive = st.floats(5e-324, 8e307)
whole = st.integers(-(2**53), 2**53)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low, high = sorted(draw(st.tuples(*[positive if log else finite] * 2)))
    step = None if log else draw(st.none() | st.floats(1e-6, 1e6))
    return Float(low, high, log=log, step=step)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low, high = sorted(draw(st.tuples(*[st.integers(1, 2**53) if log else whole] * 2)))
    return Int(low, high, log=log, step=1 if log else draw(st.integers(1, 1000)))


parameters = (
    floats()
    | ints()
    | st.lists(choices, min_size=1, max_size=5).map(Categorical)
    | choices.map(Constant)
)
spaces = st.dictionaries(
    st.sampled_from(["", "svm.SVC", "forest", "boost"]),
    st.dictionaries(names, parameters, max_size=4),
    max_size=3,
).map(SearchSpace)

bounds = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
flags = st.fixed_dictionaries({}, optional={"log": st.booleans(), "tunable": st.booleans()})
specs = st.one_of(
    st.builds(
        lambda kind, pair, more: {"type": kind, "bounds": pair, **more},
        st.sampled_from(["float", "int"]),
        st.lists(st.integers(-1000, 1000), min_size=2, max_size=2)
        | st.lists(st.floats(0.001, 1e6), min_size=2, max_size=2).map(
            lambda pair: [pair[0], pair[0] + pair[1] + 1]
        ),
        flags,
    ),
    st.builds(
        lambda values, more: {"type": "categorical", "values": values, **more},
        st.lists(scalars, min_size=1, max_size=5),
        flags,
    ),
    st.builds(
        lambda key, kind, values: {key: "range", "list_datatype": kind, "values": values},
        st.sampled_from(["datatype", "dtype"]),
        st.sampled_from(["integer", "float"]),
        st.lists(st.integers(-100, 100), min_size=1, max_size=8),
    ),
    scalars,
)
flat_spaces = st.dictionaries(
    st.sampled_from(["svm.SVC", "forest", "boost"]),
    st.dictionaries(names, specs, max_size=4),
    max_size=3,
)
junk = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})
items = junk | st.fixed_dictionaries(
    {},
    optional={
        "uid": junk,
        "algorithm_name": st.sampled_from(["svm.SVC", "forest", "boost", "foreign"]) | junk,
        "algorithm_params": st.dictionaries(names, scalars | junk, max_size=5) | junk,
        "score": st.floats() | st.integers() | junk,
        "error": junk,
        "ratio": st.floats() | junk,
    },
)


@given(spaces)
def test_a_space_comes_back_from_its_json(space: SearchSpace) -> None:
    text = json.dumps(space_to_json(space), allow_nan=False)

    back = parse_space(json.loads(text)).space

    assert list(back.algorithms) == list(space.algorithms)
    for name, held in space.algorithms.items():
        assert list(back.algorithms[name].items()) == list(held.items())


@given(space=spaces, method=st.sampled_from(METHODS), data=st.data(), seed=st.integers())
def test_suggestions_lie_in_the_space(
    space: SearchSpace, method: str, data: st.DataObject, seed: int
) -> None:
    if not len(space):
        return
    direction = data.draw(st.sampled_from(Direction))
    suggesters = [
        Suggester(space, directions=[direction], method=method, seed=seed) for _ in range(2)
    ]
    # Mostly complete ones, so that the models leave their random start.
    states = st.sampled_from([TrialState.COMPLETE] * 12 + list(TrialState))
    values = (
        st.sampled_from([0.0, 1.0, 0.5, 0.25, 0.3]) | st.integers(-9, 9).map(float) | st.floats()
    )
    for number in range(16):
        uid = str(number)
        suggestion, again = (suggester.suggest(uid) for suggester in suggesters)
        _check(space, suggestion.algorithm, suggestion.params)
        assert again == suggestion
        state = data.draw(states)
        observation = Observation(
            algorithm=suggestion.algorithm,
            params=suggestion.params,
            state=state,
            values=(data.draw(values),) if state.is_finished else None,
            intermediate={1: data.draw(values)} if state is TrialState.PRUNED else None,
            share=data.draw(st.sampled_from([1.0, 0.5])),
        )
        is_forgotten = data.draw(st.integers(0, 9)) == 9
        for suggester in suggesters:
            suggester.finish(uid, observation)
            if is_forgotten:
                suggester.forget(uid)


@given(
    space=flat_spaces,
    method=st.sampled_from(METHODS),
    history=st.lists(items, max_size=20),
    context=junk | st.just({"what": "ever"}) | st.just({"v": 1, "seed": 3, "asked": 1}),
    batch=st.integers(1, 4),
)
def test_answers_hold_whole_trials_of_the_space(
    space: dict[str, Any], method: str, history: list[Any], context: object, batch: int
) -> None:
    request = {
        "optimizer_name": method,
        "optimizer_params": {"batch_size": batch, "seed": 5},
        "search_space": space,
        "trials_history": history,
        "optimizer_context": context,
    }

    trials, after = next_trials(request)

    assert [trials, after] == next_trials(request)
    assert len(trials) == (batch if space else 0)
    parsed = parse_space(space).space
    for trial in trials:
        _check(parsed, trial["algorithm_name"], trial["algorithm_params"])
    assert json.loads(json.dumps([trials, after], allow_nan=False)) == [trials, after]
    more, _ = next_trials({**request, "optimizer_context": after})
    assert len(more) == len(trials)


@given(
    space=flat_spaces,
    history=st.lists(items, max_size=20),
    total=st.integers(0, 30),
    limit=st.integers(0, 12),
)
def test_a_budget_is_kept(
    space: dict[str, Any], history: list[Any], total: int, limit: int
) -> None:
    answer = next_trials_v2(
        {
            "trials_total_count": total,
            "trials_limit": limit,
            "search_space": space,
            "trials_history": history,
        }
    )

    expected = max(min(limit, total - len(history)), 0) if space else 0
    assert len(answer["trials"]) == expected
    parsed = parse_space(space).space
    for trial in answer["trials"]:
        _check(parsed, trial["algorithm_name"], trial["algorithm_params"])
    json.dumps(answer, allow_nan=False)


@given(flat=st.recursive(scalars | st.floats(), lambda inner: st.lists(inner, max_size=3)
                         | st.dictionaries(st.sampled_from(
                             ["version", "a", "type", "bounds", "values", "log", "tunable", "step",
                              "datatype", "optimizers_space", "user_config_dict"]), inner,
                             max_size=4), max_leaves=30))  # fmt: skip
def test_any_json_is_read_or_refused(flat: Any) -> None:
    try:
        parsed = parse_space(flat)
    except InvalidInput:
        return
    trials, _ = next_trials({"optimizer_name": "tpe", "search_space": flat})
    assert len(trials) == (1 if len(parsed.space) else 0)


@pytest.mark.parametrize("batches", [[1] * 40, [7, 1, 32], [40]])
def test_points_of_a_sequence_do_not_come_twice(batches: list[int]) -> None:
    space = {
        name: {"x": {"type": "float", "bounds": [0, 1]}, "y": {"type": "float", "bounds": [0, 1]}}
        for name in ("a", "b")
    }
    context: object = {}
    seen = []
    for batch in batches:
        trials, context = next_trials(
            {
                "optimizer_name": "qmc",
                "optimizer_params": {"batch_size": batch},
                "search_space": space,
                "optimizer_context": context,
            }
        )
        seen += [(one["algorithm_name"], *one["algorithm_params"].values()) for one in trials]
    assert len(set(seen)) == sum(batches)
    for name in ("a", "b"):
        points = [point[1:] for point in seen if point[0] == name]
        # Evenly: of the first 16 points of a sequence each quarter of the square has four.
        quarters = Counter((x < 0.5, y < 0.5) for x, y in points[:16])
        assert list(quarters.values()) == [4, 4, 4, 4]


def _check(space: SearchSpace, algorithm: str, params: Any) -> None:
    held = space.algorithms[algorithm]
    assert list(params) == list(held)
    for name, parameter in held.items():
        assert _is_allowed(parameter, params[name]), (parameter, params[name])
    json.dumps(params, allow_nan=False)


def _is_allowed(parameter: Parameter, value: object) -> bool:
    """What `Parameter.contains` says, and that types and steps are right to the letter."""
    match parameter:
        case Float(low=low, high=high, step=step):
            if type(value) is not float or not low <= value <= high:
                return False
            if step is None:
                return True
            steps = (value - low) / step
            return math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-6)
        case Int(low=low, high=high, step=step):
            return type(value) is int and low <= value <= high and (value - low) % step == 0
        case Categorical(choices=known):
            return any(type(value) is type(one) and value == one for one in known)
        case Constant(value=only):
            return type(value) is type(only) and value == only
