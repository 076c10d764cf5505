"""Names of files and folders in a backup.

An attribute `metrics/loss` lies at `metrics/loss.csv`, as the bulk backup script has it, as long as
every file system can hold that. What some cannot hold is escaped: `%` and two hex digits for each
byte of a character, `~` and a digest where two names would meet or one would be too long. Nobody
has to undo that: the manifest of the run tells which attribute lies where.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OWN = ".mooring"
"""Folder of what the script's format cannot say: in a run, a project, and at the top."""

MANIFEST = f"{OWN}/manifest.json"
VALUES = f"{OWN}/values.json"
METADATA = "simple_metadata.json"
LONG = "~long"
"""Folder in a run of files whose paths would be too long."""

_MAX_NAME_BYTES = 200
_KEPT_BYTES = 160
_MAX_PATH_BYTES = 700
_MAX_EXTENSION_BYTES = 24
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
)


def escape(name: str, *, dot_at_end: bool = False) -> str:
    """Return a name that every file system can hold.

    Names that begin with a dot are left to this tool, and such with `~` to its own marks.
    `dot_at_end`: a dot at the end stays, which is how the script names files without extension.

    >>> [escape(name) for name in ("loss", "..", ".git", "a:b", "NUL.txt", "end. ", "")]
    ['loss', '%2E%2E', '%2Egit', 'a%3Ab', '%4EUL.txt', 'end%2E%20', '%']
    """
    if not name:
        return "%"
    end = len(name.rstrip(". "))
    if dot_at_end and name.endswith(".") and end:
        end = len(name)
    first = name.split(".")[0].rstrip().upper() in _RESERVED or name[0] in ".~ "
    return "".join(
        _percent(char) if (first and place == 0) or place >= end or not _is_portable(char) else char
        for place, char in enumerate(name)
    )


def _is_portable(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and char not in _FORBIDDEN
    return ord(char) < 0x10000 and unicodedata.category(char) not in (
        *("Cc", "Cf", "Cn", "Co", "Cs"),
        *("Zl", "Zp"),
    )


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def meeting_key(name: str) -> str:
    """Return what is equal for two names that some file system takes for the same.

    >>> meeting_key("Loss.CSV") == meeting_key("loss.csv"), meeting_key("a.") == meeting_key("a")
    (True, True)
    """
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", folded).rstrip(". ")


def short_digest(text: str, digits: int = 8) -> str:
    """Return the first hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def marked(name: str, digest: str) -> str:
    """Return a name with a digest before its extension, cut where it is long.

    >>> marked("loss.csv", "0f9a")
    'loss~0f9a.csv'
    """
    extension = _extension(name)
    return f"{_cut(name.removesuffix(extension))}~{digest}{extension}"


def _extension(name: str) -> str:
    stem, _, extension = name.rpartition(".")
    return f".{extension}" if stem and len(extension.encode()) <= _MAX_EXTENSION_BYTES else ""


def _cut(stem: str) -> str:
    encoded = stem.encode()
    if len(encoded) <= _KEPT_BYTES:
        return stem
    short = encoded[:_KEPT_BYTES].decode(errors="ignore")
    percent = short.rfind("%", len(short) - 2)  # not within an escaped byte
    return short if percent < 0 else short[:percent]


def choose_name(
    wanted: str, identity: str, taken: Mapping[str, object], *, dot_at_end: bool = False
) -> str:
    """Return a portable name that meets none of those taken (by `meeting_key`).

    `identity` is what it stands for, in full; the mark is made from it.
    """
    name = escape(wanted, dot_at_end=dot_at_end)
    if len(name.encode()) > _MAX_NAME_BYTES:
        name = marked(name, short_digest(identity))
    digits = 8
    plain = name
    while meeting_key(name) in taken:
        name = marked(plain, short_digest(identity, digits))
        digits += 8
    return name


@dataclass(slots=True)
class _Folder:
    place: str
    logical: str
    folders: dict[str, _Folder] = field(default_factory=dict)
    leaves: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file (or folder for one attribute alone) that needs a name.

    `path` is where the script would put it, below the run; `dot_at_end` tells that the dot at its
    end stands for an empty extension.
    """

    key: str
    path: str
    dot_at_end: bool = False


def place_files(wanted: Iterable[Wanted]) -> dict[str, str]:
    """Return where each lies below the folder of its run, by `key`.

    The result does not depend on the order. Names that need no escape go first, folders before
    files.

    >>> place_files([Wanted("a", "m/loss.csv"), Wanted("b", "m/Loss.csv"), Wanted("c", "../x.csv")])
    {'c': '%2E%2E/x.csv', 'b': 'm/Loss.csv', 'a': 'm/loss~3989d7ff.csv'}
    """
    root = _Folder("", "")
    for one in wanted:
        *above, name = one.path.split("/")
        folder = root
        for part in above:
            below = folder.folders.get(part)
            if below is None:
                below = folder.folders[part] = _Folder("", f"{folder.logical}{part}/")
            folder = below
        folder.leaves.setdefault(name, []).append((one.key, one.dot_at_end))
    places: dict[str, str] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        taken: dict[str, None] = {}
        if folder is root:
            taken = dict.fromkeys(map(meeting_key, (METADATA, LONG)))
        for name in sorted(folder.folders, key=_natural_first):
            below = folder.folders[name]
            chosen = choose_name(name, below.logical, taken)
            taken[meeting_key(chosen)] = None
            below.place = f"{folder.place}{chosen}/"
            waiting.append(below)
        for name in sorted(folder.leaves, key=_natural_first):
            for key, dot_at_end in sorted(folder.leaves[name]):
                identity = f"{folder.logical}{name}\0{key}"
                chosen = choose_name(name, identity, taken, dot_at_end=dot_at_end)
                taken[meeting_key(chosen)] = None
                place = folder.place + chosen
                if len(place.encode()) > _MAX_PATH_BYTES:
                    place = f"{LONG}/{short_digest(identity, 32)}{_extension(chosen)}"
                places[key] = place
    return places


def _natural_first(name: str) -> tuple[bool, str]:
    return (escape(name) != name.rstrip("."), name)
