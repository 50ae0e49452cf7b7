"""What benchmarks share: process trees, medians, the machine's name."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Footprint:
    """A process tree's resources."""

    processes: int
    rss_mb: float
    pss_mb: float
    cpu_s: float


def footprint(pid: int) -> Footprint:
    """Of a process and all below it. PSS shares out pages that several hold."""
    root = psutil.Process(pid)
    rss = pss = cpu = 0.0
    processes = [root, *root.children(recursive=True)]
    for process in processes:
        try:
            memory = process.memory_full_info()
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        rss += memory.rss
        pss += memory.pss
        cpu += times.user + times.system
    return Footprint(len(processes), rss / 1e6, pss / 1e6, cpu)


def written_mb(pid: int) -> float:
    """Bytes that a process tree has caused to be written, in MB."""
    root = psutil.Process(pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        total += process.io_counters().write_bytes
    return total / 1e6


def machine() -> str:
    """One line that names where figures were taken."""
    memory_gb = psutil.virtual_memory().total / 1e9
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(headings), ["---"] * len(headings), *map(list, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
