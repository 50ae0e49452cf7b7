"""The event files below a folder of this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlpi.sync.protocol import FIRST_BYTES, RUN_ID_FILE, beginning


@dataclass
class LogFile:
    """A file, and what is known of its copy.

    sent: bytes that are there, if is_sure; mark: `beginning` of these; is_compared: the other end's
    list of files was looked at; was_there: it had something of it; begins_anew: that is of another
    file, whose place this one takes; rest: why it is not sent on; retry_s: when it may be, all the
    same, by the monotonic clock.
    """

    path: Path
    run: str
    name: str
    sent: int = 0
    mark: str = ""
    is_sure: bool = False
    is_compared: bool = False
    was_there: bool = False
    begins_anew: bool = False
    rest: str = ""
    retry_s: float = math.inf
    seen: tuple[int, ...] = ()  # as it was when nothing was left to send

    @property
    def target(self) -> str:
        """Its path at the other end."""
        return self.name if self.run == "." else f"{self.run}/{self.name}"

    def go_on(self, sent: int, mark: str, *, was_there: bool, begins_anew: bool = False) -> None:
        """It is known how much of it is there."""
        self.sent, self.mark, self.is_sure = sent, mark, True
        self.was_there, self.begins_anew = was_there, begins_anew

    @property
    def is_run_id(self) -> bool:
        return self.name == RUN_ID_FILE


class Opened:
    """An open file: what it holds now, whatever becomes of its name."""

    def __init__(self, file: int) -> None:
        self._file = file
        status = os.fstat(file)
        self.size = status.st_size
        self.state = state_of(status)

    def read(self, count: int, offset: int) -> bytes:
        return os.pread(self._file, count, offset)

    def beginning(self, upto: int) -> str:
        return beginning(self.read, upto)

    @property
    def is_begun(self) -> bool:
        """Whether there is enough to be known as an event file."""
        return self.size >= FIRST_BYTES


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield Opened(file)
    finally:
        os.close(file)


def state_of(status: os.stat_result) -> tuple[int, ...]:
    """Changes whenever a file's content may have."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def is_wanted(name: str) -> bool:
    """Whether a file of this name is sent."""
    is_event_file = "tfevents" in name and not name.endswith(".profile-empty")
    return (is_event_file and not name.startswith(".")) or name == RUN_ID_FILE


def found_in(folder: Path, prefix: str) -> Iterator[LogFile]:
    """Every file to be sent. A sub folder is a run, below prefix if there is one.

    Links and hidden folders are passed over, as TensorBoard's readers on the other side do.
    """
    waiting = [(str(folder), prefix)]
    while waiting:
        here, run = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, f"{run}/{entry.name}" if run else entry.name))
                    elif is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                        yield LogFile(Path(entry.path), run or ".", entry.name)
        except OSError:  # went away, or may not be read
            continue
