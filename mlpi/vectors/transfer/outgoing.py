"""Exports that need a file: written by a job, kept for a day."""

from __future__ import annotations

import time
from pathlib import Path

KEEP_S = 86400.0


class Outgoing:
    """The folder of exports. A file there is whole, and has its job's number."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "vectors" / "exports"

    def begin(self, job_id: int) -> Path:
        """Where to write; what an earlier attempt has written is gone."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.drop(job_id)
        return self._folder / f"{job_id}.new"

    def drop(self, job_id: int) -> None:
        """Remove what is not whole."""
        for left in self._folder.glob(f"{job_id}.*"):
            left.unlink()

    def finish(self, job_id: int) -> None:
        """It is whole."""
        (self._folder / f"{job_id}.new").replace(self.file(job_id))

    def file(self, job_id: int) -> Path:
        return self._folder / str(job_id)

    def sweep(self) -> int:
        """Remove what is older than a day; how many."""
        limit, removed = time.time() - KEEP_S, 0
        if self._folder.exists():
            for path in self._folder.iterdir():
                if path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed
