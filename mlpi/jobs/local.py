"""The local runner: worker processes from preloaded fork servers, as many as the queue needs."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import psutil

from mlpi.jobs import output
from mlpi.jobs.channel import Channel, Message, pair
from mlpi.jobs.crew import Crew
from mlpi.jobs.pace import Paces
from mlpi.jobs.processes import Family, FreeMemory, Worker, memory_of, obituary, started_family
from mlpi.jobs.runner import (
    Cancelled,
    Died,
    Event,
    Failed,
    Order,
    Progressed,
    Returned,
    RunnerStatus,
    Started,
    Succeeded,
)

log = logging.getLogger(__name__)

TICK_S = 0.5  # limits are enforced this exactly
EXIT_GRACE_S = 2.0  # how long an exit status may come after its channel closed


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the runner goes. Times in seconds.

    max_workers: CPUs that jobs may hold together; a job of one CPU is one worker.
    """

    max_workers: int
    worker_idle_s: float = 60.0
    server_idle_s: float = 60.0


class LocalRunner:
    """Workers are forked for orders that find no idle one, and retired when idle too long.

    Nothing runs while there is nothing to do: the first order starts its family's fork server,
    which imports what the family needs once; workers fork from it within milliseconds. When its
    workers are gone it goes too, and the memory with it. All bookkeeping happens in wait(), in
    one thread; the processes are watched through their sockets, whose closing is their death.
    """

    def __init__(
        self,
        limits: Limits,
        monotonic: Callable[[], float] = time.monotonic,
        paces: Paces | None = None,
    ) -> None:
        self._limits = limits
        self._now = monotonic
        self._families: dict[str, Family] = {}
        self._workers: dict[int, Worker] = {}
        self._numbers = count(1)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._last_tick = monotonic()
        self._memory = FreeMemory()
        self._waiting_because = ""
        self._events: list[Event] = []
        self._unplaced: deque[Order] = deque()
        self._doomed: set[int] = set()
        self._paces = paces or Paces()
        self._crew = Crew(self._workers, self._paces, limits.max_workers)

    def capacity(self) -> int:
        room = self._crew.room(self._memory.free_bytes(self._now()))
        self._waiting_because = "too little free memory for one more worker" if room is None else ""
        return max(0, (room or 0) - len(self._unplaced))

    def free_cpus(self) -> int:
        return self._crew.free_cpus()

    def start(self, orders: Sequence[Order]) -> None:
        messages: dict[Worker, list[Message]] = {}
        for order in orders:
            worker = self._place(order)
            if worker is None:
                self._unplaced.append(order)
                continue
            if not worker.orders:
                worker.started_at = self._now()
            worker.orders.append(order)
            message = order.message(is_quick=self._paces.is_quick(order.function))
            messages.setdefault(worker, []).append(message)
        for worker, found in messages.items():
            with contextlib.suppress(OSError):  # a dead worker is noticed by its closed channel
                worker.channel.send(*found)

    def cancel(self, job_id: int) -> None:
        for order in self._unplaced:
            if order.job_id == job_id:
                self._unplaced.remove(order)
                self._events.append(Cancelled(job_id))
                return
        for worker in self._workers.values():
            if worker.order and worker.order.job_id == job_id:
                self._end(worker, Cancelled)
            elif any(order.job_id == job_id for order in worker.orders):
                self._doomed.add(job_id)  # should its turn come before the message does
                with contextlib.suppress(OSError):
                    worker.channel.send({"skip": job_id})

    def wait(self, timeout_s: float) -> list[Event]:
        for key, _ in self._selector.select(min(timeout_s, self._until_tick())):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 512)
            elif isinstance(key.data, Family):
                self._hear_family(key.data)
            else:
                self._hear_worker(key.data)
        if self._now() - self._last_tick >= TICK_S:
            self._tick()
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"x")

    def status(self) -> RunnerStatus:
        workers = list(self._workers.values())
        return RunnerStatus(
            name="local",
            workers=len(workers),
            busy=sum(1 for worker in workers if worker.order),
            max_workers=self._limits.max_workers,
            waiting_because=self._waiting_because,
        )

    def stop(self) -> None:
        for family in self._families.values():
            family.control.close()  # its fork server kills the workers and ends
        for family in self._families.values():
            try:
                family.process.wait(5)
            except subprocess.TimeoutExpired:
                family.process.kill()
                family.process.wait()
        for worker in self._workers.values():
            worker.channel.close()
            if worker.order is not None and worker.pid is not None:
                output.bury(worker.order.log, worker.pid)
        self._families.clear()
        self._workers.clear()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # workers

    def _place(self, order: Order) -> Worker | None:
        """A worker for an order; None while there is none."""
        if order.cpus <= self.free_cpus():
            return self._crew.idle_of(order.family) or self._fork(order)
        return self._crew.quick_for(order)

    def _fork(self, order: Order) -> Worker:
        if len(self._workers) >= self._limits.max_workers:
            idle = self._crew.longest_idle()
            if idle is not None:
                self._forget(idle)
        family = self._families.get(order.family) or self._started(order)
        ours, theirs = pair()
        worker = Worker(next(self._numbers), order.family, Channel(ours), self._now())
        with theirs:
            request = b'{"fork":%d}\n' % worker.number
            with contextlib.suppress(OSError):  # a dead fork server is noticed by its socket
                socket.send_fds(family.end, [request], [theirs.fileno()])
        self._workers[worker.number] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        return worker

    def _forget(self, worker: Worker) -> None:
        """Stop watching a worker; one that still runs ends when it reads the closed channel."""
        if self._workers.pop(worker.number, None) is None:
            return
        self._selector.unregister(worker.channel)
        worker.channel.close()
        if not self._crew.has(worker.family):
            family = self._families.get(worker.family)
            if family is not None:
                family.idle_since = self._now()

    def _end(self, worker: Worker, end: Callable[[int], Event]) -> None:
        """Kill a worker with all it started; end(job id) is what its job then comes to."""
        worker.end = end
        family = self._families.get(worker.family)
        if worker.pid is None or family is None:
            return  # it has just been asked for; _hear_family ends it when it knows its process
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(worker.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        with contextlib.suppress(OSError):
            family.control.send({"kill": worker.pid})

    def _hear_worker(self, worker: Worker) -> None:
        try:
            for message in worker.channel.drain():
                self._take(worker, message)
        except ValueError:  # not our protocol: something else wrote into its socket
            log.exception("worker sent nonsense", extra={"action": "worker_nonsense"})
            self._end(worker, lambda job_id: Failed(job_id, "its worker sent nonsense"))
        if worker.channel.is_closed and worker.closed_at is None:
            worker.closed_at = self._now()
            self._selector.unregister(worker.channel)
            self._settle(worker)

    def _take(self, worker: Worker, message: Message) -> None:
        order = worker.order
        if order is None:
            return
        job_id = order.job_id
        if message.get("started") == job_id:
            worker.started_at = self._now()
            if job_id in self._doomed:
                self._end(worker, Cancelled)
            else:
                self._events.append(Started(job_id))
        elif message.get("progress") == job_id:
            self._events.append(
                Progressed(job_id, message.get("fraction"), message["message"], message["counters"])
            )
        elif message.get("succeeded") == job_id:
            self._free(worker, Succeeded(job_id, message["result"]))
        elif message.get("skipped") == job_id:
            self._free(worker, Cancelled(job_id))
        elif message.get("failed") == job_id:
            self._free(worker, Failed(job_id, message["error"], message["traceback"]))

    def _free(self, worker: Worker, event: Event) -> None:
        now = self._now()
        order = worker.orders.popleft()
        self._doomed.discard(order.job_id)
        self._paces.learn(order.function, now - worker.started_at)
        worker.was_quick = self._paces.is_quick(order.function)
        worker.started_at = worker.idle_since = now
        self._events.append(event)
        if self._unplaced and not worker.orders:
            self.start([self._unplaced.popleft()])

    def _settle(self, worker: Worker) -> None:
        """Say what became of a dead worker's job, once its exit status is known or overdue."""
        assert worker.closed_at is not None
        family = self._families.get(worker.family)
        status = family.exits.pop(worker.pid, None) if family and worker.pid else None
        overdue = self._now() - worker.closed_at > EXIT_GRACE_S
        if family is not None and status is None and not overdue and worker.order:
            return
        self._workers.pop(worker.number, None)
        worker.channel.close()
        if worker.order is not None and worker.pid is not None:
            output.bury(worker.order.log, worker.pid)
        if family is not None:
            family.idle_since = self._now()
        for place, order in enumerate(worker.orders):
            self._doomed.discard(order.job_id)
            if place:
                self._events.append(Returned(order.job_id))
            else:
                end = worker.end or (lambda job: Died(job, obituary(status)))
                self._events.append(end(order.job_id))
        if self._unplaced:
            self.start([self._unplaced.popleft()])

    # fork servers

    def _started(self, order: Order) -> Family:
        family = started_family(order, self._now())
        self._families[family.name] = family
        self._selector.register(family.control, selectors.EVENT_READ, family)
        log.info("fork server started", extra={"action": "family_started", "family": family.name})
        return family

    def _hear_family(self, family: Family) -> None:
        for message in family.control.drain():
            if "ready" in message:
                family.ready_s = message["ready"]
            elif "forked" in message:
                worker = self._workers.get(message["forked"])
                if worker is not None:
                    worker.pid = message["pid"]
                    if worker.end is not None:
                        self._end(worker, worker.end)
            elif any(w.pid == message["exited"] for w in self._workers.values()):
                family.exits[message["exited"]] = message["status"]
                self._settle_closed()
        if family.control.is_closed:
            self._drop_family(family)

    def _drop_family(self, family: Family) -> None:
        """End a fork server or bury a dead one; its workers' channels close by themselves."""
        self._selector.unregister(family.control)
        family.control.close()
        family.process.wait()
        if self._families.get(family.name) is family:
            del self._families[family.name]
        self._settle_closed()
        log.info("fork server ended", extra={"action": "family_ended", "family": family.name})

    def _settle_closed(self) -> None:
        for worker in list(self._workers.values()):
            if worker.closed_at is not None:
                self._settle(worker)

    # time

    def _until_tick(self) -> float:
        """Ticks matter only while there are processes to watch."""
        if not self._workers and not self._families:
            return float("inf")
        return max(0.0, TICK_S - (self._now() - self._last_tick))

    def _tick(self) -> None:
        now = self._last_tick = self._now()
        for worker in list(self._workers.values()):
            if worker.closed_at is not None:
                self._settle(worker)
            elif worker.order is not None and worker.end is None:
                self._enforce(worker, worker.order, now)
            elif worker.is_idle and now - worker.idle_since > self._limits.worker_idle_s:
                self._forget(worker)
        for family in list(self._families.values()):
            is_empty = not self._crew.has(family.name)
            if is_empty and now - family.idle_since > self._limits.server_idle_s:
                self._drop_family(family)

    def _enforce(self, worker: Worker, order: Order, now: float) -> None:
        if worker.pid is not None and now - worker.started_at > TICK_S:
            output.show(order.log, worker.pid)
        if order.timeout_s is not None and now - worker.started_at > order.timeout_s:
            limit = order.timeout_s
            self._end(worker, lambda job: Failed(job, f"it took longer than {limit:g} s"))
        elif order.memory_bytes is not None and worker.pid is not None:
            used = sum(memory_of(worker.pid))
            if used > order.memory_bytes:
                words = (
                    f"it used {used / 1e6:.0f} MB; {order.memory_bytes / 1e6:.0f} MB are allowed"
                )
                self._end(worker, lambda job: Failed(job, words))
