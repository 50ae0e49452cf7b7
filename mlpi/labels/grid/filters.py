"""Filters, orders and selections as clients write them, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlpi.errors import Invalid
from mlpi.labels.grid.columns import COLUMNS, DATA, Column, column_named

PREFIX = "filter:"
TASKS = "tasks:"
MOST_FILTERS = 100
MOST_VALUES = 10_000
LONGEST = 10_000  # characters of a value
TYPES = ("Number", "Datetime", "Boolean", "String", "List", "Unknown")
_EXISTS = ("empty", "exists", "not_exists")
_COMPARES = ("equal", "not_equal", "less", "greater", "less_or_equal", "greater_or_equal")
_AMONG = ("in_list", "not_in_list")
_ORDERED = (*_COMPARES, "in", "not_in", *_AMONG, *_EXISTS)
_HOLDS = ("contains", "not_contains")
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "Number": _ORDERED,
    "Datetime": _ORDERED,
    "Boolean": ("equal", "not_equal", *_EXISTS),
    "String": (*_HOLDS, *_ORDERED, "regex", "starts_with", "ends_with"),
    "List": (*_HOLDS, *_AMONG, *_EXISTS),
}
_YES, _NO = ("true", "1", "yes", "y", "on", "t"), ("false", "0", "no", "n", "off", "f", "")


@dataclass(frozen=True, slots=True)
class Filter:
    """kind: how values compare. value: of that kind; a pair for in and not_in; for what is there
    or not, whether it must be empty. child: holds as well."""

    column: str
    operator: str
    kind: str
    value: Any
    child: Filter | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """is_any: one of the items is enough."""

    items: tuple[Filter, ...] = ()
    is_any: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """By which column, and which way. is_number: a field of the data, by its numbers alone."""

    column: str = "id"
    is_down: bool = False
    is_number: bool = False

    @property
    def is_by_id(self) -> bool:
        return self.column == "id"


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks that were picked: all but some, or some."""

    is_all: bool = True
    ids: tuple[int, ...] = ()

    @property
    def is_none(self) -> bool:
        return not self.is_all and not self.ids


def read_filters(given: object) -> Filters:
    """{"conjunction", "items": [{"filter", "operator", "type", "value"}]}. Raises Invalid."""
    if given is None or given == {}:
        return Filters()
    if not isinstance(given, dict):
        raise _wrong("They must be an object with conjunction and items.")
    items, how = given.get("items", []), given.get("conjunction", "and")
    if how not in ("and", "or"):
        raise _wrong(f"The conjunction may be and or or, not {_said(how)}.")
    if not isinstance(items, list) or len(items) > MOST_FILTERS:
        raise _wrong(f"The items must be a list of up to {MOST_FILTERS}.")
    found = (_filter(one, f"items[{at}]") for at, one in enumerate(items))
    return Filters(tuple(one for one in found if one is not None), is_any=how == "or")


def _filter(given: object, where: str, *, is_child: bool = False) -> Filter | None:
    """None: it has no value, and so asks for nothing, as in Label Studio."""
    if not isinstance(given, dict):
        raise _wrong(f"{where} must be an object.")
    name = given.get("filter")
    if not isinstance(name, str) or not name.startswith(PREFIX + TASKS):
        raise _wrong(f'{where}: the filter {_said(name)} should start with "{PREFIX}{TASKS}".')
    column = column_of(name.removeprefix(PREFIX + TASKS).removeprefix("-"), where)
    kind = _kind(column, given.get("type"), where)
    operator = given.get("operator")
    if operator not in OPERATORS[kind]:
        raise _wrong(
            f"{where}: {column.name} is not filtered by {_said(operator)}.",
            advice=f"It may be {', '.join(OPERATORS[kind])}.",
        )
    if given.get("value") is None and operator not in _EXISTS:
        return None
    value = _value(kind, str(operator), given.get("value"), f"{where} ({column.name})")
    child = given.get("child_filter")
    if child is not None and is_child:
        raise _wrong(f"{where}: a child filter has no child of its own.")
    below = None if child is None else _filter(child, f"{where}.child_filter", is_child=True)
    return Filter(column.name, str(operator), kind, value, below)


def column_of(name: str, where: str) -> Column:
    """Raises Invalid, naming those there are."""
    column = column_named(name)
    if column is None or "\x00" in name or len(name) > LONGEST:
        raise _wrong(
            f"{where}: there is no column {_said(name)}.",
            advice=f"There are {', '.join(COLUMNS)} and {DATA}<field>.",
        )
    return column


def _kind(column: Column, given: object, where: str) -> str:
    """A column's own; for fields of the data what is asked for, media being texts."""
    if given is not None and not isinstance(given, str):
        raise _wrong(f"{where}: the type must be a text.", advice=f"One of {', '.join(TYPES)}.")
    if not column.name.startswith(DATA):
        return column.filter_kind
    return given if given in ("Number", "Boolean") else "String"


def _value(kind: str, operator: str, given: Any, where: str) -> Any:
    if operator in _EXISTS:
        must_be_empty = True if given is None or operator != "empty" else _flag(given, where)
        return must_be_empty if operator != "exists" else False
    if operator in ("in", "not_in"):
        if not isinstance(given, dict) or not {"min", "max"} <= given.keys():
            raise _wrong(f'{where}: {operator} takes {{"min": …, "max": …}}.')
        return tuple(_one(kind, given[end], where) for end in ("min", "max"))
    if operator in _AMONG or kind == "List":
        values = given if isinstance(given, list) else [given]
        if len(values) > MOST_VALUES:
            raise _wrong(f"{where}: up to {MOST_VALUES:,} values.")
        return tuple(_one(kind, one, where) for one in values)
    if isinstance(given, dict | list):
        raise _wrong(f"{where}: {operator} takes one value.")
    return _one(kind, given, where)


def _one(kind: str, given: object, where: str) -> Any:
    if kind == "Number":
        return _number(given, where)
    if kind == "Datetime":
        return _moment(given, where)
    if kind == "Boolean":
        return _flag(given, where)
    if isinstance(given, bool):
        return "true" if given else "false"
    if not isinstance(given, str | int | float):
        raise _wrong(f"{where}: a text is asked for, not {_said(given)}.")
    text = str(given)
    if len(text) > LONGEST or "\x00" in text:
        raise _wrong(f"{where}: a text of up to {LONGEST:,} characters, none of them NUL.")
    return text


def _number(given: object, where: str) -> int | float:
    """A whole number stays one, so that large ids stay exact."""
    if isinstance(given, str) and len(given) < 400:
        with suppress(ValueError):
            given = int(given) if given.strip().lstrip("-").isdecimal() else float(given)
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number:
        raise _wrong(f"{where}: a number is asked for, not {_said(given)}.")
    assert isinstance(given, int | float)
    if isinstance(given, int) and abs(given) < 1 << 63:
        return given
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(f"{where}: {_said(given)} is too large.")
    return number


def _moment(given: object, where: str) -> datetime:
    if isinstance(given, str):
        try:
            found = datetime.fromisoformat(given.strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _wrong(
        f"{where}: a time is asked for, not {_said(given)}.",
        advice="Write it as 2026-11-29T05:00:00.000000Z.",
    )


def _flag(given: object, where: str) -> bool:
    word = str(given).strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise _wrong(f"{where}: true or false is asked for, not {_said(given)}.")


def read_order(given: object, data: Mapping[str, Any] | None = None) -> Order:
    """["-tasks:id"]: the first counts, as in Label Studio. data: of a view, which may say that a
    field holds numbers. Raises Invalid."""
    if given in (None, {}, [], ""):
        return Order()
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Invalid('It must be a list such as ["-tasks:id"].', field="ordering")
    whole = given[0]
    name = whole.lstrip("+").removeprefix("-")
    is_down = whole.startswith("-")
    name = name.removeprefix(PREFIX).removeprefix(TASKS)
    if not is_down and name.startswith("-"):
        is_down, name = True, name[1:]
    if not (column := column_named(name)) or "\x00" in name or len(name) > LONGEST:
        raise Invalid(
            f"There is no column {_said(name)}.",
            advice=f"There are {', '.join(COLUMNS)} and {DATA}<field>.",
            field="ordering",
        )
    types = (data or {}).get("columnsDisplayType")
    said = (whole.lstrip("-+"), TASKS + name)
    is_number = isinstance(types, dict) and "Number" in map(types.get, said)
    return Order(column.name, is_down, is_number)


def read_selection(given: object) -> Selection:
    """{"all": false, "included": [1]} or {"all": true, "excluded": [1]}. Raises Invalid."""
    if given in (None, {}, ""):
        return Selection()
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, dict) or not isinstance(given.get("all"), bool):
        raise Invalid(
            "It must be an object.",
            advice='{"all": false, "included": [ids]} or {"all": true, "excluded": [ids]}.',
            field="selectedItems",
        )
    name = "excluded" if given["all"] else "included"
    ids = given.get(name) or []
    if not isinstance(ids, list) or not all(map(_is_id, ids)):
        raise Invalid(f"{name} must be a list of task ids.", field="selectedItems")
    return Selection(given["all"], tuple(ids))


def _is_id(one: object) -> bool:
    return isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 31


def _said(value: object) -> str:
    return repr(value)[:80]


def _wrong(message: str, advice: str | None = None) -> Invalid:
    return Invalid(message, advice=advice, field="filters")


def sent(filters: Filters) -> dict[str, Any]:
    """As clients write them; `read_filters` reads the same again."""
    how = "or" if filters.is_any else "and"
    return {"conjunction": how, "items": list(map(_sent, filters.items))}


def _sent(one: Filter) -> dict[str, Any]:
    value = one.value
    if one.operator in ("in", "not_in"):
        value = dict(zip(("min", "max"), map(_plain, value), strict=True))
    elif isinstance(value, tuple):
        value = list(map(_plain, value))
    found = {
        "filter": PREFIX + TASKS + one.column,
        "operator": one.operator,
        "type": one.kind,
        "value": _plain(value),
    }
    return found if one.child is None else {**found, "child_filter": _sent(one.child)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def as_items(filters: Sequence[Mapping[str, Any]], *, is_any: bool) -> dict[str, Any]:
    """Filters of a page, as clients write them."""
    return {"conjunction": "or" if is_any else "and", "items": list(filters)}
