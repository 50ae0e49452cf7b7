"""The columns of MLflow's tables of traces that our pages read, and what they show of them.

Times are milliseconds since 1970; those of spans are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table

SOURCE_RUN = "mlflow.sourceRun"
USER = "mlflow.trace.user"
SESSION = "mlflow.trace.session"
LINKED_PROMPTS = "mlflow.linkedPrompts"
SPANS_LOCATION = "mlflow.trace.spansLocation"
IN_DATABASE = "TRACKING_STORE"

_meta = MetaData()
traces = Table(
    "trace_info",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("experiment_id", Integer),
    Column("timestamp_ms", BigInteger),
    Column("execution_time_ms", BigInteger),
    Column("status", String),
    Column("request_preview", String),
    Column("response_preview", String),
    Column("trace_name", String),
    Column("session_id", String),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("total_cost", Float),
)
trace_tags = Table(
    "trace_tags",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
trace_metadata = Table(
    "trace_request_metadata",
    _meta,
    Column("request_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String),
)
assessments = Table(
    "assessments",
    _meta,
    Column("assessment_id", String, primary_key=True),
    Column("trace_id", String),
    Column("name", String),
    Column("assessment_type", String),
    Column("value", String),
    Column("error", String),
    Column("created_timestamp", BigInteger),
    Column("source_type", String),
    Column("source_id", String),
    Column("span_id", String),
    Column("rationale", String),
    Column("valid", Boolean),
)
spans = Table(
    "spans",
    _meta,
    Column("trace_id", String, primary_key=True),
    Column("span_id", String, primary_key=True),
    Column("parent_span_id", String),
    Column("name", String),
    Column("type", String),
    Column("status", String),
    Column("start_time_unix_nano", BigInteger),
    Column("end_time_unix_nano", BigInteger),
    Column("content", String),
)
# Traces that were linked to a run afterwards: from a source "trace" to a destination "run".
links = Table(
    "entity_associations",
    _meta,
    Column("source_type", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("destination_type", String, primary_key=True),
    Column("destination_id", String, primary_key=True),
)
ALL = tuple(_meta.sorted_tables)


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
        """What people tagged, as opposed to what MLflow keeps in tags."""
        return {k: v for k, v in sorted(self.tags.items()) if not k.startswith("mlflow.")}

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
