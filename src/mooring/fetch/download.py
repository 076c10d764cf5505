"""Writes logged files to folders of the reader."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import uuid
from pathlib import Path

from mooring.errors import MooringError, StoreCorrupt
from mooring.model import FileRef
from mooring.store.contract import Store

_CHUNK_BYTES = 1 << 20
_MAX_NAME_BYTES = 200
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


def safe_name(name: str, default: str = "file") -> str:
    """Return a file name that stays in its folder on every system.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\tmp\\\\a.png"), safe_name("..")
    ('passwd', 'a.png', 'file')
    """
    leaf = _UNSAFE.sub("_", re.split(r"[/\\]", name)[-1]).strip().rstrip(".")
    while len(leaf.encode(errors="replace")) > _MAX_NAME_BYTES:
        stem, dot, suffix = leaf.rpartition(".")
        leaf = f"{stem[:-1]}{dot}{suffix}" if stem and len(suffix) < 20 else leaf[:-1]
    return leaf or default


def download_blob(store: Store, file: FileRef, target: Path) -> Path:
    """Write a file to `target`, whole or not at all; an older one there is replaced.

    The bytes are checked against the digest on the way: `StoreCorrupt` where they differ.
    """
    part = target.parent / f".{uuid.uuid4().hex}.part"
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(21, "is a folder")
        with store.open_blob(file.digest) as source, part.open("xb") as sink:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                sink.write(chunk)
        if digest.hexdigest() != file.digest:
            raise StoreCorrupt(
                f"the content of {file.name or file.digest} in {store.address} does not have its "
                "digest; run 'mooring doctor'",
                address=store.address,
            )
        part.replace(target)
    except OSError as error:
        raise MooringError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def resolve_target(destination: str | os.PathLike[str] | None, name: str) -> Path:
    """Return where a file of this name goes.

    `destination` None: the current folder. A folder that exists, or a path that ends with a
    separator: that folder. Anything else: the path of the file itself.
    """
    if destination is None:
        return Path.cwd() / name
    text = os.fspath(destination)
    folder = Path(text)
    if text.endswith(("/", os.sep)) or folder.is_dir():
        return folder / name
    return folder
