"""The local runner's processes as the service sees them: workers and the servers they fork from."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from mlpi.jobs.channel import Channel, pair
from mlpi.jobs.runner import Event, Order
from mlpi.jobs.worker import THREADS

_ONE_THREAD = dict.fromkeys(THREADS, "1")  # a job that asks for more is given them in its worker
MEMORY_S = 0.1  # how old the figure of free memory may be


@dataclass(eq=False)
class Worker:
    """A worker process as the service sees it."""

    number: int
    family: str
    channel: Channel
    idle_since: float
    pid: int | None = None
    orders: deque[Order] = field(default_factory=deque)  # the first is what it does
    started_at: float = 0.0
    end: Callable[[int], Event] | None = None  # set when we end it: what to say of its job
    closed_at: float | None = None
    was_quick: bool = False

    @property
    def order(self) -> Order | None:
        return self.orders[0] if self.orders else None

    @property
    def is_idle(self) -> bool:
        return self.order is None and self.end is None and self.closed_at is None


@dataclass(eq=False)
class Family:
    """A fork server."""

    name: str
    process: subprocess.Popen[bytes]
    control: Channel
    end: socket.socket
    idle_since: float
    ready_s: float | None = None
    exits: dict[int, int] = field(default_factory=dict)


def started_family(order: Order, now: float) -> Family:
    """A new fork server of an order's family; now is a monotonic time in seconds."""
    ours, theirs = pair()
    with theirs:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlpi.jobs.forkserver"),
                *(str(theirs.fileno()), order.family, *order.preload),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
            cwd=order.home,
        )
    return Family(order.family, process, Channel(ours), ours, now)


class FreeMemory:
    """Memory that could be had, as of a moment ago: asking costs as much as a short job."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._bytes = 0

    def free_bytes(self, now: float) -> int:
        """Bytes; now is a monotonic time in seconds."""
        if now - self._at > MEMORY_S:
            self._at, self._bytes = now, psutil.virtual_memory().available
        return self._bytes


def memory_of(pid: int) -> Iterator[int]:
    """Resident bytes of a process and of each one below it."""
    try:
        processes = [psutil.Process(pid)]
        processes += processes[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield process.memory_info().rss


def obituary(status: int | None) -> str:
    """How a worker ended, in words."""
    if status is None:
        return "its worker process vanished"
    if status == -9:
        return "its worker process was killed (by the system, when memory ran out, or by hand)"
    if status < 0:
        return f"its worker process crashed with signal {-status}"
    return f"its worker process ended with exit code {status}"
