"""Values of attributes as Neptune 3's readers take them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from mooring.model import AttributeType, FileRef, Histogram, SeriesStats

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.wire.neptune3.schema import message
from mooring.wire.neptune3.types import TYPE_NAMES
from mooring.wire.neptune3.values import fill_attribute

FILE = FileRef("ab" * 32, 5, "text/plain", "notes.txt")
HISTOGRAM = Histogram((0.0, 1.0, 2.0), (3.0, 4.0), "DENSITY")


def _stats(last: object, **more: Any) -> SeriesStats:
    return SeriesStats(
        count=2, first_step=0, last_step=2_500_000, first=None, last=last, last_time=0, **more
    )


def _read(type: AttributeType, value: object) -> Any:
    """Return the properties of an attribute that has been to the wire and back."""
    made = message("ProtoAttributeDTO")()
    fill_attribute(made, "a/b", type, value)
    read = message("ProtoAttributeDTO").FromString(made.SerializeToString())
    ((_, name), (_, told), (field, properties)) = read.ListFields()
    assert (name, told) == ("a/b", TYPE_NAMES[type])
    assert (properties.attribute_name, properties.attribute_type) == (name, told)
    assert field.name.endswith("_properties")
    return properties


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (AttributeType.INT, -(2**63)),
        (AttributeType.FLOAT, math.inf),
        (AttributeType.STRING, "wörld"),
        (AttributeType.STRING, ""),
        (AttributeType.BOOL, False),
    ],
)
def test_single_values(type: AttributeType, value: object) -> None:
    assert _read(type, value).value == value


def test_times_are_in_milliseconds() -> None:
    assert _read(AttributeType.DATETIME, datetime(1970, 1, 1, 0, 0, 1, 500_999, UTC)).value == 1500
    assert _read(AttributeType.DATETIME, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)).value == (
        -1000
    )


def test_sets_are_sorted() -> None:
    assert list(_read(AttributeType.STRING_SET, frozenset({"b", "a"})).value) == ["a", "b"]
    assert list(_read(AttributeType.STRING_SET, frozenset()).value) == []


def test_files() -> None:
    for type in (AttributeType.FILE, AttributeType.FILE_SET, AttributeType.ARTIFACT):
        read = _read(type, FILE)
        assert (read.path, read.sizeBytes, read.mimeType) == (
            f"{'ab' * 32}/notes.txt",
            5,
            "text/plain",
        )
    last = _read(AttributeType.FILE_SERIES, _stats(FILE))
    assert (last.last_step, last.last.sizeBytes) == (2.5, 5)


def test_float_series() -> None:
    read = _read(
        AttributeType.FLOAT_SERIES,
        _stats(1.0, minimum=0.0, maximum=2.0, sum=2.0, sum_squares=4.0),
    )
    assert (read.last, read.last_step, read.min, read.max) == (1.0, 2.5, 0.0, 2.0)
    assert (read.average, read.variance) == (1.0, 1.0)
    assert read.HasField("min")
    assert read.HasField("config")


def test_float_series_without_finite_values_leaves_them_out() -> None:
    read = _read(AttributeType.FLOAT_SERIES, _stats(math.nan, nan_count=2))
    assert math.isnan(read.last)
    assert read.HasField("last_step")
    assert not any(read.HasField(field) for field in ("min", "max", "average", "variance"))


def test_text_and_histogram_series() -> None:
    texts = _read(AttributeType.STRING_SERIES, _stats("end"))
    assert (texts.last, texts.last_step) == ("end", 2.5)
    counts = _read(AttributeType.HISTOGRAM_SERIES, _stats(HISTOGRAM))
    assert (counts.last.type, list(counts.last.edges)) == ("DENSITY", [0.0, 1.0, 2.0])
    assert list(counts.last.values) == [3.0, 4.0]
