"""The protocol buffers of Neptune 3, declared here from their field numbers.

They live in a descriptor pool of their own, so that this can be imported beside the clients, which
register files of the same names with other content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from mooring.errors import MissingExtra

_INGEST = """
Timestamp: 1 seconds int64; 2 nanos int32
Step: 1 whole uint64; 2 micro uint64
ForkPoint: 1 parent_project string?; 2 parent_run_id string; 4 step Step;
    15 requested_parent_id string?
StringSet: 1 values string*
FileRef: 1 path string; 2 size_bytes int64; 3 mime_type string
Counts: 1 values uint64*
Densities: 1 values double*
Histogram: 1 bin_edges double*; 4 counts Counts @values; 5 densities Densities @values
Value: 1 float64 double @value; 3 int64 int64 @value; 5 bool bool @value; 6 string string @value;
    8 timestamp Timestamp @value; 12 string_set StringSet @value; 13 file_ref FileRef @value;
    14 histogram Histogram @value
ModifyStringSet: 1 values map<string,int32>
ModifySet: 1 string ModifyStringSet @type
Run: 1 run_id string?; 2 fork_point ForkPoint; 3 creation_time Timestamp; 4 family string?;
    5 experiment_id string?; 7 request_id string?; 8 tracker string?; 9 inherit_configs bool?
Preview: 1 is_preview bool; 2 completion_ratio float
UpdateRunSnapshot: 1 step Step; 2 timestamp Timestamp; 4 assign map<string,Value>;
    5 modify_sets map<string,ModifySet>; 8 append map<string,Value>; 9 request_id string?;
    10 preview Preview
UpdateRunSnapshots: 1 snapshots UpdateRunSnapshot*
RunOperation: 1 project string; 2 run_id string; 3 create_missing_project bool?;
    6 create Run @operation; 7 update UpdateRunSnapshot @operation;
    8 update_batch UpdateRunSnapshots @operation
RequestId: 1 value string
RequestIdList: 1 ids RequestId*
SubmitResponse: 1 request_id string; 2 request_ids string*
CodeByCount: 1 code int32; 2 count int64; 3 detail int32
RequestStatus: 1 code_by_count CodeByCount*; 2 shared_error_message string?
BulkRequestStatus: 1 statuses RequestStatus*
"""
"""`Message: number name type`, with `?` for optional, `*` for repeated, `@group` for a oneof.

Enums travel as an int32 does. Those of set operations: 0 nothing, 1 add, 2 remove.
"""

_FIELD = re.compile(r"(\d+) (\w+) ([\w<>,]+)([?*]?)(?: @(\w+))?")
_PACKAGE = "mooring.neptune3"
_SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


@cache
def message(name: str) -> Any:
    """Return the class of a message; `MissingExtra` when protobuf is not installed.

    >>> step = message("Step")(whole=3, micro=500_000)
    >>> message("Step").FromString(step.SerializeToString()).micro
    500000
    """
    return _load().GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _load() -> Any:
    try:
        from google.protobuf import message_factory
    except ImportError:
        raise MissingExtra("protobuf", extra="neptune") from None
    return message_factory


@cache
def _pool() -> Any:
    _load()
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="mooring/neptune3/ingest.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _split(_INGEST):
        _declare(file.message_type.add(name=name), fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _split(schema: str) -> Iterator[tuple[str, str]]:
    for entry in re.split(r"\n(?=\w)", schema.strip()):
        name, _, fields = entry.partition(":")
        yield name, fields


def _declare(target: Any, fields: str) -> None:
    groups: list[str] = []
    optional = []
    for number, name, type, mark, group in _FIELD.findall(fields):
        field = target.field.add(name=name, number=int(number), label=_OPTIONAL)
        if type.startswith("map<"):
            key, value = type[4:-1].split(",")
            entry = target.nested_type.add(
                name="".join(part.capitalize() for part in name.split("_")) + "Entry"
            )
            entry.options.map_entry = True
            for place, (part, kind) in enumerate((("key", key), ("value", value)), 1):
                _set_type(entry.field.add(name=part, number=place, label=_OPTIONAL), kind)
            field.label, field.type = _REPEATED, _MESSAGE
            field.type_name = f".{_PACKAGE}.{target.name}.{entry.name}"
            continue
        _set_type(field, type)
        if mark == "*":
            field.label = _REPEATED
        elif mark == "?":
            optional.append(field)
        if group:
            if group not in groups:
                groups.append(group)
                target.oneof_decl.add(name=group)
            field.oneof_index = groups.index(group)
    # proto3 keeps presence of a scalar as a group of one, and such groups stand last.
    for field in optional:
        field.proto3_optional = True
        field.oneof_index = len(target.oneof_decl)
        target.oneof_decl.add(name=f"_{field.name}")


def _set_type(field: Any, type: str) -> None:
    if type in _SCALARS:
        field.type = _SCALARS[type]
    else:
        field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{type}"
