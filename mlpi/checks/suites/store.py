"""Reading suites and their versions from the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from mlpi.checks.models import Checkpoint, Suite, SuiteVersion
from mlpi.db import Session
from mlpi.errors import NotFound

# The largest number that an id's column holds; what is beyond it is nobody's.
MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in a list: all but what it expects."""

    number: int
    expectation_count: int
    origin: str
    note: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """A suite in a list, with its newest version."""

    suite: Suite
    newest: VersionLine
    checkpoint_count: int


_LINE = (
    SuiteVersion.number,
    func.json_array_length(SuiteVersion.expectations),
    SuiteVersion.origin,
    SuiteVersion.note,
    SuiteVersion.actor,
    SuiteVersion.created_at,
)


def page(session: Session, workspace: str, words: str) -> list[SuiteRow]:
    """A workspace's suites by name; words: a part of the name or of the description."""
    newest = (
        select(SuiteVersion.suite_id, func.max(SuiteVersion.number).label("number"))
        .group_by(SuiteVersion.suite_id)
        .subquery()
    )
    use_count = (
        select(func.count(Checkpoint.id)).where(Checkpoint.suite_id == Suite.id).scalar_subquery()
    )
    is_newest = (SuiteVersion.suite_id == Suite.id) & (SuiteVersion.number == newest.c.number)
    query = (
        select(Suite, use_count, *_LINE)
        .join(newest, newest.c.suite_id == Suite.id)
        .join(SuiteVersion, is_newest)
        .where(Suite.workspace == workspace)
        .order_by(func.lower(Suite.name))
    )
    if words:
        query = query.where(
            Suite.name.icontains(words, autoescape=True)
            | Suite.description.icontains(words, autoescape=True)
        )
    return [
        SuiteRow(suite, VersionLine(*line), count)
        for suite, count, *line in session.execute(query).all()
    ]


def versions(session: Session, suite_id: int) -> list[VersionLine]:
    """A suite's versions, newest first."""
    query = (
        select(*_LINE).where(SuiteVersion.suite_id == suite_id).order_by(SuiteVersion.number.desc())
    )
    return [VersionLine(*line) for line in session.execute(query).all()]


def uses(session: Session, suite_id: int) -> list[str]:
    """Names of the checkpoints that hold data against a suite."""
    query = select(Checkpoint.name).where(Checkpoint.suite_id == suite_id)
    return list(session.scalars(query.order_by(Checkpoint.name)))


def find_suite(session: Session, workspace: str, suite_id: int) -> Suite:
    """Raises NotFound."""
    suite = session.get(Suite, suite_id) if 0 < suite_id <= MAX_ID else None
    if suite is None or suite.workspace != workspace:
        raise NotFound(f"There is no suite {suite_id} in this workspace.")
    return suite


def find_version(session: Session, suite_id: int, number: int | None) -> SuiteVersion:
    """A suite's version, the newest without a number. Raises NotFound."""
    query = select(SuiteVersion).where(SuiteVersion.suite_id == suite_id)
    if number is not None:
        query = query.where(SuiteVersion.number == max(0, min(number, MAX_ID)))
    version = session.scalar(query.order_by(SuiteVersion.number.desc()).limit(1))
    if version is None:
        raise NotFound(f"The suite has no version {number}.")
    return version
