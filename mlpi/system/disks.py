"""What kind of disk a folder lies on, read from the kernel's own lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "afs", "9p", "virtiofs", "davfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.davfs2"}
)
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_ESCAPE = re.compile(r"\\([0-7]{3})")


class DiskKind(StrEnum):
    """What holds the bytes in the end."""

    NVME = "NVMe"
    SSD = "SSD"
    HARD_DISK = "hard disk"
    SD_CARD = "SD card"
    EMMC = "eMMC"
    USB_STICK = "USB stick"
    VIRTUAL = "virtual disk"
    NETWORK = "network file system"
    MEMORY = "memory"
    OVERLAY = "container's own layer"
    UNKNOWN = "disk of unknown kind"


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo. device is "major:minor", source what was mounted."""

    device: str
    point: str
    fs_type: str
    source: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk behind a folder: its kind, and its name in the kernel ("" where it has none)."""

    kind: DiskKind
    name: str
    mount: Mount


def disk_of(path: Path, mountinfo: str, sys: Path = Path("/sys")) -> Disk | None:
    """The disk that an absolute path lies on; None when mountinfo does not tell."""
    mount = mount_of(path, mountinfo)
    if mount is None:
        return None
    if mount.fs_type in NETWORK:
        return Disk(DiskKind.NETWORK, mount.source, mount)
    if mount.fs_type in IN_MEMORY:
        return Disk(DiskKind.MEMORY, "", mount)
    block = _block(mount, sys)
    if block is None:
        kind = DiskKind.OVERLAY if mount.fs_type == "overlay" else DiskKind.UNKNOWN
        return Disk(kind, "", mount)
    return Disk(_kind(block), block.name, mount)


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """The mount an absolute path lies on: the longest mount point above it, the last one there."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        mount = _parsed(line)
        if mount is None or not path.is_relative_to(mount.point):
            continue
        if found is None or len(mount.point) >= len(found.point):
            found = mount
    return found


def _parsed(line: str) -> Mount | None:
    """proc(5): id, parent, major:minor, root, point, options, optional fields, -, type, source."""
    before, _, after = line.partition(" - ")
    fields, rest = before.split(), after.split()
    if len(fields) < 6 or len(rest) < 2:
        return None
    return Mount(
        device=fields[2],
        point=_unescaped(fields[4]),
        fs_type=rest[0],
        source=_unescaped(rest[1]),
        is_read_only="ro" in fields[5].split(","),
    )


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _block(mount: Mount, sys: Path) -> Path | None:
    """The whole disk's folder in /sys: below partitions, encryption, LVM and RAID."""
    # A file system over several disks (btrfs) has a made-up number; its source names one of them.
    by_number = sys / "dev" / "block" / mount.device
    by_name = sys / "class" / "block" / Path(mount.source).name
    for candidate in (by_number, by_name):
        if mount.source.startswith("/dev/") and candidate.exists():
            return _undermost(candidate.resolve())
    return None


def _undermost(block: Path) -> Path:
    if (block / "partition").exists():
        return _undermost(block.parent)
    below = block / "slaves"
    slaves = sorted(below.iterdir()) if below.is_dir() else []
    return _undermost(slaves[0].resolve()) if slaves else block


def _kind(block: Path) -> DiskKind:
    name = block.name
    if name.startswith("nvme"):
        return DiskKind.NVME
    if name.startswith("mmcblk"):
        # The kernel writes "SD" or "MMC" there.
        return DiskKind.EMMC if _word(block / "device" / "type") == "MMC" else DiskKind.SD_CARD
    if name.startswith(("vd", "xvd")):
        return DiskKind.VIRTUAL
    if not name.startswith("sd"):
        return DiskKind.UNKNOWN
    if _word(block / "removable") == "1":
        return DiskKind.USB_STICK
    return DiskKind.HARD_DISK if _word(block / "queue" / "rotational") == "1" else DiskKind.SSD


def _word(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
