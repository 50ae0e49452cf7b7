"""What a page of the grid is asked for by its address, and the address of what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.datastructures import FormData, QueryParams

from mlpi.errors import Invalid, MlpiError
from mlpi.labels.grid.columns import COLUMNS, DATA, column_named
from mlpi.labels.grid.filters import Filters, Order, read_filters, read_order
from mlpi.labels.models import LabelView

SIZES = (25, 50, 100, 200)
SIZE = 50
MOST_ROWS = 50
# How people say the operators; not every column takes each.
WORDS: Mapping[str, str] = {
    "contains": "contains",
    "not_contains": "does not contain",
    "equal": "is",
    "not_equal": "is not",
    "less": "is less than",
    "less_or_equal": "is at most",
    "greater": "is more than",
    "greater_or_equal": "is at least",
    "in": "is between",
    "not_in": "is not between",
    "in_list": "is one of",
    "not_in_list": "is none of",
    "starts_with": "begins with",
    "ends_with": "ends with",
    "regex": "matches the expression",
    "empty": "is empty",
    "exists": "is not empty",
}
_PEOPLE = ("annotators", "assignees", "reviewers", "updated_by")
_QUICK = {"status": ("status", "equal"), "label": ("label", "contains")}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the filter, as it was typed."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown. status, label, by: the quick filters; error: what is wrong with the rows."""

    rows: Sequence[Row] = ()
    is_any: bool = False
    status: str = ""
    label: str = ""
    by: str = ""
    sort: str = "id"
    columns: Sequence[str] = ()
    size: int = SIZE
    view: int | None = None
    after: str = ""
    before: str = ""
    is_last: bool = False
    filters: Filters = field(default_factory=Filters)
    order: Order = field(default_factory=Order)
    error: MlpiError | None = None
    whole: Mapping[str, Any] | None = None  # a view's filters that say more than rows can

    @property
    def is_filtered(self) -> bool:
        return bool(self.filters.items) or self.error is not None

    def query(self, **other: Any) -> dict[str, Any]:
        """The address's, at the first page unless a place is among the others."""
        whole: dict[str, Any] = {
            "view": str(self.view) if self.view else "",
            "own": "1",
            "f": [row.column for row in self.rows],
            "o": [row.operator for row in self.rows],
            "v": [row.value for row in self.rows],
            "how": "or" if self.is_any else "",
            "status": self.status,
            "label": self.label,
            "by": self.by,
            "sort": self.sort if self.sort != "id" or self.view else "",
            "col": list(self.columns),
            "size": str(self.size) if self.size != SIZE else "",
        }
        if self.whole is not None:
            # The view goes on saying it, wherever the page leads.
            whole = {k: v for k, v in whole.items() if k not in ("own", "f", "o", "v", "how")}
        return {**whole, **other}

    def items(self, people: Mapping[int, str]) -> list[dict[str, Any]]:
        """Its filters as Label Studio's API writes them. Raises Invalid."""
        found = [_item(row, people) for row in self.rows]
        for name, (column, operator) in _QUICK.items():
            if value := getattr(self, name):
                found.append(_item(Row(column, operator, value), people))
        if self.by:
            found.append(_item(Row("annotators", "contains", self.by), people))
        return found

    def as_view(self, title: str, people: Mapping[int, str]) -> dict[str, Any]:
        """As a view to keep. Raises Invalid."""
        sign, name = ("-", self.sort[1:]) if self.sort.startswith("-") else ("", self.sort)
        return {
            "data": {
                "title": title,
                "type": "list",
                "filters": self.whole
                or {"conjunction": "or" if self.is_any else "and", "items": self.items(people)},
                "ordering": [f"{sign}tasks:{name}"] if self.sort != "id" else [],
                "shownColumns": list(self.columns),
                "pageSize": self.size,
            }
        }


def read_look(
    given: QueryParams | FormData, people: Mapping[int, str], view: LabelView | None = None
) -> Look:
    """An address or a form; of a view alone, what the view says. Never raises: see `error`."""

    def texts(name: str) -> list[str]:
        return [one for one in given.getlist(name) if isinstance(one, str)]

    def text(name: str) -> str:
        found = texts(name)
        return found[-1].strip() if found else ""

    if view is not None and not text("own"):
        rows, is_any, sort, columns, size = _of_view(view, people)
        sort, columns = text("sort") or sort, texts("col") or columns
    else:
        triples = zip(texts("f"), texts("o"), texts("v"), strict=False)
        rows = [Row(a.strip(), b, c) for a, b, c in triples if a.strip()][:MOST_ROWS]
        is_any, sort = text("how") == "or", text("sort") or "id"
        columns = texts("col")
        size = int(text("size")) if text("size").isdecimal() and len(text("size")) < 4 else SIZE
    look = Look(
        rows=rows,
        is_any=is_any,
        status=text("status"),
        label=text("label"),
        by=text("by"),
        sort=sort,
        columns=[one for one in dict.fromkeys(columns) if column_named(one)],
        size=size if size in SIZES else SIZE,
        view=view.id if view else None,
        after=text("after"),
        before=text("before"),
        is_last=bool(text("last")),
    )
    return _read(look, people, view, is_own=bool(text("own")))


def _read(look: Look, people: Mapping[int, str], view: LabelView | None, *, is_own: bool) -> Look:
    order, error, filters = Order(), None, Filters()
    try:
        order = read_order([look.sort], view.data if view else None)
        view = None if is_own else view
        if view is not None:
            # As it is kept: it may say more than the rows of a form can.
            filters = read_filters(view.filters)
            shown = replace(look, status="", label="", by="")
            how = "or" if look.is_any else "and"
            if filters != _tried(shown, people, how):
                look = replace(look, whole=view.filters, rows=())
        quick = replace(look, rows=() if view is not None else look.rows)
        how = "or" if look.is_any and view is None else "and"
        # The quick filters narrow whatever the rows find.
        rows = read_filters(
            {"conjunction": how, "items": replace(quick, status="", label="", by="").items(people)}
        )
        narrow = read_filters({"items": replace(quick, rows=()).items(people)})
        filters = _both(filters if view is not None else rows, narrow)
    except MlpiError as told:
        error = told
    return replace(look, filters=filters, order=order, error=error)


def _tried(look: Look, people: Mapping[int, str], how: str) -> Filters | None:
    """What the rows say, if they say anything that makes sense."""
    try:
        return read_filters({"conjunction": how, "items": look.items(people)})
    except MlpiError:
        return None


def _both(one: Filters, other: Filters) -> Filters:
    """Both must hold. Raises Invalid for what one list of filters cannot say."""
    if not other.items:
        return one
    if not one.is_any or len(one.items) <= 1:
        return Filters((*one.items, *other.items))
    if len(other.items) > 1 or any(each.child for each in one.items):
        raise Invalid(
            "With “any of these”, choose one of status, label and annotator.", field="filters"
        )
    return Filters(tuple(replace(each, child=other.items[0]) for each in one.items), is_any=True)


def _of_view(
    view: LabelView, people: Mapping[int, str]
) -> tuple[list[Row], bool, str, list[str], int]:
    rows = []
    for one in view.filters.get("items", []):
        name = str(one.get("filter", "")).removeprefix("filter:tasks:")
        rows.append(Row(name, str(one.get("operator")), _typed(name, one.get("value"), people)))
    first = view.ordering[0] if view.ordering else "id"
    order = read_order([first])
    shown, size = view.data.get("shownColumns"), view.data.get("pageSize")
    return (
        rows,
        view.filters.get("conjunction") == "or",
        ("-" if order.is_down else "") + order.column,
        [one for one in shown if isinstance(one, str)] if isinstance(shown, list) else [],
        size if isinstance(size, int) else SIZE,
    )


def _typed(name: str, value: Any, people: Mapping[int, str]) -> str:
    """A filter's value as somebody would type it."""
    if isinstance(value, dict):
        return f"{value.get('min')} .. {value.get('max')}"
    if isinstance(value, list):
        return ", ".join(_typed(name, one, people) for one in value)
    if name in _PEOPLE and str(value).isdecimal():
        return people.get(int(value), str(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _item(row: Row, people: Mapping[int, str]) -> dict[str, Any]:
    """Raises Invalid."""
    column, operator, text = column_named(row.column), row.operator, row.value.strip()
    if column is None:
        raise Invalid(
            f"There is no column {row.column[:80]!r}.",
            advice=f"There are {', '.join(COLUMNS)} and {DATA}<field>.",
            field="filters",
        )
    is_data = row.column.startswith(DATA)
    value: Any = text
    kind = column.filter_kind
    if operator in ("empty", "exists"):
        value = True
    elif operator in ("in", "not_in"):
        low, joint, high = text.partition("..")
        if not joint:
            raise Invalid(f"{column.title}: write between as 1 .. 5.", field="filters")
        value = {"min": low.strip(), "max": high.strip()}
    elif operator in ("in_list", "not_in_list"):
        value = [one.strip() for one in text.split(",") if one.strip()]
    if is_data and operator in ("less", "less_or_equal", "greater", "greater_or_equal", "in"):
        ends = value.values() if isinstance(value, dict) else (text,)
        kind = "Number" if all(map(_is_number, ends)) else "String"
    if row.column in _PEOPLE and operator not in ("empty", "exists"):
        value = [_person(one, people) for one in (value if isinstance(value, list) else [value])]
    return {
        "filter": f"filter:tasks:{row.column}",
        "operator": operator,
        "type": kind,
        "value": value,
    }


def _person(name: str, people: Mapping[int, str]) -> int:
    found = [number for number, one in people.items() if one == name.strip().casefold()]
    if not found and not name.isdecimal():
        raise Invalid(
            f"Nobody here is called {name[:40]!r}.",
            advice=f"There are {', '.join(sorted(people.values())[:20]) or 'no people'}.",
            field="filters",
        )
    return found[0] if found else int(name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
