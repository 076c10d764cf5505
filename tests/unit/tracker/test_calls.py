"""Tracked calls: what a row says of a call, and that tracking changes nothing else of it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydantic
import pytest

from mooring.errors import InvalidInput, StoreClosed
from mooring.tracker import Tracker


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with Tracker(Tracker.IN_MEMORY) as tracker:
        yield tracker


def add(a: int, b: str) -> int:
    """Add them up."""
    return a + len(b)


def without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if key not in ("function_time", "timestamp", "track_id")
    }


def test_row_of_a_call(tracker: Tracker) -> None:
    assert tracker.track(add, params={"name": "foofoo"}, args=[1], kwargs={"b": "hello"}) == 6
    assert without_time(tracker.latest) == {
        "function_name": "add",
        "args": "[1]",
        "kwargs": "{'b': 'hello'}",
        "error": "",
        "function_result": 6,
        "name": "foofoo",
    }
    assert 0 <= tracker["function_time"][0] < 60


@pytest.mark.parametrize(
    ("result", "cell"),
    [
        (None, None),
        (True, True),
        (np.float64(0.5), 0.5),
        (np.int32(7), 7),
        (2**63, 2.0**63),
        (10**400, "1" + "0" * 400),
        ([1, "a"], '[1, "a"]'),
        (1 + 2j, "(1+2j)"),
        (object, "<class 'object'>"),
        (np.arange(3), "[0 1 2]"),
    ],
)
def test_results(tracker: Tracker, result: object, cell: object) -> None:
    assert tracker.track(lambda: result) is result
    assert tracker.latest["function_result"] == cell
    assert type(tracker.latest["function_result"]) is type(cell)
    assert tracker.failures == {}


def test_a_dict_becomes_columns(tracker: Tracker) -> None:
    assert tracker.track(lambda: {"accuracy": 0.9, 3: "x"}) == {"accuracy": 0.9, 3: "x"}
    row = tracker.latest
    assert (row["accuracy"], row["3"]) == (0.9, "x")
    assert "function_result" not in row


def test_names_that_clash_are_all_kept(tracker: Tracker) -> None:
    result = {"error": 0.5, "function_time": 9, "result_error": 1, "track_id": "mine", "x": 2}
    tracker.track(lambda: result, params={"x": 3, "args": "a"})
    row = tracker.latest
    assert (row["error"], row["result_error"], row["result_result_error"]) == ("", 0.5, 1)
    assert (row["result_function_time"], row["result_track_id"]) == (9, "mine")
    assert (row["x"], row["result_x"]) == (3, 2)
    assert (row["args"], row["param_args"]) == ("[]", "a")
    assert row["track_id"] == tracker.track_id
    assert row["function_time"] != 9
    assert tracker.failures == {}


def test_arguments_are_told_as_they_were_given(tracker: Tracker) -> None:
    given = [3, 1, 2]
    tracker.track(given.sort)
    assert tracker.latest["function_name"] == "sort"

    def change(items: list[int]) -> None:
        items.clear()

    tracker.track(change, args=[given])
    assert tracker.latest["args"] == "[[1, 2, 3]]"


def test_an_argument_without_a_text_is_named_by_its_type(tracker: Tracker) -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    assert tracker.track(lambda *_: 1, args=[Mute(), "x" * 20_000, "\ud800"]) == 1
    text = str(tracker.latest["args"])
    assert "Mute: no text, RuntimeError" in text
    assert "more characters)" in text
    assert "\\ud800" in text
    assert tracker.failures == {}


# errors


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (AssertionError(), "AssertionError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_an_exception_is_logged_and_raised(
    tracker: Tracker, error: BaseException, text: str
) -> None:
    with pytest.raises(type(error)) as raised:
        tracker.track(fail, args=[error])
    assert raised.value is error
    row = tracker.latest
    assert (row["error"], row["error_type"]) == (text, type(error).__name__)
    trace = str(row["error_traceback"])
    assert "in fail" in trace
    assert "calls.py" not in trace.replace("test_calls.py", "")
    assert "function_result" not in row
    tracker.track(add, args=[1, "a"])
    assert "error_type" not in tracker.latest


def test_an_exception_that_is_not_raised_again() -> None:
    with Tracker(Tracker.IN_MEMORY, raise_on_error=False) as tracker:
        assert tracker.track(fail, args=[ValueError("bad")]) is None
        assert tracker.latest["error"] == "ValueError: bad"
        assert tracker.track(add, args=[1]) is None
        assert "missing 1 required positional argument" in str(tracker.latest["error"])
        with pytest.raises(KeyboardInterrupt):
            tracker.track(fail, args=[KeyboardInterrupt()])
        assert len(tracker) == 3


def test_the_users_exception_comes_before_that_of_a_row() -> None:
    tracker = Tracker(Tracker.IN_MEMORY, on_error="raise")
    tracker.close()
    with pytest.raises(ValueError, match="bad"):
        tracker.track(fail, args=[ValueError("bad")])
    assert tracker.failures == {"StoreClosed": 1}
    with pytest.raises(StoreClosed):
        tracker.track(add, args=[1, "a"])


def test_an_exception_with_a_broken_text(tracker: Tracker) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Broken):
        tracker.track(fail, args=[Broken()])
    assert str(tracker.latest["error"]).endswith("Broken: no text, RuntimeError>")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tracker: tracker.track(3), "takes a function, not 3"),
        (lambda tracker: tracker.track(add, "image.png"), r"kwargs=\{...\}"),
        (lambda tracker: tracker.track(add, args="ab"), "args is a list"),
        (lambda tracker: tracker.wrap(params=3)(add), "params are a dict"),
        (lambda tracker: tracker.wrap(property(add))(add), "params are a dict"),
        (lambda tracker: tracker.wrap()(property(add)), "of a property"),
    ],
)
def test_misuse(tracker: Tracker, call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call(tracker)
    assert len(tracker) == 0


# what can be wrapped


def test_a_wrapped_function_keeps_its_face(tracker: Tracker) -> None:
    for wrapped in (tracker.wrap(add), tracker.wrap()(add), tracker.wrap(params={"x": 1})(add)):
        assert (wrapped.__name__, wrapped.__doc__) == ("add", "Add them up.")
        assert inspect.signature(wrapped) == inspect.signature(add)
        assert wrapped(1, b="ab") == 3
        assert tracker.latest["function_name"] == "add"
    assert tracker.latest["x"] == 1
    assert len(tracker) == 3


def test_methods(tracker: Tracker) -> None:
    class Model:
        def __init__(self) -> None:
            self.lock = threading.Lock()  # what cannot be pickled
            self.bias = 10

        @tracker.wrap
        def predict(self, x: int) -> int:
            return x + self.bias

        @property
        @tracker.wrap
        def size(self) -> int:
            return 5

        @tracker.wrap
        @classmethod
        def make(cls, name: str) -> str:
            return cls.__name__ + name

        @classmethod
        @tracker.wrap
        def make_too(cls, name: str) -> str:
            return cls.__name__ + name

        @tracker.wrap()
        @staticmethod
        def double(x: int) -> int:
            return 2 * x

        @staticmethod
        @tracker.wrap()
        def triple(x: int) -> int:
            return 3 * x

    model = Model()
    results = [model.predict(1), model.make("!"), Model.make_too("?"), model.double(3)]
    results += [Model.triple(3), model.size, tracker.track(model.predict, args=[2])]
    assert results == [11, "Model!", "Model?", 6, 9, 5, 12]
    rows = [tracker[number] for number in range(1, len(tracker) + 1)]
    texts = [row["args"] for row in rows]
    # the last call is tracked twice: by the decorator within, and by track
    assert texts == ["[1]", "['!']", "['?']", "[3]", "[3]", "[]", "[2]", "[2]"]
    assert {row["error"] for row in rows} == {""}
    assert tracker.failures == {}


def test_partials_and_callable_objects(tracker: Tracker) -> None:
    class Scale:
        def __init__(self) -> None:
            self.factor = 3

        def __call__(self, x: int) -> int:
            return x * self.factor

    partial = tracker.wrap(functools.partial(add, 1))
    scale = tracker.wrap(Scale())
    assert (partial("ab"), tracker.latest["function_name"]) == (3, "add")
    assert (scale(2), tracker.latest["function_name"]) == (6, "Scale")
    assert (scale.__name__, hasattr(scale, "factor")) == ("Scale", False)
    assert tracker.track(functools.partial(add, b="abc"), args=[1]) == 4
    assert tracker.track(max, args=[1, 2]) == 2
    assert tracker.latest["args"] == "[1, 2]"


def test_async_functions_are_timed_to_their_end(tracker: Tracker) -> None:
    slept: list[float] = []

    @tracker.wrap
    async def fetch(x: int) -> int:
        began = time.perf_counter()
        await asyncio.sleep(0.02)
        slept.append(time.perf_counter() - began)
        return x + 1

    @tracker.wrap
    async def fail_late() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    async def main() -> None:
        assert inspect.iscoroutinefunction(fetch)
        assert await fetch(1) == 2
        assert tracker.latest["function_result"] == 2
        assert float(tracker.latest["function_time"] or 0) >= slept[0]
        with pytest.raises(ValueError, match="late"):
            await fail_late()
        assert tracker.latest["error"] == "ValueError: late"
        unwrapped = fetch.__wrapped__  # type: ignore[attr-defined]
        assert await tracker.track(unwrapped, args=[2]) == 3
        waiting = tracker.track(lambda: unwrapped(5))  # returns what can be awaited
        assert len(tracker) == 3
        assert await waiting == 6
        assert tracker.latest["function_result"] == 6
        task = asyncio.create_task(fetch(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tracker.latest["error_type"] == "CancelledError"

    asyncio.run(main())
    assert len(tracker) == 5


def count(n: int) -> Generator[int, str, str]:
    for number in range(n):
        said = yield number
        if said:
            return said
    return "end"


def test_generators_are_timed_to_exhaustion(tracker: Tracker) -> None:
    wrapped = tracker.wrap(count)
    assert inspect.isgeneratorfunction(wrapped)
    stream = wrapped(3)
    assert (next(stream), next(stream), len(tracker)) == (0, 1, 0)
    with pytest.raises(StopIteration) as stopped:
        stream.send("enough")
    assert stopped.value.value == "enough"
    assert tracker.latest["function_result"] == "enough"
    assert list(tracker.track(count, args=[2])) == [0, 1]
    assert list(tracker.track(lambda: count(2))) == [0, 1]
    assert (len(tracker), tracker.latest["function_result"]) == (3, "end")
    begun = wrapped(3)
    next(begun)
    begun.close()
    assert (len(tracker), tracker.latest["error"]) == (4, "")
    thrown = wrapped(3)
    next(thrown)
    with pytest.raises(ValueError, match="in"):
        thrown.throw(ValueError("thrown in"))
    assert tracker.latest["error"] == "ValueError: thrown in"


def test_async_generators(tracker: Tracker) -> None:
    caught: list[str] = []

    @tracker.wrap
    async def stream(n: int) -> AsyncGenerator[int, int]:
        """Stream."""
        for number in range(n):
            try:
                sent = yield number
                if sent:
                    yield sent
            except ValueError as error:
                caught.append(str(error))
                yield -1
            finally:
                caught.append("finally")

    async def main() -> None:
        assert inspect.isasyncgenfunction(stream)
        assert [item async for item in stream(3)] == [0, 1, 2]
        assert len(tracker) == 1
        caught.clear()
        one = stream(3)
        assert await anext(one) == 0
        assert await one.asend(40) == 40
        assert await anext(one) == 1
        assert await one.athrow(ValueError("thrown")) == -1
        await one.aclose()
        assert caught == ["finally", "thrown", "finally"]
        assert (len(tracker), tracker.latest["error"]) == (2, "")
        with pytest.raises(KeyError):
            await anext(tracker.track(failing))
        assert tracker.latest["error"] == "KeyError: 'x'"

    async def failing() -> AsyncGenerator[int, None]:
        raise KeyError("x")
        yield 1

    asyncio.run(main())
    assert len(tracker) == 3


def test_threads(tracker: Tracker) -> None:
    wrapped = tracker.wrap(add)
    threads = [
        threading.Thread(target=lambda: [wrapped(number, "a") for number in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tracker["function_result"].tolist()) == sorted([*range(1, 51)] * 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_children(tmp_path: Any) -> None:
    with Tracker(
        tmp_path / "track.db", cache=tmp_path / "cache", log_system_params=True
    ) as tracker:
        wrapped = tracker.wrap(add)
        wrapped(0, "")
        child = os.fork()
        if child == 0:
            try:
                good = wrapped(0, "") == 0 and wrapped(5, "a") == 6
            finally:
                os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert wrapped(5, "a") == 6
        assert tracker["function_result"].tolist() == [0, 0, 6, 6]
        assert tracker["cache"].tolist() == ["", tracker.track_id, "", tracker.track_id]


# unpacking


@dataclass
class Inner:
    lr: float
    note: str | None = None


@dataclass
class Config:
    name: str
    inner: Inner
    layers: list[int] = field(default_factory=lambda: [1, 2])


class Schedule(pydantic.BaseModel):
    steps: int
    inner: Inner


class Settings(pydantic.BaseModel, extra="allow"):
    schedule: Schedule
    secret: pydantic.SecretStr = pydantic.SecretStr("hunter2")
    hidden: str = pydantic.Field(default="x", exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return self.schedule.steps * 2


def unpacked(tracker: Tracker, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Columns of the row that a function of this signature leaves."""

    def train(a: Any = None, *rest: Any, option: Any = None, **more: Any) -> None: ...

    tracker.track(train, args=args, kwargs=kwargs)
    row = without_time(tracker.latest)
    for name in ("function_name", "args", "kwargs", "error", "function_result"):
        del row[name]
    return row


def test_dataclasses_are_unpacked(tracker: Tracker) -> None:
    assert unpacked(tracker, Config("n", Inner(0.1))) == {
        "a_name": "n",
        "a_inner_lr": 0.1,
        "a_inner_note": None,
        "a_layers": "[1, 2]",
    }


def test_models_are_unpacked_by_their_fields(tracker: Tracker) -> None:
    settings = Settings(schedule=Schedule(steps=3, inner=Inner(0.5)), more=[1])  # type: ignore[call-arg]
    assert unpacked(tracker, option=settings) == {
        "option_schedule_steps": 3,
        "option_schedule_inner_lr": 0.5,
        "option_schedule_inner_note": None,
        "option_secret": "**********",
        "option_more": "[1]",
        "option_doubled": 6,
    }
    assert "hunter2" not in str(tracker.latest)


def test_surplus_arguments_are_attributed(tracker: Tracker) -> None:
    row = unpacked(tracker, 1, 2, Inner(0.1), option=Inner(0.2), other=Inner(0.3))
    assert {key: value for key, value in row.items() if value is not None} == {
        "rest_1_lr": 0.1,
        "option_lr": 0.2,
        "other_lr": 0.3,
    }


def test_clashing_fields_are_all_kept(tracker: Tracker) -> None:
    @dataclass
    class Two:
        c: int

    @dataclass
    class One:
        b_c: int
        result: str = "r"

    def train(a: One, a_b: Two, function: One) -> dict[str, int]:
        return {"a_result": 5}

    tracker.track(train, args=[One(1), Two(2), One(3)])
    row = tracker.latest
    assert (row["a_b_c"], row["argument_a_b_c"]) == (1, 2)
    assert (row["a_result"], row["argument_a_result"]) == (5, "r")
    assert row["function_result"] == "r"


def test_cycles_and_depth_are_cut(tracker: Tracker) -> None:
    @dataclass
    class Node:
        value: int
        next: Any = None

    loop = Node(1)
    loop.next = loop
    assert unpacked(tracker, loop) == {"a_value": 1, "a_next": "..."}
    chain: Any = None
    for number in range(15):
        chain = Node(number, chain)
    row = unpacked(tracker, chain)
    assert [row[f"a{'_next' * depth}_value"] for depth in range(10)] == [*range(14, 4, -1)]
    assert "Node(value=4" in row["a" + "_next" * 10]
    twice = Inner(1.0)
    assert unpacked(tracker, Node(1, twice), option=twice)["a_next_lr"] == 1.0


def test_a_field_that_fails_costs_only_itself(tracker: Tracker) -> None:
    class Broken:
        def model_dump(self) -> dict[str, object]:
            raise RuntimeError("no dump")

    class Dumps:
        def model_dump(self) -> dict[str, object]:
            return {"x": 1, "inner": Inner(0.5, "n")}

    assert unpacked(tracker, Broken(), option=Dumps()) == {
        "option_x": 1,
        "option_inner_lr": 0.5,
        "option_inner_note": "n",
    }
    assert tracker.failures == {"InvalidInput": 1}
    assert unpacked(tracker, Config, option=Inner) == {}  # classes have no values


def test_the_object_of_a_method_is_not_unpacked(tracker: Tracker) -> None:
    @dataclass
    class Model:
        weight: int

        @tracker.wrap
        def score(self, config: Inner) -> int:
            return self.weight

    assert Model(4).score(Inner(0.1)) == 4
    assert tracker.latest["config_lr"] == 0.1
    assert "self_weight" not in tracker.latest
