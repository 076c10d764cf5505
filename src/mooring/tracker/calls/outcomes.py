"""How a tracked call ended, as columns, and the one rule for names that clash."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping

from mooring.tracker.calls.unpacking import safe_text
from mooring.tracker.frames import RESERVED
from mooring.tracker.values import PLAIN_TYPES, Cell, to_cell

__all__ = ["error_columns", "join_columns", "result_columns"]

_TEXT_ONLY = frozenset({str})
_LONGEST_TRACEBACK = 9_000
_INT64 = range(-(2**63), 2**63)
_Pairs = Iterable[tuple[object, object]]


def result_columns(result: object) -> Mapping[str, object]:
    """Return the columns of a result: those of a dict, else `function_result`.

    What a row can hold stays what it is; anything else becomes its text.

    >>> result_columns({"accuracy": 0.9}), result_columns(None), result_columns(1 + 2j)
    ({'accuracy': 0.9}, {'function_result': None}, {'function_result': '(1+2j)'})
    """
    if type(result) not in PLAIN_TYPES and isinstance(result, Mapping):
        return result
    return {"function_result": _to_result_cell(result)}


def error_columns(error: BaseException) -> Mapping[str, str]:
    """Return `error` (never empty), `error_type` and `error_traceback` of an exception.

    The traceback begins in the function that was called; of a long one its end is kept.
    """
    name = type(error).__name__
    text = safe_text(error)
    return {
        "error": f"{name}: {text}" if text else name,
        "error_type": name,
        "error_traceback": safe_text(error, _format_traceback),
    }


def join_columns(
    measured: Mapping[str, object],
    unpacked: list[tuple[str, object]],
    result: Mapping[str, object],
    params: Mapping[str, object],
) -> dict[str, object]:
    """Return one row of all columns, none lost.

    Where names clash, what the tracker measured keeps its name, then params of the call, then the
    result, then unpacked arguments in their order. The others, and any `timestamp` or `track_id`,
    are kept as `param_<name>`, `result_<name>`, `argument_<name>`, prefixed again if need be.

    >>> join_columns({"error": ""}, [("config_lr", 0.1)], {"error": 0.5}, {"config_lr": 1})
    {'error': '', 'config_lr': 1, 'result_error': 0.5, 'argument_config_lr': 0.1}
    """
    row = {**measured, **result}
    if unpacked or params:
        row = {**measured, **dict(unpacked), **result, **params}
    if (
        len(row) == len(measured) + len(unpacked) + len(result) + len(params)
        and _TEXT_ONLY.issuperset(map(type, row))
        and RESERVED.isdisjoint(row)
    ):
        return row
    row = dict(measured)
    sources: tuple[tuple[str, _Pairs], ...] = (
        ("param", params.items()),
        ("result", result.items()),
        ("argument", unpacked),
    )
    for prefix, pairs in sources:
        for key, value in pairs:
            name = key if isinstance(key, str) else safe_text(key)
            while name in row or name in RESERVED:
                name = f"{prefix}_{name}"
            row[name] = value
    return row


def _to_result_cell(result: object) -> Cell:
    if type(result) in PLAIN_TYPES and not (type(result) is int and result not in _INT64):
        return result  # type: ignore[return-value]
    try:
        return to_cell("function_result", result)
    except Exception:  # noqa: BLE001 - no cell, or its own __float__ failed: the text stands for it
        return safe_text(result)


def _format_traceback(error: object) -> str:
    assert isinstance(error, BaseException)
    trace = error.__traceback__
    # the first frame is the tracker's own
    within = trace.tb_next if trace is not None else None
    lines = traceback.format_exception(type(error), error, within)
    return "".join(lines)[-_LONGEST_TRACEBACK:]
