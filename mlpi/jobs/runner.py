"""What runs jobs: an interface, and what comes back from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlpi.jobs.kinds import JobKind
from mlpi.jobs.models import Claimed


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at a job, with everything a runner needs to know."""

    job_id: int
    attempt: int
    kind: str
    function: str
    params: dict[str, Any]
    workspace: str
    home: Path
    log: Path
    family: str = "base"
    preload: tuple[str, ...] = ()
    timeout_s: float | None = None
    memory_bytes: int | None = None
    cpus: int = 1

    @classmethod
    def of(
        cls, job: Claimed, kind: JobKind, *, home: Path, log: Path, params: dict[str, Any]
    ) -> Order:
        return cls(
            job_id=job.id,
            attempt=job.attempt,
            kind=kind.name,
            function=kind.function,
            params=params,
            workspace=job.workspace,
            home=home,
            log=log,
            family=kind.family,
            preload=kind.preload,
            timeout_s=job.timeout_s,
            memory_bytes=job.memory_bytes,
            cpus=job.cpus,
        )

    def message(self, *, is_quick: bool = False) -> dict[str, Any]:
        """What a worker is sent; is_quick: it will probably be over in no time."""
        return {
            "job": self.job_id,
            "attempt": self.attempt,
            "function": self.function,
            "params": self.params,
            "workspace": self.workspace,
            "home": str(self.home),
            "log": str(self.log),
            "cpus": self.cpus,
            "is_quick": is_quick,
        }


@dataclass(frozen=True, slots=True)
class Started:
    job_id: int


@dataclass(frozen=True, slots=True)
class Progressed:
    job_id: int
    fraction: float | None
    message: str
    counters: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Succeeded:
    job_id: int
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The job itself ended badly, or overstepped a limit: trying again would not help."""

    job_id: int
    error: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Died:
    """The worker ended under the job: another attempt may well succeed."""

    job_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    job_id: int


@dataclass(frozen=True, slots=True)
class Returned:
    """The order was never begun, for a reason that is not its own."""

    job_id: int


Event = Started | Progressed | Succeeded | Failed | Died | Cancelled | Returned


@dataclass(frozen=True, slots=True)
class RunnerStatus:
    """For pages and figures."""

    name: str
    workers: int
    busy: int
    max_workers: int
    waiting_because: str = ""


class Runner(Protocol):
    """Runs orders somewhere else. All calls come from one thread, except wake()."""

    def capacity(self) -> int:
        """How many more orders of one CPU it would take now."""
        ...

    def free_cpus(self) -> int:
        """How many CPUs no job holds. All of them when nothing runs."""
        ...

    def start(self, orders: Sequence[Order]) -> None:
        """Begin; returns at once. Each order's end arrives as exactly one final event."""
        ...

    def cancel(self, job_id: int) -> None:
        """End a job and all processes it started; Cancelled follows, unless it just ended."""
        ...

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """What happened; waits at most this long, and no longer once woken."""
        ...

    def wake(self) -> None:
        """Make wait() return. From any thread."""
        ...

    def status(self) -> RunnerStatus:
        """From any thread."""
        ...

    def stop(self) -> None:
        """End everything that runs, without events."""
        ...
