"""Tables of jobs and schedules."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime


class JobState(StrEnum):
    """Where a job is. The last four are final, unless somebody retries it."""

    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.LOST})
ACTIVE = frozenset({JobState.LEASED, JobState.RUNNING})
FAILED = frozenset({JobState.FAILED, JobState.LOST})


class Job(Base):
    """One piece of heavy work. Times in seconds, sizes in bytes, fractions 0–1."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_queue", "state", "priority", "id"),
        Index("ix_jobs_workspace", "workspace", "id"),
        UniqueConstraint("workspace", "idempotency_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200), default="")
    workspace: Mapped[str] = mapped_column(String(63))
    actor: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(16), default=JobState.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    fraction: Mapped[float | None] = mapped_column(Float)
    message: Mapped[str] = mapped_column(String(500), default="")
    counters: Mapped[dict[str, float]] = mapped_column(JSON)
    result: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    error: Mapped[str] = mapped_column(String(500), default="")
    traceback: Mapped[str] = mapped_column(Text, default="")
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    cpus: Mapped[float] = mapped_column(Float, default=1.0)
    timeout_s: Mapped[float | None] = mapped_column(Float)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    schedule_id: Mapped[int | None] = mapped_column(
        ForeignKey("schedules.id", ondelete="SET NULL"), index=True
    )
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_final(self) -> bool:
        return JobState(self.state).is_final

    @property
    def duration_s(self) -> float | None:
        """How long the last attempt took."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Claimed(NamedTuple):
    """What a runner needs to know of a job that was just leased."""

    id: int
    priority: int
    kind: str
    attempt: int
    params: dict[str, Any]
    workspace: str
    timeout_s: float | None
    memory_bytes: int | None
    cpus: int


class Ended(NamedTuple):
    """A job that ran to some end of its own."""

    kind: str
    state: str
    started_at: datetime
    finished_at: datetime

    @property
    def took_s(self) -> float:
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


class Schedule(Base):
    """When to make a job again. trigger is "cron", "interval" or "once"."""

    __tablename__ = "schedules"
    __table_args__ = (UniqueConstraint("workspace", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    workspace: Mapped[str] = mapped_column(String(63))
    actor: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    trigger: Mapped[str] = mapped_column(String(16))
    expression: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    is_paused: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
