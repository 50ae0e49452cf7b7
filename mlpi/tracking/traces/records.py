"""What the pages show of traces and their spans.

Times are milliseconds since 1970; those of spans are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

SOURCE_RUN = "mlflow.sourceRun"
USER = "mlflow.trace.user"
SESSION = "mlflow.trace.session"
LINKED_PROMPTS = "mlflow.linkedPrompts"
SPANS_LOCATION = "mlflow.trace.spansLocation"
IN_DATABASE = "TRACKING_STORE"
RESERVED = ("mlflow.", "mlpi.")  # begin the keys of tags that are nobody's


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace without its spans."""

    id: str
    experiment_id: int
    at_ms: int
    at: datetime
    duration_ms: int | None
    state: str
    name: str
    request: str = ""
    response: str = ""
    session: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens: int | None = None
    cost: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    assessments: list[Assessment] = field(default_factory=list)

    @property
    def duration_s(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000

    @property
    def own_tags(self) -> dict[str, str]:
        """What people tagged, as opposed to what MLflow and mlpi keep in tags."""
        return {k: v for k, v in sorted(self.tags.items()) if not k.startswith(RESERVED)}

    @property
    def run_id(self) -> str:
        return self.metadata.get(SOURCE_RUN, "")

    @property
    def user(self) -> str:
        return self.metadata.get(USER, "")


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a person, a judge or a program says of a trace or of one of its spans."""

    name: str
    kind: str  # feedback, expectation or issue
    value: str
    error: str = ""
    source: str = ""
    span_id: str = ""
    rationale: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A span without what it holds. An end of None says that it has not ended."""

    id: str
    parent_id: str | None
    name: str
    type: str
    status: str
    start_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """An experiment that has traces."""

    id: int
    name: str
    last_at: datetime
