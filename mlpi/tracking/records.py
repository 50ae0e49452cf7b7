"""What our pages show of MLflow: plain records, without SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Experiment:
    id: str
    name: str
    run_count: int = 0
    running_count: int = 0
    last_activity_at: datetime | None = None
    is_deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One run; metrics and params hold only what the page asked for."""

    id: str
    name: str
    experiment_id: str
    status: str
    user: str
    started_at: datetime | None
    ended_at: datetime | None
    artifact_uri: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Counts:
    experiments: int
    runs: int
    running: int
    models: int
