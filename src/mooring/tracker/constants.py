"""The names and fixed texts of a tracker's table and log lines, grouped as its users know them.

Where xetrack's constants name its own table, these name ours: `events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CONSTANTS", "DEFAULTS", "LOGURU_PARAMS", "SCHEMA_PARAMS", "TRACKER_CONSTANTS"]


class TRACKER_CONSTANTS:
    """Columns that a tracker fills in.

    >>> TRACKER_CONSTANTS.FUNCTION_TIME
    'function_time'
    """

    FUNCTION_NAME: Final = "function_name"
    FUNCTION_TIME: Final = "function_time"
    FUNCTION_RESULT: Final = "function_result"
    ARGS: Final = "args"
    KWARGS: Final = "kwargs"
    ERROR: Final = "error"
    ERROR_TYPE: Final = "error_type"
    ERROR_TRACEBACK: Final = "error_traceback"
    CACHE: Final = "cache"
    TIMESTAMP: Final = "timestamp"
    TRACK_ID: Final = "track_id"
    GIT_COMMIT_KEY: Final = "git_commit_hash"


class SCHEMA_PARAMS:
    """Names of the table and its key."""

    DEFAULT_TABLE: Final = "events"
    SQLITE_TABLE: Final = "events"
    DUCKDB_TABLE: Final = "db.events"
    TABLE: Final = "db.events"
    TRACK_ID: Final = "track_id"


class DEFAULTS:
    """What holds when nothing is said."""

    DB: Final = "track.db"


class CONSTANTS:
    """Special addresses, the form of timestamps, and SQL types in Python."""

    IN_MEMORY_DB: Final = ":memory:"
    SKIP_INSERT: Final = "SKIP_INSERT"
    TIMESTAMP_FORMAT: Final = "%Y-%m-%d %H:%M:%S.%f"
    DTYPES_TO_PYTHON: Final[Mapping[str, type]] = MappingProxyType(
        {
            "BOOLEAN": bool,
            **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), int),
            **dict.fromkeys(("REAL", "FLOAT", "DOUBLE", "DECIMAL"), float),
            **dict.fromkeys(("TEXT", "VARCHAR", "CHAR", "DATE", "TIME"), str),
            **dict.fromkeys(("TIMESTAMP", "INTERVAL", "UUID"), str),
            "BLOB": bytearray,
        }
    )


class LOGURU_PARAMS:
    """Levels and forms of log lines.

    `DELIMITER` is the default; the environment variable `LOGS_DELIMITER` is read when a log is
    opened, not here.
    """

    ROTATION: Final = "1 day"
    EXPERIMENT: Final = "EXPERIMENT"
    MONITOR: Final = "MONITOR"
    TRACKING: Final = "TRACKING"
    LEVEL: Final = "level"
    TIMESTAMP_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
    LOG_FILE_FORMAT: Final = "{time:YYYY-MM-DD}.log"
    STRACTURED_REGEX: Final = r"\b(EXPERIMENT|MONITOR|TRACKING)\b"
    DELIMITER: Final = "!📁!"
    FORMAT: Final = (
        "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {name}:{function}:{line}!📁!{message}"
    )
