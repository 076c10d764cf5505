"""Assets of a xetrack file as files of runs."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import StoreCorrupt
from mooring.exchange.reports import ProblemList
from mooring.model import FileRef
from mooring.store.contract import Store
from mooring.tracker.assets.objects import MIME_PICKLE, MIME_PICKLE_ZLIB, SUFFIX, is_hash_candidate
from mooring.tracker.xetrack.file import XetrackFile


class AssetSource:
    """Puts each asset of a file into the store once, byte for byte and never unpickled.

    What zlib compressed stays compressed. Content that does not have its hash is a problem. With
    `dry_run` content is checked and not stored.
    """

    def __init__(
        self, file: XetrackFile, store: Store, problems: ProblemList, *, dry_run: bool
    ) -> None:
        self._dry_run = dry_run
        self._file = file
        self._store = store
        self._problems = problems
        self._found = {asset.hash: asset for asset in file.list_assets()}
        self._files: dict[str, FileRef | None] = {}
        self.named: set[str] = set()
        self.damaged: set[str] = set()
        for line in file.list_unreadable():
            problems.add(line, "it was not loaded, and is left out", kind="assets")
        for name in [name for name in self._found if not is_hash_candidate(name)]:
            problems.add(f"asset {name!r}", "its name is no hash; it is left out", kind="assets")
            del self._found[name]

    def __bool__(self) -> bool:
        return bool(self._found)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and value in self._found

    def without_rows(self) -> Iterable[tuple[str, str]]:
        """Return hash and name of the assets that no row named so far."""
        for asset in self._found.values():
            if asset.hash not in self.named:
                yield asset.hash, asset.keys[0] if asset.keys else "asset"

    def put(self, hash_value: str, column: str) -> FileRef | None:
        """Store an asset under the name of a column; None when its content is damaged."""
        file = self._stored(hash_value)
        if file is None:
            return None
        return FileRef(file.digest, file.size_bytes, file.mime_type, column + SUFFIX)

    def _stored(self, hash_value: str) -> FileRef | None:
        if hash_value not in self._files:
            try:
                content, compressed = self._file.read_stored(hash_value)
            except StoreCorrupt as error:
                self._problems.add(f"asset {hash_value}", str(error), kind="assets")
                self._files[hash_value] = None
                self.damaged.add(hash_value)
            else:
                digest, size = "", len(content)
                if not self._dry_run:
                    digest, size = self._store.put_blob(content)
                mime_type = MIME_PICKLE_ZLIB if compressed else MIME_PICKLE
                self._files[hash_value] = FileRef(digest, size, mime_type)
        return self._files[hash_value]
