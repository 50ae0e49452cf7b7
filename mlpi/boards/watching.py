"""inotify on the folder of all runs, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

DEBOUNCE_MS = 100  # a change is told at most so much later
STEP_MS = 25  # without another change before it is told
RETRY_S = 300.0  # until inotify is tried again

# File systems whose other users' changes inotify does not see (proc(5), statfs(2)).
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"})

# workspace, and the run whose file changed, or None when some other thing in the workspace did.
OnChange = Callable[[str, str | None], None]

log = logging.getLogger(__name__)


class Watch:
    """Tells what changes below a folder. is_watching: false where that is not to be had."""

    def __init__(self, root: Path, on_change: OnChange, on_begin: Callable[[], None]) -> None:
        """on_begin: called when changes are told from now on; what came before was not seen."""
        self._root, self._on_change, self._on_begin = root, on_change, on_begin
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_watching = False
        self.problem = ""

    def start(self) -> None:
        kind = file_system(self._root)
        if kind in _REMOTE:
            self.problem = f"the folder lies on {kind}, which tells of no changes"
            return
        self._thread = threading.Thread(target=self._follow, name="boards-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        from watchfiles import watch  # noqa: PLC0415 - beside the start, not before it

        while not self._end.is_set():
            try:
                for changes in watch(
                    self._root,
                    watch_filter=None,
                    debounce=DEBOUNCE_MS,
                    step=STEP_MS,
                    stop_event=self._end,
                    rust_timeout=1000,
                    yield_on_timeout=True,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                ):
                    if not self.is_watching:
                        self.is_watching, self.problem = True, ""
                        self._on_begin()
                    self._tell({path for _, path in changes})
            except Exception as error:
                self.problem = f"inotify does not work here: {error}"
                log.warning("boards are looked at again and again", exc_info=True)
            self.is_watching = False
            self._end.wait(RETRY_S)

    def _tell(self, paths: set[str]) -> None:
        runs: set[tuple[str, str | None]] = set()
        for path in paths:
            parts = Path(path).relative_to(self._root).parts
            if not parts:
                continue
            if "tfevents" in parts[-1] and len(parts) > 1:
                runs.add((parts[0], "/".join(parts[1:-1]) or "."))
            elif len(parts) == 1 or not os.path.isfile(path):  # noqa: PTH113 - a str, and hot
                runs.add((parts[0], None))
        for workspace, run in runs:
            self._on_change(workspace, run)


def file_system(folder: Path) -> str:
    """The kind of file system a folder lies on, as mount(8) names it; '' when unknown."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    here, best, kind = str(folder.resolve()), "", ""
    for line in lines:
        words = line.split(" ")
        point = words[1].replace("\\040", " ")
        is_above = point in ("/", here) or here.startswith(point + "/")
        if is_above and len(point) >= len(best):
            best, kind = point, words[2]
    return kind
