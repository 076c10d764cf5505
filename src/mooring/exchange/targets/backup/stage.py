"""The folder in which a run comes together before it takes the place of the old one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.layout import OLD, PART
from mooring.exchange.backup.manifest import Kept, Manifest, dump_manifest
from mooring.exchange.backup.names import MANIFEST


class Stage:
    """Files of a run: new ones are written, those that did not change taken from the old run.

    Nothing is made before something has to be written: an unchanged run leaves no trace. What a
    killed process left in the folder is used where its checksum is right. With `dry` nothing is
    written at all, and checksums of what would be are empty.
    """

    def __init__(
        self, home: Folder, name: str, old: Folder | None, kept: Mapping[str, Kept], *, dry: bool
    ) -> None:
        self._home = home
        self._name = name
        self._part = f".{name}{PART}"
        self._old = old
        self._kept = kept
        self._dry = dry
        self._folder: Folder | None = None
        self._taken: dict[str, str] = {}
        self._by_digest = {one.sha256: file for file, one in kept.items()}
        self.files: dict[str, Kept] = {}
        self.changed = old is None

    def keep(self, name: str, old_name: str) -> bool:
        """Have a file of the old run in the new one; return whether the old one has it."""
        return self.keep_all([(name, old_name)])

    def keep_all(self, pairs: Sequence[tuple[str, str]]) -> bool:
        """Have files (name, name in the old run) of the old run, if it has all of them."""
        for _, old_name in pairs:
            kept = self._kept.get(old_name)
            if kept is None or self._old is None or self._old.size(old_name) != kept.size:
                return False
        for name, old_name in pairs:
            self.files[name] = self._kept[old_name]
            self._taken[name] = old_name
        return True

    def write(self, name: str, parts: Iterable[bytes]) -> Kept:
        """Write a file."""
        if self._dry:
            hasher, size = hashlib.sha256(), 0
            for part in parts:
                hasher.update(part)
                size += len(part)
            kept = Kept(hasher.hexdigest(), size)
        else:
            kept = Kept(*self._made().write(name, parts))
        self._note(name, kept)
        return kept

    def write_with(self, name: str, write: Callable[[Any], object]) -> Kept:
        """Write a file by a function that is given something to write to."""
        if self._dry:
            self.changed = True
            kept = Kept("", 0)
        else:
            with self._made().sink(name) as sink:
                write(sink)
            kept = Kept(sink.sha256, sink.size)
        self._note(name, kept)
        return kept

    def have(self, name: str, digest: str, size: int | None) -> bool:
        """Have a file of this SHA-256 if the old run, or what a killed process left, holds it."""
        old_name = self._by_digest.get(digest)
        if old_name is not None and self.keep(name, old_name):
            return True
        if self._dry or self._home.kind(f"{self._part}/{name}") != "file":
            return False
        folder = self._made()
        found = folder.size(name)
        if found != (found if size is None else size) or folder.digest(name)[0] != digest:
            return False
        self._note(name, Kept(digest, found or 0))
        return True

    def drop(self, name: str) -> None:
        """Leave out a file that was written."""
        if self.files.pop(name, None) is not None and self._folder is not None:
            self._folder.remove(name)

    def commit(self, manifest: Manifest) -> None:
        """Give the run its place: whole, and its manifest written last."""
        stage = self._made()
        for name, old_name in self._taken.items():
            if name in self.files:
                assert self._old is not None
                stage.take(name, self._old, old_name)
        for name in list(stage.walk()):
            if name not in self.files:
                stage.remove(name)
        stage.remove_empty()
        stage.replace(MANIFEST, dump_manifest(manifest))
        final, old = self._home.path(self._name), f".{self._name}{OLD}"
        if self._home.kind(self._name):
            self._home.path(self._name).rename(self._home.path(old))
        stage.root.rename(final)
        self.discard(old)

    def discard(self, name: str | None = None) -> None:
        """Remove what was begun."""
        if not self._dry and self._home.kind(name or self._part):
            self._home.remove(name or self._part)

    def _note(self, name: str, kept: Kept) -> None:
        self.files[name] = kept
        self._taken.pop(name, None)
        if self._kept.get(name) != kept or self._old is None or self._old.size(name) != kept.size:
            self.changed = True

    def _made(self) -> Folder:
        if self._folder is None:
            self._folder = self._home.make(self._part)
        return self._folder
