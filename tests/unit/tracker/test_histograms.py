"""Histograms from what people have."""

from __future__ import annotations

import numpy as np
import pytest

from mooring.errors import InvalidValue
from mooring.model import Histogram
from mooring.tracker.histograms import as_histogram


def test_counts_and_edges_in_either_order() -> None:
    expected = Histogram(edges=(0.0, 1.0, 2.0), values=(3.0, 4.0))
    assert as_histogram("h", ([3, 4], [0, 1, 2])) == expected
    assert as_histogram("h", (np.array([0, 1, 2]), np.array([3, 4]))) == expected
    assert as_histogram("h", expected) is expected


def test_raw_values_are_counted() -> None:
    found = as_histogram("h", np.array([[0.0, 1.0], [2.0, np.nan]]), bins=2)
    assert found == Histogram(edges=(0.0, 1.0, 2.0), values=(1.0, 2.0))
    assert as_histogram("h", np.histogram([1, 2, 3], bins=4)).edges[0] == 1.0
    assert sum(as_histogram("h", [1, 2]).values) == 2


@pytest.mark.parametrize(
    "data", [[], [np.nan], "text", [object()], ([1, 2], [2, 1, 0]), (["a"], [0, 1]), None]
)
def test_what_is_no_histogram_is_named(data: object) -> None:
    with pytest.raises(InvalidValue, match="'weights'"):
        as_histogram("weights", data)


def test_bins_must_make_sense() -> None:
    with pytest.raises(InvalidValue, match="'weights'"):
        as_histogram("weights", [1, 2], bins=0)
