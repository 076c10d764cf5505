"""What nobody would send to the optimizers service, by its grammar: an answer, never a fault."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mooring.client.token import secret_of
from mooring.optimize.methods import METHODS
from mooring.wire.auger.optimizers import OPTIMIZER_CALLS
from tests.serving import HubThread

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
FUZZ = settings(
    max_examples=1000 if LONG else 60,
    derandomize=not LONG,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
PARAMETERS = {call.path: {each.name for each in call.parameters} for call in OPTIMIZER_CALLS}
SCHEMAS = {call.path: jsonschema_rs.validator_for(dict(call.answer)) for call in OPTIMIZER_CALLS}

NAMES = st.sampled_from(["a.B", "c.D", "x", "y", "", "token", "__class__", "\0", "ü", "a" * 300])
NUMBERS = st.sampled_from(
    [
        *(0, 1, -1, 2, 0.5, -0.0, 1e-300, 5e-324, 1e308, -1e308, 2**53, 2**63, 10**400, True),
        *(math.nan, math.inf, -math.inf),
    ]
) | st.floats(-10, 10)
SCALARS = st.none() | st.booleans() | NUMBERS | NAMES
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def _object(
    needed: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Any]:
    """Objects of a form, some of whose values are anything."""
    return st.fixed_dictionaries(
        {name: _mostly(values) for name, values in needed.items()},
        optional={name: _mostly(values) for name, values in optional.items()},
    )


def _mostly(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda number: values if number else ANYTHING)


BOUNDS = st.lists(NUMBERS, min_size=2, max_size=2) | st.tuples(st.integers(-9, 9), NUMBERS)
SPECS = st.one_of(
    _object(
        {"type": st.sampled_from(["float", "int"]), "bounds": BOUNDS},
        {"log": st.booleans(), "tunable": st.booleans(), "default": NUMBERS},
    ),
    _object(
        {"type": st.just("categorical"), "values": st.lists(SCALARS, min_size=1, max_size=4)},
        {"tunable": st.booleans(), "log": st.booleans()},
    ),
    _object(
        {
            "datatype": st.sampled_from(["range", "list", "function"]),
            "values": st.lists(SCALARS, min_size=1, max_size=3),
        },
        {"list_datatype": st.sampled_from(["integer", "float", "string", "boolean"])},
    ),
    SCALARS,
)
FLAT = st.dictionaries(NAMES, st.dictionaries(NAMES, SPECS, max_size=3), max_size=2)
OPTIMIZERS = st.sampled_from(
    [*METHODS, "a.PSOOptimizer", "SkOptBaseOptimizer", "x.EnsembleOptimizer", "os.system", ""]
)
FULL = _object(
    {
        "version": st.just(1),
        "optimizers_space": st.dictionaries(
            OPTIMIZERS, st.dictionaries(st.just("num_trials"), NUMBERS), max_size=2
        ),
    },
    {
        "user_config_dict": _object(
            {
                "model_type": st.just("classification"),
                "model_group": st.fixed_dictionaries(
                    {"classification": _object({"learning_algorithms": FLAT}, {})}
                ),
            },
            {},
        ),
        "global_config_dict": _object(
            {"global": _object({"optimizers": st.lists(OPTIMIZERS, max_size=2)}, {})}, {}
        ),
        "classifier_config_dict": st.dictionaries(NAMES, ANYTHING, max_size=2),
    },
)
TRIALS = _object(
    {"algorithm_name": NAMES, "algorithm_params": st.dictionaries(NAMES, SCALARS, max_size=3)},
    {"score": NUMBERS, "error": SCALARS, "ratio": NUMBERS, "uid": SCALARS, "budget": SCALARS},
)
CONTEXTS = _object(
    {"v": st.just(1), "seed": st.integers(0, 2**53), "asked": st.integers(0, 99)},
    {
        "points": st.dictionaries(NAMES, NUMBERS, max_size=2),
        "pending": st.lists(
            _object(
                {
                    "number": st.integers(0, 9),
                    "algorithm_name": NAMES,
                    "algorithm_params": st.dictionaries(NAMES, SCALARS, max_size=3),
                },
                {},
            ),
            max_size=3,
        ),
    },
)
MORE = {"trials_history": st.lists(TRIALS, max_size=6), "optimizer_context": CONTEXTS}
SIZES = st.integers(0, 9).flatmap(lambda n: st.integers(1, 10**7) if n else NUMBERS)
BODIES = {
    "/next_trials": _object(
        {"optimizer_name": OPTIMIZERS, "search_space": FLAT | FULL},
        {
            "optimizer_params": st.dictionaries(
                st.sampled_from(["batch_size", "seed", "base_estimator"]),
                st.integers(0, 4) | NUMBERS,
            ),
            **MORE,
        },
    ),
    "/v2/next_trials": _object(
        {"trials_total_count": st.integers(0, 9), "search_space": FLAT | FULL},
        {"trials_limit": st.integers(0, 9), **MORE},
    ),
    "/fte": _object(
        {
            "alg_name": NAMES,
            "alg_params": st.dictionaries(
                st.sampled_from(["n_estimators", "max_depth", "max_features", "x"]), SCALARS
            ),
            "nrows": SIZES,
            "ncols": SIZES,
        },
        {},
    ),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield started
    started.stop()


@pytest.mark.parametrize("path", BODIES)
def test_the_optimizers_service_by_its_grammar(
    hub: HubThread, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = secret_of(hub.token("u"))
    statuses: set[int] = set()
    with httpx.Client(base_url=hub.address, timeout=120) as client:

        @FUZZ
        @given(BODIES[path], st.booleans())
        def fuzz(body: dict[str, Any], packed: bool) -> None:
            text = json.dumps({**body, "project_api_token": token}).encode()
            header = {"content-encoding": "gzip"} if packed else {}
            answer = client.post(
                path, content=gzip.compress(text) if packed else text, headers=header
            )
            statuses.add(answer.status_code)
            _check(path, answer)
            # A fault of the hub's own is answered too, and written down.
            told = capsys.readouterr().err
            assert "fault" not in told, (text, told)

        fuzz()
    assert statuses == {200, 400}


def _check(path: str, answer: httpx.Response) -> None:
    body = answer.json()
    assert body["meta"]["status"] == answer.status_code
    if answer.status_code == 200:
        SCHEMAS[path].validate(body["data"])
        return
    assert answer.status_code == 400, answer.text
    (error,) = body["meta"]["errors"]
    assert error["error_type"] == "invalid_param"
    assert error["error_param"] in PARAMETERS[path]
    assert error["message"]
