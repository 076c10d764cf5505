"""What kind of file system a path lies on, as far as Linux tells."""

from __future__ import annotations

from pathlib import Path

NETWORK_FILESYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
    | {"glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs"}
    | {"smb2", "smb3", "smbfs"}
)
"""Types where SQLite's shared-memory WAL index does not work between machines."""

_MOUNTS = Path("/proc/self/mounts")


def filesystem_type(path: Path, mounts: str) -> str | None:
    """Return the type of the file system that holds `path`, from the text of a mount table.

    >>> from pathlib import Path
    >>> filesystem_type(Path("/data/x.db"), "/dev/a / ext4 rw 0 0\\nsrv:/d /data nfs4 rw 0 0")
    'nfs4'
    """
    best, found = -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = Path(fields[1].replace("\\040", " "))
        if len(mount.parts) >= best and (path == mount or mount in path.parents):
            best, found = len(mount.parts), fields[2]
    return found


def network_filesystem(path: Path) -> str | None:
    """Return the type of the network file system that holds `path`, or None."""
    if not _MOUNTS.exists():
        return None
    kind = filesystem_type(path.resolve(), _MOUNTS.read_text(errors="replace"))
    return kind if kind in NETWORK_FILESYSTEMS else None
