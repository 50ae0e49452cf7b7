"""Conditions as addresses and forms carry them."""

from __future__ import annotations

import json
from typing import Any

from mlpi.errors import Invalid
from mlpi.vectors.records import Condition


def condition_of(where: str, where_document: str, ids: str) -> Condition:
    """A condition from texts of JSON, as addresses and forms carry it. Raises Invalid."""
    return Condition(
        _json(where, "where", dict),
        _json(where_document, "where_document", dict),
        _ids(ids),
    )


def _json(text: str, name: str, kind: type) -> Any:
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"{name} is no JSON: {error}.", field=name) from None
    if not isinstance(value, kind) or not value:
        raise Invalid(
            f"{name} must be a JSON object that is not empty.",
            advice='For example {"topic": "birds"}.'
            if name == "where"
            else 'For example {"$contains": "bird"}.',
            field=name,
        )
    return value


def _ids(text: str) -> list[str] | None:
    """Ids as a JSON list, or one a line, as the pages of records have them."""
    text = text.strip()
    if not text:
        return None
    if not text.startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"ids is no JSON: {error}.", field="ids") from None
    if not all(isinstance(one, str) for one in value):
        raise Invalid("ids must be a JSON list of texts, or one a line.", field="ids")
    return list(value)
