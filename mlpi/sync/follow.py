"""Follows a folder and keeps its copy at an mlpi as long."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mlpi.sync.local import LogFile, Opened, found_in, is_wanted, opened, state_of
from mlpi.sync.remote import Elsewhere, Lost, Refused, Remote, Stopped, There

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
DEBOUNCE_MS, STEP_MS = 200, 50
TICK_MS = 500  # at most, until the first look after watching has begun, and between later ones
TELL_S = 10.0  # between words about a long way to go
MOST_TURNS = 8  # that a file is found at another offset, before it rests for a while
RETRY_S = 60.0  # before a file is sent again that was refused for a reason that may pass
MOST_WORDS = 1000  # that are told once
RETRY_TICKS = 30  # before watching is tried again where it did not work


class Follower:
    """Sends what is new of every event file below a folder, a piece of each in turn.

    say: takes a line for a person. patience_s: how long a lost connection is waited out; None:
    for ever. Memory: a piece (4 MB at most) and some 500 bytes a file.
    """

    def __init__(
        self,
        folder: Path,
        remote: Remote,
        say: Callable[[str], None],
        *,
        prefix: str = "",
        patience_s: float | None = None,
    ) -> None:
        self._folder, self._remote, self._say, self._prefix = folder, remote, say, prefix
        self._patience_s = patience_s
        self._files: dict[Path, LogFile] = {}
        self._listing: dict[str, There] = {}
        self._turns: dict[Path, int] = {}
        self._failures = self._answers = 0
        self._is_lost = False
        self._progress_s = self._told_s = time.monotonic()
        self._told: set[str] = set()
        self.sent_bytes = 0
        self.workspace = ""

    @property
    def problems(self) -> list[str]:
        """Why files are not sent, by file."""
        return [f"{one.target}: {one.rest}" for one in self._files.values() if one.rest]

    @property
    def file_count(self) -> int:
        return sum(1 for one in self._files.values() if not one.rest)

    def begin(self) -> None:
        """Compare all files with the other end's, in one request. Raises Stopped."""
        while True:
            try:
                self.workspace, self._listing = self._remote.listed(self._prefix)
            except Lost as error:
                self._wait_out(error)
            else:
                self._note_answer()
                return

    def catch_up(self, paths: set[str] | None = None) -> None:
        """Send what these files, or all, have more than the other end. Raises Stopped."""
        waiting = deque(self._changed(paths))
        while waiting:
            file = waiting.popleft()
            try:
                if self._send_piece(file):
                    waiting.append(file)
                self._note_answer()
            except Lost as error:
                file.is_sure = False
                self._wait_out(error)
                # Meanwhile others may have come, or grown; and they do not wait for this one.
                others = [one for one in self._changed(None) if one is not file]
                waiting = deque([*others, file])
            self._tell(len(waiting))

    def follow(self, interval_s: float) -> None:
        """Catch up whenever something changes, for ever. Raises Stopped."""
        looked_s = -math.inf
        for paths in _ticks(self._folder, interval_s):
            now = time.monotonic()
            is_due = now - looked_s >= interval_s
            if is_due:
                looked_s = now
            self.catch_up(None if is_due else paths)

    # --- what there is to do -----------------------------------------------------------------

    def _changed(self, paths: set[str] | None) -> list[LogFile]:
        """Files that are not as they were when all of them was sent; event files first."""
        if paths is None or not {Path(path) for path in paths} <= self._files.keys():
            found = {one.path: one for one in found_in(self._folder, self._prefix)}
            for path, one in found.items():
                self._files.setdefault(path, one)
            for path in self._files.keys() - found.keys():
                del self._files[path]
            looked_at = list(self._files.values())
        else:
            looked_at = [self._files[path] for path in map(Path, paths)]
        changed, now = [], time.monotonic()
        for file in looked_at:
            try:
                state = state_of(file.path.stat(follow_symlinks=False))
            except OSError:
                self._files.pop(file.path, None)
                continue
            if file.rest and (file.seen[:2] != state[:2] or now >= file.retry_s):
                # Another file under this name may be a better one.
                self._files[file.path] = file = LogFile(file.path, file.run, file.name)  # noqa: PLW2901
            if not file.rest and file.seen != state:
                changed.append(file)
        begun = {one.run for one in self._files.values() if one.was_there and not one.is_run_id}
        going = {one.run for one in changed if not one.is_run_id}
        # A run's id is refused where there is no run.
        ready = [one for one in changed if not one.is_run_id or one.run in begun | going]
        return sorted(ready, key=lambda one: one.is_run_id)

    def _send_piece(self, file: LogFile) -> bool:
        """Send one piece of a file; whether it is to have another turn. Raises Lost, Stopped."""
        try:
            with opened(file.path) as local:
                return self._send_from(file, local)
        except OSError:  # went away, or may not be read: looked at again when it changes
            self._files.pop(file.path, None)
            return False
        except Refused as refused:
            self._let_rest(file, refused)
            return False
        except Elsewhere:
            # Another sender, or an answer of ours was lost.
            file.is_sure = False
            turns = self._turns[file.path] = self._turns.get(file.path, 0) + 1
            if turns >= MOST_TURNS:
                del self._turns[file.path]
                raise Lost(f"another sender writes {file.target}") from None
            return True

    def _send_from(self, file: LogFile, local: Opened) -> bool:
        if file.is_sure and (local.size < file.sent or local.beginning(file.sent) != file.mark):
            file.is_sure = False
        if not file.is_sure:
            self._compare(file, local)
        if file.rest:
            file.seen = local.state
            return False
        piece = local.read(min(self._remote.piece, max(0, local.size - file.sent)), file.sent)
        is_too_little = not file.sent and not file.is_run_id and not local.is_begun
        if not file.is_sure or not piece or is_too_little:
            file.seen = local.state
            return False
        after = file.sent + len(piece)
        mark = local.beginning(after)
        self._remote.append(file.target, file.sent, piece, replaces=file.begins_anew)
        file.go_on(after, mark, was_there=True)
        self._turns.pop(file.path, None)
        self.sent_bytes += len(piece)
        self._progress_s = time.monotonic()
        if after >= local.size:
            file.seen = local.state
        return after < local.size

    def _compare(self, file: LogFile, local: Opened) -> None:
        """Find out where to go on, or that what is there is another file."""
        there = None if file.is_compared else self._listing.pop(file.target, None)
        if file.is_compared or (there is not None and there.size > local.size):
            there = self._remote.there(file.target, local.size)
        file.is_compared = True
        if there is None:
            if file.was_there:
                file.rest = "was removed or renamed there, and is sent anew by another mlpi sync"
                self._once(f"{file.target} {file.rest}.")
            file.go_on(0, "", was_there=file.was_there)
            return
        is_same = local.beginning(there.upto) == there.beginning
        if not is_same or (file.is_run_id and there.size != local.size):
            self._once(f"{file.target}: another file has its place there, which it takes.")
            file.go_on(0, "", was_there=True, begins_anew=True)
        elif there.size > local.size:
            self._once(f"{file.target}: there is more of it there than here; it is left as it is.")
        else:
            file.go_on(there.size, there.beginning, was_there=True)

    # --- what a person is told ---------------------------------------------------------------

    def _let_rest(self, file: LogFile, refused: Refused) -> None:
        file.rest = str(refused)
        file.retry_s = math.inf if refused.is_final else time.monotonic() + RETRY_S
        with suppress(OSError):
            file.seen = state_of(file.path.stat(follow_symlinks=False))
        what = f"the run {file.run}" if refused.is_of_run else file.target
        self._once(f"Not sent: {what}. {refused}")

    def _wait_out(self, error: Lost) -> None:
        """Rest for a while, longer each time. Raises Stopped when it was too long."""
        self._failures += 1
        waited_s = time.monotonic() - self._progress_s
        if self._patience_s is not None and waited_s > self._patience_s:
            raise Stopped(f"{error}. Not all was sent.", 1)
        if self._failures == 1 and not error.wait_s:
            return  # a connection that was kept open may be closed, after a restart for instance
        if not self._is_lost:
            self._is_lost = True
            self._say(f"{error}; tried again until it works.")
        longest = min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 16), LONGEST_PAUSE_S)
        time.sleep(max(error.wait_s, longest * random.uniform(0.5, 1.0)))  # noqa: S311

    def _note_answer(self) -> None:
        if self._remote.answers == self._answers:
            return
        self._answers, self._failures = self._remote.answers, 0
        if self._is_lost:
            self._is_lost = False
            self._say(f"{self._remote.url} is back.")

    def _once(self, words: str) -> None:
        if words not in self._told and len(self._told) < MOST_WORDS:
            self._told.add(words)
            self._say(words)

    def _tell(self, waiting: int) -> None:
        now = time.monotonic()
        if waiting and now - self._told_s >= TELL_S:
            self._told_s = now
            self._say(f"{self.sent_bytes / 1e6:,.1f} MB sent, {waiting:,} files to go.")


def _ticks(folder: Path, interval_s: float) -> Iterator[set[str]]:
    """Paths of files that changed; none, every interval_s or sooner, when nothing tells of any."""
    from watchfiles import watch  # noqa: PLC0415

    while True:
        try:
            for changes in watch(
                folder,
                watch_filter=lambda _, path: is_wanted(path.rpartition("/")[2]),
                debounce=DEBOUNCE_MS,
                step=STEP_MS,
                rust_timeout=min(TICK_MS, int(interval_s * 1000)),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield {path for _, path in changes}
        except Exception:  # no such folder yet, or too few watches: watchfiles has many kinds
            for _ in range(RETRY_TICKS):
                yield set()
                time.sleep(interval_s)
