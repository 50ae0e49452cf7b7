"""What the last engine left behind: did it end in order, and what had it touched?

A file lies in the folder while an engine runs. It names each collection that the engine read or
wrote, from before the first time. An orderly end has the disk keep every index that changed, then
removes the file. Found at a start, it means a kill, a crash or a power cut: what it names is read
whole and compared with the log before the bindings see it, and nothing else needs to be.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from pathlib import Path

from mlpi.vectors.engine import index

RUNNING = "mlpi.running"
SUSPECTS = "mlpi.suspects"
TRUSTED = 3  # deaths of engines within a day, then a collection's index is not asked any more
TOLERATED = 6  # then nothing of it is
_IDENTITY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REMEMBERED_S = 86400.0


class Life:
    """One engine's mark. Begins when made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = folder / RUNNING
        self._touching = threading.Lock()
        is_clean = did_end(folder)
        self.touched_before = left_touched(folder)
        # Deaths before an orderly end were looked into then.
        self.suspects = _given_up(folder) if is_clean else suspects(folder)
        self._touched: set[str] = set()
        self._blamed: set[str] = set()
        self._saved = _saves(folder)
        self._file = self._mark.open("a")
        self._keep()
        _sync(folder)

    def touch(self, collection: str) -> None:
        """To be called before a collection is read or written; costs a sync the first time."""
        if collection in self._touched:
            return
        with self._touching:
            if collection not in self._touched:
                self._file.write(collection + "\n")
                self._keep()
                self._touched.add(collection)

    def suspect(self, collection: str) -> None:
        """The engine dies, busy with this collection; it dies once, however many threads say so."""
        with self._touching:
            if collection not in self._blamed:
                self._blamed.add(collection)
                suspect(self._folder, collection)

    def end(self) -> None:
        """An orderly end: nothing is under way any more."""
        for place, saved in _saves(self._folder).items():
            if self._saved.get(place) != saved:
                index.keep(place)
        self._file.close()
        self._mark.unlink()
        _sync(self._folder)

    def checked(self) -> None:
        """What the last engine touched is as it should be."""
        with self._touching:
            self._file.truncate(0)
            self._keep()

    def _keep(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def left_touched(folder: Path) -> set[str]:
    """Collections that an engine which did not end in order had touched."""
    try:
        return {line for line in (folder / RUNNING).read_text().split("\n") if line}
    except FileNotFoundError:
        return set()


def did_end(folder: Path) -> bool:
    """Whether the last engine ended in order, or there never was one."""
    return not (folder / RUNNING).exists()


def suspect(folder: Path, collection: str) -> None:
    """An engine died while it was busy with this collection."""
    with (folder / SUSPECTS).open("a") as file:
        file.write(f"{time.time():.0f} {collection}\n")
        file.flush()
        os.fsync(file.fileno())


def collections_in(path: str) -> list[str]:
    """Identities of collections that a request's path names."""
    return _IDENTITY.findall(path)


def suspects(folder: Path) -> Counter[str]:
    """How many engines died of each collection within a day."""
    try:
        lines = (folder / SUSPECTS).read_text().splitlines()
    except FileNotFoundError:
        return Counter()
    since = time.time() - _REMEMBERED_S
    words = [line.split() for line in lines]
    return Counter(word[1] for word in words if len(word) == 2 and float(word[0]) > since)


def _given_up(folder: Path) -> Counter[str]:
    return Counter({one: deaths for one, deaths in suspects(folder).items() if deaths > TRUSTED})


def _saves(folder: Path) -> dict[Path, int]:
    """When each index was saved last, by its folder."""
    found = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            try:
                found[entry] = (entry / index.LABELS).stat().st_mtime_ns
            except FileNotFoundError:
                continue
    return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
