"""What somebody should look at, for the top of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlpi.component import Health, State
from mlpi.system.machine import Figures
from mlpi.web.filters import size

DISK_PERCENT = 90
MEMORY_FREE_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Notice:
    """One line: what is wrong, and what to do."""

    kind: Literal["bad", "warn"]
    title: str
    detail: str


def notices(health: Mapping[str, Health], figures: Figures) -> list[Notice]:
    """What needs attention now, the worst first."""
    found = [
        Notice("bad", f"{name.capitalize()} failed", f"{one.detail}. The log says more.")
        for name, one in health.items()
        if one.state is State.FAILED
    ]
    if figures.disk_percent > DISK_PERCENT:
        found.append(
            Notice(
                "warn",
                "The disk is nearly full",
                f"{size(figures.disk_free_bytes)} free of {size(figures.disk_total_bytes)}. "
                "Delete old runs and artifacts, or move the home folder to a larger disk.",
            )
        )
    if 100 - figures.memory_percent < MEMORY_FREE_PERCENT:
        free = figures.memory_total_bytes - figures.memory_used_bytes
        found.append(
            Notice(
                "warn",
                "Memory is short",
                f"{size(free)} free of {size(figures.memory_total_bytes)}; "
                f"mlpi uses {size(figures.process_bytes)}.",
            )
        )
    return found
