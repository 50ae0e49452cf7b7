"""What lies in a workspace's trash: plain records, without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Binned:
    """One deleted experiment, run or logged model. size_bytes is None while it is not known."""

    kind: str  # "experiment", "run" or "model"
    id: str
    name: str
    deleted_at: datetime | None
    artifact_uri: str
    run_count: int = 0
    active_count: int = 0  # runs that were restored inside a deleted experiment
    experiment: str = ""
    experiment_id: str = ""
    size_bytes: int | None = None
    is_size_least: bool = False  # there is more than was measured
    cursor: str = ""
    goes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How much lies in the trash. runs: those whose experiment is not deleted itself."""

    experiments: int
    runs: int
    models: int
    removing: int  # what is hidden already and on its way out

    @property
    def total(self) -> int:
        return self.experiments + self.runs + self.models


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants to be gone: by ids, or everything that was deleted up to a time.

    within: only runs of this experiment, for everything.
    """

    experiments: Sequence[str] = ()
    runs: Sequence[str] = ()
    models: Sequence[str] = ()
    until_ms: int | None = None
    within: str = ""

    def params(self) -> dict[str, Any]:
        """As a job stores it."""
        return {
            "experiments": list(self.experiments),
            "runs": list(self.runs),
            "models": list(self.models),
            "until_ms": self.until_ms,
            "within": self.within,
        }

    @classmethod
    def of_params(cls, params: dict[str, Any]) -> Choice:
        return cls(**{name: params[name] for name in cls.__slots__})

    def __bool__(self) -> bool:
        return bool(self.experiments or self.runs or self.models or self.until_ms is not None)


@dataclass(frozen=True, slots=True)
class Stakes:
    """What would go with a choice. A count that ends at its limit says so with is_more."""

    experiments: Sequence[str]  # names of some
    experiment_count: int
    run_count: int
    model_count: int
    point_count: int
    is_more_points: bool
    versions: Sequence[str] = field(default=())  # registered versions whose files go


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of one thing lie, as MLflow names the place."""

    kind: str
    id: str
    artifact_uri: str
