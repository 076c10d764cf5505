"""Names of the folders and files of an export."""

from __future__ import annotations

import hashlib
import mimetypes
import re

from mooring.model import RunKind

PART_NAME = re.compile(r"^(?P<run>.*)_part_(?P<number>\d+)\.parquet\Z", re.DOTALL)
"""A part of one run; `part_<n>.parquet` alone is a part of the oldest layout."""

MODEL_FOLDERS = {RunKind.MODEL: "models", RunKind.MODEL_VERSION: "model_versions"}
"""Folders of a project's model registry."""

HIDDEN_FOLDERS = {RunKind.PROJECT: "project", RunKind.RECORD: "records"}
"""Folders among our manifests for the kinds that the other tool has no place for."""

_MAX_PART = 255
_MAX_BYTES = 240
_MAX_ID_BYTES = 236
_KEPT_OF_LONG_ID = 213  # with the digest 230, which leaves place for any number of a part
_KEPT_OF_LONG = 238


def sanitize_id(id: str) -> str:
    """Return the name that a project, run or model has in an export.

    Each character that is neither a letter, a digit, `_` nor `-` becomes `_`; then comes a digest
    of the id, which keeps names apart.

    >>> sanitize_id("org/project"), sanitize_id("..")
    ('org_project-ea8dfac2f8d8c39c', '__-34f0828231260469')
    """
    name = f"{replace(id)}-{_digest(id)}"
    if len(name.encode()) > _MAX_ID_BYTES:  # the other tool cannot write such names at all
        name = f"{_cut(name, _KEPT_OF_LONG_ID)}-{_digest(id)}"
    return name


def replace(text: str) -> str:
    """Return a text with every character replaced that names of an export do not have.

    >>> replace("a.b/ü")
    'a_b_ü'
    """
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in text)


def part_name(run_id: str, number: int) -> str:
    """Return the file name of a part of a run.

    >>> part_name("RUN-1", 0)
    'RUN-1-549fcb30a0f06072_part_0.parquet'
    """
    return f"{sanitize_id(run_id)}_part_{number}.parquet"


def sanitize_file_path(
    run_id: str, path: str, *, step_micros: int | None = None, mime_type: str = ""
) -> str:
    """Return where a file of a run lies below the files of its project.

    >>> sanitize_file_path("RUN-1", "files/notes.txt", mime_type="text/plain")
    'RUN-1/files/notes_txt.txt'
    >>> sanitize_file_path("r", "y", step_micros=-1_250_000, mime_type="text/html")
    'r/y/step_-1_250000.html'
    """
    parts = [*run_id.split("/"), *path.split("/")]
    if step_micros is not None:
        sign = "-" if step_micros < 0 else ""
        whole, rest = divmod(abs(step_micros), 1_000_000)
        parts.append(f"step_{sign}{whole}.{rest:06d}")
    cleaned = [_sanitize_part(part) for part in parts if part]
    suffix = mimetypes.guess_extension(mime_type) if mime_type else None
    return "/".join(cleaned) + (suffix or "")


def _sanitize_part(part: str) -> str:
    name = replace(part)
    if len(name) > _MAX_PART:
        name = f"{name[:_KEPT_OF_LONG]}_{_digest(part)}"
    if len(name.encode()) > _MAX_BYTES:  # of letters that take several bytes each
        name = f"{_cut(name, _MAX_BYTES - 17)}_{_digest(part)}"
    return name


def distinguish(path: str, of: str) -> str:
    """Return a path with a digest of `of` in its last part, before the suffix.

    >>> distinguish("r/a_b.bin", "a.b")
    'r/a_b_4eb68d4d2828008e.bin'
    """
    folder, slash, leaf = path.rpartition("/")
    stem, dot, suffix = leaf.partition(".")
    return f"{folder}{slash}{_cut(stem, 200)}_{_digest(of)}{dot}{suffix}"


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
