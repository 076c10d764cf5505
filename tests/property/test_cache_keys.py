"""Two values have one key when, and only when, they are equal with their types."""

from __future__ import annotations

import math
import pickle
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring.tracker.cache.keys import call_key


@dataclass(frozen=True)
class Pair:
    first: Any
    second: Any = None


@dataclass(frozen=True)
class OtherPair:
    first: Any
    second: Any = None


# few different atoms, so that equal values are common
ATOMS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, -2, 0.0, -0.0, 1.0, math.nan, math.inf]),
    st.sampled_from(["", "0", "1", "ab", b"", b"1", b"ab", Decimal("1"), Decimal("1.0"), 1 + 0j]),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", 1, True, "1"]), inner, max_size=3),
        st.frozensets(st.integers(-2, 2) | st.sampled_from(["a", "b"]), max_size=3),
        st.sets(st.integers(-2, 2), max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(OtherPair, inner, inner),
    ),
    max_leaves=6,
)


def same(one: Any, other: Any) -> bool:
    """Plainly: equal, and of equal types all the way down; floats as bits, NaN as itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (one != one and other != other) or struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, Decimal):
        return str(one) == str(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (dict, set, frozenset)):
        left = list(other.items() if isinstance(other, dict) else other)
        for item in one.items() if isinstance(one, dict) else one:
            match = [place for place, found in enumerate(left) if same(item, found)]
            if not match:
                return False
            del left[match[0]]
        return not left
    if isinstance(one, (Pair, OtherPair)):
        return same(one.first, other.first) and same(one.second, other.second)
    return bool(one == other)


def key(value: object) -> str | None:
    return call_key(len, (value,), {}, {}, {})


@given(VALUES, VALUES)
def test_equal_when_and_only_when_the_keys_are(one: object, other: object) -> None:
    assert key(one) is not None
    assert (key(one) == key(other)) == same(one, other)


@given(VALUES)
def test_a_copy_has_the_key_of_the_original(value: object) -> None:
    assert key(pickle.loads(pickle.dumps(value))) == key(value)


def turned(value: Any) -> Any:
    """Equal, with every dict and set filled the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(list(value))}
    if isinstance(value, (set, frozenset)):
        return type(value)(reversed(list(value)))
    if isinstance(value, (list, tuple)):
        return type(value)(map(turned, value))
    return value


@given(VALUES)
def test_order_plays_no_part(value: object) -> None:
    assert key(turned(value)) == key(value)


@given(VALUES, VALUES)
def test_neighbours_do_not_run_together(one: object, other: object) -> None:
    keys = {
        call_key(len, (one, other), {}, {}, {}),
        call_key(len, ((one, other),), {}, {}, {}),
        call_key(len, (one,), {"x": other}, {}, {}),
        call_key(len, (one,), {}, {"x": other}, {}),
        call_key(len, (one,), {}, {}, {"x": other}),
    }
    assert len(keys) == 5
