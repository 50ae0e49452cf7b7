"""When what runs hold goes to the cache, and what stands in the way of it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlpi.boards.cache import Cache
from mlpi.boards.folders import Found
from mlpi.boards.reader.run import RunReader

SAVE_BYTES = 8 << 20  # unsaved rows of one run
BUDGET_BYTES = 48 << 20  # unsaved rows of all runs
HARD_BYTES = 4 * BUDGET_BYTES  # when nothing can be saved, nothing more is read
QUIET_S = 60.0  # without a new point, before a run is saved
LONGEST_S = 600.0  # unsaved, of a run that grows all the time
RETRY_S = 60.0

log = logging.getLogger(__name__)


@dataclass
class Run:
    """One folder of event files. version: another number whenever what it shows has changed."""

    workspace: str
    name: str
    reader: RunReader
    found: Found
    version: int = 0
    is_reading: bool = True  # not yet at the end of its files, so in a queue
    is_gone: bool = False
    failure: str = ""
    unsaved_bytes: int = 0
    is_unsaved: bool = False
    changed_s: float = 0.0  # monotonic, of the last new point
    unsaved_s: float = 0.0  # monotonic, of the first unsaved point
    lock: threading.Lock = field(default_factory=threading.Lock)  # held while its folder is used

    @property
    def key(self) -> tuple[str, str]:
        return self.workspace, self.name

    @property
    def size_bytes(self) -> int:
        return self.found.size_bytes

    @property
    def changed_at(self) -> float:
        """When its files last changed, Unix seconds."""
        return self.found.changed_at


class Keeper:
    """Saves runs to the cache by size and by time. trouble: why it cannot, in words."""

    def __init__(self, cache: Cache) -> None:
        self.trouble = ""
        self._cache = cache
        self._retry_s = 0.0

    def note(self, run: Run) -> None:
        """A run has new rows, or others."""
        run.unsaved_bytes = run.reader.held.unsaved_bytes
        run.changed_s = time.monotonic()
        if not run.is_unsaved:
            run.is_unsaved, run.unsaved_s = True, run.changed_s

    def is_too_full(self, runs: Sequence[Run]) -> bool:
        """Whether what was read cannot be put anywhere."""
        return bool(self.trouble) and _unsaved_bytes(runs) >= HARD_BYTES

    def save_large(self, run: Run, runs: Sequence[Run]) -> None:
        """After a run was read: save what is too much in memory."""
        if run.unsaved_bytes < SAVE_BYTES and _unsaved_bytes(runs) < BUDGET_BYTES:
            return
        if time.monotonic() < self._retry_s:
            return
        for one in sorted(runs, key=lambda one: -one.unsaved_bytes):
            if one.unsaved_bytes < SAVE_BYTES and _unsaved_bytes(runs) < BUDGET_BYTES // 2:
                return
            with one.lock:
                self.save(one)

    def save_quiet(self, runs: Sequence[Run]) -> None:
        """Save what has not grown for a while, or was not saved for long."""
        now = time.monotonic()
        for run in runs:
            is_quiet = now - run.changed_s >= QUIET_S or now - run.unsaved_s >= LONGEST_S
            if run.is_unsaved and is_quiet and now >= self._retry_s:
                with run.lock:
                    self.save(run)

    def save(self, run: Run) -> None:
        """Its lock is held, or nothing else runs any more."""
        if run.is_unsaved and not run.is_gone:
            what = lambda: self._cache.save(run.workspace, run.name, run.reader)  # noqa: E731
            if self.attempt(what):
                run.is_unsaved, run.unsaved_bytes = False, 0

    def attempt(self, what: Callable[[], object]) -> bool:
        """Do something with the cache, which the pages can do without; whether it was done."""
        try:
            what()
        except (sqlite3.Error, OSError) as error:
            if not self.trouble:
                log.warning("the cache of boards cannot be written", exc_info=True)
            self.trouble = f"cannot keep what it has read: {error}"
            self._retry_s = time.monotonic() + RETRY_S
            return False
        self.trouble = ""
        return True


def _unsaved_bytes(runs: Sequence[Run]) -> int:
    return sum(run.unsaved_bytes for run in runs)
