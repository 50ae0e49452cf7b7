"""Spans that lie in a file: those of traces from before MLflow kept spans in its database."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from mlpi.tracking.traces.records import Span

MAX_BYTES = 16 * 1024 * 1024


def read(content: bytes) -> dict[str, tuple[Span, Mapping[str, Any]]]:
    """The spans of a traces.json by id, each with all it holds; {} when it cannot be read."""
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    listed = given.get("spans") if isinstance(given, dict) else None
    found: dict[str, tuple[Span, Mapping[str, Any]]] = {}
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and (span := _span(one)) is not None:
            found[span.id] = (span, one)
    return found


def _span(given: Mapping[str, Any]) -> Span | None:
    """A span in the form of MLflow 3, or in that of MLflow 2, whose ids are under context."""
    context = given.get("context")
    is_old = isinstance(context, dict)
    id_ = context.get("span_id") if isinstance(context, dict) else _hex(given.get("span_id"))
    parent = given.get("parent_id") if is_old else _hex(given.get("parent_span_id"))
    start = given.get("start_time" if is_old else "start_time_unix_nano")
    end = given.get("end_time" if is_old else "end_time_unix_nano")
    if not isinstance(id_, str) or not id_ or not isinstance(start, int):
        return None
    status = given.get("status")
    code = status.get("code") if isinstance(status, dict) else given.get("status_code")
    attributes = given.get("attributes")
    kind = attributes.get("mlflow.spanType", "") if isinstance(attributes, dict) else ""
    return Span(
        id_,
        parent if isinstance(parent, str) and parent else None,
        str(given.get("name", "")),
        str(kind).strip('"'),
        str(code or "").removeprefix("STATUS_CODE_"),
        start,
        end if isinstance(end, int) else None,
    )


def _hex(given: Any) -> str | None:
    """An id as the database has it, out of base64."""
    if not isinstance(given, str) or not given:
        return None
    try:
        return base64.b64decode(given, validate=True).hex()
    except (binascii.Error, ValueError):
        return given
