"""Which runs refer to which stored files: an ability that a hub asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class FindsFiles(Protocol):
    """A store that can tell whether runs refer to a file by its digest."""

    def refers_to(
        self,
        keys: Sequence[int] | None,
        digest: str,
        *,
        projects: tuple[str, ...] | None = None,
    ) -> bool:
        """Return whether one of these runs (None: of all) has a file of this content.

        That is an attribute that holds a file, or a point of a file series, inherited ones
        included. `projects` leaves runs of others out, and one that does not exist has none.
        Trashed runs count, files that were only uploaded do not.
        """
        ...
