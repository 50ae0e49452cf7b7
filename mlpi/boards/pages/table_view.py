"""How the table of hyperparameters is shown, in the URL: sorted, filtered, with which columns.

sort=FIELD, dir=desc        FIELD is `run`, `hparam.NAME` or `metric.TAG`
find=REGEX                  rows whose run or any text it finds
where=FIELD:LOW..HIGH       numbers in a range, either end may be left out
where=FIELD=VALUE           this value alone, as it is written in the table
pick=1, col=FIELD           these columns, instead of the first ones
range=FIELD:FROM:TO         of the drawing alone, by its script
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpi.boards.kinds.hparams import Value
from mlpi.boards.kinds.sessions import Column, Row, Table
from mlpi.boards.patterns import compiled, matching
from mlpi.boards.tree import natural
from mlpi.errors import Invalid

RUN = "run"
FIRST_COLUMNS = 16  # shown when none are chosen
MOST_CONDITIONS = 20
_RANGE = re.compile(r"\s*([^\s.]\S*?|\.\d\S*?)?\s*\.\.\s*(\S+)?\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """A range of numbers, or the one value that is meant."""

    field: str
    low: float | None = None
    high: float | None = None
    value: str | None = None

    @classmethod
    def of(cls, field: str, given: str) -> Condition:
        """given: '0.1..0.5', '..3', '7..' or a value. Raises Invalid."""
        given = given.strip()
        if not field or not given:
            raise Invalid("A filter needs a column and a value or a range.", field="given")
        found = _RANGE.fullmatch(given)
        if found is None or found[1] is found[2] is None:
            return cls(field, value=given)
        try:
            low, high = (float(part) if part else None for part in found.groups())
        except ValueError:
            raise Invalid(
                f"{given[:60]!r} is no range of numbers.",
                advice="Write 0.001..0.1, or ..0.1 or 0.001.. for one end alone.",
                field="given",
            ) from None
        return cls(field, low, high)

    @classmethod
    def read(cls, text: str) -> Condition:
        """From a URL: FIELD:RANGE or FIELD=VALUE. Raises Invalid."""
        by_range = text.rpartition(":")
        if by_range[1] and _RANGE.fullmatch(by_range[2]):
            return cls.of(by_range[0], by_range[2])
        field, _, value = text.partition("=")
        return cls.of(field, value)

    @property
    def text(self) -> str:
        """As in the URL."""
        return (
            f"{self.field}={self.value}" if self.value is not None else f"{self.field}:{self.span}"
        )

    @property
    def span(self) -> str:
        """The range as people write it."""
        return f"{_bare(self.low)}..{_bare(self.high)}"

    def holds(self, value: Value | None) -> bool:
        if value is None:
            return False
        if self.value is not None:
            return _is_same(value, self.value)
        if isinstance(value, str | bool):
            return False
        is_above = self.low is None or value >= self.low
        return is_above and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class TableView:
    sort: str = RUN
    is_descending: bool = False
    find: str = ""
    conditions: tuple[Condition, ...] = ()
    picked: tuple[str, ...] | None = None

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> TableView:
        """Raises Invalid for a condition that is none."""

        def one(name: str) -> str:
            return (query.get(name) or [""])[-1].strip().replace("\0", "")

        conditions = [Condition.read(text) for text in query.get("where", ())[:MOST_CONDITIONS]]
        if one("given"):
            conditions.append(Condition.of(one("field"), one("given")))
        return cls(
            sort=one("sort") or RUN,
            is_descending=one("dir") == "desc",
            find=one("find"),
            conditions=tuple(dict.fromkeys(conditions)),
            picked=tuple(query.get("col", ())) if one("pick") else None,
        )

    def query(self, **changes: Any) -> dict[str, Any]:
        """Its parameters, without what is as it is at first."""
        view = replace(self, **changes)
        found: dict[str, Any] = {
            "sort": view.sort if view.sort != RUN else "",
            "dir": "desc" if view.is_descending else "",
            "find": view.find,
            "where": [one.text for one in view.conditions],
            "pick": "1" if view.picked is not None else "",
            "col": list(view.picked or ()),
        }
        return {name: value for name, value in found.items() if value}

    def without(self, condition: Condition) -> dict[str, Any]:
        return self.query(conditions=tuple(one for one in self.conditions if one != condition))

    def sorted_by(self, field: str) -> dict[str, Any]:
        """Ascending at first, then descending."""
        return self.query(sort=field, is_descending=self.sort == field and not self.is_descending)

    def columns(self, table: Table) -> list[Column]:
        if self.picked is None:
            hparams = [one for one in table.columns if not one.is_metric]
            metrics = [one for one in table.columns if one.is_metric]
            room = max(FIRST_COLUMNS - len(metrics), FIRST_COLUMNS // 2)
            return hparams[:room] + metrics[: max(FIRST_COLUMNS - len(hparams), FIRST_COLUMNS // 2)]
        return [one for one in table.columns if one.field in self.picked]

    def rows(self, table: Table) -> list[Row]:
        """Those that all conditions hold for, sorted; missing values last. Raises Invalid."""
        rows = [
            row
            for row in table.rows
            if all(one.holds(row.cells.get(one.field)) for one in self.conditions)
        ]
        if self.find:
            found = matching(compiled(self.find, field="find"), _texts(rows), field="find")
            rows = [row for row in rows if any(text in found for text in _texts([row]))]
        rows.sort(key=lambda row: natural(row.run))
        if self.sort == RUN:
            return rows[::-1] if self.is_descending else rows
        present = [row for row in rows if self.sort in row.cells]
        missing = [row for row in rows if self.sort not in row.cells]
        present.sort(key=lambda row: _order(row.cells[self.sort]), reverse=self.is_descending)
        return present + missing


def _texts(rows: Iterable[Row]) -> list[str]:
    return [
        text
        for row in rows
        for text in (row.run, *(one for one in row.cells.values() if isinstance(one, str)))
    ]


def _order(value: Value) -> tuple[int, float, list[tuple[int, int | str]]]:
    """Numbers before texts, whichever a column mixes."""
    if isinstance(value, str):
        return 1, 0.0, natural(value)
    return 0, float(value), []


def _is_same(value: Value, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    try:
        return value == float(text)
    except ValueError:
        return False


def _bare(number: float | None) -> str:
    return "" if number is None else f"{number:.12g}"
