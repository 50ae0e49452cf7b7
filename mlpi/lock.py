"""One service per home: the lock it holds, and where others on this machine find it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlpi.errors import HomeInUse
from mlpi.house import home_problem

FILE_NAME = "mlpi.lock"


@dataclass(frozen=True, slots=True)
class RunningService:
    """The service that holds a home. url is for this machine, None until its port answers."""

    pid: int
    url: str | None


@contextmanager
def home_lock(home: Path) -> Iterator[Callable[[str], None]]:
    """Exclusive use of a home by one service; yields what publishes its address.

    The file holds the process id and, once published, the address. The lock, not the file, is
    what counts: it goes away with the process. Raises HomeInUse naming the other's process,
    HomeUnusable, and StartupError when the disk is full.
    """
    with _lock_file(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.readline().decode().strip() or "unknown"
            raise HomeInUse(
                f"Another mlpi (process {other}) runs on {home}.",
                advice="Stop it first, or give this one another --home.",
            ) from None
        except OSError as error:  # a network disk without locks
            raise home_problem(home, error) from None

        def write(text: str) -> None:
            try:
                size = os.pwrite(file.fileno(), text.encode(), 0)
                os.ftruncate(file.fileno(), size)
            except OSError as error:
                raise home_problem(home, error) from None

        write(f"{os.getpid()}\n")
        try:
            yield lambda url: write(f"{os.getpid()}\n{url}\n")
        finally:
            write("")


def _lock_file(home: Path) -> BinaryIO:
    path = home / FILE_NAME
    try:
        path.touch(mode=0o600)
        return path.open("r+b")  # in append mode pwrite would append
    except OSError as error:
        raise home_problem(home, error) from None


def running_service(home: Path) -> RunningService | None:
    """The service that runs on a home now, if there is one."""
    try:
        with (home / FILE_NAME).open() as file:
            pid, _, url = file.read().strip().partition("\n")
            # A dead holder's number is not probed, so that a service starting at this very
            # moment does not find the lock taken.
            if not pid.isdecimal() or not _is_alive(int(pid)):
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return RunningService(int(pid), url or None)
            return None
    except FileNotFoundError:
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
