"""Names of log files: `{time:YYYY-MM-DD}.log`, in the language of loguru's file names."""

from __future__ import annotations

import calendar
import re
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from mooring.errors import InvalidInput
from mooring.tracker.constants import LOGURU_PARAMS

DEFAULT_TEMPLATE: Final = LOGURU_PARAMS.LOG_FILE_FORMAT

_WHOLE = "YYYY-MM-DD_HH-mm-ss_SSSSSS"
"""What `{time}` stands for."""

_TOKENS: Mapping[str, Callable[[datetime], str]] = {
    "YYYY": lambda t: f"{t.year:04d}",
    "YY": lambda t: f"{t.year % 100:02d}",
    "Q": lambda t: str((t.month + 2) // 3),
    "MMMM": lambda t: calendar.month_name[t.month],
    "MMM": lambda t: calendar.month_abbr[t.month],
    "MM": lambda t: f"{t.month:02d}",
    "M": lambda t: str(t.month),
    "DDDD": lambda t: f"{t.timetuple().tm_yday:03d}",
    "DDD": lambda t: str(t.timetuple().tm_yday),
    "DD": lambda t: f"{t.day:02d}",
    "D": lambda t: str(t.day),
    "dddd": lambda t: calendar.day_name[t.weekday()],
    "ddd": lambda t: calendar.day_abbr[t.weekday()],
    "d": lambda t: str(t.weekday()),
    "E": lambda t: str(t.isoweekday()),
    "HH": lambda t: f"{t.hour:02d}",
    "H": lambda t: str(t.hour),
    "hh": lambda t: f"{(t.hour - 1) % 12 + 1:02d}",
    "h": lambda t: str((t.hour - 1) % 12 + 1),
    "mm": lambda t: f"{t.minute:02d}",
    "m": lambda t: str(t.minute),
    "ss": lambda t: f"{t.second:02d}",
    "s": lambda t: str(t.second),
    **{
        "S" * digits: lambda t, digits=digits: f"{t.microsecond:06d}"[:digits]  # type: ignore[misc]
        for digits in range(6, 0, -1)
    },
    "A": lambda t: "AM" if t.hour < 12 else "PM",
    "ZZ": lambda t: t.strftime("%z"),
    "Z": lambda t: t.isoformat(timespec="seconds")[19:],
    "zz": lambda t: t.tzname() or "",
    "X": lambda t: str(int(t.timestamp())),
    "x": lambda t: str(round(t.timestamp() * 1_000_000)),
}
_ANY = "|".join(sorted(_TOKENS, key=len, reverse=True))
_TOKEN = re.compile(rf"\[({_ANY}|!UTC|)\]|{_ANY}")


class FileNames:
    """Names that a template gives at any instant.

    Parameters
    ----------
    template : the path of a file below the folder of the logs. `{time:…}` stands for the local
        time, with the tokens of loguru (`YYYY-MM-DD HH:mm:ss` and so on, `[YYYY]` for the
        text itself, `!UTC` at the end), or those of `strftime` where it holds a `%`

    Attributes
    ----------
    moves : whether the name changes while a log is open. A name that tells seconds or less stands
        for the start of the log, as a file for each second helps nobody

    Raises
    ------
    InvalidInput
        For a template that cannot be read, or that leaves the folder.

    Examples
    --------
    >>> names = FileNames("{time:YYYY/MM}/train-{time:DD}.log")
    >>> names.at(datetime(2026, 1, 31, 12, 0, tzinfo=UTC)), names.moves
    ('2026/01/train-31.log', True)
    """

    def __init__(self, template: str = DEFAULT_TEMPLATE) -> None:
        self._template = template
        try:
            self._parts = [
                (text, None if field is None else _check_spec(field, spec or "", conversion))
                for text, field, spec, conversion in string.Formatter().parse(template)
            ]
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"file name {template!r} cannot be read: {error}") from None
        start = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
        name = self.at(start)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
            raise InvalidInput(
                f"file name {template!r} gives {name!r}, which is no file below the folder of the "
                f"logs; give a name such as {DEFAULT_TEMPLATE!r}"
            )
        end = start.replace(second=59, microsecond=999_999)
        has_time = any(spec is not None for _, spec in self._parts)
        self.moves = has_time and name == self.at(end)

    def at(self, time: datetime) -> str:
        """Return the name at an instant, which has a time zone."""
        return "".join(
            text if spec is None else text + _format(time, spec) for text, spec in self._parts
        )


def _check_spec(field: str, spec: str, conversion: str | None) -> str:
    if field != "time" or conversion:
        raise ValueError(f"only {{time:…}} can stand in it, not {{{field}}}")
    return spec or _WHOLE


def _format(time: datetime, spec: str) -> str:
    if spec.endswith("!UTC"):
        time, spec = time.astimezone(UTC), spec.removesuffix("!UTC") or _WHOLE
    if "%" in spec:
        return time.strftime(spec)
    return _TOKEN.sub(lambda found: _token(found, time), spec)


def _token(found: re.Match[str], time: datetime) -> str:
    literal = found.group(1)
    return _TOKENS[found.group()](time) if literal is None else literal
