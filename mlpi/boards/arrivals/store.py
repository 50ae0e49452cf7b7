"""Event files on the disk, reached without following a link anywhere.

Every folder below the root is opened in the one above it with O_NOFOLLOW, and what is done in it is
done through that descriptor: a link put in the way a moment later changes nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlpi.boards.arrivals.errors import OffsetWrong
from mlpi.boards.folders import ROOT_RUN, found_in
from mlpi.errors import Conflict, DiskFull, NotFound
from mlpi.sync.protocol import RUN_ID_FILE, beginning

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PART = ".mlpi-part-"  # of a replacement that is being written
PART_S = 3600.0  # after which such a file was left by a crash


@dataclass(frozen=True, slots=True)
class Here:
    """A file. beginning: `protocol.beginning` of its first `upto` bytes."""

    run: str
    name: str
    size_bytes: int
    upto: int
    beginning: str


class Files:
    """The event files below a folder, by workspace, run and name. Its calls block."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def listed(self, workspace: str) -> Iterator[Here]:
        """Every file, each run's together, with what its whole begins with."""
        for found in found_in(self._root, workspace):
            try:
                with self._folder(workspace, found.name) as folder:
                    for name in (*(name for name, _, _ in found.state), RUN_ID_FILE):
                        with suppress(OSError, Conflict, NotFound):
                            yield self._here(folder, found.name, name, None)
            except (OSError, Conflict, NotFound):  # went away meanwhile
                continue

    def here(self, workspace: str, run: str, name: str, upto: int | None) -> Here:
        """One file. upto: None for all of it. Raises NotFound, Conflict."""
        with _explained(run, name), self._folder(workspace, run) as folder:
            return self._here(folder, run, name, upto)

    def append(
        self, workspace: str, run: str, name: str, offset: int, data: bytes | bytearray
    ) -> None:
        """Write at the file's end, and be sure that it is on the disk.

        A file that is not there is made, its folders too, if the offset is 0. When the disk is
        full the file is as it was. Raises OffsetWrong, DiskFull, Conflict.
        """
        try:
            with (
                _explained(run, name),
                self._folder(workspace, run, make=not offset) as folder,
                self._locked(folder, name, make=not offset) as (file, is_new),
            ):
                size = os.fstat(file).st_size
                if size != offset:
                    raise OffsetWrong(name, size, offset)
                try:
                    _write(file, data, offset)
                    os.fsync(file)
                except OSError:
                    os.ftruncate(file, offset)
                    raise
                if is_new:
                    os.fsync(folder)
        except NotFound:
            raise OffsetWrong(name, 0, offset) from None

    def replace(self, workspace: str, run: str, name: str, data: bytes | bytearray) -> None:
        """Put a file in another's place: whoever opens it finds the old or the new one, whole.

        Raises DiskFull, Conflict.
        """
        with (
            _explained(run, name),
            self._folder(workspace, run, make=True) as folder,
            self._locked(folder, name, make=True),
        ):
            _sweep(folder)
            part = f"{_PART}{secrets.token_hex(8)}"
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=folder)
            try:
                _write(file, data, 0)
                os.fsync(file)
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise
            finally:
                os.close(file)
            os.fsync(folder)

    @contextmanager
    def _folder(self, workspace: str, run: str, *, make: bool = False) -> Iterator[int]:
        """A descriptor of a run's folder. Raises OSError."""
        parts = [workspace, *(() if run == ROOT_RUN else run.split("/"))]
        # The root itself may be a link: where it leads is for whoever keeps the machine to say.
        folder = os.open(self._root, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for part in parts:
                below = _opened_folder(folder, part, make=make)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self, folder: int, name: str, *, make: bool) -> Iterator[tuple[int, bool]]:
        """A file to write to, by one at a time, and whether it was made. Raises OSError."""
        while True:
            try:
                file, is_new = os.open(name, os.O_RDWR | _FILE, dir_fd=folder), False
            except FileNotFoundError:
                if not make:
                    raise
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FILE
                try:
                    file, is_new = os.open(name, flags, 0o600, dir_fd=folder), True
                except FileExistsError:
                    continue
            try:
                _require_regular(file, name)
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_in(folder, name, file):  # not replaced or removed while we waited
                    yield file, is_new
                    return
            finally:
                os.close(file)

    def _here(self, folder: int, run: str, name: str, upto: int | None) -> Here:
        file = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
        try:
            _require_regular(file, name)
            size = os.fstat(file).st_size
            upto = size if upto is None else min(upto, size)
            told = beginning(lambda count, offset: os.pread(file, count, offset), upto)
            return Here(run, name, size, upto, told)
        finally:
            os.close(file)


@contextmanager
def _explained(run: str, name: str) -> Iterator[None]:
    """What the disk says, in words."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"There is no {name[:200]!r} in the run {run[:200]!r}.") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Conflict(
                f"The way to {name[:80]!r} in {run[:80]!r} leads through a link, or through what "
                "is no folder here.",
                advice="Links below the boards' folder are not followed. Take another name.",
            ) from None
        if error.errno == errno.EISDIR:
            raise Conflict(f"{name[:80]!r} is a folder here.") from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(advice="Free some space; what came until now is kept.") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Conflict(
                f"{name[:80]!r} cannot be written: {error.strerror}.",
                advice="Give the boards' folder to the user that mlpi runs as.",
            ) from None
        raise


def _opened_folder(above: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
        os.fsync(above)
    return os.open(name, _FOLDER, dir_fd=above)


def _require_regular(file: int, name: str) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise Conflict(f"{name[:80]!r} is no regular file here.")


def _is_in(folder: int, name: str, file: int) -> bool:
    """Whether a name still means this open file."""
    try:
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


def _write(file: int, data: bytes | bytearray, offset: int) -> None:
    left = memoryview(data)
    while left:
        count = os.pwrite(file, left, offset)
        offset += count
        left = left[count:]


def _sweep(folder: int) -> None:
    """Remove what a crash left of replacements."""
    limit = time.time() - PART_S
    for name in os.listdir(folder):
        if name.startswith(_PART):
            with suppress(OSError):
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < limit:
                    os.unlink(name, dir_fd=folder)
