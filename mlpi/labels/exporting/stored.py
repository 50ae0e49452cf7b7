"""The folder of snapshots: whole files by their keys, written beside and renamed, hashed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from mlpi.errors import MlpiError
from mlpi.labels.exporting.shape import Task

BLOCK_BYTES = 1 << 20
BATCH = 500
UNFINISHED = ".new"
DAY_S = 86400.0


class SnapshotDamaged(MlpiError):
    """The file of this snapshot is not what was written."""

    status = 500
    code = "DATA_LOSS"


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file holds, in hexadecimal, and how long it is."""

    sha256: str
    md5: str
    size_bytes: int


class Shelf:
    """Where snapshots lie: <home>/labels/exports/<key>; conversions beside, as <key>-<number>."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "labels" / "exports"

    def path(self, key: str) -> Path:
        return self.folder / key

    def write(self, key: str, parts: Iterable[bytes]) -> Digest:
        """Write a file whole or not at all: it has its name once it is synced."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = self.path(key + UNFINISHED)
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with unfinished.open("wb") as file:
                for part in parts:
                    file.write(part)
                    sha256.update(part)
                    md5.update(part)
                    size += len(part)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path(key))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return Digest(sha256.hexdigest(), md5.hexdigest(), size)

    def verified(self, key: str, sha256: str) -> Path:
        """A file whose content is still what was written. Raises SnapshotDamaged."""
        path, found = self.path(key), hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    found.update(block)
        except FileNotFoundError:
            raise SnapshotDamaged(
                "The file of this snapshot is gone.", advice="Make a new snapshot."
            ) from None
        if found.hexdigest() != sha256:
            raise SnapshotDamaged(
                f"The file of this snapshot has the SHA-256 {found.hexdigest()}, not {sha256}.",
                advice="Make a new snapshot, and look after the disk.",
            )
        return path

    def remove(self, key: str) -> None:
        """Remove a snapshot and what it was converted to."""
        if self.folder.exists():
            for path in self.folder.glob(f"{key}*"):
                path.unlink(missing_ok=True)

    def sweep(self, known: Iterable[str]) -> int:
        """Remove files of no snapshot that is known, unless they are of today; how many."""
        if not self.folder.exists():
            return 0
        keys, limit, removed = set(known), time.time() - DAY_S, 0
        for path in self.folder.iterdir():
            if path.name[:32] not in keys and path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def batches(path: Path) -> Iterator[list[Task]]:
    """The tasks of a snapshot's JSON, which has one a line."""
    found: list[Task] = []
    with path.open("rb") as file:
        for line in file:
            text = line.strip().rstrip(b",")
            if text in (b"[", b"]", b"[]"):
                continue
            found.append(orjson.loads(text))
            if len(found) >= BATCH:
                yield found
                found = []
    if found:
        yield found


def blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
