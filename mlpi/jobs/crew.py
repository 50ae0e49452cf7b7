"""Which of the local runner's workers can be given what; it starts and ends none."""

from __future__ import annotations

from collections.abc import Mapping

from mlpi.jobs.pace import Paces
from mlpi.jobs.processes import Worker
from mlpi.jobs.runner import Order

# One more worker needs about this much; less free memory than this would make the board swap.
WORKER_BYTES = 200 * 2**20
AT_ONCE = 64  # quick jobs that one worker is handed at most


class Crew:
    """The workers there are, looked at. workers is the runner's own, which it changes."""

    def __init__(self, workers: Mapping[int, Worker], paces: Paces, max_cpus: int) -> None:
        self._workers = workers
        self._paces = paces
        self._max_cpus = max_cpus

    def free_cpus(self) -> int:
        """CPUs that no job holds."""
        held = sum(worker.order.cpus for worker in self._workers.values() if worker.order)
        return self._max_cpus - held

    def room(self, free_bytes: int) -> int | None:
        """How many more jobs can be taken; None when only memory is in the way.

        free_bytes: memory that could be had.
        """
        free = self.free_cpus()
        idle = sum(1 for worker in self._workers.values() if worker.is_idle)
        affordable = idle + max(0, free_bytes // WORKER_BYTES - 1)
        if free > 0 and affordable == 0:
            return None
        more = sum(
            AT_ONCE - max(1, len(worker.orders))
            for worker in self._workers.values()
            if self._is_quick(worker) or (worker.is_idle and worker.was_quick)
        )
        return min(free, affordable) + more

    def has(self, family: str) -> bool:
        """Whether any worker is of this family."""
        return any(worker.family == family for worker in self._workers.values())

    def idle_of(self, family: str) -> Worker | None:
        """The worker that became idle last, whose memory is warm."""
        idle = [one for one in self._workers.values() if one.family == family and one.is_idle]
        return max(idle, key=lambda worker: worker.idle_since, default=None)

    def longest_idle(self) -> Worker | None:
        """The one to part with."""
        idle = [worker for worker in self._workers.values() if worker.is_idle]
        return min(idle, key=lambda worker: worker.idle_since, default=None)

    def quick_for(self, order: Order) -> Worker | None:
        """A busy worker that will be through with what it has as soon as a new one would begin."""
        if order.cpus != 1 or not self._paces.is_quick(order.function):
            return None
        quick = [
            worker
            for worker in self._workers.values()
            if worker.family == order.family and self._is_quick(worker)
        ]
        return min(quick, key=lambda worker: len(worker.orders), default=None)

    def _is_quick(self, worker: Worker) -> bool:
        return (
            worker.order is not None
            and worker.order.cpus == 1
            and worker.end is None
            and worker.closed_at is None
            and len(worker.orders) < AT_ONCE
            and all(map(self._paces.is_quick, {order.function for order in worker.orders}))
        )
