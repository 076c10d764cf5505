"""Objects on their way into a row: pickled, stored once, and written as their hash.

The order of writes is content, attribute, row. A SIGKILL between two of them leaves content that
nothing refers to, which `compact` removes an hour later at the earliest; or an asset of the run
that no row names, which `Assets` lists. It never leaves a row whose asset is missing.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from typing import Any
from uuid import UUID

from mooring.errors import InvalidValue
from mooring.model import FileRef, validate_path
from mooring.tracker.assets.objects import (
    MIME_PICKLE,
    MIME_PICKLE_ZLIB,
    SUFFIX,
    asset_path,
    find_file,
    hash_bytes,
    is_hash_candidate,
)
from mooring.tracker.files import File
from mooring.tracker.session import Session
from mooring.tracker.values import Cell, convert, to_cell

PICKLE_PROTOCOL = 5

_NEVER_PICKLED = (
    *(str, int, float, Decimal, Fraction, datetime, date, time, timedelta, PurePath, UUID),
    *(type(None), File, FileRef),
)
"""What is refused as a cell stays refused: a text that is no Unicode, a file of some path."""

_HASH_LENGTH = 16
_MISSES = 8
"""Texts of a column that only look like hashes, such as ids of traces, before it is left alone.

Each costs a query; a column of a million of them would cost a million.
"""


class AssetWriter:
    """Turns what is logged into cells, and what is no cell into assets of the run.

    Thread safety: any thread may call; the same object logged by two at once is stored once.
    """

    def __init__(self, session: Session, *, compress: bool = False) -> None:
        self._session = session
        self._compress = compress
        self._known: set[str] = set()
        """Hashes that the run has, or that were looked up."""
        self._misses: Counter[str] = Counter()

    def to_cells(
        self,
        values: Iterable[tuple[str, object]],
        to_cell: Callable[[str, Any], Cell] = to_cell,
    ) -> dict[str, Cell]:
        """Return values as cells; what can neither be a cell nor be stored is left out.

        What is left out is raised or counted, as the session's `on_error` says. When it raises
        because of a value that cannot be taken, nothing has been written.
        """
        pickled: dict[str, tuple[str, bytes]] = {}

        def to_cell_or_hash(name: str, value: object) -> Cell:
            try:
                return to_cell(name, value)
            except InvalidValue:
                if isinstance(value, _NEVER_PICKLED):
                    raise
            content = to_pickle(validate_path(name), value)
            hash_value = hash_bytes(content)
            pickled[hash_value] = (name, content)
            return hash_value

        cells, refused = convert(values, to_cell_or_hash)
        self._session.refuse(refused)
        lost = pickled.keys() - self._store(pickled) if pickled else ()
        cells = {name: cell for name, cell in cells.items() if cell not in lost}
        self.adopt(cells)
        return cells

    def adopt(self, cells: Mapping[str, Cell]) -> None:
        """Give the run the assets whose hashes alone are logged again.

        So they outlive the run that logged the object. Each hash is looked up once.
        """
        for name, cell in cells.items():
            if type(cell) is str and len(cell) == _HASH_LENGTH and cell not in self._known:
                self._session.attempt(partial(self._adopt, name, cell))

    def insert(self, key: str, obj: object) -> str:
        """Store an object whatever it is; return its hash, or raise."""
        content = to_pickle(validate_path(key), obj)
        hash_value = hash_bytes(content)
        if hash_value not in self._known or find_file(self._session.store, hash_value) is None:
            self._session.writer.assign({asset_path(hash_value): self._put(key, content)})
            self._known.add(hash_value)
        return hash_value

    def forget(self, hash_value: str) -> None:
        """Store an object anew when it is logged again: it has been removed."""
        self._known.discard(hash_value)

    def _adopt(self, name: str, hash_value: str) -> None:
        if not is_hash_candidate(hash_value) or self._misses[name] >= _MISSES:
            return
        file = find_file(self._session.store, hash_value)
        if file is None:
            self._misses[name] += 1
            return
        self._session.writer.assign({asset_path(hash_value): file})
        self._misses.pop(name, None)
        self._known.add(hash_value)

    def _store(self, pickled: Mapping[str, tuple[str, bytes]]) -> set[str]:
        """Make pickled objects assets of the run; return the hashes of those that are."""
        files: dict[str, FileRef] = {}
        paths: dict[str, str] = {}
        for hash_value, (name, content) in pickled.items():
            if hash_value not in self._known:
                file = self._session.attempt(partial(self._put, name, content))
                if file is not None:
                    path = asset_path(hash_value)
                    files[path], paths[path] = file, hash_value
        if files:
            written = self._session.write(self._session.writer.assign, files)
            self._known.update(paths[path] for path in written)
        return {hash_value for hash_value in pickled if hash_value in self._known}

    def _put(self, name: str, content: bytes) -> FileRef:
        stored = zlib.compress(content) if self._compress else content
        digest, size = self._session.store.put_blob(stored)
        return FileRef(
            digest=digest,
            size_bytes=size,
            mime_type=MIME_PICKLE_ZLIB if self._compress else MIME_PICKLE,
            name=name + SUFFIX,
        )


def to_pickle(name: str, value: object) -> bytes:
    """Return the cloudpickle bytes of an object, or raise `InvalidValue` that says `name`."""
    import cloudpickle

    try:
        return cloudpickle.dumps(value, protocol=PICKLE_PROTOCOL)  # type: ignore[no-any-return]
    except Exception as error:  # noqa: BLE001 - an object's own __reduce__ may raise anything
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise InvalidValue(
            f"{name!r} is a {kind.removeprefix('builtins.')}, which is no cell and cannot be "
            f"pickled ({type(error).__name__}: {error}); log a number, a text, or what it holds"
        ) from None
