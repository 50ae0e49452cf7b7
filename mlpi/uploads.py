"""Uploads that survive a lost connection: bytes are appended to a file until all are there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from mlpi.errors import Conflict, DiskFull, Invalid, NotFound

RESERVE_BYTES = 256 * 2**20  # what an upload leaves free for the databases
KEEP_S = 7 * 86400.0
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way. sha256 is what its sender says it will be, or ""."""

    id: str
    workspace: str
    purpose: str
    file_name: str
    size_bytes: int
    sha256: str
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole file: where it lies until it is moved, its hash and its size."""

    path: Path
    sha256: str
    size_bytes: int


class Uploads:
    """Keeps each upload as two files, so that a restart of the service forgets none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(
        self,
        workspace: str,
        purpose: str,
        file_name: str,
        size_bytes: int,
        *,
        sha256: str = "",
        details: Mapping[str, str] | None = None,
    ) -> Upload:
        """Make room for a file of so many bytes. Raises Invalid, DiskFull."""
        sha256 = sha256.lower()
        if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
            raise Invalid("sha256 must be 64 hexadecimal digits.", field="sha256")
        if size_bytes < 0:
            raise Invalid("An upload cannot have a negative length.", field="size_bytes")
        name = plain_name(file_name)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.require_space(size_bytes)
        upload = Upload(
            secrets.token_hex(16), workspace, purpose, name, size_bytes, sha256, details or {}
        )
        self._part(upload.id).touch(mode=0o600)
        self._note(upload.id).write_text(json.dumps(asdict(upload)))
        return upload

    def get(self, workspace: str, purpose: str, upload_id: str) -> Upload:
        """Raises NotFound."""
        missing = NotFound(f"There is no upload {upload_id[:40]!r}.", advice="Begin a new one.")
        if len(upload_id) != 32 or not upload_id.isalnum():
            raise missing
        try:
            upload = Upload(**json.loads(self._note(upload_id).read_text()))
        except (FileNotFoundError, ValueError):
            raise missing from None
        if (upload.workspace, upload.purpose) != (workspace, purpose):
            raise missing
        return upload

    def offset(self, upload: Upload) -> int:
        """How many bytes are here."""
        return self._part(upload.id).stat().st_size

    def open(self, upload: Upload, offset: int) -> BinaryIO:
        """The file, to write on from offset, by one sender at a time until it is closed.

        Raises Conflict when another is at it, or when offset is not where the file ends.
        """
        file = self._part(upload.id).open("r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            here = file.seek(0, 2)
            if here != offset:
                raise Conflict(
                    f"The upload is at byte {here}, not {offset}.",
                    advice="Ask for its offset first.",
                )
        except BlockingIOError:
            file.close()
            raise Conflict("Another connection is writing this upload.") from None
        except Conflict:
            file.close()
            raise
        return file

    def finish(self, upload: Upload) -> Arrived:
        """Check a whole file. Raises Invalid, and forgets the upload, when its hash is another."""
        path = self._part(upload.id)
        sha256, size_bytes = digest(path)
        if upload.sha256 and sha256 != upload.sha256:
            self.forget(upload)
            raise Invalid(
                f"The file arrived with the SHA-256 {sha256}, not {upload.sha256}: "
                "it was changed on the way.",
                advice="Upload it again.",
                field="sha256",
            )
        return Arrived(path, sha256, size_bytes)

    @contextmanager
    def received(
        self, workspace: str, purpose: str, file_name: str, file: BinaryIO, size_bytes: int
    ) -> Iterator[Arrived]:
        """A form's file, which lies in a nameless temporary file, as one that can be moved.

        It goes afterwards, unless it was moved. Raises Invalid, DiskFull.
        """
        upload = self.begin(workspace, purpose, file_name, size_bytes)
        try:
            # Copied to beside the data: from another file system nothing can be renamed to there.
            with self.open(upload, 0) as target:
                shutil.copyfileobj(file, target, BLOCK_BYTES)
            yield self.finish(upload)
        finally:
            self.forget(upload)

    def forget(self, upload: Upload) -> None:
        """Remove what is left of it."""
        self._part(upload.id).unlink(missing_ok=True)
        self._note(upload.id).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove uploads that nobody has gone on with for a week; how many."""
        if not self._folder.exists():
            return 0
        limit, removed = time.time() - KEEP_S, 0
        for part in self._folder.glob("*.part"):
            if part.stat().st_mtime < limit:
                part.unlink(missing_ok=True)
                part.with_suffix(".json").unlink(missing_ok=True)
                removed += 1
        return removed

    def require_space(self, size_bytes: int) -> None:
        """Raises DiskFull when so many more bytes would leave too little."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        require_space(self._folder, size_bytes)

    def _part(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"

    def _note(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"


def plain_name(file_name: str) -> str:
    """A file's own name, without any folder. Raises Invalid when nothing is left."""
    name = file_name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    name = "".join(letter for letter in name if letter.isprintable())
    if not name or name in (".", ".."):
        raise Invalid("The file has no name.", field="file_name")
    return name[:255]


def require_space(folder: Path, size_bytes: int) -> None:
    """Raises DiskFull when so many more bytes would leave too little where a folder lies."""
    free = shutil.disk_usage(folder).free
    if size_bytes > free - RESERVE_BYTES:
        raise DiskFull(
            f"The file has {size_bytes:,} bytes; {max(0, free - RESERVE_BYTES):,} are free "
            "for uploads.",
            advice="Free some space and try again.",
        )


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size in bytes of a file."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return found.hexdigest(), file.tell()


def settle(path: Path, target: Path) -> None:
    """Move a file to its place and be sure that it is on the disk there."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
