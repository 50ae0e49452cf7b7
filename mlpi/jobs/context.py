"""What a job's function is given. Imported in workers: keep it light."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpi.jobs.channel import Message

# Faster than people can read, slow enough that a tight loop may report every turn.
REPORT_EVERY_S = 0.2


@dataclass
class JobContext:
    """A job's way to say how far it is, and to know where it is."""

    job_id: int
    workspace: str
    home: Path
    attempt: int
    send: Callable[[Message], None]
    cpus: int = 1  # how many it may keep busy; numeric libraries have been told already
    _last_sent: float = field(default=0.0, repr=False)
    _counters: dict[str, float] = field(default_factory=dict, repr=False)

    def progress(self, fraction: float | None = None, message: str = "", **counters: float) -> None:
        """Report progress, 0–1 or None where unknown. Cheap: most calls send nothing."""
        self._counters.update(counters)
        now = time.monotonic()
        is_last = fraction is not None and fraction >= 1
        if now - self._last_sent < REPORT_EVERY_S and not is_last:
            return
        self._last_sent = now
        report: dict[str, Any] = {"message": message[:500], "counters": self._counters}
        if fraction is not None:
            report["fraction"] = min(1.0, max(0.0, fraction))
        self.send({"progress": self.job_id, **report})


class JobFailed(Exception):
    """Raised by a job to fail with one clear line and no traceback."""
