"""The machine's own figures: processor, memory, disk, temperature, throttling."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. Sizes in bytes, percentages 0–100, temperature in °C or None where unknown."""

    host: str
    up_s: float
    cpu_count: int
    cpu_percent: float
    temperature_c: float | None
    memory_used_bytes: int
    memory_total_bytes: int
    process_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int

    @property
    def memory_percent(self) -> float:
        return 100 * self.memory_used_bytes / max(1, self.memory_total_bytes)

    @property
    def disk_percent(self) -> float:
        return 100 * self.disk_used_bytes / max(1, self.disk_total_bytes)


class Machine:
    """Reads the figures at most every FRESH_S seconds, however many pages ask."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._last: tuple[float, Figures] | None = None
        psutil.cpu_percent()  # the first call only sets the mark

    def figures(self) -> Figures:
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > FRESH_S:
                self._last = (time.monotonic(), self._read())
            return self._last[1]

    def _read(self) -> Figures:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._home))
        return Figures(
            host=socket.gethostname(),
            up_s=time.time() - psutil.boot_time(),
            cpu_count=os.cpu_count() or 1,
            cpu_percent=psutil.cpu_percent(),
            temperature_c=_temperature(),
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            process_bytes=self._process.memory_info().rss,
            disk_used_bytes=disk.used,
            disk_total_bytes=disk.total,
            disk_free_bytes=disk.free,
        )


def _temperature() -> float | None:
    try:
        return int(_THERMAL.read_text()) / 1000
    except (OSError, ValueError):
        return None
