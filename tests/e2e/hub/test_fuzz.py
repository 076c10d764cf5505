"""What nobody would send: the resource API by its own description, calls of the store by shape."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mooring.errors import InvalidValue
from mooring.model import AttributeType, FileRef, Histogram, RunKind, RunSpec, Typed
from mooring.query import Aggregate, And, Compare, Exists, Field, Not, Operator, Or, Sort
from mooring.store.contract import Lineage, PathSelector, RunQuery, SeriesQuery
from mooring.store.hub.messages import CALLS, CODEC, ROOT
from mooring.wire.auger.openapi import describe
from tests.e2e.hub.conftest import Site

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(describe("http://127.0.0.1"))
OPERATIONS = {
    f"{operation.ok().method.upper()} {operation.ok().path}": operation.ok()
    for operation in SCHEMA.get_all_operations()
}
FUZZ = settings(
    max_examples=200 if LONG else 8,
    derandomize=not LONG,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _known(site: Site) -> list[Any]:
    """Return ids that are there, so that not every request ends at what it does not find."""
    return ["r", site.run, str(site.run), "auger/project", 1, 2, site.blob]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_resource_api_by_its_description(site: Site, name: str) -> None:
    operation = OPERATIONS[name]
    known = _known(site)

    @FUZZ
    @given(operation.as_strategy(), st.data())
    def fuzz(case: Any, data: st.DataObject) -> None:
        for parameters in (case.path_parameters, case.body):
            if isinstance(parameters, dict):
                for key in list(parameters):
                    if key.endswith("id") and data.draw(st.booleans()):
                        parameters[key] = data.draw(st.sampled_from(known))
        case.headers.update(site.headers(data.draw(st.sampled_from(["owner", "viewer"]))))
        case.call_and_validate(base_url=site.hub.address, checks=CHECKS)

    fuzz()
    assert site.hub.hub.store.check().ok


def test_the_description_is_served(site: Site) -> None:
    served = httpx.get(f"{site.hub.address}/api/v1/openapi.json").json()
    described = describe(site.hub.address)
    assert served["paths"].keys() == described["paths"].keys()
    assert served["servers"] == [{"url": site.hub.address}]


TEXTS = st.sampled_from(
    ["team/open", "r", "loss", "sys/id", "", "..", "\0", "a" * 2000, "[", "(", "%", "a" * 32]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INTEGERS = st.sampled_from(
    [0, 1, -1, 2, 10**6, 2**31, 2**53, 2**63 - 1, -(2**63), 2**63, 10**30, 10**18]
)
NUMBERS = INTEGERS | st.floats()
TYPES = st.sampled_from(AttributeType)
FIELDS = st.builds(Field, TEXTS, TYPES | st.none(), st.sampled_from(Aggregate) | st.none())
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
EXPRESSIONS = st.recursive(
    st.builds(Compare, FIELDS, st.sampled_from(Operator), SCALARS | st.lists(SCALARS, max_size=2))
    | st.builds(Exists, FIELDS),
    lambda inner: (
        st.builds(And, st.tuples(inner, inner))
        | st.builds(Or, st.tuples(inner))
        | st.builds(Not, inner)
    ),
    max_leaves=4,
)


def _maybe(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | some


SPECS = st.builds(
    RunSpec,
    project=TEXTS,
    run_id=_maybe(TEXTS),
    sys_id=_maybe(TEXTS),
    name=_maybe(TEXTS),
    kind=st.sampled_from(RunKind),
    parent=_maybe(INTEGERS),
    fork_step=_maybe(INTEGERS),
    created=_maybe(INTEGERS),
    owner=_maybe(TEXTS),
)
QUERIES = st.builds(
    RunQuery,
    project=_maybe(TEXTS),
    projects=_maybe(st.tuples(TEXTS)),
    filter=_maybe(EXPRESSIONS),
    trashed=_maybe(st.booleans()),
    sort=_maybe(st.builds(Sort, FIELDS, st.booleans())),
    limit=_maybe(INTEGERS),
    offset=INTEGERS,
)
SELECTS = st.builds(
    PathSelector,
    paths=_maybe(st.tuples(TEXTS)),
    patterns=_maybe(st.tuples(TEXTS)),
    types=_maybe(st.frozensets(TYPES, max_size=2)),
)
SERIES = st.builds(
    SeriesQuery,
    step_from=_maybe(INTEGERS),
    step_to=_maybe(INTEGERS),
    tail=_maybe(INTEGERS),
    lineage=st.sampled_from(Lineage),
    include_previews=st.booleans(),
)
VALUES = (
    SCALARS
    | st.builds(FileRef, TEXTS, INTEGERS, TEXTS, TEXTS)
    | st.builds(Typed, TYPES, SCALARS)
    | st.just(Histogram((0.0, 1.0), (1.0,)))
    | st.binary(max_size=3)
    | st.lists(SCALARS, max_size=2)
    | st.frozensets(TEXTS, max_size=2)
)
KEYS = st.just(1) | INTEGERS
SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "spec": SPECS,
    "query": QUERIES,
    "select": SELECTS,
    "key": KEYS,
    "keys": _maybe(st.lists(KEYS, max_size=3)),
    "project": _maybe(TEXTS),
    "projects": _maybe(st.tuples(TEXTS)),
    "fields": st.lists(FIELDS, max_size=2),
    "columns": _maybe(st.lists(TEXTS, max_size=2)),
    "first": _maybe(INTEGERS),
    "last": _maybe(INTEGERS),
    "seconds": NUMBERS,
    "value": VALUES,
    "where": _maybe(st.tuples(TEXTS, VALUES)),
    "repair": st.booleans(),
}
ANYTHING = st.one_of(*SHAPES.values(), TEXTS)


def _arguments(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a call: mostly of its names and forms, sometimes of others."""
    import inspect

    names = [one for one in inspect.signature(CALLS[name]).parameters if one != "self"]
    fitting = {one: SHAPES.get(one, TEXTS) for one in names}
    return st.one_of(
        st.fixed_dictionaries(fitting),
        st.fixed_dictionaries(fitting),
        st.fixed_dictionaries({one: st.one_of(fitting[one], ANYTHING) for one in names}),
        st.dictionaries(st.sampled_from([*names, "self", "x"]), ANYTHING, max_size=4),
    )


@pytest.mark.parametrize("name", sorted(CALLS))
def test_calls_of_the_store_by_shape(site: Site, name: str) -> None:
    @settings(FUZZ, max_examples=1000 if LONG else 40)
    @given(_arguments(name), st.sampled_from(["owner", "admin", "viewer"]))
    def fuzz(arguments: dict[str, Any], user: str) -> None:
        if name == "delete_project" and arguments.get("name") == "team/open":
            return
        keys = arguments.get("keys")
        if name == "delete_runs" and isinstance(keys, list) and site.run in keys:
            return
        with suppress(InvalidValue, orjson.JSONEncodeError):
            body = CODEC.encode(arguments)
            site.send("POST", f"{ROOT}/call/{name}", user=user, content=body)

    fuzz()


@settings(FUZZ, max_examples=300 if LONG else 60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("p"), st.dictionaries(TEXTS, VALUES, max_size=3), INTEGERS, INTEGERS),
            st.tuples(st.just("a"), st.dictionaries(TEXTS, VALUES, max_size=3), INTEGERS),
            st.tuples(st.just("r"), st.lists(st.tuples(st.dictionaries(TEXTS, VALUES), INTEGERS))),
            st.tuples(st.just("s"), TEXTS, st.lists(TEXTS), st.lists(TEXTS), INTEGERS),
            st.tuples(st.just("d"), TEXTS, INTEGERS),
        ),
        max_size=4,
    ),
    st.uuids(),
)
def test_updates_by_shape(site: Site, updates: list[Any], writer: Any) -> None:
    plain = [[CODEC.plain(_listed(part)) for part in update] for update in updates]
    path = f"{ROOT}/runs/{site.run}/updates?writer={writer.hex}&first=1"
    site.send("POST", path, content=orjson.dumps(plain))
    for read in ("attribute_types", "count_points", "read_rows", "read_previews"):
        site.send("POST", f"{ROOT}/call/{read}", content=CODEC.encode({"key": site.run}))
    whole = CODEC.encode({"keys": [site.run], "select": PathSelector()})
    site.send("POST", f"{ROOT}/call/read_attributes", content=whole)
    for type in AttributeType:
        if type.is_series:
            select = PathSelector(types=frozenset([type]))
            asked = {"keys": [site.run], "select": select, "query": SeriesQuery()}
            site.send("POST", f"{ROOT}/series", content=CODEC.encode(asked))


def _listed(part: Any) -> Any:
    return [_listed(one) for one in part] if isinstance(part, (list, tuple)) else part
