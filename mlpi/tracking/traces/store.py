"""Reading traces out of MLflow's database, at a price that does not grow with their number.

A page walks the index by experiment and time. Callers have made sure that the experiment is of
their workspace; what is looked up by a trace's id is bound to the workspace here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, and_, exists, func, or_, select
from sqlalchemy.engine import Connection

from mlpi.errors import NotFound
from mlpi.tracking.models import (
    assessments,
    associations,
    experiments,
    spans,
    trace_metadata,
    trace_tags,
    traces,
)
from mlpi.tracking.runs.view import SPANS_S, write_cursor
from mlpi.tracking.traces.records import (
    SOURCE_RUN,
    USER,
    Assessment,
    Source,
    Span,
    Trace,
)
from mlpi.tracking.traces.view import PAGE, View

CHUNK = 500  # traces of a download at a time
MAX_SPANS = 1000  # of one trace on a page
MAX_ASSESSMENTS = 500  # of the traces of one page


_PLACED = [column for column in spans.c if column.name != "content"]


class TracesStore:
    """Queries on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def sources(self, workspace: str) -> list[Source]:
        """The active experiments that have traces, those with the newest first."""
        newest = (
            select(func.max(traces.c.timestamp_ms))
            .where(traces.c.experiment_id == experiments.c.experiment_id)
            .scalar_subquery()
        )
        query = select(experiments.c.experiment_id, experiments.c.name, newest).where(
            experiments.c.workspace == workspace, experiments.c.lifecycle_stage == "active"
        )
        with self._engine.connect() as db:
            found = [Source(id_, name, at(ms)) for id_, name, ms in db.execute(query) if ms]
        return sorted(found, key=lambda source: source.last_at, reverse=True)

    def page(self, view: View, size: int = PAGE) -> list[Trace]:
        """A page of an experiment's traces and one more, if there is one, newest first.

        Four queries. Raises Invalid.
        """
        query = (
            select(traces)
            .where(*_conditions(view))
            .order_by(traces.c.timestamp_ms.desc(), traces.c.request_id.desc())
            .limit(size + 1)
        )
        if (cursor := view.cursor) is not None:
            at_ms, id_ = cursor
            query = query.where(
                # Says the same again about the time alone, which an index can use.
                traces.c.timestamp_ms <= at_ms,
                or_(
                    traces.c.timestamp_ms < at_ms,
                    and_(traces.c.timestamp_ms == at_ms, traces.c.request_id < id_),
                ),
            )
        with self._engine.connect() as db:
            found = [_trace(row) for row in db.execute(query)]
            self._fill(db, found, (SOURCE_RUN, USER))
        return found

    def every(self, view: View) -> Iterator[list[Trace]]:
        """All traces of a view from its page on, in chunks."""
        while True:
            found = self.page(view, CHUNK)
            shown = found[:CHUNK]
            yield shown
            if len(found) <= CHUNK:
                return
            view = view.with_(after=write_cursor((shown[-1].at_ms, shown[-1].id)))

    def trace(self, workspace: str, trace_id: str) -> tuple[Trace, str]:
        """One trace with everything but its spans, and its experiment's name. Raises NotFound."""
        query = (
            select(traces, experiments.c.name.label("experiment_name"))
            .join(experiments, experiments.c.experiment_id == traces.c.experiment_id)
            .where(traces.c.request_id == trace_id, experiments.c.workspace == workspace)
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
            if row is None:
                raise NotFound("There is no such trace in this workspace.")
            found = _trace(row)
            self._fill(db, [found], None)
        return found, row.experiment_name

    def experiments_of(self, workspace: str, ids: Sequence[str]) -> dict[int, list[str]]:
        """Which of these traces are of the workspace, by experiment."""
        query = (
            select(traces.c.experiment_id, traces.c.request_id)
            .join(experiments, experiments.c.experiment_id == traces.c.experiment_id)
            .where(traces.c.request_id.in_(ids), experiments.c.workspace == workspace)
        )
        found: dict[int, list[str]] = {}
        with self._engine.connect() as db:
            for experiment_id, id_ in db.execute(query):
                found.setdefault(experiment_id, []).append(id_)
        return found

    def spans(self, trace_id: str) -> tuple[list[Span], int]:
        """The first MAX_SPANS spans of a trace by start, and how many there are."""
        query = (
            select(*_PLACED)
            .where(spans.c.trace_id == trace_id)
            .order_by(spans.c.start_time_unix_nano, spans.c.span_id)
            .limit(MAX_SPANS)
        )
        with self._engine.connect() as db:
            found = [_span(row) for row in db.execute(query)]
            count = len(found)
            if count == MAX_SPANS:
                counted = select(func.count()).where(spans.c.trace_id == trace_id)
                count = db.scalar(counted.select_from(spans)) or 0
        return found, count

    def span(self, trace_id: str, span_id: str) -> Span | None:
        """One span without what it holds."""
        query = select(*_PLACED).where(spans.c.trace_id == trace_id, spans.c.span_id == span_id)
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
        return None if row is None else _span(row)

    def content(self, trace_id: str, span_id: str, limit: int) -> tuple[str, int] | None:
        """What a span holds, as JSON text, up to limit characters, and its whole length."""
        query = select(func.substr(spans.c.content, 1, limit), func.length(spans.c.content)).where(
            spans.c.trace_id == trace_id, spans.c.span_id == span_id
        )
        with self._engine.connect() as db:
            row = db.execute(query).one_or_none()
        return None if row is None else (row[0], row[1])

    @staticmethod
    def _fill(db: Connection, found: Iterable[Trace], keys: Sequence[str] | None) -> None:
        """Put tags, metadata (of these keys, or all) and assessments into the traces."""
        by_id = {trace.id: trace for trace in found}
        if not by_id:
            return
        for row in db.execute(select(trace_tags).where(trace_tags.c.request_id.in_(by_id))):
            by_id[row.request_id].tags[row.key] = row.value or ""
        metadata = select(trace_metadata).where(trace_metadata.c.request_id.in_(by_id))
        if keys is not None:
            metadata = metadata.where(trace_metadata.c.key.in_(keys))
        for row in db.execute(metadata):
            by_id[row.request_id].metadata[row.key] = row.value or ""
        said = (
            select(assessments)
            .where(assessments.c.trace_id.in_(by_id), assessments.c.valid)
            .order_by(assessments.c.created_timestamp)
            .limit(MAX_ASSESSMENTS)
        )
        for row in db.execute(said):
            source = " ".join(part for part in (row.source_type, row.source_id) if part)
            by_id[row.trace_id].assessments.append(
                Assessment(
                    row.name,
                    row.assessment_type,
                    row.value or "",
                    row.error or "",
                    source,
                    row.span_id or "",
                    row.rationale or "",
                    at(row.created_timestamp),
                )
            )


def _conditions(view: View) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [traces.c.experiment_id == view.experiment]
    if view.state:
        found.append(traces.c.status == view.state)
    if view.since:
        found.append(traces.c.timestamp_ms >= int((time.time() - SPANS_S[view.since]) * 1000))
    if view.session:
        found.append(traces.c.session_id == view.session)
    if view.run:
        sourced = exists().where(
            trace_metadata.c.request_id == traces.c.request_id,
            trace_metadata.c.key == SOURCE_RUN,
            trace_metadata.c.value == view.run,
        )
        linked = exists().where(
            associations.c.source_type == "trace",
            associations.c.source_id == traces.c.request_id,
            associations.c.destination_type == "run",
            associations.c.destination_id == view.run,
        )
        found.append(sourced | linked)
    for word in view.words:
        columns = (traces.c.trace_name, traces.c.request_preview, traces.c.response_preview)
        found.append(
            or_(
                traces.c.request_id == word,
                *[column.icontains(word, autoescape=True) for column in columns],
            )
        )
    return found


def _trace(row: Row[Any]) -> Trace:
    return Trace(
        row.request_id,
        row.experiment_id,
        row.timestamp_ms,
        at(row.timestamp_ms),
        row.execution_time_ms,
        row.status,
        row.trace_name or "",
        row.request_preview or "",
        row.response_preview or "",
        row.session_id or "",
        row.input_tokens,
        row.output_tokens,
        row.total_tokens,
        row.total_cost,
    )


def _span(row: Row[Any]) -> Span:
    return Span(
        row.span_id,
        row.parent_span_id,
        row.name or "",
        row.type or "",
        row.status,
        row.start_time_unix_nano,
        row.end_time_unix_nano,
    )


def at(milliseconds: int) -> datetime:
    """The moment that MLflow stores as milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
