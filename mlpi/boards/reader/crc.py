"""CRC-32C (Castagnoli) with TFRecord's mask: of bytes, and of many rows at once."""

from __future__ import annotations

from mlpi.boards.reader.arrays import Bytes, Words

POLYNOMIAL = 0x82F63B78  # reflected
MASK_DELTA = 0xA282EAD8
ALL = 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)


TABLE = _table()


def masked(data: bytes | memoryview) -> int:
    """The checksum as an event file stores it. About 60 ns a byte."""
    crc = ALL
    table = TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= ALL
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL


def masked_rows(rows: Bytes) -> Words:
    """rows: (n, length) uint8 → (n,) uint32, each row's masked checksum."""
    import numpy as np  # noqa: PLC0415 - with the first record only

    table = np.array(TABLE, dtype=np.uint32)
    crc = np.full(len(rows), ALL, dtype=np.uint32)
    for position in range(rows.shape[1]):
        crc = table[(crc ^ rows[:, position]) & 0xFF] ^ (crc >> np.uint32(8))
    crc ^= np.uint32(ALL)
    turned = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return (turned + np.uint32(MASK_DELTA)).astype(np.uint32)
