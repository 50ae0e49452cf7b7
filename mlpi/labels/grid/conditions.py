"""Filters as conditions in SQL. A field without a value passes no test, and so every not_."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from operator import eq, ge, gt, le, lt
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Text,
    and_,
    case,
    cast,
    collate,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSON

from mlpi.db import UtcDateTime
from mlpi.errors import Invalid
from mlpi.labels.given import as_json
from mlpi.labels.grid import regex
from mlpi.labels.grid.columns import DATA
from mlpi.labels.grid.expressions import (
    STATUSES,
    Expression,
    Fields,
    Related,
    flag,
    gives_label,
    own,
    related,
    status,
)
from mlpi.labels.grid.filters import Filter, Filters, Selection
from mlpi.labels.models import LabelTask

Condition = ColumnElement[bool]
_NEGATED = {
    "not_equal": "equal",
    "not_contains": "contains",
    "not_in": "in",
    "not_in_list": "in_list",
}
_COMPARES: Mapping[str, Callable[[Any, Any], Any]] = {
    "equal": eq,
    "less": lt,
    "greater": gt,
    "less_or_equal": le,
    "greater_or_equal": ge,
}
# What a task may lack; as in Label Studio it then passes no test of theirs, not_ or not.
_MEASURED = ("completed_at", "predictions_score", "avg_lead_time", "agreement")
_COUNTS = ("total_annotations", "cancelled_annotations", "total_predictions")


class Conditions:
    """Writes them for one project on one kind of database."""

    def __init__(self, project_id: int, *, is_sqlite: bool) -> None:
        self._project_id, self._is_sqlite = project_id, is_sqlite
        self.fields = Fields(is_sqlite=is_sqlite)

    def of(self, filters: Filters, selection: Selection | None = None) -> Condition:
        """Tasks of the project that pass. Raises Invalid for a value that no column could have."""
        lines = [self._line(one) for one in filters.items]
        found: list[Condition] = [LabelTask.project_id == self._project_id]
        if lines:
            found.append(or_(*lines) if filters.is_any else and_(*lines))
        if selection is not None and (selection.ids or not selection.is_all):
            among = self.among(selection.ids)
            found.append(not_(among) if selection.is_all else among)
        return and_(*found)

    def among(self, ids: Iterable[int]) -> Condition:
        """Ids in one parameter, however many."""
        text = json.dumps(list(ids))
        if self._is_sqlite:
            each = func.json_each(text).table_valued("value")
            return LabelTask.id.in_(select(each.c.value))
        each = func.json_array_elements_text(cast(literal(text, Text), JSON)).table_valued("value")
        return LabelTask.id.in_(select(cast(each.c.value, BigInteger)))

    def _line(self, one: Filter) -> Condition:
        test = self._test(one)
        return test if one.child is None else and_(test, self._test(one.child))

    def _test(self, one: Filter) -> Condition:
        if one.column == "agreement" and one.operator not in ("empty", "exists", "not_exists"):
            # Kept as a share, told in percent.
            parts = one.value if isinstance(one.value, tuple) else (one.value,)
            shares = tuple(part / 100 for part in parts)
            one = replace(one, value=shares if isinstance(one.value, tuple) else shares[0])
        positive = _NEGATED.get(one.operator)
        if positive is not None:
            negated = not_(self._positive(one, positive))
            if one.column in _MEASURED:
                return and_(self._expression(one).is_not(None), negated)
            return negated
        return self._positive(one, one.operator)

    def _positive(self, one: Filter, operator: str) -> Condition:
        if operator in ("empty", "exists", "not_exists"):
            is_empty = self._is_empty(one)
            return is_empty if one.value else not_(is_empty)
        if one.kind == "Boolean":
            return self._flag(one)
        if one.column == "status":
            return self._status(one, operator)
        found = related(one.column, self._project_id)
        if found is not None:
            return self._of_related(one, operator, found)
        return self._compared(self._expression(one), one, operator)

    def _expression(self, one: Filter) -> Expression:
        if one.column == "agreement":
            return LabelTask.agreement.expression
        return own(one.column, self.fields, kind=one.kind)

    def _is_empty(self, one: Filter) -> Condition:
        if one.column in _COUNTS:
            return self._expression(one) == 0
        if one.column in ("ground_truth", "reviewed", "draft_exists"):
            return not_(flag(one.column))
        found = related(one.column, self._project_id)
        if found is not None:
            is_something: Condition = true()
            if one.column in ("annotations_results", "predictions_results", "label"):
                is_something = found.column != "[]"
            return not_(found.holding(is_something))
        whole = self._expression(one)
        is_null: Condition = whole.is_(None)
        return or_(is_null, whole == "") if one.kind == "String" else is_null

    def _flag(self, one: Filter) -> Condition:
        if one.column.startswith(DATA):
            text = func.coalesce(func.lower(self.fields.text(one.column.removeprefix(DATA))), "")
            return text.in_(("true", "1") if one.value else ("false", "0"))
        return flag(one.column) if one.value else not_(flag(one.column))

    def _status(self, one: Filter, operator: str) -> Condition:
        words = one.value if isinstance(one.value, tuple) else (one.value,)
        wrong = [word for word in words if word not in STATUSES]
        if operator not in ("equal", "contains", "in_list") or wrong:
            raise Invalid(
                f"There is no status {wrong[0]!r}." if wrong else f"Not {operator} of a status.",
                advice=f"It may be {', '.join(STATUSES)}; by equal, not_equal or in_list.",
                field="filters",
            )
        return or_(*map(status, words)) if words else false()

    def _of_related(self, one: Filter, operator: str, found: Related) -> Condition:
        if one.column == "label":
            tests = [
                gives_label(found.column, word, is_sqlite=self._is_sqlite) for word in one.value
            ]
            return found.holding(or_(*tests)) if tests else false()
        if one.column == "annotations_ids":
            return found.holding(found.column.in_(_ids(one.value)))
        if one.column in ("annotators", "assignees", "reviewers", "updated_by"):
            return found.holding(found.column.in_(_ids(one.value)))
        if one.column == "predictions_model_versions":
            if operator == "in_list":
                return found.holding(found.column.in_(one.value))
            parts = [self._find(found.column, word) for word in one.value]
            return found.holding(or_(*parts)) if parts else false()
        if one.column.endswith("_results") and isinstance(one.value, str):
            return found.holding(self._result(found.column, one.value, operator, one))
        return found.holding(self._compared(found.column, one, operator))

    def _result(self, column: Expression, text: str, operator: str, one: Filter) -> Condition:
        if operator == "contains":
            needles = dict.fromkeys((text, _compact(text)))
            return or_(*(self._find(column, needle) for needle in needles))
        if operator == "equal":
            try:
                return column == as_json(json.loads(text))
            except (ValueError, RecursionError, Invalid):
                return false()
        return self._compared(column, one, operator)

    def _compared(self, column: Expression, one: Filter, operator: str) -> Condition:
        if operator == "in":
            low, high = (self._literal(end) for end in one.value)
            ranged = self._ranged(column, one)
            return func.coalesce(and_(ranged >= low, ranged <= high), false())
        if operator == "in_list":
            values = [self._literal(value) for value in one.value]
            return func.coalesce(column.in_(values), false()) if values else false()
        if operator in _COMPARES:
            whole = column if operator == "equal" else self._ranged(column, one)
            test = _COMPARES[operator](whole, self._literal(one.value))
            return func.coalesce(self._hinted(test, one, operator), false())
        return func.coalesce(self._worded(column, one, operator), false())

    def _ranged(self, column: Expression, one: Filter) -> Expression:
        """Texts in the order of their characters, whatever the database's language."""
        return column if one.kind != "String" or self._is_sqlite else collate(column, "C")

    def _worded(self, column: Expression, one: Filter, operator: str) -> Condition:
        if operator == "regex":
            regex.compiled(one.value)
            if self._is_sqlite:
                return func.mlpi_matches(one.value, column) == 1
            return column.regexp_match(one.value)
        if operator == "contains":
            return self._hinted(self._holds(column, one.value), one, operator)
        lowered, word = func.lower(column), func.lower(one.value)
        length = len(one.value)
        cut: Expression = func.substr(lowered, 1, length)
        if operator == "ends_with":
            start = func.length(column) - length + 1
            cut = case((start >= 1, func.substr(lowered, start)), else_=None)
        return cut == word if length else column.is_not(None)

    def _holds(self, column: Expression, text: str) -> Condition:
        """Whether a text is in it, in small letters or in large. SQLite knows those of ASCII alone,
        so others are looked for small, large and as they came."""
        if not self._is_sqlite:
            return self._find(func.lower(column), func.lower(text))
        forms = dict.fromkeys((text, text.lower(), text.upper(), text.capitalize()))
        shown = {_ascii_lower(form): form for form in forms}
        return or_(*(column.contains(form, autoescape=True) for form in shown))

    def _hinted(self, test: Condition, one: Filter, operator: str) -> Condition:
        """SQLite reads JSON slowly: it need not where a task's data nowhere holds the text."""
        value = one.value
        is_data = one.column.startswith(DATA) and one.kind == "String" and self._is_sqlite
        if not is_data or operator not in ("equal", "contains") or as_json(value)[1:-1] != value:
            return test
        if operator == "contains":
            seen = self._holds(LabelTask.data.expression, value)
        else:
            name = one.column.removeprefix(DATA)
            # As it is kept, compact; a name with a point may mean a field within another.
            before = "" if "." in name else as_json(name) + ":"
            seen = or_(*(self._find(LabelTask.data, before + end) for end in (f'"{value}"', value)))
        return case((seen, test), else_=false())

    def _find(self, column: Any, text: Any) -> Condition:
        find = func.instr if self._is_sqlite else func.strpos
        return find(column, text) > 0

    def _literal(self, value: object) -> Any:
        if isinstance(value, datetime):
            return literal(value, UtcDateTime)
        if isinstance(value, int):
            return literal(value, BigInteger)
        return literal(value, Double) if isinstance(value, float) else value


def _ids(value: object) -> list[int]:
    """Numbers of people or annotations: some, one, or as a text such as "1, 2"."""
    values = value if isinstance(value, tuple) else (value,)
    found: list[int] = []
    for one in values:
        words = str(one).replace(";", ",").replace(" ", ",").split(",")
        found += [int(word) for word in words if word.isdecimal() and len(word) < 10]
    return found


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _compact(text: str) -> str:
    """JSON written with spaces, as it is kept: without those outside of texts."""
    kept: list[str] = []
    is_inside = False
    for at, char in enumerate(text):
        if char == '"' and not (at and text[at - 1] == "\\"):
            is_inside = not is_inside
        if char == " " and not is_inside and at and text[at - 1] in ":,":
            continue
        kept.append(char)
    return "".join(kept)
