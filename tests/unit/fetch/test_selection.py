"""Parameters of the readers as filters: what each one selects, and what is refused."""

from __future__ import annotations

import pytest

from mooring.errors import InvalidInput, QueryError
from mooring.fetch.selection import RunSelection, parse_path_regex, select_columns
from mooring.query import And, Or, field, parse


def text_of(**parameters):
    return str(RunSelection(**parameters).to_filter())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"names_regex": "a+"}, '(`sys/name`:string MATCHES "a+")'),
        (
            {"names_regex": ["a", "b"]},
            '((`sys/name`:string MATCHES "a") AND (`sys/name`:string MATCHES "b"))',
        ),
        ({"names_exclude_regex": "a"}, '(NOT (`sys/name`:string MATCHES "a"))'),
        ({"custom_id_regex": "a"}, '(`sys/custom_run_id`:string MATCHES "a")'),
        ({"with_ids": "R-1"}, '(`sys/id`:string = "R-1")'),
        (
            {"with_ids": ["R-1", "R-2", "R-1"]},
            '((`sys/id`:string = "R-1") OR (`sys/id`:string = "R-2"))',
        ),
        ({"custom_ids": ("a",)}, '(`sys/custom_run_id`:string = "a")'),
        ({"states": ["active"]}, '(`sys/state` = "active")'),
        ({"states": "INACTIVE"}, '(`sys/state` = "inactive")'),
        ({"owners": ["ada"]}, '(`sys/owner`:string = "ada")'),
        ({"tags": "t"}, '(`sys/tags`:string_set CONTAINS "t")'),
        (
            {"tags": ["t", "u"]},
            '((`sys/tags`:string_set CONTAINS "t") AND (`sys/tags`:string_set CONTAINS "u"))',
        ),
        ({"heads_only": True}, "(`sys/experiment/is_head`:bool = true)"),
    ],
)
def test_each_parameter_is_one_condition(parameters, expected):
    assert text_of(**parameters) == expected


def test_nothing_asked_for_is_no_filter():
    assert RunSelection().to_filter() is None
    assert RunSelection(tags=[]).to_filter() is None


@pytest.mark.parametrize("name", ["with_ids", "custom_ids", "states", "owners"])
def test_an_empty_list_of_alternatives_selects_nothing(name):
    assert RunSelection(**{name: []}).to_filter() == Or(())


def test_all_conditions_must_hold():
    found = RunSelection(with_ids=["R-1"], tags=["t"], query="`lr` > 0.1").to_filter()
    assert isinstance(found, And)
    assert len(found.operands) == 3
    assert found.operands[2] == parse("`lr` > 0.1")


def test_a_query_is_text_or_an_expression():
    condition = field("lr") > 0.1
    assert RunSelection(query=condition).to_filter() == condition
    with pytest.raises(QueryError):
        RunSelection(query="`lr` >").to_filter()
    with pytest.raises(InvalidInput, match="query is text"):
        RunSelection(query=3).to_filter()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"states": ["running"]}, "'active' or 'inactive', not 'running'"),
        ({"with_ids": [1]}, "with_ids holds texts, not 1"),
        ({"tags": 3}, "tags is a text or a list of texts, not 3"),
        ({"names_regex": "("}, "names_regex: .* is no regular expression"),
        ({"names_regex": ""}, "names_regex is an empty text"),
        ({"custom_id_regex": 5}, "custom_id_regex is a text or a list"),
    ],
)
def test_what_cannot_be_asked_says_which_parameter(parameters, message):
    with pytest.raises(InvalidInput, match=message):
        RunSelection(**parameters).to_filter()


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_limits_are_whole_numbers_above_zero(limit):
    with pytest.raises(InvalidInput, match="limit is a whole number above 0"):
        RunSelection().to_query("local/p", limit=limit)


def test_trashed_is_true_false_or_none():
    for trashed in (True, False, None):
        assert RunSelection(trashed=trashed).to_query("local/p").trashed is trashed
    with pytest.raises(InvalidInput, match="trashed"):
        RunSelection(trashed="no").to_query("local/p")


def test_columns():
    assert select_columns(None, None).paths is None
    assert select_columns(["a", "a"], None).paths == ("sys/id", "a")
    assert select_columns("a", None).paths == ("sys/id", "a")
    both = select_columns(["a"], "tree/.*")
    assert (both.paths, both.patterns) == (("sys/id", "a"), ("tree/.*",))
    only = select_columns(None, "tree")
    assert (only.paths, only.patterns) == (("sys/id",), ("tree",))
    with pytest.raises(QueryError, match="columns_regex"):
        select_columns(None, "[")


def test_path_patterns_know_posix_classes():
    import re

    assert re.search(parse_path_regex("columns_regex", "[[:digit:]]$"), "layer/7")
