"""What the pages of traces decide; knows no HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio.from_thread
import anyio.to_thread

from mlpi.auth.audit import Actor
from mlpi.errors import Invalid, NotFound
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.records import Experiment
from mlpi.tracking.runs.view import write_cursor
from mlpi.tracking.service import TrackingService
from mlpi.tracking.traces import artifact, body
from mlpi.tracking.traces.records import (
    IN_DATABASE,
    LINKED_PROMPTS,
    RESERVED,
    SPANS_LOCATION,
    Source,
    Span,
    Trace,
)
from mlpi.tracking.traces.store import CHUNK, MAX_SPANS, TracesStore
from mlpi.tracking.traces.tree import Node, grown
from mlpi.tracking.traces.view import PAGE, View

MAX_CONTENT = 8_000_000  # characters of one span that are read as JSON
MAX_DELETED = 1000  # traces in one deed
_PER_REQUEST = 100
_COLUMNS = (
    *("trace_id", "name", "state", "start_time", "duration_ms", "request", "response"),
    *("input_tokens", "output_tokens", "total_tokens", "cost", "session", "user", "run_id"),
    *("tags", "assessments"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of an experiment's traces."""

    experiment: Experiment
    rows: Sequence[Trace]
    next_after: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A trace with the tree of its spans. unread says why there is none, if there should be."""

    trace: Trace
    experiment: str
    nodes: Sequence[Node]
    span_count: int
    prompts: Sequence[tuple[str, str]]  # name and version
    unread: str = ""


class TracesService:
    """Traces of a workspace, read by SQL and deleted by MLflow."""

    def __init__(self, tracking: TrackingService, store: TracesStore, deeds: Deeds) -> None:
        self._tracking = tracking
        self._store = store
        self._deeds = deeds

    def sources(self, workspace: str) -> list[Source]:
        """The experiments that have traces."""
        self._tracking.require_prepared()
        return self._store.sources(workspace)

    def binned(self, workspace: str) -> int:
        """How many things lie in the workspace's trash."""
        return self._tracking.binned(workspace)

    def listed(self, workspace: str, view: View) -> Listed:
        """A page of a view. Raises Invalid, NotFound."""
        experiment = self._experiment(workspace, view)
        found = self._store.page(view)
        rows = found[:PAGE]
        more = len(found) > PAGE
        return Listed(experiment, rows, write_cursor((rows[-1].at_ms, rows[-1].id)) if more else "")

    def csv(self, workspace: str, view: View) -> Iterator[str]:
        """All traces of a view as CSV. Raises Invalid, NotFound before the first line."""
        self._experiment(workspace, view)
        return self._csv(view)

    def json(self, workspace: str, view: View) -> Iterator[str]:
        """All traces of a view as a JSON array. Raises Invalid, NotFound before its beginning."""
        self._experiment(workspace, view)
        return self._json(view)

    def detail(self, workspace: str, trace_id: str) -> Detail:
        """One trace. Raises NotFound."""
        self._tracking.require_prepared()
        trace, experiment = self._store.trace(workspace, trace_id)
        unread = ""
        if trace.tags.get(SPANS_LOCATION) == IN_DATABASE:
            spans, count = self._store.spans(trace_id)
        else:
            held = self._in_file(workspace, trace)
            unread = "" if held else "The spans of this trace lie in a file that is not there."
            if held is None:
                unread = "The spans of this trace lie in a file too large for this page."
            every = [span for span, _ in (held or {}).values()]
            every.sort(key=lambda span: (span.start_ns, span.id))
            spans, count = every[:MAX_SPANS], len(every)
        return Detail(trace, experiment, grown(spans), count, _prompts(trace), unread)

    def span(self, workspace: str, trace_id: str, span_id: str) -> tuple[Span, body.Body]:
        """One span and what it holds. Raises NotFound."""
        self._tracking.require_prepared()
        trace, _ = self._store.trace(workspace, trace_id)
        missing = NotFound("This trace has no such span.")
        if trace.tags.get(SPANS_LOCATION) != IN_DATABASE:
            held = self._in_file(workspace, trace) or {}
            if span_id not in held:
                raise missing
            span, given = held[span_id]
            return span, body.of(given)
        one = self._store.span(trace_id, span_id)
        content = self._store.content(trace_id, span_id, MAX_CONTENT)
        if one is None or content is None:
            raise missing
        return one, body.read(*content)

    async def delete(self, workspace: str, trace_ids: Sequence[str], *, actor: Actor) -> int:
        """Delete traces for good; how many there were. Raises Invalid, NotFound."""
        if not trace_ids:
            raise Invalid("No trace is selected.", advice="Tick the traces first.", field="trace")
        if len(trace_ids) > MAX_DELETED:
            raise Invalid(
                f"These are {len(trace_ids)} traces; at most {MAX_DELETED} can go at once.",
                field="trace",
            )
        found = await anyio.to_thread.run_sync(self._store.experiments_of, workspace, trace_ids)
        if not found:
            raise NotFound("None of these traces is in this workspace.")
        done: list[str] = []
        try:
            for experiment_id, ids in found.items():
                for start in range(0, len(ids), _PER_REQUEST):
                    some = ids[start : start + _PER_REQUEST]
                    request = {"experiment_id": str(experiment_id), "request_ids": some}
                    await self._deeds.ask(workspace, "traces/delete-traces", request, version="3.0")
                    done += some
        finally:
            await self._deeds.record(actor, "trace_deleted", done, workspace)
        return len(done)

    async def tag(
        self, workspace: str, trace_id: str, key: str, value: str, *, actor: Actor
    ) -> None:
        """Set a tag of a trace. Raises Invalid, NotFound."""
        body = {"key": _key(key), "value": value}
        await self._change_tags(workspace, trace_id, body, "PATCH")
        await self._deeds.record(actor, "trace_tagged", [f"{trace_id}: {body['key']}"], workspace)

    async def untag(self, workspace: str, trace_id: str, key: str, *, actor: Actor) -> None:
        """Remove a tag of a trace. Raises Invalid, NotFound."""
        body = {"key": _key(key)}
        await self._change_tags(workspace, trace_id, body, "DELETE")
        await self._deeds.record(actor, "trace_untagged", [f"{trace_id}: {body['key']}"], workspace)

    async def _change_tags(
        self, workspace: str, trace_id: str, body: dict[str, str], method: str
    ) -> None:
        self._tracking.require_prepared()
        # Before it is asked of MLflow by a path: what is found is an id.
        await anyio.to_thread.run_sync(self._store.trace, workspace, trace_id)
        path = f"traces/{quote(trace_id, safe='')}/tags"
        await self._deeds.ask(workspace, path, body, method, version="3.0")

    def _experiment(self, workspace: str, view: View) -> Experiment:
        self._tracking.require_prepared()
        if view.experiment is None:
            raise Invalid("No experiment is named.", field="experiment")
        view.cursor  # noqa: B018 - raises when the marker is wrong
        return self._tracking.store.experiment(workspace, str(view.experiment))

    def _in_file(self, workspace: str, trace: Trace) -> dict[str, Any] | None:
        """Spans of a file by id, {} when it cannot be had; None when it is too large."""
        size = trace.metadata.get("mlflow.trace.sizeBytes", "")
        if size.isdecimal() and int(size) > artifact.MAX_BYTES:
            return None
        content = anyio.from_thread.run(
            self._deeds.fetch,
            workspace,
            "3.0/mlflow/get-trace-artifact",
            {"request_id": trace.id},
        )
        if content is not None and len(content) > artifact.MAX_BYTES:
            return None
        return dict(artifact.read(content)) if content else {}

    def _csv(self, view: View) -> Iterator[str]:
        yield _line([_COLUMNS])
        for rows in self._store.every(view):
            yield _line([_cells(row) for row in rows])

    def _json(self, view: View) -> Iterator[str]:
        before = "[\n"
        for rows in self._store.every(view):
            for start in range(0, len(rows), CHUNK):
                objects = (_object(row) for row in rows[start : start + CHUNK])
                text = ",\n".join(json.dumps(one, ensure_ascii=False) for one in objects)
                yield before + text
                before = ",\n"
        yield "\n]\n" if before != "[\n" else "[]\n"


def _key(key: str) -> str:
    key = key.strip()
    if not key:
        raise Invalid("A tag needs a key.", field="key")
    if key.startswith(RESERVED):
        raise Invalid(f"{key[:80]!r} is a tag that MLflow or mlpi keeps for itself.", field="key")
    return key


def _object(trace: Trace) -> dict[str, Any]:
    said = [
        {"name": one.name, "kind": one.kind, "value": _loaded(one.value), "source": one.source}
        for one in trace.assessments
    ]
    values = (
        *(trace.id, trace.name, trace.state, trace.at.isoformat(), trace.duration_ms),
        *(trace.request, trace.response, trace.input_tokens, trace.output_tokens, trace.tokens),
        *(trace.cost, trace.session, trace.user, trace.run_id, trace.own_tags, said),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _cells(trace: Trace) -> list[str]:
    values = _object(trace).values()
    return [
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict | list)
        else ""
        if value is None
        else str(value)
        for value in values
    ]


def _line(rows: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _prompts(trace: Trace) -> list[tuple[str, str]]:
    """The versions of prompts that the trace's code loaded."""
    found = _loaded(trace.tags.get(LINKED_PROMPTS, "[]"))
    if not isinstance(found, list):
        return []
    return [
        (str(one.get("name", "")), str(one.get("version", "")))
        for one in found[:50]
        if isinstance(one, dict) and one.get("name")
    ]
