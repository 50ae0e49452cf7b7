"""What somebody looks at in a table of runs: columns, order, filters; all of it in the URL."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from mlpi.errors import Invalid
from mlpi.tracking.runs.filter import Clause, is_filter, parse

STATES = ("RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED")
SPANS_S = {"1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
PAGE_SIZES = (25, 50, 100, 200)
KEYED = ("metrics", "params", "tags")
# A run's own columns, and whether a larger one is looked for first.
ATTRIBUTES = {
    "start_time": True,
    "end_time": True,
    "duration": True,
    "run_name": False,
    "status": False,
    "user_id": False,
}
NEWEST = "attributes.start_time"
GROUPED = ("params", "tags", "attributes")
GROUP_ATTRIBUTES = ("status", "user_id")
MAX_COLUMNS = 40
MAX_OPEN = 20


@dataclass(frozen=True, slots=True)
class Field:
    """A param, a metric, a tag or an attribute of a run."""

    kind: str
    key: str

    @property
    def text(self) -> str:
        return f"{self.kind}.{self.key}"

    @property
    def label(self) -> str:
        return self.key

    @property
    def is_metric(self) -> bool:
        return self.kind == "metrics"

    @classmethod
    def of(cls, text: str, kinds: Sequence[str] = KEYED, field: str = "col") -> Field:
        """The field that "params.depth" names. Raises Invalid."""
        kind, _, key = text.partition(".")
        if kind not in kinds or not key or len(key) > 250 or not key.isprintable():
            raise Invalid(
                f"{text[:80]!r} is not a column.",
                advice="Write it as metrics.loss, params.depth or tags.owner.",
                field=field,
            )
        return cls(kind, key)


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at the runs of an experiment. Equal views show the same."""

    q: str = ""
    columns: tuple[Field, ...] = ()  # empty: what most of the page's runs have
    sort: Field = field(default=Field("attributes", "start_time"))
    is_descending: bool = True
    state: str = ""
    since: str = ""
    dataset: str = ""
    group: Field | None = None
    is_flat: bool = False  # nested runs among all others, rather than below their parents
    is_deleted: bool = False
    shows_hidden: bool = False
    opened: tuple[str, ...] = ()  # parents whose nested runs are shown
    size: int = 50
    after: str = ""
    saved_id: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> View:
        """The view that the parameters of a URL describe. Raises Invalid.

        The filter is not read here, so that a page with a wrong one can still be shown.
        """

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip().replace("\0", "")

        sort_text = one("sort") or NEWEST
        sort = Field.of(sort_text, (*KEYED, "attributes"), "sort")
        if sort.kind == "attributes" and sort.key not in ATTRIBUTES:
            raise Invalid(f"Runs cannot be sorted by {sort.key}.", field="sort")
        group_text = one("group")
        group = (
            Field.of(group_text, ("params", "tags", "attributes"), "group") if group_text else None
        )
        if group and group.kind == "attributes" and group.key not in GROUP_ATTRIBUTES:
            raise Invalid(f"Runs cannot be grouped by {group.key}.", field="group")
        state, since = one("state").upper(), one("since")
        _require(state, STATES, "state")
        _require(since, tuple(SPANS_S), "since")
        size = one("size") or "50"
        _require(size, tuple(map(str, PAGE_SIZES)), "size")
        texts = [text for part in query.get("col", ()) for text in [part.strip()] if text]
        columns = tuple(dict.fromkeys(Field.of(text) for text in texts[:MAX_COLUMNS]))
        saved = one("view")
        direction = one("dir")
        larger_first = sort.is_metric or ATTRIBUTES.get(sort.key, False)
        return cls(
            q=one("q"),
            columns=columns,
            sort=sort,
            is_descending=direction == "desc" if direction in ("asc", "desc") else larger_first,
            state=state,
            since=since,
            dataset=one("dataset"),
            group=group,
            is_flat=one("flat") == "1",
            is_deleted=one("stage") == "deleted",
            shows_hidden=one("hidden") == "1",
            opened=tuple(_ids(",".join(query.get("open", ())))[:MAX_OPEN]),
            size=int(size),
            after=one("after"),
            saved_id=int(saved) if saved.isdecimal() and len(saved) < 10 else None,
        )

    def query(self, *, is_kept: bool = False) -> dict[str, list[str]]:
        """Its parameters; is_kept leaves out what belongs to this moment alone."""
        larger_first = self.sort.is_metric or ATTRIBUTES.get(self.sort.key, False)
        found = {
            "q": [self.q],
            "col": [column.text for column in self.columns],
            "sort": [self.sort.text if self.sort.text != NEWEST else ""],
            "dir": [("desc" if self.is_descending else "asc")]
            if self.is_descending != larger_first
            else [],
            "state": [self.state],
            "since": [self.since],
            "dataset": [self.dataset],
            "group": [self.group.text if self.group else ""],
            "flat": ["1" if self.is_flat else ""],
            "stage": ["deleted" if self.is_deleted else ""],
            "hidden": ["1" if self.shows_hidden else ""],
            "size": [str(self.size) if self.size != 50 else ""],
        }
        if not is_kept:
            found["open"] = [",".join(self.opened)]
            found["after"] = [self.after]
            found["view"] = [str(self.saved_id or "")]
        return {name: kept for name, values in found.items() if (kept := [v for v in values if v])}

    def kept_query(self) -> str:
        """What a saved view keeps of it, as a URL's query."""
        return urlencode(self.query(is_kept=True), doseq=True)

    def habits(self) -> str:
        """What is remembered for the next visit: how runs are shown, not which."""
        names = ("col", "sort", "dir", "group", "flat", "size")
        query = self.query(is_kept=True)
        return urlencode({name: query[name] for name in names if name in query}, doseq=True)

    def with_(self, **changes: Any) -> View:
        """The view with something changed, from its first page."""
        return replace(self, **{"after": "", **changes})

    def sorted_by(self, text: str) -> View:
        """Sorted by this column; the other way round when it is already."""
        column = Field.of(text, (*KEYED, "attributes"), "sort")
        larger_first = column.is_metric or ATTRIBUTES.get(column.key, False)
        turned = not self.is_descending if column == self.sort else larger_first
        return self.with_(sort=column, is_descending=turned)

    def folded(self, run_id: str) -> View:
        """With one parent's nested runs shown, or no longer."""
        opened = tuple(id_ for id_ in self.opened if id_ != run_id)
        if run_id not in self.opened:
            opened = (*opened, run_id)[-MAX_OPEN:]
        return replace(self, opened=opened)

    @property
    def clauses(self) -> list[Clause]:
        """The search box read as a filter; nothing when it holds words. Raises FilterWrong."""
        return parse(self.q) if is_filter(self.q) else []

    @property
    def words(self) -> list[str]:
        """The search box read as words of a name; nothing when it holds a filter."""
        return [] if is_filter(self.q) else self.q.split()[:10]

    @property
    def is_nested(self) -> bool:
        """Whether only top runs are rows of their own: not where any run may be looked for."""
        narrowed = self.q or self.state or self.since or self.dataset or self.is_deleted
        return not (self.is_flat or narrowed or self.group)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.state or self.since or self.dataset)

    @property
    def is_newest_first(self) -> bool:
        return self.sort.text == NEWEST and self.is_descending


def inside(view: View, value: str | None) -> View | None:
    """The runs of one group of a view, by a filter; None when no filter can say it."""
    assert view.group is not None
    key = view.group.key if view.group.key.isidentifier() else f"`{view.group.key}`"
    if value is None:
        clause = f"{view.group.kind}.{key} IS NULL"
    else:
        clause = f"{view.group.kind}.{key} = {_quoted(value)}"
    clauses = (
        [view.q]
        if is_filter(view.q)
        else [f"run_name ILIKE {_quoted(f'%{word}%')}" for word in view.words]
    )
    text = " and ".join([*clauses, clause])
    try:
        parse(text)
    except Invalid:
        return None
    return view.with_(q=text, group=None)


def _quoted(text: str) -> str:
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"


def _require(value: str, known: Sequence[str], name: str) -> None:
    if value and value not in known:
        raise Invalid(
            f"{value[:40]!r} is not a {name} of runs.",
            advice=f"Use {', '.join(known)}.",
            field=name,
        )


def _ids(text: str) -> list[str]:
    """Run ids out of a list with commas; what cannot be one is left out."""
    ids = (part.strip() for part in text.split(","))
    return list(dict.fromkeys(id_ for id_ in ids if id_.isalnum() and len(id_) <= 32))


run_ids = _ids


def write_cursor(values: Sequence[Any]) -> str:
    """Where a page ended, for the next one's address."""
    text = json.dumps(list(values), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, length: int) -> list[Any] | None:
    """The values of a cursor of this length. Raises Invalid."""
    if not text:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != length
        or not all(isinstance(value, str | int | float) for value in values)
    ):
        raise Invalid(
            "The page marker is not one of ours, or of another order of the runs.",
            advice="Begin again at the first page.",
            field="after",
        )
    return values
