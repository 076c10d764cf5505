"""Which file system a path lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.store.sqlite.filesystem import (
    NETWORK_FILESYSTEMS,
    filesystem_type,
    network_filesystem,
)

MOUNTS = """/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/me/fast xfs rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
tmpfs /data tmpfs rw 0 0
lustre@tcp:/fs /data lustre rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/x.db", "ext4"),
        ("/homer/x.db", "ext4"),
        ("/home/x.db", "nfs4"),
        ("/home/me/x.db", "nfs4"),
        ("/home/me/fast/x.db", "xfs"),
        ("/home/me/fast", "xfs"),
        ("/mnt/my share/x.db", "cifs"),
        ("/mnt/my", "ext4"),
        ("/data/x.db", "lustre"),  # the later of two mounts on one folder hides the earlier
    ],
)
def test_the_closest_mount_counts(path: str, expected: str) -> None:
    assert filesystem_type(Path(path), MOUNTS) == expected


def test_no_mounts() -> None:
    assert filesystem_type(Path("/x.db"), "") is None


def test_local_disks_are_no_network() -> None:
    assert not NETWORK_FILESYSTEMS & {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs"}


def test_a_temporary_folder_can_be_asked(tmp_path: Path) -> None:
    found = network_filesystem(tmp_path / "new.db")
    assert found is None or found in NETWORK_FILESYSTEMS
