"""Parameters: what is taken for what it means, and what is refused, in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.wire.auger.resources import RESOURCES, get_resource
from mooring.wire.auger.table import JsonType, Operation, Parameter
from mooring.wire.auger.validation import MAX_LIMIT, ParametersInvalid, check


def operation(resource: str, name: str) -> Operation:
    found = get_resource(resource).find(name)
    assert found is not None
    return found


def one(name: str, *types: JsonType, **options: Any) -> Operation:
    parameter = Parameter(name=name, types=types, **options)
    return Operation(name="create", method="POST", path="/x", parameters=(parameter,))


def refused(operation: Operation, sent: dict[str, Any]) -> list[dict[str, str]]:
    with pytest.raises(ParametersInvalid) as caught:
        check(operation, sent)
    return caught.value.errors


def test_each_missing_parameter_is_told_in_the_order_of_the_table() -> None:
    assert refused(operation("dataset_manifest", "create"), {}) == [
        {"error_type": "invalid_param", "error_param": name, "message": "is required"}
        for name in ("id", "name", "statistics")
    ]


def test_the_text_is_that_of_the_errors() -> None:
    with pytest.raises(ParametersInvalid) as caught:
        check(operation("project", "create"), {"organization_id": "x"})
    assert str(caught.value) == "name is required, organization_id should be an integer"


def test_what_the_table_does_not_name_is_left_out() -> None:
    sent = {"name": "x", "providers": ["azure"], "leaderbord": {}, "token": "t"}
    assert check(operation("experiment", "create"), sent) == {"name": "x"}


@pytest.mark.parametrize(
    ("types", "name", "value", "meant"),
    [
        (("integer",), "count", "12", 12),
        (("integer",), "count", " -3 ", -3),
        (("integer",), "count", 5.0, 5),
        (("integer",), "project_id", "7", 7),
        (("number",), "score", 1, 1.0),
        (("number",), "score", "0.5", 0.5),
        (("boolean",), "active", "true", True),
        (("boolean",), "active", "0", False),
        (("string",), "id", 12, "12"),
        (("string",), "pipeline_id", 12, "12"),
        (("string",), "name", "", ""),
        (("string", "integer"), "id", 12, "12"),
        (("integer", "string"), "id", "abc", "abc"),
        (("any",), "result", [1, None], [1, None]),
        (("object",), "args", {}, {}),
        (("array",), "args", [], []),
    ],
)
def test_a_value_is_taken_for_what_it_means(
    types: tuple[JsonType, ...], name: str, value: Any, meant: Any
) -> None:
    (found,) = check(one(name, *types), {name: value}).values()
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("types", "value", "message"),
    [
        (("integer",), "1.5", "should be an integer"),
        (("integer",), 1.5, "should be an integer"),
        (("integer",), True, "should be an integer"),
        (("integer",), "0x10", "should be an integer"),
        (("integer",), "٣", "should be an integer"),
        (("integer",), "1_000", "should be an integer"),
        (("integer",), 2**63, "should be an integer"),
        (("integer",), "9" * 5000, "should be an integer"),
        (("number",), "nan", "should be a number"),
        (("number",), "inf", "should be a number"),
        (("number",), "many", "should be a number"),
        (("number",), False, "should be a number"),
        (("number",), 10**400, "should be a number"),
        (("string",), 5, "should be a string"),
        (("string",), ["x"], "should be a string"),
        (("boolean",), "yes", "should be a boolean"),
        (("boolean",), 1, "should be a boolean"),
        (("object",), "{}", "should be an object"),
        (("array",), {"0": 1}, "should be an array"),
        (("string", "integer"), 1.5, "should be a string or an integer"),
    ],
)
def test_another_type_is_refused(types: tuple[JsonType, ...], value: Any, message: str) -> None:
    assert refused(one("x", *types), {"x": value}) == [
        {"error_type": "invalid_param", "error_param": "x", "message": message}
    ]


def test_elements_of_arrays_have_their_type_or_are_null() -> None:
    validations = operation("endpoint_roi_validation", "create")
    assert check(validations, {"expressions": ["a", None]}) == {"expressions": ["a", None]}
    (error,) = refused(validations, {"expressions": ["a", 1]})
    assert error["message"] == "should be an array of which each element is a string"


def test_null_is_nothing_unless_it_may_be_sent() -> None:
    assert check(one("x", "string"), {"x": None}) == {}
    assert check(one("x", "string", nullable=True), {"x": None}) == {"x": None}
    assert check(one("x", "string", nullable=True, required=True), {"x": None}) == {"x": None}
    assert refused(one("x", "string", required=True), {"x": None})[0]["message"] == "is required"
    assert refused(one("x", "string", nullable=True, required=True), {})[0]["error_param"] == "x"


def test_pages_are_bounded() -> None:
    trials = operation("trial", "index")
    assert check(trials, {"limit": "10", "offset": 20}) == {"limit": 10, "offset": 20}
    assert check(trials, {"limit": MAX_LIMIT + 1})["limit"] == MAX_LIMIT
    assert check(trials, {"limit": 0}) == {"limit": 0}
    errors = refused(trials, {"limit": -1, "offset": "-1"})
    assert [(error["error_param"], error["message"]) for error in errors] == [
        ("limit", "must be greater than or equal to 0"),
        ("offset", "must be greater than or equal to 0"),
    ]


def test_only_lists_have_pages() -> None:
    assert check(operation("trial", "show"), {"limit": "all"}) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
OPERATIONS = [each for resource in RESOURCES for each in resource.operations]


@given(st.data(), st.sampled_from(OPERATIONS))
def test_whatever_comes_is_parameters_of_their_types_or_told(
    data: st.DataObject, operation: Operation
) -> None:
    known = {each.name: each for each in operation.parameters}
    names = st.sampled_from([*known, "limit", "offset", "other"])
    sent = data.draw(st.dictionaries(names, JSON, max_size=6))
    given: dict[str, Any] = {}
    errors: list[dict[str, str]] = []
    try:
        given = check(operation, sent)
    except ParametersInvalid as error:
        errors = error.errors
        told = str(error)
    for each in errors:
        assert each.keys() == {"error_type", "error_param", "message"}
        assert each["error_param"] in {*known, "limit", "offset"}
        assert f"{each['error_param']} {each['message']}" in told
    kinds = {"string": str, "integer": int, "number": float, "boolean": bool}
    kinds |= {"object": dict, "array": list, "any": object}
    assert given.keys() <= {*known, "limit", "offset"}
    for name in known.keys() & given.keys():
        value, parameter = given[name], known[name]
        allowed = tuple(kinds[kind] for kind in parameter.types)
        assert isinstance(value, allowed) or (value is None and parameter.nullable)
