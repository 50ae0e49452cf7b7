"""Where a worker's output goes: into its job's log, or for quick jobs first into a spool.

To make a file for each of a thousand jobs that print nothing costs more than to run them. So jobs
that are usually over in no time share a file of their worker, which becomes the job's log as soon
as there is something in it: at the job's end, when it takes longer than usual, or when its worker
dies. What is printed is in a file at once in any case.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_SPOOLS = ".*.spool"


def spool_of(log: Path, pid: int) -> Path:
    """The spool of a worker, beside the logs."""
    return log.with_name(f".{pid}.spool")


class Output:
    """A worker's own side: file descriptors 1 and 2, for Python and everything below it."""

    def __init__(self) -> None:
        self._spool: Path | None = None  # where output goes now, when not into a log

    def begin(self, log: Path, *, is_quick: bool) -> None:
        """From now on output belongs to this job. A log of an earlier attempt is gone on with."""
        if not is_quick or log.exists():
            self._redirect(log)
            self._spool = None
        elif self._spool is None:
            self._spool = spool_of(log, os.getpid())
            self._redirect(self._spool)

    def end(self, log: Path) -> None:
        """What the job has printed is in its log now."""
        if self._spool is not None and os.fstat(1).st_size > 0:
            self._spool.replace(log)
            self.close()

    def close(self) -> None:
        """Leave no spool behind."""
        if self._spool is not None:
            self._spool.unlink(missing_ok=True)  # it is still there if it had become the log before
            self._spool = None

    @staticmethod
    def _redirect(path: Path) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)


def show(log: Path, pid: int) -> None:
    """Let a job's log be read while the job runs, if it goes into its worker's spool."""
    spool = spool_of(log, pid)
    with contextlib.suppress(OSError):  # there is none, or the log is there
        if spool.stat().st_size > 0:
            log.hardlink_to(spool)


def bury(log: Path, pid: int) -> None:
    """Keep what a dead worker's job has printed."""
    show(log, pid)
    spool_of(log, pid).unlink(missing_ok=True)


def sweep(logs: Path) -> None:
    """Remove what workers of an earlier life left behind."""
    for spool in logs.glob(_SPOOLS):
        spool.unlink(missing_ok=True)
