"""What the pages of suites show: expectations grouped, sorted and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlpi.checks.models import Dataset, DatasetVersion
from mlpi.checks.suites import vocabulary
from mlpi.checks.suites.diff import Diff
from mlpi.checks.suites.proposing import Proposal
from mlpi.checks.suites.rules import Expectation
from mlpi.checks.suites.sentences import listed, phrase, subject
from mlpi.checks.suites.vocabulary import ExpectationType

MAX_COLUMNS = 1000  # offered for completion
TABLE = "table"
# A row condition's operators, and how a form calls them.
OPERATORS = (
    ("==", "is"),
    ("!=", "is not"),
    ("<", "<"),
    ("<=", "≤"),
    (">", ">"),
    (">=", "≥"),
    ("IN", "is one of"),
    ("NOT_IN", "is none of"),
    ("is null", "is missing"),
    ("is not null", "is not missing"),
)
# The order of the vocabulary's groups: what is asked most comes first.
_ISSUES = ("Completeness", "Uniqueness", "Numeric", "Validity", "Schema", "Volume")


class Datasets(Protocol):
    """What this room's suites need of its datasets."""

    def ready_versions(self, workspace: str) -> list[tuple[Dataset, DatasetVersion]]:
        """All versions that have a profile."""
        ...

    def version(self, workspace: str, version_id: int) -> tuple[Dataset, DatasetVersion]:
        """A version with its profile. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """An expectation on a page. title and description are the library's."""

    id: str
    type: str
    title: str
    description: str
    words: str
    severity: str
    notes: str
    own_words: str
    arguments: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """What is expected of one column, of several together, or of the table.

    column: the one column's name, empty for the others.
    """

    subject: str
    is_table: bool
    column: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Offer:
    """A proposal as a line of a form. is_there: the suite expects something of this type."""

    key: str
    proposal: Proposal
    is_there: bool
    is_chosen: bool

    @property
    def line(self) -> Line:
        return line(self.proposal.expectation)

    @property
    def subject(self) -> str:
        return subject(self.proposal.expectation)

    @property
    def sureness(self) -> str:
        """The confidence as a word."""
        confidence = self.proposal.confidence
        return "sure" if confidence >= 0.7 else "likely" if confidence >= 0.5 else "perhaps"


@dataclass(frozen=True, slots=True)
class Entry:
    """An expectation away from its group."""

    subject: str
    line: Line


@dataclass(frozen=True, slots=True)
class DiffView:
    """A difference in words; fields of a change as (name, before, after)."""

    added: list[Entry]
    removed: list[Entry]
    changed: list[tuple[Entry, list[tuple[str, str, str]]]]
    is_reordered: bool
    is_empty: bool


def groups(expectations: Sequence[Expectation]) -> list[Group]:
    """By subject: the table first, then as the suite has them."""
    found: dict[tuple[str, str], list[Line]] = {}
    for one in expectations:
        found.setdefault((subject(one), str(one["kwargs"].get("column", ""))), []).append(line(one))
    grouped = [
        Group(name, is_table=name == TABLE and not column, column=column, lines=lines)
        for (name, column), lines in found.items()
    ]
    return sorted(grouped, key=lambda group: not group.is_table)


def line(expectation: Expectation) -> Line:
    known = vocabulary.load().get(expectation["type"])
    notes = expectation.get("notes", "")
    return Line(
        id=expectation["id"],
        type=expectation["type"],
        title=known.title if known else expectation["type"],
        description=known.description if known else "",
        words=phrase(expectation),
        severity=expectation["severity"],
        notes="\n".join(notes) if isinstance(notes, list) else notes,
        own_words=expectation.get("description", ""),
        arguments=[
            (name, shown(one))
            for name, one in expectation["kwargs"].items()
            if name not in ("column", "row_condition")  # the heading and the words say them
        ],
    )


def entry(expectation: Expectation) -> Entry:
    return Entry(subject(expectation), line(expectation))


def diff_view(found: Diff) -> DiffView:
    """For the page of a difference."""
    return DiffView(
        added=[entry(one) for one in found.added],
        removed=[entry(one) for one in found.removed],
        changed=[
            (
                entry(one.after),
                [
                    (field.name, _or_default(field.before), _or_default(field.after))
                    for field in one.fields
                ],
            )
            for one in found.changed
        ],
        is_reordered=found.is_reordered,
        is_empty=found.is_empty,
    )


def about(expectation: Expectation) -> tuple[str, str]:
    """By which two expectations ask the same question, perhaps with another answer."""
    return expectation["type"], subject(expectation)


def shown(value: Any) -> str:
    """An argument's value to read."""
    return "yes" if value is True else "no" if value is False else listed(value)


def _or_default(value: Any) -> str:
    return "default" if value is None else shown(value) or "nothing"


def by_issue(found: Iterable[ExpectationType]) -> list[tuple[str, list[ExpectationType]]]:
    """The vocabulary in groups by what it is about."""
    grouped: dict[str, list[ExpectationType]] = {}
    for one in found:
        grouped.setdefault(one.issues[0] if one.issues else "Other", []).append(one)
    order = {issue: index for index, issue in enumerate(_ISSUES)}
    return sorted(grouped.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))


def columns_of(
    expectations: Sequence[Expectation], ready: Sequence[tuple[Dataset, DatasetVersion]]
) -> list[str]:
    """Names of columns to offer: the suite's own, then those of the data that is there."""
    found: dict[str, None] = {}
    for one in expectations:
        for name, value in one["kwargs"].items():
            if name in ("column", "column_A", "column_B") and isinstance(value, str):
                found[value] = None
            elif name in ("column_list", "column_set") and isinstance(value, list):
                found.update(dict.fromkeys(map(str, value)))
    for _dataset, version in ready:
        found.update(dict.fromkeys(str(column[0]) for column in version.columns or ()))
        if len(found) > MAX_COLUMNS:
            break
    return list(found)[:MAX_COLUMNS]
