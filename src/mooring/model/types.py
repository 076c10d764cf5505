"""The types an attribute can have, by the names Neptune's users know."""

from __future__ import annotations

from enum import StrEnum


class AttributeType(StrEnum):
    """The one type of an attribute of a run."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    DATETIME = "datetime"
    STRING_SET = "string_set"
    FILE = "file"
    FLOAT_SERIES = "float_series"
    STRING_SERIES = "string_series"
    HISTOGRAM_SERIES = "histogram_series"
    FILE_SERIES = "file_series"
    # Neptune 2.x only
    FILE_SET = "file_set"
    ARTIFACT = "artifact"
    GIT_REF = "git_ref"
    RUN_STATE = "run_state"
    NOTEBOOK_REF = "notebook_ref"

    @property
    def is_series(self) -> bool:
        """Whether the attribute is a series of points rather than one value."""
        return self.value.endswith("_series")
