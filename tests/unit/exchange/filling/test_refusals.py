"""Errors of other trackers' clients come as ours, and ours stay what they are."""

from __future__ import annotations

import pytest

from mooring.errors import InvalidStep, TargetRefused, TargetUnreachable
from mooring.exchange.filling.refusals import translated


def test_who_does_not_answer_may_answer_later() -> None:
    with (
        pytest.raises(TargetUnreachable, match=r"^It does not answer \(loss of r\): down$") as told,
        translated("It", where="here", run="r", path="loss", gone=(OSError,), refused=(Exception,)),
    ):
        raise OSError("down")
    assert (told.value.where, told.value.run, told.value.attribute) == ("here", "r", "loss")


def test_a_refusal_tells_what_to_do() -> None:
    with (
        pytest.raises(TargetRefused, match=r"^It refuses the run of r: no; delete it$"),
        translated("It", where="here", run="r", refused=(ValueError,), advice="; delete it"),
    ):
        raise ValueError("no")


@pytest.mark.parametrize("error", [TargetRefused("own"), TargetUnreachable("own")])
def test_what_the_target_says_itself_is_not_said_twice(error: Exception) -> None:
    with (
        pytest.raises(type(error), match=r"^own$"),
        translated("It", where="here", run="r", gone=(OSError,), refused=(Exception,)),
    ):
        raise error


def test_an_error_of_ours_gets_the_attribute() -> None:
    with (
        pytest.raises(TargetRefused, match="loss of r: too large"),
        translated("It", where="here", run="r", path="loss", refused=(ValueError,)),
    ):
        raise InvalidStep("too large")


def test_a_mistake_of_ours_stays_one() -> None:
    with (
        pytest.raises(AttributeError),
        translated("It", where="here", run="r", refused=(ValueError,)),
    ):
        raise AttributeError("a mistake")
