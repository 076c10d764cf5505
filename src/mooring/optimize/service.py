"""The optimizers service's two calls, as functions of a request: what to try next.

A request carries the whole history, so nothing is kept between requests but what the answer's
context holds and the next request hands back.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mooring.errors import InvalidInput
from mooring.optimize.context import Context, Pending, read_context
from mooring.optimize.grammar import ParsedSpace, parse_space
from mooring.optimize.history import Column, read_history, searched_names, tried
from mooring.optimize.methods import has_gp, is_label, method_of
from mooring.optimize.observations import Observation, Suggestion, TrialState
from mooring.optimize.spaces import SearchSpace
from mooring.optimize.suggesting import Suggester

MAX_BATCH = 256
"""So many trials one answer holds at most; whoever asks for more is given these."""

_MOST = 2**53

MAX_WARM = 100
"""So many of the earlier trials that a warm start offers are looked at."""


def next_trials(request: Mapping[str, Any], *, warm: Iterable[Observation] = ()) -> list[Any]:
    """Return what `/next_trials` answers: the next trials by one optimizer, and the context.

    Parameters
    ----------
    request
        `optimizer_name` and `search_space`; `optimizer_params` with `batch_size` (trials wanted,
        1), and `seed` for a search that can be repeated; `trials_history`; `optimizer_context`,
        which is the one of the answer before (any other begins anew).
    warm
        What was best on similar data, best first, for `WarmStartOptimizer`.

    Returns
    -------
    list
        `[[{"algorithm_name": …, "algorithm_params": {…}}, …], context]`. The context's `records`
        is the number of trials that the answer rests on; `fallback` tells of a method that stood
        in for the one asked for.

    Raises
    ------
    UnknownOptimizer, InvalidSpace, InvalidInput

    Examples
    --------
    >>> space = {"svm.SVC": {"C": {"type": "float", "bounds": [0.1, 10], "log": True}}}
    >>> trials, context = next_trials({
    ...     "optimizer_name": "TPEHyperoptOptimizer",
    ...     "optimizer_params": {"batch_size": 2},
    ...     "search_space": space,
    ... })
    >>> [trial["algorithm_name"] for trial in trials], context["asked"], context["records"]
    (['svm.SVC', 'svm.SVC'], 2, 0)
    """
    params = request.get("optimizer_params")
    settings = params if isinstance(params, Mapping) else {}
    name = request.get("optimizer_name")
    if not isinstance(name, str):
        raise InvalidInput(f"optimizer_name is a text, not {name!r:.80}")
    method = method_of(name, settings)
    parsed = parse_space(request.get("search_space"))
    wanted = _whole(settings.get("batch_size"), "batch_size", default=1, least=1)
    seed = settings.get("seed")
    search = _Search(
        parsed.space,
        request,
        warm=warm,
        total=None,
        seed=None if seed is None else _whole(seed, "seed", default=0, least=0),
    )
    trials = search.batch([method] * min(wanted, MAX_BATCH))
    return [trials, search.context()]


def next_trials_v2(
    request: Mapping[str, Any], *, warm: Iterable[Observation] = ()
) -> dict[str, Any]:
    """Return what `/v2/next_trials` answers: the next trials by optimizers of its own choice.

    The first come from what was best on similar data, then from a Sobol sequence: twice as many as
    there are algorithms, or what the space sets as `num_trials` of the warm start. The others come
    in turn from the optimizers that the space lists, from `tpe` where it lists none.

    Parameters
    ----------
    request
        `trials_total_count`, the budget; `trials_limit`, the most to answer with (10);
        `search_space`; `trials_history`, all finished trials, which count for the budget whatever
        came of them; `optimizer_context`, which is the one of the answer before.
    warm
        What was best on similar data, best first.

    Returns
    -------
    dict
        `{"trials": […], "optimizer_context": {…}}`, with no trials when the budget is used up or
        the space has no algorithm.

    Raises
    ------
    UnknownOptimizer, InvalidSpace, InvalidInput

    Examples
    --------
    >>> space = {"svm.SVC": {"C": {"type": "float", "bounds": [0.1, 10], "log": True}}}
    >>> answer = next_trials_v2({"trials_total_count": 3, "search_space": space})
    >>> len(answer["trials"])
    3
    """
    total = _whole(request.get("trials_total_count"), "trials_total_count", default=None, least=0)
    limit = _whole(request.get("trials_limit"), "trials_limit", default=10, least=0)
    parsed = parse_space(request.get("search_space"))
    methods, first = _schedule(parsed)
    search = _Search(parsed.space, request, warm=warm, total=total, seed=None)
    count = max(min(limit, total - len(search.history), MAX_BATCH), 0)
    begun = max(search.begun, len(search.history))
    trials = search.batch(
        [
            "warm-start" if number < first else methods[(number - first) % len(methods)]
            for number in range(begun, begun + count)
        ]
    )
    return {"trials": trials, "optimizer_context": search.context()}


class _Search:
    """One request: a suggester that was told its history and what its context holds."""

    def __init__(
        self,
        space: SearchSpace,
        request: Mapping[str, Any],
        *,
        warm: Iterable[Observation],
        total: int | None,
        seed: int | None,
    ) -> None:
        history = request.get("trials_history")
        self.history: Sequence[object] = history if isinstance(history, Sequence) else ()
        before = read_context(request.get("optimizer_context"))
        if before is None:
            before = Context(seed=secrets.randbits(53) if seed is None else seed)
        self._before = before
        self.begun = before.asked
        self._suggester = Suggester(
            space, seed=before.seed, total=total, asked=before.asked, points=before.points
        )
        self._space = space
        self._columns = read_history(self.history, space)
        for name, column in self._columns.items():
            if column.items:
                self._suggester.learn(
                    name,
                    column.scores,
                    column.partial,
                    lambda at, name=name, column=column: column.observation(name, at),  # type: ignore[misc]
                )
        known = [one for one in before.pending if _is_of(space, one)]
        done = tried([(one.algorithm, one.params) for one in known], self._columns, space)
        self._pending = [one for at, one in enumerate(known) if at not in done]
        for one in self._pending:
            self._suggester.add(
                f"pending {one.number}",
                Observation(algorithm=one.algorithm, params=one.params, state=TrialState.RUNNING),
            )
        self._warm = self._untried(warm)
        self._records = self._suggester.records
        self._fallback: str | None = None
        self._given = 0

    def batch(self, methods: Sequence[str]) -> list[dict[str, Any]]:
        """Return a trial by each of the methods; none where there is no algorithm."""
        if not len(self._space):
            return []
        return [self._next(method) for method in methods]

    def context(self) -> dict[str, Any]:
        """Return what the next request is to hand back."""
        after = Context(
            seed=self._before.seed,
            asked=self._suggester.asked,
            points=self._suggester.points,
            pending=tuple(self._pending),
        ).as_json(batch=self._given)
        after["records"] = self._records
        if self._fallback is not None:
            after["fallback"] = self._fallback
        return after

    def _next(self, method: str) -> dict[str, Any]:
        number = self._suggester.asked
        uid = f"asked {number}"
        suggestion: Suggestion | None = None
        while method == "warm-start" and self._warm and suggestion is None:
            one = self._warm.pop(0)
            suggestion = self._suggester.propose(uid, one.algorithm, one.params)
        if suggestion is None:
            suggestion = self._suggester.suggest(uid, method=method)
        if method == "gp" and not has_gp():
            self._fallback = "gp needs PyTorch, which is not installed here; tpe stands in for it"
        self._given += 1
        searched = searched_names(self._space, suggestion.algorithm)
        self._pending.append(
            Pending(
                number,
                suggestion.algorithm,
                {name: suggestion.params[name] for name in searched},
            )
        )
        return {
            "algorithm_name": suggestion.algorithm,
            "algorithm_params": dict(suggestion.params),
        }

    def _untried(self, warm: Iterable[Observation]) -> list[Observation]:
        """Return what a warm start offers and neither the history nor the pending ones hold."""
        offered = [
            one
            for one in itertools.islice(warm, MAX_WARM)
            if one.algorithm in self._space.algorithms
        ]
        candidates = [(one.algorithm, one.params) for one in offered]
        given: dict[str, Column] = {}
        for one in self._pending:
            given.setdefault(one.algorithm, Column()).items.append({"algorithm_params": one.params})
        done = tried(candidates, self._columns, self._space)
        done |= tried(candidates, given, self._space)
        return [one for at, one in enumerate(offered) if at not in done]


def _is_of(space: SearchSpace, pending: Pending) -> bool:
    """Return whether a trial that a context tells of is one of this space."""
    parameters = space.algorithms.get(pending.algorithm)
    if parameters is None:
        return False
    names = searched_names(space, pending.algorithm)
    return pending.params.keys() == set(names) and all(
        parameters[name].contains(pending.params[name]) for name in names
    )


def _schedule(parsed: ParsedSpace) -> tuple[list[str], int]:
    """Return the methods to take in turn, and how many suggestions of a warm start come first."""
    first = 2 * len(parsed.space)
    methods = []
    for name in parsed.optimizers:
        if is_label(name):
            continue
        settings = parsed.settings.get(name, {})
        method = method_of(name, settings)
        if method != "warm-start":
            methods.append(method)
        elif settings.get("num_trials") is not None:
            first = _whole(settings["num_trials"], f"{name}: num_trials", default=0, least=0)
    return methods or ["tpe"], first


def _whole(value: object, name: str, *, default: int | None, least: int) -> int:
    """Return a whole number of a request; also 5.0 is one."""
    if value is None and default is not None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} is a whole number, not {value!r:.80}")
    if not least <= value <= _MOST:
        raise InvalidInput(f"{name} is from {least} to 2^53, not {value!r:.80}")
    return value
