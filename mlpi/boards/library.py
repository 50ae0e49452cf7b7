"""All runs of all workspaces, read as their files grow.

Two threads. One waits for inotify and says which folders changed; where inotify does not reach
(NFS, too few watches) the other looks by itself. That one reads: a changed run at once, long logs
in slices of 8 MB, with the changed runs between them. What was read goes to the cache when there
is much of it, when a run has been quiet for a minute, and at the end; so memory does not grow with
the logs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path

from mlpi.boards.cache import Cache
from mlpi.boards.folders import (
    ROOT_RUN,
    Found,
    checked_name,
    found_in,
    is_below,
    look,
    run_folder,
    workspaces_in,
)
from mlpi.boards.keeping import QUIET_S, RETRY_S, Keeper, Run
from mlpi.boards.moving import make_room, move_files, move_tree
from mlpi.boards.reader.run import RunReader
from mlpi.boards.watching import Watch
from mlpi.errors import Conflict, NotFound
from mlpi.sync.protocol import RUN_ID_FILE

SLICE_BYTES = 8 << 20  # of a file, before others have their turn
SCAN_S = 60.0  # between looks at every folder, in case inotify missed something
POLL_S = 1.0  # the same where inotify does not reach, while somebody looks on
POLL_IDLE_S = 10.0
LOOKED_S = 60.0
LEAST_RESCAN_S = 0.5
LEAST_SHARE = 20  # times what a look costs in CPU lie between two, however many folders there are

__all__ = ["Library", "Run"]
log = logging.getLogger(__name__)


class Library:
    """Follows every run below a folder, once started. Any thread may call its other methods."""

    def __init__(self, root: Path, cache: Cache, *, check_crc: bool = False) -> None:
        """check_crc: check every record, not only each length and the last record of a file."""
        self.root = root
        self._check_crc = check_crc
        self._cache = cache
        self._keeper = Keeper(cache)
        self._runs: dict[tuple[str, str], Run] = {}
        self._versions: dict[str, int] = {}
        self._version = time.time_ns()  # above every number of an earlier process
        self._lock = threading.Lock()  # of the maps and queues
        self._wake = threading.Event()
        self._is_ending = False
        self._fresh: deque[tuple[str, str]] = deque()
        self._backlog: deque[tuple[str, str]] = deque()
        self._rescans: set[str] = set()
        self._scanned_s = self._looked_s = self._scan_cost_s = 0.0
        self._anew_s = -RETRY_S
        self._has_scanned = threading.Event()
        self._thread: threading.Thread | None = None
        self._watch = Watch(root, self._on_change, self._look_everywhere)

    # --- what others ask ---------------------------------------------------------------------

    def runs(self, workspace: str) -> list[Run]:
        """A workspace's runs by name."""
        self._note_look()
        with self._lock:
            found = [run for run in self._runs.values() if run.workspace == workspace]
        return sorted(found, key=lambda run: run.name)

    def run(self, workspace: str, name: str) -> Run:
        """Raises NotFound."""
        self._note_look()
        with self._lock:
            run = self._runs.get((workspace, name))
        if run is None:
            raise NotFound(f"There is no run {name[:200]!r} in this workspace's boards.")
        return run

    def version(self, workspace: str) -> int:
        """A number that is another one whenever a run came, went or grew."""
        self._note_look()
        return self._versions.get(workspace, 0)

    @property
    def trouble(self) -> str:
        """What it cannot do, in words."""
        return self._keeper.trouble

    @property
    def is_polling(self) -> bool:
        """Whether folders are looked at again and again, for want of inotify."""
        return not self._watch.is_watching

    @property
    def watch_problem(self) -> str:
        return self._watch.problem

    def pending(self, workspace: str) -> int:
        """How many runs are not read to their end yet."""
        with self._lock:
            return sum(run.is_reading for run in self._runs.values() if run.workspace == workspace)

    def size_bytes(self, workspace: str) -> int:
        """Of all event files."""
        return sum(run.size_bytes for run in self.runs(workspace))

    def figures(self) -> tuple[int, int, int]:
        """Of all workspaces: runs, those not read to their end yet, bytes of event files."""
        with self._lock:
            runs = list(self._runs.values())
        return len(runs), sum(run.is_reading for run in runs), sum(run.size_bytes for run in runs)

    def wait_until_scanned(self, timeout_s: float) -> bool:
        """Wait for the first look at every folder; whether it is done."""
        return self._has_scanned.wait(timeout_s)

    def _note_look(self) -> None:
        now = time.monotonic()
        was_idle, self._looked_s = now - self._looked_s >= LOOKED_S, now
        if was_idle and self.is_polling:
            self._wake.set()  # look more often from now on

    # --- what others do ----------------------------------------------------------------------

    def touch(self, workspace: str, name: str) -> None:
        """A run's files have changed: read them at once."""
        self._look_at(workspace, name)
        self._wake.set()

    def rename(
        self, workspace: str, name: str, new_name: str, *, keeps_folders: bool = False
    ) -> list[tuple[str, str]]:
        """Move a run's folder with the runs below it; old and new name of each.

        name: a run's, or that of a folder above runs. keeps_folders: the old folders stay, empty:
        a writer that opens its file anew at each write would fail without.
        Raises NotFound, Conflict, Invalid, OSError.
        """
        runs = self._at_or_below(workspace, name)
        source = run_folder(self.root, workspace, name)
        target = run_folder(self.root, workspace, new_name)
        pairs = [(run.name, new_name + run.name.removeprefix(name)) for run in runs]
        for _, new in pairs:
            checked_name(new)
        if source in target.parents and name != ROOT_RUN:
            raise Conflict("A run cannot be moved into itself.", field="name")
        make_room(target, self.root / workspace)
        with ExitStack() as stack:
            for run in runs:
                stack.enter_context(run.lock)
            if name == ROOT_RUN:
                move_files(source, target)
            elif keeps_folders:
                move_tree(source, target)
            else:
                source.rename(target)
            for run, (old, new) in zip(runs, pairs, strict=True):
                self._renamed(run, old, new)
        if not keeps_folders:
            self._remove_empty(source.parent, workspace)
        self.rescan(workspace)
        return pairs

    def _at_or_below(self, workspace: str, name: str) -> list[Run]:
        """By name, so that two who take their locks do not wait for each other."""
        if name == ROOT_RUN:
            return [self.run(workspace, name)]
        found = [
            run for run in self.runs(workspace) if run.name == name or is_below(run.name, name)
        ]
        return found or [self.run(workspace, name)]

    def _renamed(self, run: Run, old: str, new: str) -> None:
        """Its folder was moved; its lock is held."""
        with self._lock:
            self._runs.pop(run.key, None)
            run.name = new
            self._runs[run.key] = run
            run.reader.moved(self.root / run.workspace / new)
            if run.is_reading:  # what waits in a queue has its old name
                self._fresh.append(run.key)
        self._keeper.attempt(lambda: self._cache.rename(run.workspace, old, new))
        self._changed(run)

    def remove(self, workspace: str, name: str, *, keeps_folder: bool = False) -> None:
        """Remove a run's event files, and its folder if nothing else is in it.

        keeps_folder: it stays all the same, for a writer that opens its file anew at each write.
        Raises NotFound, OSError.
        """
        run = self.run(workspace, name)
        with run.lock:
            folder = run.reader.folder
            for file, _, _ in run.found.state:
                (folder / file).unlink(missing_ok=True)
            newer = look(self.root, workspace, name)
            for file, _, _ in newer.state if newer else ():
                (folder / file).unlink(missing_ok=True)
            (folder / RUN_ID_FILE).unlink(missing_ok=True)
            self._forget(run)
        if not keeps_folder:
            self._remove_empty(folder, workspace)

    def rescan(self, workspace: str) -> None:
        """Look for runs that came or went."""
        with self._lock:
            self._rescans.add(workspace)
        self._wake.set()

    # --- life --------------------------------------------------------------------------------

    def start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._watch.start()
        self._thread = threading.Thread(target=self._work, name="boards", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, with everything saved. Blocks for a second or so."""
        self._is_ending = True
        self._watch.stop()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for run in self._every():
            self._keeper.save(run)
        self._cache.close()

    # --- the reading thread ------------------------------------------------------------------

    def _work(self) -> None:
        # Not niced: where others want the CPU it would be halted with Python's lock in its hand.
        while not self._is_ending:
            try:
                self._wake.clear()
                self._scan_if_due()
                if not self._read_next():
                    self._keeper.save_quiet(self._every())
                    self._wake.wait(self._pause_s())
            except Exception:
                log.exception("reading of boards went wrong", extra={"action": "boards_failed"})
                self._wake.wait(1.0)

    def _pause_s(self) -> float:
        if self._rescans:
            return LEAST_RESCAN_S
        if self._watch.is_watching:
            return QUIET_S / 4
        is_looked_at = time.monotonic() - self._looked_s < LOOKED_S
        return POLL_S if is_looked_at else POLL_IDLE_S

    def _scan_if_due(self) -> None:
        now = time.monotonic()
        if self._cache.is_broken and now - self._anew_s >= RETRY_S:
            self._anew_s = now
            self._begin_anew()
        every_s = SCAN_S if self._watch.is_watching else self._pause_s() * 0.9
        least_s = max(LEAST_RESCAN_S, LEAST_SHARE * self._scan_cost_s)
        if not self._has_scanned.is_set() or now - self._scanned_s >= max(every_s, least_s):
            self._scan_all()
            self._has_scanned.set()
        elif self._rescans and now - self._scanned_s >= least_s:
            with self._lock:
                asked, self._rescans = self._rescans, set()
            self._scan(asked)

    def _scan_all(self) -> None:
        workspaces = set(workspaces_in(self.root))
        self._scan(workspaces | {run.workspace for run in self._every()})
        if not self._has_scanned.is_set():
            self._keeper.attempt(self._forget_what_went)

    def _scan(self, workspaces: set[str]) -> None:
        begun_s = time.thread_time()
        for workspace in workspaces:
            found = {one.name for one in map(self._note, found_in(self.root, workspace))}
            for run in self._every():
                if run.workspace == workspace and run.name not in found:
                    self._forget_if_gone(run)
        self._scan_cost_s = time.thread_time() - begun_s
        self._scanned_s = time.monotonic()

    def _forget_if_gone(self, run: Run) -> None:
        with run.lock, suppress(OSError):  # it cannot be looked at now, which is not to be gone
            if look(self.root, run.workspace, run.name) is None:
                self._forget(run)

    def _forget_what_went(self) -> None:
        """While nobody looked."""
        for workspace, name in self._cache.known():
            if (workspace, name) not in self._runs:
                self._cache.forget(workspace, name)

    def _begin_anew(self) -> None:
        """The cache cannot be read: what it held is read from the files again."""
        log.warning("boards are read anew", extra={"action": "boards_anew"})
        self._keeper.attempt(self._cache.clear)
        with self._lock:
            for run in self._runs.values():
                run.is_gone = True
            self._runs.clear()
            self._fresh.clear()
            self._backlog.clear()
        self._scan_all()

    def _look_everywhere(self) -> None:
        """By the watching thread, which has begun to watch: look for what came before."""
        self._scanned_s = float("-inf")
        self._wake.set()

    def _on_change(self, workspace: str, name: str | None) -> None:
        """By the watching thread: a run's file changed, or (without a name) some folder did."""
        if name is None:
            self.rescan(workspace)
        else:
            self._look_at(workspace, name)
            self._wake.set()

    def _look_at(self, workspace: str, name: str) -> None:
        found = None
        with suppress(OSError):
            found = look(self.root, workspace, name)
        if found is None:
            self.rescan(workspace)
        else:
            self._note(found)

    def _note(self, found: Found) -> Found:
        """Queue a run if its files are not as they were read."""
        key = (found.workspace, found.name)
        with self._lock:
            run = self._runs.get(key)
            if run is not None:
                if run.found.state != found.state:
                    run.found = found
                    if not run.is_reading:
                        run.is_reading = True
                        self._fresh.append(key)
                return found
        # A new one, or the first look after a start: reading what was kept takes a moment.
        folder = self.root / found.workspace / found.name
        reader = RunReader(folder, check_crc=self._check_crc, load=self._cache.load)
        self._keeper.attempt(lambda: self._cache.restore(found.workspace, found.name, reader))
        with self._lock:
            if key not in self._runs:
                self._runs[key] = run = Run(found.workspace, found.name, reader, found)
                self._backlog.append(key)
        return found

    def _read_next(self) -> bool:
        """Read a slice of the run whose turn it is; whether there was one."""
        if self._keeper.is_too_full(self._every()):
            return False
        with self._lock:
            queue = self._fresh or self._backlog
            run = self._runs.get(queue.popleft()) if queue else None
            if run is None:
                return bool(self._fresh or self._backlog)
        with run.lock:
            if not run.is_gone:
                self._read(run)
        self._keeper.save_large(run, self._every())
        return True

    def _read(self, run: Run) -> None:
        has_more = has_rows = False
        begun = run.found.state
        before = run.reader.held
        try:
            refreshed = run.reader.refresh(SLICE_BYTES)
            has_more = refreshed.has_more
            has_rows = refreshed.read_bytes > 0 or run.reader.held is not before
            has_new = has_rows or not run.version or bool(run.failure)
            run.failure = ""
        except Exception as error:
            # Nobody foresaw it unless it is the disk's; other runs are read all the same.
            if not isinstance(error, OSError):
                log.exception("a run cannot be read", extra={"action": "board_run_failed"})
            what = str(error) or type(error).__name__
            has_new, run.failure = run.failure != what, what
        with self._lock:
            # Written to meanwhile: what was not read yet is noticed now or with the next change.
            run.is_reading = has_more or begun != run.found.state
            if run.is_reading:
                (self._backlog if has_more else self._fresh).append(run.key)
        if has_rows:
            self._keeper.note(run)
        if has_new:
            self._changed(run)

    def _changed(self, run: Run) -> None:
        with self._lock:
            self._version += 1
            run.version = self._version
            self._versions[run.workspace] = self._version

    def _forget(self, run: Run) -> None:
        with self._lock:
            self._runs.pop(run.key, None)
            run.is_gone = True
            self._version += 1
            self._versions[run.workspace] = self._version
        self._keeper.attempt(lambda: self._cache.forget(run.workspace, run.name))

    def _every(self) -> list[Run]:
        with self._lock:
            return list(self._runs.values())

    def _remove_empty(self, folder: Path, workspace: str) -> None:
        """Folders that hold nothing any more, up to the workspace's own."""
        top = self.root / workspace
        while folder != top and top in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent
