"""The calls that go to a hub, and the classes that occur in them: what both sides agree on.

A call of the contract is `POST /api/mooring/v1/call/<name>` with its arguments by name; the
answer is what it returns. What is long has a path of its own and streams.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from mooring.errors import InvalidInput
from mooring.model import (
    AttributeType,
    FileRef,
    Histogram,
    RunInfo,
    RunKind,
    RunSpec,
    SeriesStats,
    Typed,
)
from mooring.query import Field, Sort
from mooring.query.ast import Aggregate, And, Compare, Exists, Not, Operator, Or
from mooring.store.appending import AppendsBatches, Receipt
from mooring.store.contract import (
    AttributeColumn,
    CompactionReport,
    EventTable,
    Finding,
    Lineage,
    PathSelector,
    RunPage,
    RunQuery,
    SeriesQuery,
    Store,
    StoreCheck,
    TableColumn,
)
from mooring.store.transfer import SealedSeries, TransfersRuns
from mooring.store.usage import DiskUsage, MeasuresUsage, Usage
from mooring.wire.native import Codec, conforms

ROOT = "/api/mooring/v1"
PROTOCOL = 1
"""Version of this protocol; a hub tells its own in the header of every answer."""
PROTOCOL_HEADER = "x-mooring-protocol"
REQUEST_HEADER = "idempotency-key"

CODEC = Codec(
    [
        Aggregate,
        And,
        AttributeColumn,
        AttributeType,
        Compare,
        CompactionReport,
        DiskUsage,
        EventTable,
        Exists,
        Field,
        FileRef,
        Finding,
        Histogram,
        Lineage,
        Not,
        Operator,
        Or,
        PathSelector,
        RunInfo,
        RunKind,
        RunPage,
        RunQuery,
        RunSpec,
        SealedSeries,
        SeriesQuery,
        SeriesStats,
        Sort,
        StoreCheck,
        TableColumn,
        Typed,
        Usage,
    ]
)

_CONTRACTS: Mapping[type, tuple[str, ...]] = {
    Store: (
        "create_project",
        "ensure_project",
        "list_projects",
        "delete_project",
        "create_run",
        "find_run",
        "get_runs",
        "query_runs",
        "trash_runs",
        "restore_runs",
        "delete_runs",
        "list_attributes",
        "read_attributes",
        "read_aggregates",
        "get_stats",
        "read_events",
        "count_events",
        "list_columns",
        "get_value",
        "check",
    ),
    TransfersRuns: ("count_points", "read_rows", "read_previews", "list_not_inherited"),
    AppendsBatches: (
        "last_applied",
        "hold_run",
        "release_run",
        "attribute_types",
        "set_events_once",
    ),
    MeasuresUsage: ("measure_usage",),
}

CALLS: Mapping[str, Any] = {
    name: getattr(contract, name) for contract, names in _CONTRACTS.items() for name in names
}
"""Names of the calls, and the methods of the contracts that they are."""


@cache
def _signature(name: str) -> tuple[inspect.Signature, dict[str, Any]]:
    method = CALLS[name]
    names = dict(vars(sys.modules[method.__module__]))
    names.setdefault("np", _Anything)
    names.setdefault("pa", _Anything)
    return inspect.signature(method), typing.get_type_hints(method, names)


class _Anything:
    """Stands for NumPy's and Arrow's classes in annotations that are read without them."""

    ndarray = Table = Array = object


def check_arguments(name: str, arguments: object) -> dict[str, Any]:
    """Return the arguments of a call that came from outside.

    Raises
    ------
    InvalidInput
        For arguments that the contract's method does not have, or of another form.
    """
    if not isinstance(arguments, dict):
        raise InvalidInput(f"{name} takes its arguments by name")
    signature, hints = _signature(name)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    for key, value in arguments.items():
        if key not in signature.parameters or key == "self":
            raise InvalidInput(f"{name} has no argument {str(key)[:40]!r}")
        if not conforms(value, hints.get(key, object)):
            raise InvalidInput(f"{name}: {key} cannot be {value!r:.100}")
    for one in parameters:
        if one.default is inspect.Parameter.empty and one.name not in arguments:
            raise InvalidInput(f"{name} lacks the argument {one.name!r}")
    return arguments


def encode_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as JSON."""
    from mooring.wire.native import encode_error

    refused = [[number, encode_error(error)] for number, error in receipt.refused]
    return {"last": receipt.last, "refused": refused}


def decode_receipt(record: Mapping[str, Any]) -> Receipt:
    """Return the receipt that `encode_receipt` wrote."""
    from mooring.wire.native import decode_error

    refused = [(int(number), decode_error(error)) for number, error in record["refused"]]
    return Receipt(int(record["last"]), refused)
