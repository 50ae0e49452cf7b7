"""A runner for tests: each job on a thread of this process, with the same contract."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from mlpi.jobs.context import JobFailed
from mlpi.jobs.runner import (
    Cancelled,
    Event,
    Failed,
    Order,
    Progressed,
    RunnerStatus,
    Started,
    Succeeded,
)
from mlpi.jobs.worker import call


class _Stopped(BaseException):
    """Raised inside a cancelled job at its next report of progress."""


class InProcessRunner:
    """No isolation, no limits, no capture of output: only order and events are the real ones."""

    def __init__(self, max_workers: int = 1) -> None:
        self._max_workers = max_workers
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._running: dict[int, threading.Thread] = {}
        self._cpus: dict[int, int] = {}
        self._cancelled: set[int] = set()

    def capacity(self) -> int:
        return max(0, self.free_cpus())

    def free_cpus(self) -> int:
        return self._max_workers - sum(self._cpus.values())

    def start(self, orders: Sequence[Order]) -> None:
        for order in orders:
            thread = threading.Thread(target=self._run, args=(order,), daemon=True)
            self._running[order.job_id] = thread
            self._cpus[order.job_id] = order.cpus
            thread.start()

    def cancel(self, job_id: int) -> None:
        if job_id in self._running:
            self._cancelled.add(job_id)

    def wait(self, timeout_s: float) -> list[Event]:
        found: list[Event] = []
        try:
            event = self._events.get(timeout=min(timeout_s, 3600))
            while True:
                if event is not None:
                    found.append(event)
                event = self._events.get_nowait()
        except queue.Empty:
            pass
        for one in found:
            if not isinstance(one, Started | Progressed):
                self._running.pop(one.job_id).join()
                del self._cpus[one.job_id]
                self._cancelled.discard(one.job_id)
        return found

    def wake(self) -> None:
        self._events.put(None)

    def status(self) -> RunnerStatus:
        busy = len(self._running)
        return RunnerStatus("in-process", busy, busy, self._max_workers)

    def stop(self) -> None:
        self._cancelled.update(self._running)

    def _run(self, order: Order) -> None:
        job_id = order.job_id

        def send(message: dict[str, object]) -> None:
            if job_id in self._cancelled:
                raise _Stopped
            if "progress" in message:
                self._events.put(
                    Progressed(
                        job_id,
                        message.get("fraction"),  # type: ignore[arg-type]
                        str(message["message"]),
                        dict(message["counters"]),  # type: ignore[call-overload]
                    )
                )

        self._events.put(Started(job_id))
        Path(order.log).touch()
        try:
            result = call(order.message(), send)
        except _Stopped:
            self._events.put(Cancelled(job_id))
        except JobFailed as error:
            self._events.put(Failed(job_id, str(error)))
        except BaseException as error:  # the job's, not ours
            line = " ".join(f"{type(error).__name__}: {error}".split())
            self._events.put(Failed(job_id, line, traceback.format_exc()))
        else:
            self._events.put(Succeeded(job_id, result))
