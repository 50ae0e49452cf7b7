"""A filter as rows of a form: rows to JSON, and JSON to rows where rows can show it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.vectors.browse.clauses import (
    COMPARISONS,
    DOCUMENT,
    JOINS,
    SETS,
    TEXT_OPERATORS,
    WHERE_OPERATORS,
    FilterWrong,
    joined,
)
from mlpi.vectors.service import typed

# How operators read in the form.
WHERE_WORDS: Mapping[str, str] = {
    "$eq": "=",
    "$ne": "≠",
    "$gt": ">",
    "$gte": "≥",
    "$lt": "<",
    "$lte": "≤",
    "$in": "one of",
    "$nin": "none of",
    "$contains": "list has",
    "$not_contains": "list has not",
}
TEXT_WORDS: Mapping[str, str] = {
    "$contains": "contains",
    "$not_contains": "does not contain",
    "$regex": "matches regex",
    "$not_regex": "does not match regex",
}
_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(,|$)')


@dataclass(frozen=True, slots=True)
class Row:
    """A condition of metadata. value: as somebody types it, texts that look otherwise in quotes."""

    key: str = ""
    operator: str = "$eq"
    value: str = ""


@dataclass(frozen=True, slots=True)
class TextRow:
    """A condition of documents."""

    operator: str = "$contains"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Conditions and what joins them, for metadata and for documents."""

    where: tuple[Row, ...] = ()
    join: str = "$and"
    texts: tuple[TextRow, ...] = ()
    texts_join: str = "$and"


def where_of(rows: Sequence[Row], join: str) -> dict[str, Any] | None:
    """Rows of metadata as Chroma's where. Raises FilterWrong, naming the row."""
    return joined([_condition(row, number) for number, row in enumerate(rows, 1)], _joining(join))


def document_of(rows: Sequence[TextRow], join: str) -> dict[str, Any] | None:
    """Rows of documents as Chroma's where_document. Raises FilterWrong."""
    for row in rows:
        if row.operator not in TEXT_OPERATORS:
            raise FilterWrong(f"{row.operator!r} is no operator.", field="rows")
    return joined([{row.operator: row.value} for row in rows], _joining(join))


def rows_of(where: Mapping[str, Any] | None) -> tuple[tuple[Row, ...], str] | None:
    """Rows that show a where, and their join; None when rows cannot."""
    join, parts = _flat(where)
    rows = []
    for part in parts:
        key, condition = next(iter(part.items()))
        if key in JOINS or key == DOCUMENT or key != key.strip():
            return None
        if not isinstance(condition, Mapping):
            condition = {"$eq": condition}
        operator, value = next(iter(condition.items()))
        rows.append(Row(key, operator, shown(value)))
    try:
        again = where_of(rows, join)
    except FilterWrong:
        return None
    # What comes back must be what went in, down to 1 and 1.0.
    return (tuple(rows), join) if _same(again, _spelled(where)) else None


def texts_of(document: Mapping[str, Any] | None) -> tuple[tuple[TextRow, ...], str] | None:
    """Rows that show a where_document, and their join; None when rows cannot."""
    join, parts = _flat(document)
    if any(next(iter(part)) in JOINS for part in parts):
        return None
    return tuple(TextRow(*next(iter(part.items()))) for part in parts), join


def shown(value: Any) -> str:
    """A value as it is typed into a row."""
    if isinstance(value, list):
        return ", ".join(shown(one) if not _has_comma(one) else _quoted(one) for one in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        is_plain = typed(value) == value and value.strip() == value and value
        return value if is_plain and not value.startswith('"') else _quoted(value)
    return repr(value)


def valued(text: str) -> str | int | float | bool:
    """A value as it was typed: true, false, numbers, "anything" in quotes, else a text."""
    word = text.strip()
    if len(word) > 1 and word.startswith('"') and word.endswith('"'):
        try:
            unquoted = json.loads(word)
        except ValueError:
            return text
        return unquoted if isinstance(unquoted, str) else text
    return typed(text)


def _condition(row: Row, number: int) -> dict[str, Any]:
    if not row.key:
        raise FilterWrong(f"Row {number} has a value, but no field.", field="rows")
    if row.key in JOINS or row.key.startswith(("$", "#")):
        raise FilterWrong(f"Row {number}: {row.key!r} is no field of metadata.", field="rows")
    if row.operator not in WHERE_OPERATORS:
        raise FilterWrong(f"Row {number}: {row.operator!r} is no operator.", field="rows")
    if not row.value.strip():
        raise FilterWrong(
            f"Row {number}: the value of {row.key!r} is missing.",
            advice='Write "" for the empty text.',
            field="rows",
        )
    if row.operator in SETS:
        values = _values(row.value)
        if len({type(one) for one in values}) > 1:
            raise FilterWrong(
                f"Row {number}: the values of {row.key!r} are not all of one kind.",
                advice='Texts that look like numbers go in quotes: "1", "b".',
                field="rows",
            )
        return {row.key: {row.operator: values}}
    value = valued(row.value)
    if row.operator in COMPARISONS and (isinstance(value, bool | str)):
        raise FilterWrong(
            f"Row {number}: {row.key!r} {WHERE_WORDS[row.operator]} needs a number, "
            f"not {row.value.strip()[:40]!r}.",
            field="rows",
        )
    return {row.key: {row.operator: value}}


def _values(text: str) -> list[Any]:
    """Values between commas, which may stand in quotes."""
    parts, at = [], 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            return [valued(one.strip()) for one in text.split(",")]
        parts.append(match[1].strip())
        at = match.end()
    return [valued(part) for part in parts if part]


def _flat(value: Mapping[str, Any] | None) -> tuple[str, Sequence[Mapping[str, Any]]]:
    if not value:
        return "$and", ()
    key, part = next(iter(value.items()))
    return (key, part) if key in JOINS else ("$and", [value])


def _spelled(where: Mapping[str, Any] | None) -> Any:
    """{"k": 1} as {"k": {"$eq": 1}}, and a join of one as that one."""
    join, parts = _flat(where)
    return joined(
        [
            {key: one if isinstance(one, Mapping) else {"$eq": one} for key, one in part.items()}
            for part in parts
        ],
        join,
    )


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)


def _joining(join: str) -> str:
    return join if join in JOINS else "$and"


def _has_comma(value: Any) -> bool:
    return isinstance(value, str) and "," in value


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
