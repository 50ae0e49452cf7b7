"""From a file's row to a record, or to the reason why not."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import orjson

from mlpi.vectors.records import Record
from mlpi.vectors.transfer.formats.source import BadRow, Head, Raw
from mlpi.vectors.transfer.plan import AS_IS, RESERVED, Plan

_MOST_WHOLE = 2**63
_SCALARS = (str, bool, int, float)


class Maker:
    """Makes records by a plan. dimension: of the collection, or of the first vector."""

    def __init__(self, plan: Plan, head: Head, dimension: int | None) -> None:
        self._plan = plan
        self._parts = plan.parts(head.columns)
        # CSV cannot tell an empty text from none: there it is none.
        self._nothing: tuple[Any, ...] = (None, "") if head.texts else (None,)
        self.dimension = dimension

    def record(self, raw: Raw) -> Record:
        """The record of a row; without a vector when its document is to be embedded.

        Raises BadRow.
        """
        values = raw.values
        if isinstance(values, BadRow):
            raise values
        plan = self._plan
        document = self._text(values, plan.document)
        vector = self._vector(values)
        if vector is None and document is None:
            if plan.vector is None:
                raise BadRow("it is empty, and there is no vector either", plan.document or "")
            raise BadRow("there is no vector", plan.vector)
        return Record(
            id=self._id(raw.number, values),
            document=document,
            metadata=self._metadata(values),
            vector=vector,
            uri=self._text(values, plan.uri),
        )

    def check(self, vector: array[float]) -> None:
        """See that a vector is one of this collection. Raises BadRow."""
        column = self._plan.vector or ""
        if not math.isfinite(sum(vector)):
            raise BadRow("it holds a number that is not finite in 32 bits (NaN, infinity)", column)
        if self.dimension is None:
            self.dimension = len(vector)
        elif len(vector) != self.dimension:
            raise BadRow(
                f"it has {len(vector)} dimensions, and the collection {self.dimension}", column
            )

    def _id(self, number: int, values: Mapping[str, Any]) -> str:
        column = self._plan.id
        if column is None:
            return f"{self._plan.prefix}{number}"
        value = values.get(column)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            named = "missing" if value is None else f"a {_named(value)}"
            raise BadRow(f"the id is {named}; a text or a whole number is needed", column)
        if not value:
            raise BadRow("the id is empty", column)
        return value

    def _text(self, values: Mapping[str, Any], column: str | None) -> str | None:
        value = values.get(column) if column else None
        return None if value in self._nothing else as_text(value, column or "")

    def _vector(self, values: Mapping[str, Any]) -> array[float] | None:
        column = self._plan.vector
        if column is None:
            return None
        given: Any = [values.get(part) for part in self._parts] if self._parts else None
        if given is None:
            given = values.get(column)
            if given is None or given == "":
                return None
        try:
            vector = numbers_of(given)
        except BadRow as error:
            raise BadRow(error.reason, column) from None
        self.check(vector)
        return vector

    def _metadata(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._plan.object is not None:
            found |= _spread(values.get(self._plan.object), self._plan.object)
        for column, field in self._plan.fields.items():
            value = values.get(column)
            if value in self._nothing or (value == "" and field.kind not in (AS_IS, "text")):
                continue
            made = _READ[field.kind](value, column)
            if made is not None:
                found[field.key] = made
        return found


def numbers_of(value: Any) -> array[float]:
    """Numbers as float32 from a list, or from a text of them: JSON, or parted by blanks or commas.

    Raises BadRow.
    """
    if isinstance(value, array):
        return value if value.typecode == "f" else _array(value)
    if isinstance(value, str):
        words = value.strip().strip("[]()").replace(",", " ").replace(";", " ").split()
        if not words:
            raise BadRow("there are no numbers in it")
        try:
            return _array([float(word) for word in words])
        except ValueError:
            raise BadRow(f"{_quoted(value)} is no list of numbers") from None
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise BadRow(f"a {_named(value)} is no list of numbers")
    if not value:
        raise BadRow("there are no numbers in it")
    if any(isinstance(one, str) for one in value):  # several columns of a CSV
        try:
            value = [float(one) for one in value]
        except (TypeError, ValueError):
            raise BadRow("a part of the vector is no number") from None
    return _array(value)


def _array(numbers: Any) -> array[float]:
    try:
        return array("f", numbers)
    except (TypeError, OverflowError):
        raise BadRow("a part of the vector is no number that fits 32 bits") from None


def as_text(value: Any, column: str) -> str:
    """Any value of a file as a text. Raises BadRow."""
    if isinstance(value, str):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        raise BadRow(f"a {_named(value)} cannot be kept as a text", column) from None


def _as_it_is(value: Any, column: str) -> Any:
    """A value as Chroma keeps it: a scalar, or a list of one kind; all else as a text of JSON."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return _finite(value, column)
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value, column)
    if isinstance(value, str | bool):
        return value
    if isinstance(value, bytes):
        raise BadRow("bytes cannot be kept in metadata", column)
    if isinstance(value, list | array):
        return _listed(list(value), column)
    return as_text(value, column)


def _listed(values: list[Any], column: str) -> Any:
    if not values:
        return None  # Chroma keeps no empty list
    kinds = {type(one) for one in values}
    if len(kinds) == 1 and kinds <= set(_SCALARS):
        for one in values:
            if isinstance(one, int) and not isinstance(one, bool):
                _bounded(one, column)
            elif isinstance(one, float) and not math.isfinite(one):
                raise BadRow("a list holds a number that is not finite", column)
        return values
    return as_text(values, column)


def _finite(value: float, column: str) -> float | None:
    """NaN is how many tools write that there is nothing."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise BadRow("infinity cannot be kept in metadata", column)
    return value


def _bounded(value: int, column: str) -> int:
    if not -_MOST_WHOLE <= value < _MOST_WHOLE:
        raise BadRow(f"{_quoted(str(value))} does not fit 64 bits", column)
    return value


def _whole(value: Any, column: str) -> int:
    try:
        made = int(value)
    except (TypeError, ValueError, OverflowError):
        raise BadRow(f"{_quoted(value)} is no whole number", column) from None
    if isinstance(value, float) and made != value:
        raise BadRow(f"{value} is no whole number", column)
    return _bounded(made, column)


def _number(value: Any, column: str) -> float | None:
    try:
        return _finite(float(value), column)
    except (TypeError, ValueError, OverflowError):
        raise BadRow(f"{_quoted(value)} is no number", column) from None


def _flag(value: Any, column: str) -> bool:
    word = str(value).strip().casefold()
    if word in ("true", "yes", "1"):
        return True
    if word in ("false", "no", "0"):
        return False
    raise BadRow(f"{_quoted(value)} is neither true nor false", column)


_READ: Mapping[str, Callable[[Any, str], Any]] = {
    AS_IS: _as_it_is,
    "text": as_text,
    "whole": _whole,
    "number": _number,
    "yes or no": _flag,
}


def _spread(value: Any, column: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadRow(f"it is no JSON: {error}", column) from None
    if not isinstance(value, Mapping):
        raise BadRow("it is no JSON object", column)
    found = {}
    for key, one in value.items():
        if key.startswith(RESERVED):
            raise BadRow(f"the key {_quoted(key)} is Chroma's own", column)
        made = None if one is None else _as_it_is(one, column)
        if made is not None:
            found[key] = made
    return found


def _named(value: Any) -> str:
    names = {bool: "boolean", float: "number with a fraction", int: "whole number"}
    names |= {dict: "JSON object", list: "list", bytes: "binary value"}
    return names.get(type(value), type(value).__name__)


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else text[:39] + "…")
