"""Assets: pickled Python objects, which are files of the runs that logged them.

An asset is known by the xxh64 of its cloudpickle bytes, 16 hexadecimal digits; a row holds those
digits. A run that has it has the file attribute `assets/<hash>`, whose content is among the
store's blobs. So an asset is seen by the fetch API, is exported with its run, and its content is
freed by `compact` when no run has it any more.

Unpickling runs code of whoever made the bytes. It happens in `Assets.get`, `get_from_hash`,
`get_from_key` and `pop`, for the one object that is asked for, after the hash of its bytes was
checked; listing, counting, copying and removing never look into them.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from mooring.errors import AssetNotFound, AssetUnreadable, InvalidInput, StoreCorrupt
from mooring.model import AttributeType, FileRef, RunInfo, RunKind
from mooring.query import Exists, Field
from mooring.store.contract import PathSelector, RunQuery, Store

if TYPE_CHECKING:
    from mooring.tracker.assets.writing import AssetWriter

MIME_PICKLE = "application/x-cloudpickle"
"""Media type of an asset whose content is the cloudpickle bytes."""

MIME_PICKLE_ZLIB = "application/x-cloudpickle+zlib"
"""Media type of an asset whose content is the cloudpickle bytes, compressed by zlib."""

SUFFIX = ".cloudpickle"

_FOLDER = "assets/"
_HASH = re.compile(r"[0-9a-f]{16}")
_FILES = frozenset({AttributeType.FILE})
_EVERY_ASSET = PathSelector(patterns=(rf"^{_FOLDER}[0-9a-f]{{16}}$",), types=_FILES)
_KINDS = tuple(RunKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetEntry:
    """One asset of a store.

    Attributes
    ----------
    hash : xxh64 of the cloudpickle bytes, in hex
    key : name of the column that it was logged under first
    size_bytes : length of its content as stored
    compressed : whether zlib has compressed it
    runs : track ids of the runs that have it, those in the trash included
    """

    hash: str
    key: str
    size_bytes: int
    compressed: bool
    runs: tuple[str, ...]


class Assets:
    """The assets of a store, as `Tracker.assets` and `Reader.assets` hand them out.

    They belong to the store: every table and run of it shares them, one copy however often
    logged. Iteration gives hashes. Runs in the trash still have theirs. Asking, listing and
    counting run no code of the assets; see the module for what does.

    Examples
    --------
    >>> from mooring import Tracker
    >>> tracker = Tracker(Tracker.IN_MEMORY)
    >>> found = tracker.assets.insert("vocabulary", frozenset({"a", "b"}))
    >>> found in tracker.assets, len(tracker.assets)
    (True, 1)
    >>> sorted(tracker.assets.get("vocabulary"))
    ['a', 'b']
    >>> tracker.close()
    """

    def __init__(
        self,
        store: Store,
        project: str,
        writable: Callable[[], AbstractContextManager[Store]],
        *,
        run: RunInfo | None = None,
        writer: AssetWriter | None = None,
    ) -> None:
        self._store = store
        self._project = project
        self._writable = writable
        self._run = run
        self._writer = writer

    def __len__(self) -> int:
        return len(list_hashes(self._store))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(list_hashes(self._store))

    def __contains__(self, hash_value: object) -> bool:
        return is_hash_candidate(hash_value) and find_file(self._store, str(hash_value)) is not None

    def __repr__(self) -> str:
        return f"Assets({self._store.address!r})"

    def list(self) -> Sequence[AssetEntry]:
        """Return an entry for each asset, sorted by hash."""
        runs = self._store.query_runs(RunQuery(trashed=None, kinds=_KINDS)).runs
        columns = self._store.read_attributes([run.key for run in runs], _EVERY_ASSET)
        entries = []
        for column in columns:
            files = [
                (runs[row], file) for row, file in zip(column.rows, column.values, strict=True)
            ]
            files = [(run, file) for run, file in files if _is_asset(file)]
            if files:
                first = min(files, key=lambda pair: pair[0].key)[1]
                entries.append(
                    AssetEntry(
                        hash=column.path.removeprefix(_FOLDER),
                        key=_key_of(first),
                        size_bytes=first.size_bytes,
                        compressed=first.mime_type == MIME_PICKLE_ZLIB,
                        runs=tuple(run.run_id for run, _ in files),
                    )
                )
        return entries

    # reading

    def get(self, key: str) -> Any:
        """Return an object by its hash, or by the column that it was logged under.

        Of a column it is the object that was logged last: by the tracker's own run if that has
        one, else by any run of the table. The bytes are checked against their hash, then
        unpickled, which runs code of whoever logged them.

        Raises
        ------
        AssetNotFound
            When there is none.
        AssetUnreadable
            When it cannot be unpickled here, for example because a library is missing.
        StoreCorrupt
            When its bytes are damaged.
        """
        return self.get_from_hash(self.find_hash(key))

    def get_from_hash(self, hash_value: str) -> Any:
        """Return an object by its hash; see `get`."""
        import pickle

        content = self._read(hash_value)
        try:
            return pickle.loads(content)
        except Exception as error:
            raise AssetUnreadable(hash_value, error) from error

    def get_from_key(self, key: str) -> Any:
        """Return the object that a column was given last; see `get`."""
        found = self._find_in_column(key)
        if found is None:
            raise self._not_found(key)
        return self.get_from_hash(found)

    def get_bytes(self, key: str) -> bytes:
        """Return the cloudpickle bytes of an asset, which are checked and not loaded.

        `key` is its hash, or the name of its column.
        """
        return self._read(self.find_hash(key))

    def find_hash(self, key: str) -> str:
        """Return the hash of what `get` would return; `AssetNotFound` when there is none."""
        if not isinstance(key, str):
            raise InvalidInput(f"an asset is asked for by its hash or its column, not by {key!r}")
        if key in self:
            return key
        found = self._find_in_column(key)
        if found is None:
            raise self._not_found(key)
        return found

    # writing

    def insert(self, key: str, obj: object) -> str:
        """Store any object as an asset of the tracker's run; return its hash.

        Whatever `on_error` says, this raises when the object could not be stored.
        """
        if self._writer is None:
            raise InvalidInput("an asset belongs to a run: insert it by Tracker.assets")
        return self._writer.insert(key, obj)

    def remove(self, key: str) -> bool:
        """Remove an asset by its hash or column; `AssetNotFound` when there is none."""
        return self.remove_hash(self.find_hash(key))

    def remove_hash(
        self, hash_value: str, remove_keys: bool = True, *, column: str | None = None
    ) -> bool:
        """Remove an asset from every run of the store; return whether there was one.

        Its content is freed by a later `compact`. Rows keep the hash; where `column` is named, the
        rows of this table, in runs that had the asset, get None in place of it there.
        `remove_keys` changes nothing: what names an asset goes with it.
        """
        with self._writable() as store:
            # Cells first: after a SIGKILL in between, the same call finds the rest to do.
            runs = _holders(store, hash_value) if is_hash_candidate(hash_value) else ()
            for run in runs:
                if column is not None and run.project == self._project:
                    store.set_events(run.key, column, None, where=(column, hash_value))
            for run in runs:
                with closing(store.open_writer(run.key)) as writer:
                    writer.delete(asset_path(hash_value))
        if self._writer is not None:
            self._writer.forget(hash_value)
        return bool(runs)

    def pop(self, key: str) -> Any:
        """Return an object as `get` does, and remove it from every run."""
        hash_value = self.find_hash(key)
        obj = self.get_from_hash(hash_value)
        self.remove_hash(hash_value)
        return obj

    @staticmethod
    def hash_bytes(content: bytes) -> str:
        """Return the hash of cloudpickle bytes; see `hash_bytes`."""
        return hash_bytes(content)

    @staticmethod
    def is_hash_candidate(value: object) -> bool:
        """Return whether a value has the form of a hash; see `is_hash_candidate`."""
        return is_hash_candidate(value)

    def _read(self, hash_value: str) -> bytes:
        file = find_file(self._store, hash_value) if is_hash_candidate(hash_value) else None
        if file is None:
            raise self._not_found(hash_value)
        return read_pickle(self._store, hash_value, file)

    def _not_found(self, key: str) -> AssetNotFound:
        entries = self.list()
        known = [name for entry in entries for name in (entry.hash, entry.key)]
        return AssetNotFound(str(key), where=self._store.address, known=dict.fromkeys(known))

    def _find_in_column(self, key: str) -> str | None:
        if self._run is not None and (found := _last_in(self._store, [self._run], key)):
            return found
        if self._project not in self._store.list_projects():
            return None
        page = self._store.query_runs(RunQuery(project=self._project, kinds=_KINDS))
        return _last_in(self._store, page.runs, key)


AssetsManager = Assets
"""The name that users of xetrack know."""


def asset_path(hash_value: str) -> str:
    """Return the attribute that a run has for an asset.

    >>> asset_path("53425a65a40a49f4")
    'assets/53425a65a40a49f4'
    """
    return _FOLDER + hash_value


def is_asset_path(path: str) -> bool:
    """Return whether an attribute of this path is an asset, if it is a file."""
    return path.startswith(_FOLDER) and is_hash_candidate(path.removeprefix(_FOLDER))


def hash_bytes(content: bytes) -> str:
    """Return the hash by which an asset of these cloudpickle bytes is known.

    >>> hash_bytes(b"")
    'ef46db3751d8e999'
    """
    return xxhash.xxh64_hexdigest(content)


def is_hash_candidate(value: object) -> bool:
    """Return whether a value has the form of a hash: 16 lower-case hexadecimal digits."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def list_hashes(store: Store) -> Sequence[str]:
    """Return the hashes of all assets of a store, sorted."""
    found = store.list_attributes(None, _EVERY_ASSET)
    return [path.removeprefix(_FOLDER) for path, _ in found]


def find_file(store: Store, hash_value: str) -> FileRef | None:
    """Return the file of an asset, which any run of the store may have, or None."""
    path = asset_path(hash_value)
    for run in _holders(store, hash_value):
        for column in store.read_attributes([run.key], PathSelector(paths=(path,), types=_FILES)):
            file = column.values[0]
            if _is_asset(file):
                return file  # type: ignore[no-any-return]
    return None


def read_pickle(store: Store, hash_value: str, file: FileRef) -> bytes:
    """Return the cloudpickle bytes of an asset; `StoreCorrupt` when they are not what they were."""
    with store.open_blob(file.digest) as source:
        content = source.read()
    whole = hashlib.sha256(content).hexdigest() == file.digest
    if whole and file.mime_type == MIME_PICKLE_ZLIB:
        try:
            content = zlib.decompress(content)
        except zlib.error:
            whole = False
    if not whole or hash_bytes(content) != hash_value:
        raise StoreCorrupt(
            f"the content of asset {hash_value} in {store.address} is damaged, so it is not "
            "loaded; run 'mooring doctor'",
            address=store.address,
        )
    return content


def _holders(store: Store, hash_value: str) -> Sequence[RunInfo]:
    query = RunQuery(filter=Exists(Field(asset_path(hash_value))), trashed=None, kinds=_KINDS)
    return store.query_runs(query).runs


def _is_asset(file: FileRef) -> bool:
    return file.mime_type in (MIME_PICKLE, MIME_PICKLE_ZLIB)


def _key_of(file: FileRef) -> str:
    return file.name.removesuffix(SUFFIX)


def _last_in(store: Store, runs: Sequence[RunInfo], key: str) -> str | None:
    """Return the hash of the asset that a column of these runs was given last, or None.

    A column of texts is a series, and what the store keeps of it tells its last one. A column
    that also holds numbers is none: there the files' own names tell, or at worst the rows.
    """
    keys = [run.key for run in runs]
    latest: list[tuple[int, str]] = []
    for column in store.read_attributes(keys, PathSelector(paths=(key,))):
        for row, value in zip(column.rows, column.values, strict=True):
            if is_hash_candidate(value):
                run = runs[row]
                series = column.type.is_series
                time = store.get_stats(run.key, key).last_time if series else run.created
                latest.append((time, value))
    for _, value in sorted(latest, reverse=True):
        if find_file(store, value) is not None:
            return value
    return _last_named(store, runs, key)


def _last_named(store: Store, runs: Sequence[RunInfo], key: str) -> str | None:
    named: dict[int, list[str]] = {}
    for column in store.read_attributes([run.key for run in runs], _EVERY_ASSET):
        for row, file in zip(column.rows, column.values, strict=True):
            if _is_asset(file) and _key_of(file) == key:
                named.setdefault(row, []).append(column.path.removeprefix(_FOLDER))
    if not named:
        return None
    run = runs[max(named, key=lambda row: (runs[row].created, runs[row].key))]
    hashes = next(found for row, found in named.items() if runs[row] is run)
    if len(hashes) > 1 and any(key == column.name for column in store.list_columns(run.project)):
        for cell in reversed(store.read_events(run.project, [run.key], columns=[key]).columns[key]):
            if cell in hashes:
                return str(cell)
    return hashes[-1]
