"""Files whose content travels apart from what refers to it: an ability that a hub asks for.

A reference can come before the content, or after it, or its content never comes. Until then the
attribute or point holds a `FileRef` without a digest, whose `name` is the path of the upload: it is
shown, and its content is not there. A path is a name: it is looked up, and never opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedFile:
    """One reference to an upload.

    Attributes
    ----------
    attribute : path of the attribute that holds the file, or of the series
    upload : path of the upload
    mime_type : media type that the reference tells
    step : of the point in its series, in millionths; None for a single value
    time : when it was logged, in microseconds since 1970
    """

    attribute: str
    upload: str
    mime_type: str
    step: int | None = None
    time: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    """Content that came. `id` tells one upload to a path from another; "": it is not known."""

    digest: str
    size_bytes: int
    id: str = ""


@runtime_checkable
class TakesUploads(Protocol):
    """A store that joins uploads with what refers to them.

    Whoever logs references calls `await_files`, writes the update, then calls `give_uploads`.
    Whoever takes content calls `put_blob`, then `enter_upload`. Each enters its own side first and
    looks for the other's then, so that no order of the two, and no kill between two calls that is
    followed by a repetition, leaves a reference without content that came.
    """

    def await_files(self, key: int, files: Sequence[AwaitedFile]) -> None:
        """Enter references of a run, before the update that writes them.

        Each takes the place of the one before it of the same attribute and step. One that is there
        already, with the same upload and time, keeps the content that it was given.
        """
        ...

    def give_uploads(self, key: int, uploads: Sequence[str]) -> None:
        """Give content that came before to references of a run, after they were written.

        Each reference has an upload of its own: where fewer came to a path than there were
        references to it, the new ones wait, as the content that is there may be an older one.
        """
        ...

    def enter_upload(self, project: str, path: str, upload: Upload) -> None:
        """Enter content that came, and give it to all that refers to its path.

        The path stands for its last upload from now on, in older references too. What another
        value has replaced, or was deleted, stays as it is. The last upload of a path, entered again
        under its `id`, changes nothing. `ProjectNotFound` for a project that is gone.
        """
        ...

    def find_uploads(self, project: str, paths: Sequence[str]) -> Mapping[str, Upload]:
        """Return what these paths of a project stand for, less those that nothing came for."""
        ...
