"""Types of attributes by the names of this protocol."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import InvalidInput
from mooring.model import AttributeType

TYPE_NAMES = {
    AttributeType.INT: "int",
    AttributeType.FLOAT: "float",
    AttributeType.STRING: "string",
    AttributeType.BOOL: "bool",
    AttributeType.DATETIME: "datetime",
    AttributeType.STRING_SET: "stringSet",
    AttributeType.FILE: "fileRef",
    # What Neptune 2 had of its own is a file here as well: a zip, a list of what was tracked.
    AttributeType.FILE_SET: "fileRef",
    AttributeType.ARTIFACT: "fileRef",
    AttributeType.FLOAT_SERIES: "floatSeries",
    AttributeType.STRING_SERIES: "stringSeries",
    AttributeType.HISTOGRAM_SERIES: "histogramSeries",
    AttributeType.FILE_SERIES: "fileRefSeries",
}
"""How a type is called on the wire. Readers of this protocol cannot be told of the others."""

_UNTOLD = frozenset({"complex", "experimentState", "gitRef", "notebookRef"})
"""Names that clients may send, of which no attribute is told."""


def types_of(names: Iterable[str]) -> frozenset[AttributeType]:
    """Return the types that any of the names stands for; `InvalidInput` for an unknown name.

    >>> sorted(types_of(["fileRef", "int"]))
    [<AttributeType.ARTIFACT: 'artifact'>, <AttributeType.FILE: 'file'>, \
<AttributeType.FILE_SET: 'file_set'>, <AttributeType.INT: 'int'>]
    """
    wanted = set(names)
    known = {*TYPE_NAMES.values(), *_UNTOLD}
    if unknown := sorted(wanted - known):
        raise InvalidInput(f"{unknown[0][:80]!r} is no attribute type; known: {sorted(known)}")
    return frozenset(type for type, name in TYPE_NAMES.items() if name in wanted)
