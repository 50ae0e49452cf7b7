"""What may arrive, and how much of it; knows no HTTP. Its calls block."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mlpi.auth.audit import Actor, Audit
from mlpi.boards.arrivals.errors import ChecksumWrong, OffsetWrong, QuotaFull
from mlpi.boards.arrivals.names import check_beginning, split
from mlpi.boards.arrivals.store import Files, Here
from mlpi.boards.library import Library, Run
from mlpi.db import Database
from mlpi.errors import Invalid, NotFound, NotReady
from mlpi.sync.protocol import ALGORITHM, RUN_ID_FILE
from mlpi.uploads import require_space

MOST_RUNS = 10_000  # of a workspace
MOST_FILES = 1_000  # of a run: a writer makes one a start
SCAN_S = 10.0  # after a start, until it is known how much is here


class Arrivals:
    """Takes pieces of event files and appends them, within a workspace's quota."""

    def __init__(self, library: Library, quota_bytes: int, db: Database, audit: Audit) -> None:
        self._library, self._files = library, Files(library.root)
        self._quota_bytes = quota_bytes
        self._db, self._audit = db, audit
        self._lock = threading.Lock()
        self._coming: Counter[str] = Counter()  # bytes that are being written, by workspace

    def listed(self, workspace: str, run: str = "") -> list[Here]:
        """Every file of a workspace; run: only of this run and those below it."""
        found = self._files.listed(workspace)
        if not run:
            return list(found)
        return [one for one in found if one.run == run or one.run.startswith(run + "/")]

    def here(self, workspace: str, path: str, upto: int | None) -> Here:
        """What is here of one file. Raises Invalid, NotFound, Conflict."""
        run, name = split(path)
        return self._files.here(workspace, run, name, upto)

    def append(
        self,
        workspace: str,
        path: str,
        offset: int,
        data: bytes | bytearray,
        *,
        checksum: str,
        replaces: bool,
        actor: Actor,
    ) -> int:
        """Add a piece at a file's end, and show it; the new size.

        checksum: as in Upload-Checksum, compared before anything is written. replaces: the piece
        becomes all of the file. Raises Invalid and its kinds, OffsetWrong, Conflict, QuotaFull,
        DiskFull, NotReady.
        """
        run, name = split(path)
        if not data:
            raise Invalid("The piece is empty.", field="body")
        _check_sum(checksum, data)
        if replaces and offset:
            raise Invalid("A replacement begins at Upload-Offset: 0.", field="upload-offset")
        if not offset:
            check_beginning(name, data)
        if not self._library.wait_until_scanned(SCAN_S):
            raise NotReady("The boards are not looked through yet.")
        known = self._known(workspace, run)
        with self._room(workspace, known, name, len(data), replaces=replaces):
            require_space(self._library.root, len(data))
            if name == RUN_ID_FILE:
                self._keep_run_id(workspace, known, run, offset, data, replaces=replaces)
            elif replaces:
                self._files.replace(workspace, run, name, data)
            else:
                self._files.append(workspace, run, name, offset, data)
            self._library.touch(workspace, run)
        self._trace(actor, workspace, run, name, is_new=known is None, replaces=replaces)
        return offset + len(data)

    def _keep_run_id(
        self,
        workspace: str,
        known: Run | None,
        run: str,
        offset: int,
        data: bytes | bytearray,
        *,
        replaces: bool,
    ) -> None:
        """It is written whole or not at all. Raises NotFound, OffsetWrong."""
        if known is None:
            raise NotFound(
                f"There is no run {run[:200]!r} yet, so {RUN_ID_FILE} would name nothing's.",
                advice="Send an event file of the run first.",
            )
        if not replaces:
            try:
                size = self._files.here(workspace, run, RUN_ID_FILE, 0).size_bytes
            except NotFound:
                size = 0
            if size or offset:
                raise OffsetWrong(RUN_ID_FILE, size, offset)
        self._files.replace(workspace, run, RUN_ID_FILE, data)

    def _known(self, workspace: str, run: str) -> Run | None:
        try:
            return self._library.run(workspace, run)
        except NotFound:
            return None

    @contextmanager
    def _room(
        self, workspace: str, known: Run | None, name: str, size_bytes: int, *, replaces: bool
    ) -> Iterator[None]:
        """Room for so many bytes is kept until they are written. Raises QuotaFull."""
        sizes = {file: size for file, size, _ in known.found.state} if known else {}
        if name not in sizes and name != RUN_ID_FILE:
            self._require_places(workspace, known, len(sizes))
        with self._lock:
            runs = self._library.runs(workspace)
            used = sum(run.size_bytes for run in runs) + self._coming[workspace]
            freed = sizes.get(name, 0) if replaces else 0
            if used - freed + size_bytes > self._quota_bytes:
                raise QuotaFull(
                    f"The boards of workspace {workspace!r} hold {used:,} of {self._quota_bytes:,} "
                    f"bytes; {size_bytes:,} more do not fit.",
                    advice="Delete runs on the page Boards, or raise MLPI_BOARDS_QUOTA_MB.",
                )
            self._coming[workspace] += size_bytes
        try:
            yield
        finally:
            with self._lock:
                self._coming[workspace] -= size_bytes

    def _require_places(self, workspace: str, known: Run | None, files: int) -> None:
        """Raises QuotaFull when one more file would be too many."""
        if known is None and len(self._library.runs(workspace)) >= MOST_RUNS:
            raise QuotaFull(
                f"The boards of workspace {workspace!r} hold {MOST_RUNS:,} runs, the most there "
                "may be.",
                advice="Delete runs on the page Boards.",
            )
        if files >= MOST_FILES:
            raise QuotaFull(
                f"The run holds {MOST_FILES:,} files, the most there may be.",
                advice="Write to a run of another name.",
            )

    def _trace(
        self, actor: Actor, workspace: str, run: str, name: str, *, is_new: bool, replaces: bool
    ) -> None:
        """Who began a run and who replaced a file; not each piece."""
        if not is_new and not replaces:
            return
        deed = "board_file_replaced" if replaces else "board_run_uploaded"
        target = f"{run}/{name}" if replaces else run
        with self._db.write() as session:
            self._audit.record(session, actor, deed, target, workspace)


def _check_sum(said: str, data: bytes | bytearray) -> None:
    """Raises Invalid, ChecksumWrong."""
    algorithm, _, value = said.strip().partition(" ")
    try:
        expected = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        expected = b""
    if algorithm != ALGORITHM or len(expected) != hashlib.sha256().digest_size:
        raise Invalid(
            "Upload-Checksum must be 'sha256 ' and the base64 of the body's SHA-256.",
            field="upload-checksum",
        )
    found = hashlib.sha256(data).digest()
    if found != expected:
        raise ChecksumWrong(
            f"The {len(data):,} bytes that came have the SHA-256 {found.hex()}, not "
            f"{expected.hex()}: they were changed on the way. Nothing was written.",
            advice="Send the piece again.",
            field="upload-checksum",
        )
