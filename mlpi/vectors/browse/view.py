"""What somebody looks at in a collection, all of it in the URL."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.errors import Invalid
from mlpi.vectors.browse import clauses
from mlpi.vectors.browse.builder import (
    Row,
    Rows,
    TextRow,
    document_of,
    rows_of,
    texts_of,
    where_of,
)
from mlpi.vectors.browse.clauses import FilterWrong
from mlpi.vectors.records import Condition

SIZES = (25, 50, 100, 200)
MAX_COLUMNS = 30
MAX_K = 100
FARTHEST_PAGE = 10**7
WAYS = ("text", "vector", "like")

Query = Mapping[str, Sequence[str]]
Pairs = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as somebody wrote it, and what it means.

    by: rows or json, which of the two forms is shown. where, document: JSON. rows: what the
    builder shows; shows_where and shows_document are false where rows cannot say it.
    """

    by: str = "rows"
    where: str = ""
    document: str = ""
    ids: tuple[str, ...] = ()
    rows: Rows = field(default_factory=Rows)
    shows_where: bool = True
    shows_document: bool = True
    condition: Condition = field(default_factory=Condition)
    error: FilterWrong | None = None

    @property
    def is_set(self) -> bool:
        return bool(self.where.strip() or self.document.strip() or self.ids)

    @property
    def ids_text(self) -> str:
        """Ids as they stand in the field: one a line, or as JSON when lines cannot hold them."""
        if any(one != one.strip() or "\n" in one or one.startswith("[") for one in self.ids):
            return json.dumps(self.ids, ensure_ascii=False)
        return "\n".join(self.ids)

    def query(self) -> Pairs:
        """Its part of a URL."""
        by = "json" if self.by == "json" and self.shows_where and self.shows_document else ""
        return {"where": self.where, "document": self.document, "ids": self.ids_text, "by": by}

    @classmethod
    def of(cls, query: Query) -> Filter:
        """The filter of a URL or a form. What is wrong with it stands in `error`."""
        by = _one(query, "by")
        rows = Rows(
            tuple(
                Row(key.strip(), operator, value)
                for key, operator, value in zip(*_columns(query, "f", "o", "v"), strict=True)
                if key.strip() or value.strip()
            ),
            _one(query, "join") or "$and",
            tuple(
                TextRow(operator, value)
                for operator, value in zip(*_columns(query, "do", "dv"), strict=True)
                if value
            ),
            _one(query, "djoin") or "$and",
        )
        where, document = _one(query, "where"), _one(query, "document")
        ids = _ids(_one(query, "ids"))
        try:
            if by == "rows":
                # What rows cannot say stays as it is.
                if not _one(query, "kept_where"):
                    where = _compact(where_of(rows.where, rows.join))
                if not _one(query, "kept_document"):
                    document = _compact(document_of(rows.texts, rows.texts_join))
        except FilterWrong as error:
            return cls("rows", where, document, ids, rows, error=error)
        return cls._from_json(by, where, document, ids)

    @classmethod
    def _from_json(cls, by: str, where: str, document: str, ids: tuple[str, ...]) -> Filter:
        try:
            condition = Condition(
                clauses.read(where, "where"), clauses.read(document, "document"), ids or None
            )
        except FilterWrong as error:
            return cls("json", where, document, ids, error=error)
        found, texts = rows_of(condition.where), texts_of(condition.where_document)
        fits = found is not None and texts is not None
        return cls(
            "json" if by == "json" or (not fits and not by) else "rows",
            where.strip(),
            document.strip(),
            ids,
            Rows(*(found or ((), "$and")), *(texts or ((), "$and"))),
            found is not None,
            texts is not None,
            condition,
        )


@dataclass(frozen=True, slots=True)
class RecordsView:
    """The table of records."""

    filter: Filter = field(default_factory=Filter)
    columns: tuple[str, ...] = ()  # keys of metadata; without any they are shown as chips
    size: int = 50
    page: int = 1

    @classmethod
    def of(cls, query: Query) -> RecordsView:
        """The view of a URL. Raises Invalid; a wrong filter is in the filter."""
        page = _number(query, "page", 1, 1, FARTHEST_PAGE)
        size = _number(query, "size", 50, 1, max(SIZES))
        columns = tuple(dict.fromkeys(one for one in query.get("col", ()) if one))[:MAX_COLUMNS]
        return cls(Filter.of(query), columns, size, page)

    def query(self, **changes: Any) -> Pairs:
        """The URL's query of this view, with changes."""
        page, size = changes.get("page", self.page), changes.get("size", self.size)
        return {
            **self.filter.query(),
            "col": list(changes.get("columns", self.columns)),
            "size": "" if size == 50 else str(size),
            "page": "" if page == 1 else str(page),
        }


@dataclass(frozen=True, slots=True)
class SearchView:
    """A search. way: which of text, vector and like is meant."""

    filter: Filter = field(default_factory=Filter)
    way: str = "text"
    text: str = ""
    vector: str = ""
    like: str = ""
    k: int = 10

    @classmethod
    def of(cls, query: Query, default: str) -> SearchView:
        """The search of a URL. default: its way when the URL names none. Raises Invalid."""
        like, text, vector = (_one(query, name) for name in ("like", "text", "vector"))
        way = _one(query, "way")
        if way not in WAYS:
            way = "like" if like else "text" if text else "vector" if vector else default
        k = _number(query, "k", 10, 1, MAX_K)
        return cls(Filter.of(query), way, text, vector, like, k)

    @property
    def asks(self) -> bool:
        """Whether there is something to search for."""
        return bool(
            {"text": self.text.strip(), "vector": self.vector.strip()}.get(self.way, self.like)
        )

    def query(self) -> Pairs:
        said = {"text": self.text, "vector": self.vector, "like": self.like}
        return {
            "way": self.way,
            self.way: said[self.way],
            "k": "" if self.k == 10 else str(self.k),
            **self.filter.query(),
        }


def vector_of(text: str, dimension: int | None = None) -> array[float]:
    """Numbers as a JSON list, or separated by commas, spaces or newlines, as (dimension,).

    Raises Invalid, naming the first part that is no number, or the count that would be right.
    """
    text = text.strip()
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    parts = re.split(r"[\s,;]+", inner.strip().strip(",;").strip())
    found = array("f")
    for number, part in enumerate(parts, 1):
        try:
            found.append(_finite(part))
        except (ValueError, OverflowError):
            raise Invalid(
                f"Part {number} of the vector, {part[:40]!r}, is not a finite number."
                if part
                else "The vector is empty.",
                advice="Paste a JSON list, or numbers between commas, spaces or newlines.",
                field="vector",
            ) from None
    if dimension is not None and len(found) != dimension:
        raise Invalid(
            f"The vector has {len(found):,} numbers, but this collection's have {dimension:,}.",
            field="vector",
        )
    return found


def numbers_of(vector: Sequence[float]) -> list[float]:
    """A vector's numbers as short as float32 allows: 0.1 rather than 0.10000000149011612."""
    return [_short(one) for one in array("f", vector)]


def _short(value: float) -> float:
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if array("f", (short,))[0] == value:
            return short
    return float(f"{value:.9g}")


def _finite(part: str) -> float:
    value = array("f", (float(part),))[0]  # as Chroma keeps it
    if not math.isfinite(value) or "_" in part:
        raise ValueError
    return value


def _ids(text: str) -> tuple[str, ...]:
    """Ids of a field: one a line, or a JSON list of texts."""
    if text.strip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return tuple(dict.fromkeys(one for one in found if one))
    lines = (line.strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def _compact(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _columns(query: Query, *names: str) -> list[Sequence[str]]:
    found = [list(query.get(name, ())) for name in names]
    longest = max(map(len, found), default=0)
    return [[*one, *[""] * (longest - len(one))] for one in found]


def _one(query: Query, name: str) -> str:
    """A parameter without what no database holds, and with one kind of line ends."""
    text = (query.get(name) or [""])[-1]
    return text.replace("\0", "").replace("\r\n", "\n")


def _number(query: Query, name: str, default: int, least: int, most: int) -> int:
    text = _one(query, name).strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
        raise Invalid(
            f"{name} is {text[:20]!r}; a number from {least} to {most:,} is right.", field=name
        )
    return int(text)
