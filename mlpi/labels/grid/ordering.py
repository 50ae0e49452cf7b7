"""Orders as SQL, and places in them: where a page ends and the next begins.

What has no value comes last, whichever way; what is alike is in the order of its ids, or against it
where an index gives an order that goes down.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    UnaryExpression,
    and_,
    collate,
    false,
    literal,
    or_,
    tuple_,
)

from mlpi.db import UtcDateTime
from mlpi.errors import Invalid
from mlpi.labels.grid.columns import COLUMNS, DATA
from mlpi.labels.grid.expressions import Expression, Fields, own
from mlpi.labels.grid.filters import Order
from mlpi.labels.models import LabelTask

# Columns that always hold something, so that an index of theirs serves either way.
_ALWAYS = ("id", "inner_id", "created_at", "updated_at", "total_annotations", "total_predictions")
WALKED = ("id", "updated_at")  # orders that an index gives, either way
_TEXTS = ("review", "predictions_model_versions", "status")


@dataclass(frozen=True, slots=True)
class Key:
    """One of the expressions that order."""

    expression: Expression
    is_down: bool
    may_be_null: bool

    def sorted(self, *, is_back: bool) -> UnaryExpression[Any]:
        way = self.expression.desc() if self.is_down != is_back else self.expression.asc()
        if not self.may_be_null:
            return way
        return way.nulls_first() if is_back else way.nulls_last()

    def beyond(self, value: Any, *, is_back: bool) -> ColumnElement[bool]:
        """What comes behind a value; before it when is_back."""
        if value is None:
            return self.expression.is_not(None) if is_back else false()
        bound = _bound(value)
        smaller = self.is_down != is_back
        test: ColumnElement[bool] = self.expression < bound if smaller else self.expression > bound
        if self.may_be_null and not is_back:
            return or_(test, self.expression.is_(None))
        return test

    def equal(self, value: Any) -> ColumnElement[bool]:
        return self.expression.is_(None) if value is None else self.expression == _bound(value)


def keys(order: Order, fields: Fields) -> list[Key]:
    """What orders; the id is the last of them."""
    name = order.column
    last = Key(LabelTask.id.expression, order.is_down and name in WALKED, may_be_null=False)
    if name == "id":
        return [last]
    if name.startswith(DATA):
        field = name.removeprefix(DATA)
        found = (fields.number(field),) if order.is_number else fields.keys(field)
        return [*(Key(one, order.is_down, may_be_null=True) for one in found), last]
    whole = own(name, fields)
    if not fields.is_sqlite and (COLUMNS[name].kind == "String" or name in _TEXTS):
        whole = collate(whole, "C")
    return [Key(whole, order.is_down, may_be_null=name not in _ALWAYS), last]


def beyond(found: Sequence[Key], values: Sequence[Any], *, is_back: bool) -> ColumnElement[bool]:
    """Tasks behind a place in an order, or before it."""
    if not any(key.may_be_null or key.is_down != found[-1].is_down for key in found):
        # As one row: an index is entered at it, which no database does for several tests.
        row = tuple_(*(key.expression for key in found))
        place = tuple_(*map(_bound, values))
        return row < place if found[-1].is_down != is_back else row > place
    return or_(
        *(
            and_(
                *(key.equal(value) for key, value in zip(found[:at], values, strict=False)),
                found[at].beyond(values[at], is_back=is_back),
            )
            for at in range(len(found))
        )
    )


def place(values: Sequence[Any]) -> str:
    """A place, fit for an address."""
    told = [{"at": one.isoformat()} if isinstance(one, datetime) else one for one in values]
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(text: str, count: int) -> list[Any]:
    """What `place` wrote, of so many values. Raises Invalid."""
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        found = [
            datetime.fromisoformat(one["at"]) if isinstance(one, dict) else one for one in told
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = []
    is_known = all(one is None or isinstance(one, int | float | str | datetime) for one in found)
    if len(found) != count or not is_known or not isinstance(found[-1], int):
        raise Invalid("This page's address is damaged.", advice="Begin at the first page.")
    if any(isinstance(one, int) and abs(one) >= 1 << 63 for one in found):
        raise Invalid("This page's address is damaged.", advice="Begin at the first page.")
    return found


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return literal(value, UtcDateTime)
    if isinstance(value, int):
        return literal(value, BigInteger)
    return literal(value, Double) if isinstance(value, float) else literal(value)
