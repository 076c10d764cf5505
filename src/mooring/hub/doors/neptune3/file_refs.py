"""Files as this protocol names them, by the path of their upload, and as the store does.

Whoever takes updates writes a `stored_file` in the place of each file, and does this for a batch::

    expect(store, run, awaited)     # before the updates are written
    store.append_once(...)
    settle(store, run, uploads)     # after it, also when the batch was there already

All three before the request is answered. What a SIGKILL leaves behind: after the first, references
that do nothing without their update; after the second, files that wait for content that is there.
A request that comes again does what was left undone.

Readers are given the path of the upload until the content has come, and then one with its digest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from mooring.hub.guarded import GuardedStore
from mooring.model import FileRef, RunInfo
from mooring.store.sqlite.store import SqliteStore
from mooring.store.uploads import AwaitedFile
from mooring.wire.neptune3.ingest import WireFile

_STORED = re.compile(r"([0-9a-f]{64})(/.*)?", re.DOTALL)
"""Paths that readers are given of files whose content is there; see `values.file_path`."""


def stored_file(file: WireFile) -> FileRef:
    """Return what the store keeps of a file whose content comes, or has come, apart from it."""
    return FileRef("", max(0, file.size_bytes), file.mime_type or _OCTETS, file.path)


def awaited_file(attribute: str, file: FileRef, *, step: int | None, time: int) -> AwaitedFile:
    """Return what a stored file waits for.

    Parameters
    ----------
    step : of its point, in millionths; None where it is assigned
    time : of the update, in microseconds since 1970; a repetition of it has the same
    """
    return AwaitedFile(
        attribute=attribute, upload=file.name, mime_type=file.mime_type, step=step, time=time
    )


def expect(store: GuardedStore, run: RunInfo, awaited: Sequence[AwaitedFile]) -> None:
    """Enter what a run waits for, before the updates that tell of it are written."""
    if awaited:
        store.await_files(run.key, awaited)


def settle(store: GuardedStore, run: RunInfo, uploads: Collection[str]) -> None:
    """Give a run the content that came before the updates, after these were written."""
    if uploads:
        store.give_uploads(run.key, sorted(uploads))


def find_content(store: SqliteStore, project: str, path: str) -> str | None:
    """Return the digest of what a path of a project stands for at this time, or None.

    A path that names a digest is good in projects that have the file.
    """
    stored = _STORED.fullmatch(path)
    if stored is not None:
        return stored[1] if store.refers_to(None, stored[1], projects=(project,)) else None
    upload = store.find_uploads(project, [path]).get(path)
    return None if upload is None else upload.digest


_OCTETS = "application/octet-stream"
