"""Which disk a folder lies on, from made-up kernel lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpi.system.disks import DiskKind, disk_of, mount_of

MOUNTS = r"""
21 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
22 21 0:20 / /proc rw - proc proc rw
30 21 259:1 / /mnt/nvme rw,relatime shared:2 - ext4 /dev/nvme0n1p1 rw
31 30 0:50 / /mnt/nvme/share rw - nfs4 nas:/export rw
32 21 8:1 / /mnt/my\040disk rw - ext4 /dev/sda1 rw
33 21 0:60 / /srv rw - btrfs /dev/sdb1 rw
34 21 254:0 / /secret ro,relatime - ext4 /dev/mapper/secret ro
35 21 0:70 / /tmp rw - tmpfs tmpfs rw
36 21 8:32 / /stick rw - vfat /dev/sdc1 rw
37 21 0:80 / /box rw - overlay overlay rw,lowerdir=/x
""".strip()


@pytest.fixture
def sys_root(tmp_path: Path) -> Path:
    """A /sys with an SD card, an NVMe under encryption, a hard disk, an SSD and a stick."""
    sys = tmp_path / "sys"
    devices = {
        "mmcblk0": {"device/type": "SD"},
        "nvme0n1": {"queue/rotational": "0"},
        "sda": {"queue/rotational": "1", "removable": "0"},
        "sdb": {"queue/rotational": "0", "removable": "0"},
        "sdc": {"queue/rotational": "0", "removable": "1"},
        "dm-0": {},
    }
    partitions = {
        "mmcblk0p2": "179:2",
        "nvme0n1p1": "259:1",
        "nvme0n1p2": "259:2",
        "sda1": "8:1",
        "sdb1": "8:17",
        "sdc1": "8:32",
    }
    for folder in ("dev/block", "class/block"):
        (sys / folder).mkdir(parents=True)
    for name, files in devices.items():
        disk = sys / "devices" / name
        disk.mkdir(parents=True)
        (sys / "class/block" / name).symlink_to(disk)
        for file, text in files.items():
            (disk / file).parent.mkdir(exist_ok=True)
            (disk / file).write_text(text + "\n")
        for part, number in partitions.items():
            if part.startswith(name):
                (disk / part).mkdir()
                (disk / part / "partition").write_text("1\n")
                (sys / "class/block" / part).symlink_to(disk / part)
                (sys / "dev/block" / number).symlink_to(disk / part)
    mapped = sys / "devices/dm-0"
    (mapped / "slaves").mkdir()
    (mapped / "slaves/nvme0n1p2").symlink_to(sys / "devices/nvme0n1/nvme0n1p2")
    (sys / "dev/block/254:0").symlink_to(mapped)
    return sys


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/var/lib/mlpi", DiskKind.SD_CARD, "mmcblk0"),
        ("/mnt/nvme/mlpi", DiskKind.NVME, "nvme0n1"),
        ("/mnt/nvme/share/mlpi", DiskKind.NETWORK, "nas:/export"),
        ("/mnt/my disk/mlpi", DiskKind.HARD_DISK, "sda"),
        ("/srv/mlpi", DiskKind.SSD, "sdb"),  # btrfs: known by its source alone
        ("/secret", DiskKind.NVME, "nvme0n1"),  # through the encryption
        ("/tmp/mlpi", DiskKind.MEMORY, ""),
        ("/stick/mlpi", DiskKind.USB_STICK, "sdc"),
        ("/box/mlpi", DiskKind.OVERLAY, ""),
    ],
)
def test_the_disk_behind_a_folder(path: str, kind: DiskKind, name: str, sys_root: Path) -> None:
    disk = disk_of(Path(path), MOUNTS, sys_root)
    assert disk is not None
    assert (disk.kind, disk.name) == (kind, name)


def test_soldered_memory_is_told_from_a_card(sys_root: Path) -> None:
    (sys_root / "devices/mmcblk0/device/type").write_text("MMC\n")
    disk = disk_of(Path("/home"), MOUNTS, sys_root)
    assert disk is not None
    assert disk.kind is DiskKind.EMMC


def test_a_mount_on_top_of_another_counts() -> None:
    hidden = MOUNTS + "\n38 21 0:90 / /srv rw - tmpfs tmpfs rw"
    mount = mount_of(Path("/srv/mlpi"), hidden)
    assert mount is not None
    assert mount.fs_type == "tmpfs"
    assert not mount.is_read_only


def test_a_name_that_only_begins_alike_is_another_folder() -> None:
    mount = mount_of(Path("/srvother"), MOUNTS)
    assert mount is not None
    assert mount.point == "/"


def test_without_a_list_nothing_is_claimed(sys_root: Path) -> None:
    assert disk_of(Path("/srv"), "", sys_root) is None
    unknown = disk_of(Path("/x"), "1 1 9:9 / / rw - ext4 /dev/strange rw", sys_root)
    assert unknown is not None
    assert unknown.kind is DiskKind.UNKNOWN
