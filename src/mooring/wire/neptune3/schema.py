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
_ATTRIBUTES = """
ProtoIntAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value int64
ProtoFloatAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value double
ProtoStringAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value string
ProtoBoolAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value bool
ProtoDatetimeAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value int64
ProtoStringSetAttributeDTO: 1 attribute_name string; 2 attribute_type string; 3 value string*
ProtoFloatSeriesConfigDTO: 1 min double?; 2 max double?; 3 unit string?
ProtoFloatSeriesAttributeDTO: 1 attribute_name string; 2 attribute_type string;
    3 last_step double?; 4 last double?; 5 min double?; 6 max double?; 7 average double?;
    8 variance double?; 9 config ProtoFloatSeriesConfigDTO; 10 has_preview bool
ProtoFileRef: 1 path string; 2 sizeBytes int64; 3 mimeType string
ProtoHistogram: 1 type string; 2 edges double*; 3 values double*
ProtoFileRefAttributeDTO: 1 attribute_name string; 2 attribute_type string;
    3 path string; 4 sizeBytes int64; 5 mimeType string
ProtoStringSeriesAttributeDTO: 1 attribute_name string; 2 attribute_type string;
    3 last_step double?; 4 last string?
ProtoFileRefSeriesAttributeDTO: 1 attribute_name string; 2 attribute_type string;
    3 last_step double?; 4 last ProtoFileRef
ProtoHistogramSeriesAttributeDTO: 1 attribute_name string; 2 attribute_type string;
    3 last_step double?; 4 last ProtoHistogram
ProtoAttributeDTO: 1 name string; 2 type string; 3 int_properties ProtoIntAttributeDTO;
    4 float_properties ProtoFloatAttributeDTO; 5 string_properties ProtoStringAttributeDTO;
    6 bool_properties ProtoBoolAttributeDTO; 7 datetime_properties ProtoDatetimeAttributeDTO;
    8 string_set_properties ProtoStringSetAttributeDTO;
    9 float_series_properties ProtoFloatSeriesAttributeDTO;
    10 file_ref_properties ProtoFileRefAttributeDTO;
    11 string_series_properties ProtoStringSeriesAttributeDTO;
    12 file_ref_series_properties ProtoFileRefSeriesAttributeDTO;
    13 histogram_series_properties ProtoHistogramSeriesAttributeDTO
ProtoAttributesDTO: 1 experiment_id string; 2 type string; 3 project_id string;
    4 organization_id string; 5 project_name string; 6 organization_name string;
    7 attributes ProtoAttributeDTO*
ProtoLeaderboardEntriesSearchResultDTO: 1 matching_item_count int64; 2 total_group_count int64?;
    3 entries ProtoAttributesDTO*
ProtoAttributeDefinitionDTO: 1 name string; 2 type string
ProtoAttributesSearchResultDTO: 1 entries ProtoAttributeDefinitionDTO*
ProtoQueryAttributesExperimentResultDTO: 1 experimentId string; 2 experimentShortId string;
    3 attributes ProtoAttributeDTO*
ProtoNextPageDTO: 1 nextPageToken string?; 2 limit uint32?
ProtoQueryAttributesResultDTO: 1 entries ProtoQueryAttributesExperimentResultDTO*;
    2 nextPage ProtoNextPageDTO
"""
_SERIES = """
ProtoFloatPointValueDTO: 1 timestamp_millis int64; 2 step double; 3 value double;
    4 is_preview bool; 5 completion_ratio float
ProtoFloatSeriesValuesDTO: 1 total_item_count int64; 2 values ProtoFloatPointValueDTO*
ProtoFloatSeriesValuesSingleSeriesResponseDTO: 1 requestId string;
    2 series ProtoFloatSeriesValuesDTO
ProtoFloatSeriesValuesResponseDTO: 1 series ProtoFloatSeriesValuesSingleSeriesResponseDTO*
ProtoPointObjectDTO: 1 stringValue string @value; 2 histogram ProtoHistogram @value;
    3 fileRef ProtoFileRef @value
ProtoPointValueDTO: 1 timestamp_millis int64; 2 step double; 4 is_preview bool;
    5 completion_ratio float; 6 object ProtoPointObjectDTO
ProtoSeriesPointsDTO: 1 values ProtoPointValueDTO*
ProtoSearchAfterDTO: 1 finished bool; 2 token string
ProtoSeriesValuesSingleSeriesResponseDTO: 1 requestId string; 2 searchAfter ProtoSearchAfterDTO;
    4 seriesValues ProtoSeriesPointsDTO
ProtoSeriesValuesResponseDTO: 1 series ProtoSeriesValuesSingleSeriesResponseDTO*
ProtoCustomExpression: 1 requestId string; 2 runId string; 3 customYFormula string;
    4 includePreview bool?; 5 lineage int32; 6 entityType int32
ProtoStepRange: 1 from double?; 2 to double?
ProtoPointFilters: 1 stepRange ProtoStepRange
ProtoNoSettings:
ProtoXAxisCustom: 1 expression string
ProtoXAxis: 1 steps ProtoNoSettings @value; 2 epochMillis ProtoNoSettings @value;
    3 relativeTime ProtoNoSettings @value; 4 custom ProtoXAxisCustom @value
ProtoView: 1 from double?; 2 to double?; 3 pointFilters ProtoPointFilters; 4 maxBuckets int32;
    5 xScale int32; 6 yScale int32; 7 xAxis ProtoXAxis
ProtoGetTimeseriesBucketsRequest: 1 expressions ProtoCustomExpression*; 2 view ProtoView
TimeseriesBucketPoint: 1 x double; 2 y double
TimeseriesBucket: 1 index int64; 2 fromX double; 3 toX double; 4 first TimeseriesBucketPoint;
    5 last TimeseriesBucketPoint; 6 localMin double?; 7 localMax double?; 8 finitePointCount int64;
    9 nanCount int64; 10 positiveInfCount int64; 11 negativeInfCount int64; 12 localSum double?
ProtoTimeseriesBucketsEntry: 1 requestId string; 2 bucket TimeseriesBucket*
ProtoTimeseriesBucketsDTO: 1 entries ProtoTimeseriesBucketsEntry*
"""
"""`Message: number name type`, with `?` for optional, `*` for repeated, `@group` for a oneof.

Enums travel as an int32 does; of set operations: 0 nothing, 1 add, 2 remove.
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
    "uint32": 13,
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
    for name, fields in _split(_INGEST + _ATTRIBUTES + _SERIES):
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
