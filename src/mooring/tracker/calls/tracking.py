"""Tracked calls: a row for each call of a function, with its arguments, result, error and time.

A row is written when the call has ended, and before the caller gets the result. A process that is
killed while the function runs leaves no row; one that is killed after the row was written leaves
the whole row. The result cache is written after the row: a kill between them costs the entry, and
the next call computes again.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from enum import Enum, auto
from time import perf_counter
from types import FunctionType, GeneratorType, MethodType
from typing import Any, Protocol, Self, TypeVar

from mooring.errors import InvalidInput
from mooring.tracker.cache.folder import Cache, Hit
from mooring.tracker.cache.keys import TRACKED_MARK, call_key
from mooring.tracker.calls.monitor import Sampler
from mooring.tracker.calls.outcomes import error_columns, join_columns, result_columns
from mooring.tracker.calls.unpacking import (
    arguments_text,
    has_fields,
    keywords_text,
    unpack_arguments,
)
from mooring.tracker.values import PLAIN_TYPES, Cell

__all__ = ["CallTracker", "track_call", "wrap_function"]

_T = TypeVar("_T")
_Function = Callable[..., Any]
_SELF_NAMES = frozenset({"self", "cls", "mcs"})


class CallTracker(Protocol):
    """What a call asks of its tracker."""

    raise_on_error: bool
    log_system_params: bool
    log_network_params: bool
    measurement_interval: float
    cache: Cache | None

    @property
    def track_id(self) -> str:
        """Name of the run."""
        ...

    @property
    def params(self) -> Mapping[str, Cell]:
        """Values that are added to every row."""
        ...

    def log(self, data: Mapping[str, object]) -> dict[str, Cell]:
        """Log one row."""
        ...

    def _tell(self, error: BaseException) -> None:
        """Count what went wrong beside the row."""
        ...


class _Kind(Enum):
    FUNCTION = auto()
    COROUTINE = auto()
    GENERATOR = auto()
    ASYNC_GENERATOR = auto()


class _Plan:
    """What is asked of a function once."""

    __slots__ = ("kind", "name", "skip")

    def __init__(self, func: _Function) -> None:
        self.name = _name(func)
        self.kind = _kind(func)
        self.skip = int(_takes_self(func))
        """How many leading arguments are the object that a method belongs to."""


def track_call(
    tracker: CallTracker,
    func: Callable[..., _T],
    *,
    params: Mapping[str, object] | None = None,
    args: Iterable[object] | None = None,
    kwargs: Mapping[str, object] | None = None,
    cache_force: bool = False,
) -> Any:
    """Call `func(*args, **kwargs)`, log a row, return the result; see `Tracker.track`."""
    if not callable(func):
        raise InvalidInput(f"track takes a function, not {func!r}")
    _check_params(params)
    if isinstance(args, (str, bytes)):
        raise InvalidInput(f"args is a list of arguments, not {args!r}; write args=[{args!r}]")
    plan = _plan_of(func)
    positional = tuple(args) if args else ()
    named = dict(kwargs) if kwargs else {}
    if plan.kind is _Kind.FUNCTION:
        return _Call(tracker, plan, func, params, positional, named).run(cache_force)
    return _tracked(tracker, plan, func, params, cache_force)(*positional, **named)


def wrap_function(
    tracker: CallTracker, func: Any, *, params: Mapping[str, object] | None = None
) -> Any:
    """Return `func` such that each call of it is tracked; see `Tracker.wrap`."""
    _check_params(params)
    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(wrap_function(tracker, func.__func__, params=params))
    if not callable(func):
        raise InvalidInput(
            f"wrap decorates a function, not {func!r}; of a property, decorate the function within"
        )
    plan = _Plan(func)
    tracked = _tracked(tracker, plan, func, params)
    # an instance's own attributes are not the function's
    updated = ("__dict__",) if isinstance(func, FunctionType) else ()
    functools.update_wrapper(tracked, func, updated=updated)
    if not hasattr(func, "__name__"):
        tracked.__name__ = tracked.__qualname__ = plan.name
    setattr(tracked, TRACKED_MARK, True)
    return tracked


def _tracked(
    tracker: CallTracker,
    plan: _Plan,
    func: _Function,
    params: Mapping[str, object] | None,
    force: bool = False,
) -> _Function:
    """Return a function of the same kind as `func`, so that it can stand in its place."""
    if plan.kind is _Kind.COROUTINE:

        async def run_async(*args: Any, **kwargs: Any) -> Any:
            return await _Call(tracker, plan, func, params, args, kwargs).run_async(force)

        return run_async
    if plan.kind is _Kind.GENERATOR:

        def iterate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return (yield from _Call(tracker, plan, func, params, args, kwargs).iterate())

        return iterate
    if plan.kind is _Kind.ASYNC_GENERATOR:

        async def iterate_async(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            call = _Call(tracker, plan, func, params, args, kwargs).enter()
            try:
                stream = func(*args, **kwargs)
                step: Callable[[], Awaitable[Any]] = functools.partial(stream.asend, None)
                while True:
                    try:
                        item = await step()
                    except StopAsyncIteration:
                        break
                    try:
                        step = functools.partial(stream.asend, (yield item))
                    except GeneratorExit:
                        await stream.aclose()
                        break
                    except BaseException as error:  # noqa: BLE001 - thrown in: handed on
                        step = functools.partial(stream.athrow, error)
            except BaseException as error:
                if call.fail(error):
                    raise
            else:
                call.succeed(None)

        return iterate_async

    def run(*args: Any, **kwargs: Any) -> Any:
        return _Call(tracker, plan, func, params, args, kwargs).run(force)

    return run


class _Call:
    """One call: what is known before it, and its row when it has ended."""

    __slots__ = (
        "_args",
        "_began",
        "_func",
        "_key",
        "_kwargs",
        "_params",
        "_row",
        "_sampler",
        "_tracker",
        "_unpacked",
    )

    def __init__(
        self,
        tracker: CallTracker,
        plan: _Plan,
        func: _Function,
        params: Mapping[str, object] | None,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        self._tracker = tracker
        self._func = func
        self._params = params or {}
        self._args = args
        self._kwargs = kwargs
        self._key: str | None = None
        self._sampler: Sampler | None = None
        # Texts and fields are taken now: the function may change what it is given.
        self._row: dict[str, object] = {
            "function_name": plan.name,
            "args": arguments_text(args[plan.skip :]) if args else "[]",
            "kwargs": keywords_text(kwargs) if kwargs else "{}",
            "error": "",
            "function_time": 0.0,
        }
        self._unpacked: list[tuple[str, object]] = []
        if (args or kwargs) and any(map(has_fields, (*args, *kwargs.values()))):
            self._unpacked = unpack_arguments(
                func, args, kwargs, skip=plan.skip, tell=tracker._tell
            )

    def run(self, force: bool) -> Any:
        """Call a function that is neither async nor a generator; what it returns may be."""
        if (hit := self._find(force)) is not None:
            return hit.value
        self.enter()
        try:
            result = self._func(*self._args, **self._kwargs)
        except BaseException as error:
            if self.fail(error):
                raise
            return None
        if type(result) not in PLAIN_TYPES and (
            inspect.isawaitable(result) or isinstance(result, GeneratorType)
        ):
            # Nothing has happened yet, and a stream cannot be kept. Measured from the first step.
            self._stop()
            self._key = None
            self._row.pop("cache", None)
            if inspect.isawaitable(result):
                return self._wait(result)
            return self.iterate(result)
        self.succeed(result)
        return result

    async def run_async(self, force: bool) -> Any:
        """Call an async function, to the end of the await."""
        if (hit := self._find(force)) is not None:
            return hit.value
        self.enter()
        try:
            result = await self._func(*self._args, **self._kwargs)
        except BaseException as error:
            if self.fail(error):
                raise
            return None
        self.succeed(result)
        return result

    async def _wait(self, awaitable: Awaitable[Any]) -> Any:
        self.enter()
        try:
            result = await awaitable
        except BaseException as error:
            if self.fail(error):
                raise
            return None
        self.succeed(result)
        return result

    def iterate(self, stream: Generator[Any, Any, Any] | None = None) -> Generator[Any, Any, Any]:
        """Step through a generator (default: the one that the function returns) to its end."""
        self.enter()
        try:
            result = yield from (stream or self._func(*self._args, **self._kwargs))
        except GeneratorExit:  # the caller has seen enough
            self.succeed(None)
            raise
        except BaseException as error:
            if self.fail(error):
                raise
            return None
        self.succeed(result)
        return result

    def enter(self) -> Self:
        """Begin to measure."""
        tracker = self._tracker
        if tracker.log_system_params or tracker.log_network_params:
            self._sampler = Sampler(
                system=tracker.log_system_params,
                network=tracker.log_network_params,
                interval_s=tracker.measurement_interval,
                tell=tracker._tell,
            ).start()
        self._began = perf_counter()
        return self

    def succeed(self, result: object) -> None:
        """Log the row of a call that returned, and keep the result in the cache."""
        self._stop()
        self._log(result_columns(result))
        if self._key is not None and (cache := self._tracker.cache) is not None:
            cache.store(
                self._key,
                result,
                track_id=self._tracker.track_id,
                function=str(self._row["function_name"]),
                arguments=f"{self._row['args']} {self._row['kwargs']}",
                tell=self._tracker._tell,
            )

    def fail(self, error: BaseException) -> bool:
        """Log the row of a call that raised; return whether to raise it again."""
        self._stop()
        self._row.pop("cache", None)
        try:
            self._row |= error_columns(error)
            self._log({})
        except Exception as failure:  # noqa: BLE001 - the function's own exception comes first
            self._tracker._tell(failure)
        return self._tracker.raise_on_error or not isinstance(error, Exception)

    def _find(self, force: bool) -> Hit | None:
        """Return what the cache holds for this call, its row logged."""
        cache = self._tracker.cache
        if cache is None:
            return None
        self._key = call_key(
            self._func, self._args, self._kwargs, self._params, self._tracker.params
        )
        if self._key is None:
            return None
        hit = None if force else cache.find(self._key, tell=self._tracker._tell)
        self._row["cache"] = "" if hit is None else hit.track_id
        if hit is not None:
            self._log(result_columns(hit.value))
        return hit

    def _stop(self) -> None:
        self._row["function_time"] = perf_counter() - self._began
        if self._sampler is not None:
            self._row |= self._sampler.stop()
            self._sampler = None

    def _log(self, result: Mapping[str, object]) -> None:
        self._tracker.log(join_columns(self._row, self._unpacked, result, self._params))


_PLANS: weakref.WeakKeyDictionary[FunctionType, _Plan] = weakref.WeakKeyDictionary()


def _plan_of(func: _Function) -> _Plan:
    if not isinstance(func, FunctionType):  # others may have an equality of their own
        return _Plan(func)
    plan = _PLANS.get(func)
    if plan is None:
        plan = _PLANS[func] = _Plan(func)
    return plan


def _name(func: Any) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__


def _kind(func: _Function) -> _Kind:
    target: Any = func
    if not isinstance(func, (FunctionType, MethodType, functools.partial, type)):
        target = type(func).__call__
    if inspect.iscoroutinefunction(target):
        return _Kind.COROUTINE
    if inspect.isasyncgenfunction(target):
        return _Kind.ASYNC_GENERATOR
    return _Kind.GENERATOR if inspect.isgeneratorfunction(target) else _Kind.FUNCTION


def _takes_self(func: _Function) -> bool:
    """Return whether a function is written in a class and names the object it belongs to."""
    func = inspect.unwrap(func) if isinstance(func, FunctionType) else func
    if not isinstance(func, FunctionType):
        return False
    within = func.__qualname__.rpartition(".")[0]
    if not within or within.endswith("<locals>"):
        return False
    return func.__code__.co_argcount > 0 and func.__code__.co_varnames[0] in _SELF_NAMES


def _check_params(params: object) -> None:
    if params is not None and not isinstance(params, Mapping):
        raise InvalidInput(
            f"params are a dict of columns, not {params!r}; hand arguments over as "
            "track(f, args=[...], kwargs={...})"
        )
