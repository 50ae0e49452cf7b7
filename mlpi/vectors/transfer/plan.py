"""Which column of a file becomes what of a record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mlpi.errors import Invalid

AS_IS = "as it is"
KINDS = (AS_IS, "text", "whole", "number", "yes or no")
_ROLES = ("id", "document", "uri", "vector", "object")
_PART = re.compile(r"(.*?)(\d+)")
MOST_FIELDS = 1000
RESERVED = "chroma:"


@dataclass(frozen=True, slots=True)
class Field:
    """A column that becomes a key of the metadata, its values read as a kind of KINDS."""

    key: str
    kind: str = AS_IS


@dataclass(frozen=True, slots=True)
class Plan:
    """Columns by what they become; None: there is none.

    vector: a column with lists or texts of numbers, or `prefix*` for the columns prefix0,
    prefix1 … in the order of their numbers. object: a column of JSON objects that are spread
    over the metadata. Without an id column a record's id is prefix and the number of its row, so
    that the same file again is the same records again.
    """

    id: str | None = None
    document: str | None = None
    uri: str | None = None
    vector: str | None = None
    object: str | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    prefix: str = "row-"

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    def parts(self, columns: Sequence[str]) -> list[str]:
        """The columns that make up the vector."""
        if self.vector is None or not self.vector.endswith("*") or self.vector in columns:
            return []
        return families(columns).get(self.vector[:-1], [])


def families(columns: Iterable[str]) -> dict[str, list[str]]:
    """Columns with a common prefix that are numbered in one row from 0 or 1, at least two."""
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        match = _PART.fullmatch(column)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = column
    complete = {}
    for prefix, parts in found.items():
        first = min(parts)
        if len(parts) > 1 and first in (0, 1) and max(parts) - first + 1 == len(parts):
            complete[prefix] = [parts[number] for number in sorted(parts)]
    return complete


def read_plan(given: Mapping[str, Any], columns: Sequence[str]) -> Plan:
    """A plan from JSON, checked against a file's columns.

    fields may map a column to its key, or to {key, kind}; a column that is named nowhere is left
    out. Raises Invalid.
    """
    strange = sorted(set(given) - {*_ROLES, "fields", "prefix"})
    if strange:
        known = ", ".join((*_ROLES, "fields", "prefix"))
        raise Invalid(
            f"A mapping has no {strange[0]!r}.", advice=f"It has {known}.", field="mapping"
        )
    roles = {role: _column(given.get(role), role) for role in _ROLES}
    fields = given.get("fields") or {}
    if not isinstance(fields, Mapping) or len(fields) > MOST_FIELDS:
        raise Invalid(f"fields maps columns to keys, at most {MOST_FIELDS}.", field="mapping")
    plan = Plan(
        **roles,
        fields={str(column): _field(column, one) for column, one in fields.items()},
        prefix=str(given.get("prefix") or "row-")[:100],
    )
    _check(plan, columns)
    return plan


def _column(value: Any, role: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(f"{role} must be the name of a column.", field="mapping")
    return value


def _field(column: str, given: Any) -> Field:
    if isinstance(given, str):
        given = {"key": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("key", ""), str):
        raise Invalid(f"fields: {column!r} needs a key.", field="mapping")
    made = Field(given.get("key", "").strip() or column, str(given.get("kind") or AS_IS))
    if made.kind not in KINDS:
        raise Invalid(
            f"{made.kind!r} is no kind of value.", advice=f"Use {', '.join(KINDS)}.", field="kind"
        )
    return made


def _check(plan: Plan, columns: Sequence[str]) -> None:
    parts = plan.parts(columns)
    named = [plan.id, plan.document, plan.uri, plan.object, *plan.fields]
    if not parts:
        named.append(plan.vector)
    for column in named:
        if column is not None and column not in columns:
            raise Invalid(
                f"The file has no column {column!r}.",
                advice=f"It has {', '.join(columns[:30])}.",
                field="mapping",
            )
    chosen = [column for column in (plan.id, plan.document, plan.uri, plan.object) if column]
    chosen += parts or ([plan.vector] if plan.vector else [])
    twice = next((column for column in chosen if chosen.count(column) > 1), None)
    if twice is not None:
        raise Invalid(f"The column {twice!r} has two uses.", field="mapping")
    if plan.vector is None and plan.document is None:
        raise Invalid(
            "Neither a column of vectors nor one of documents is chosen.",
            advice="A record needs a vector, or a text that the collection's embedder turns "
            "into one.",
            field="vector",
        )
    keys = [one.key for one in plan.fields.values()]
    again = next((key for key in keys if keys.count(key) > 1), None)
    if again is not None:
        raise Invalid(f"Two columns become the key {again!r}.", field="mapping")
    own = next((key for key in keys if key.startswith(RESERVED)), None)
    if own is not None:
        raise Invalid(f"The key {own!r} is Chroma's own: it begins with {RESERVED!r}.", field="key")
