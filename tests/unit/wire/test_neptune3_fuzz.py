"""Whatever JSON comes in, it is read or refused; nothing else is raised."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.wire.neptune3.names import decode_exact_names, decode_names, decode_types
from mooring.wire.neptune3.searching import decode_search

KEYS = [
    "aggregationMode",
    "attributeFilters",
    "attributeNameRegex",
    "attributeType",
    "dir",
    "experimentLeader",
    "limit",
    "mustMatchAny",
    "mustMatchRegexes",
    "mustNotMatchRegexes",
    "name",
    "offset",
    "pagination",
    "path",
    "query",
    "sortBy",
    "sorting",
    "type",
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["float", "none", "min", "ascending", "^(a|b)$", "(", "[[:digit:]]", "`a`:int > 1", "a \\"]
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3)), inner, max_size=6),
    ),
    max_leaves=20,
)


@given(body=BODIES)
def test_bodies(body: object) -> None:
    decoders: list[Callable[[Any], object]] = [
        decode_search,
        decode_names,
        decode_types,
        lambda value: decode_exact_names(value, "names"),
    ]
    for decode in decoders:
        with suppress(InvalidInput):
            decode(body)
