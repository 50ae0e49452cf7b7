"""Datasets, checkpoints and validations in SQL. Callers bring the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, undefer

from mlpi.checks.models import (
    Checkpoint,
    CheckState,
    Dataset,
    DatasetVersion,
    Delivery,
    Suite,
    SuiteVersion,
    Validation,
    VersionState,
)


def datasets(session: Session, workspace: str) -> Sequence[Dataset]:
    """A workspace's datasets by name."""
    query = select(Dataset).where(Dataset.workspace == workspace).order_by(Dataset.name)
    return session.scalars(query).all()


def dataset(session: Session, workspace: str, key: int | str) -> Dataset | None:
    """A dataset by its id or its name."""
    column = Dataset.id if isinstance(key, int) else Dataset.name
    return session.scalar(select(Dataset).where(Dataset.workspace == workspace, column == key))


def newest_versions(session: Session, ids: Sequence[int]) -> dict[int, DatasetVersion]:
    """The newest version of each dataset that has one."""
    newest = (
        select(func.max(DatasetVersion.id))
        .where(DatasetVersion.dataset_id.in_(ids))
        .group_by(DatasetVersion.dataset_id)
    )
    query = select(DatasetVersion).where(DatasetVersion.id.in_(newest))
    return {version.dataset_id: version for version in session.scalars(query)}


def version_counts(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """How many versions each dataset has."""
    query = (
        select(DatasetVersion.dataset_id, func.count())
        .where(DatasetVersion.dataset_id.in_(ids))
        .group_by(DatasetVersion.dataset_id)
    )
    return dict(session.execute(query).all())


def versions(session: Session, dataset_id: int, limit: int = 200) -> Sequence[DatasetVersion]:
    """A dataset's versions, newest first, without profiles."""
    query = (
        select(DatasetVersion)
        .where(DatasetVersion.dataset_id == dataset_id)
        .order_by(DatasetVersion.number.desc())
        .limit(limit)
    )
    return session.scalars(query).all()


def version(
    session: Session, workspace: str, version_id: int
) -> tuple[Dataset, DatasetVersion] | None:
    """A version with its profile and preview, and its dataset."""
    query = (
        select(Dataset, DatasetVersion)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(DatasetVersion.id == version_id, Dataset.workspace == workspace)
        .options(undefer(DatasetVersion.profile), undefer(DatasetVersion.preview))
    )
    found = session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def numbered(session: Session, dataset_id: int, number: int | None) -> DatasetVersion | None:
    """A dataset's version of this number, or its newest."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    if number is None:
        query = query.order_by(DatasetVersion.number.desc()).limit(1)
    else:
        query = query.where(DatasetVersion.number == number)
    return session.scalar(query)


def by_hash(session: Session, dataset_id: int, sha256: str) -> DatasetVersion | None:
    return session.scalar(
        select(DatasetVersion).where(
            DatasetVersion.dataset_id == dataset_id, DatasetVersion.sha256 == sha256
        )
    )


def next_number(session: Session, dataset_id: int) -> int:
    query = select(func.max(DatasetVersion.number)).where(DatasetVersion.dataset_id == dataset_id)
    return (session.scalar(query) or 0) + 1


def ready_versions(session: Session, workspace: str) -> list[tuple[Dataset, DatasetVersion]]:
    """All profiled versions of a workspace, by dataset, newest first."""
    query = (
        select(Dataset, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
        .where(Dataset.workspace == workspace, DatasetVersion.state == VersionState.READY)
        .order_by(Dataset.name, DatasetVersion.number.desc())
    )
    return [(found, version) for found, version in session.execute(query)]


def is_content_used(session: Session, workspace: str, sha256: str) -> bool:
    """Whether a version of any dataset of the workspace has this content."""
    query = (
        select(DatasetVersion.id)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(Dataset.workspace == workspace, DatasetVersion.sha256 == sha256)
        .limit(1)
    )
    return session.scalar(query) is not None


def size_bytes(session: Session, workspace: str) -> int:
    """What the workspace's stored contents take."""
    each = (
        select(DatasetVersion.sha256, func.max(DatasetVersion.size_bytes).label("size"))
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(Dataset.workspace == workspace, DatasetVersion.path == "")
        .group_by(DatasetVersion.sha256)
        .subquery()
    )
    return int(session.scalar(select(func.coalesce(func.sum(each.c.size), 0))) or 0)


def checkpoints(session: Session, workspace: str) -> Sequence[tuple[Checkpoint, Dataset, Suite]]:
    """A workspace's checkpoints: those that ring first, then by name."""
    query = (
        select(Checkpoint, Dataset, Suite)
        .join(Dataset, Dataset.id == Checkpoint.dataset_id)
        .join(Suite, Suite.id == Checkpoint.suite_id)
        .where(Checkpoint.workspace == workspace)
        .order_by(Checkpoint.is_alerting.desc(), Checkpoint.name)
    )
    return [(one, data, suite) for one, data, suite in session.execute(query)]


def checkpoint(session: Session, workspace: str, key: int | str) -> Checkpoint | None:
    """A checkpoint by its id or its name."""
    column = Checkpoint.id if isinstance(key, int) else Checkpoint.name
    return session.scalar(
        select(Checkpoint).where(Checkpoint.workspace == workspace, column == key)
    )


def checkpoint_counts(session: Session, workspace: str) -> dict[str, int]:
    """How many checkpoints are in each state."""
    query = (
        select(Checkpoint.state, func.count())
        .where(Checkpoint.workspace == workspace)
        .group_by(Checkpoint.state)
    )
    return dict(session.execute(query).all())


def alerting_count(session: Session, workspace: str) -> int:
    """How many checkpoints ring."""
    query = select(func.count()).where(Checkpoint.workspace == workspace, Checkpoint.is_alerting)
    return session.scalar(query) or 0


def checkpoints_of_dataset(session: Session, dataset_id: int) -> Sequence[Checkpoint]:
    query = select(Checkpoint).where(Checkpoint.dataset_id == dataset_id).order_by(Checkpoint.name)
    return session.scalars(query).all()


def suite_named(session: Session, workspace: str, name: str) -> Suite | None:
    return session.scalar(select(Suite).where(Suite.workspace == workspace, Suite.name == name))


def suite_version(session: Session, suite_id: int, number: int | None) -> SuiteVersion | None:
    """A suite's version of this number, or its newest."""
    query = select(SuiteVersion).where(SuiteVersion.suite_id == suite_id)
    if number is None:
        query = query.order_by(SuiteVersion.number.desc()).limit(1)
    else:
        query = query.where(SuiteVersion.number == number)
    return session.scalar(query)


def validation(
    session: Session, workspace: str, validation_id: int
) -> tuple[Validation, Checkpoint] | None:
    """A validation with its result, and its checkpoint."""
    query = (
        select(Validation, Checkpoint)
        .join(Checkpoint, Checkpoint.id == Validation.checkpoint_id)
        .where(Validation.id == validation_id, Checkpoint.workspace == workspace)
        .options(undefer(Validation.result))
    )
    found = session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def validation_of_job(session: Session, job_id: int) -> Validation | None:
    """The newest run that a job made; it makes another when somebody retries it."""
    query = select(Validation).where(Validation.job_id == job_id)
    return session.scalar(query.order_by(Validation.id.desc()).limit(1))


def known_validations(session: Session, ids: Sequence[int]) -> set[int]:
    """Those of the ids that are still there."""
    return {
        known
        for begin in range(0, len(ids), 500)
        for known in session.scalars(
            select(Validation.id).where(Validation.id.in_(ids[begin : begin + 500]))
        )
    }


def validations(
    session: Session,
    *,
    checkpoint_id: int | None = None,
    dataset_version_id: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Validation]:
    """Validations, newest first, without their results; before_id continues a page."""
    query = select(Validation).order_by(Validation.id.desc()).limit(limit)
    if checkpoint_id is not None:
        query = query.where(Validation.checkpoint_id == checkpoint_id)
    if dataset_version_id is not None:
        query = query.where(Validation.dataset_version_id == dataset_version_id)
    if before_id is not None:
        query = query.where(Validation.id < before_id)
    return session.scalars(query).all()


def latest_validation(
    session: Session, checkpoint_id: int, *, dataset_version_id: int | None = None
) -> Validation | None:
    """The newest ended validation, of one dataset version if asked."""
    query = (
        select(Validation)
        .where(Validation.checkpoint_id == checkpoint_id, Validation.state != CheckState.RUNNING)
        .order_by(Validation.id.desc())
        .limit(1)
    )
    if dataset_version_id is not None:
        query = query.where(Validation.dataset_version_id == dataset_version_id)
    return session.scalar(query)


def recent_states(
    session: Session, checkpoint_ids: Sequence[int], each: int
) -> dict[int, list[tuple[int, str]]]:
    """The last ended validations of each checkpoint as (id, state), oldest first."""
    rank = (
        func.row_number()
        .over(partition_by=Validation.checkpoint_id, order_by=Validation.id.desc())
        .label("rank")
    )
    ranked = (
        select(Validation.id, Validation.checkpoint_id, Validation.state, rank)
        .where(Validation.checkpoint_id.in_(checkpoint_ids), Validation.state != CheckState.RUNNING)
        .subquery()
    )
    query = select(ranked).where(ranked.c.rank <= each).order_by(ranked.c.id)
    found: dict[int, list[tuple[int, str]]] = {}
    for row in session.execute(query):
        found.setdefault(row.checkpoint_id, []).append((row.id, row.state))
    return found


def prune_validations(session: Session, checkpoint_id: int, keep: int) -> None:
    """Remove a checkpoint's ended validations but the newest ones."""
    oldest_kept = session.scalar(
        select(Validation.id)
        .where(Validation.checkpoint_id == checkpoint_id)
        .order_by(Validation.id.desc())
        .offset(keep - 1)
        .limit(1)
    )
    if oldest_kept is not None:
        session.execute(
            delete(Validation).where(
                Validation.checkpoint_id == checkpoint_id,
                Validation.id < oldest_kept,
                Validation.state != CheckState.RUNNING,
            )
        )


def deliveries(session: Session, validation_ids: Sequence[int]) -> Sequence[Delivery]:
    """What was sent about these validations, in order."""
    query = select(Delivery).where(Delivery.validation_id.in_(validation_ids)).order_by(Delivery.id)
    return session.scalars(query).all()


def put(session: Session, row: Any, *, at: datetime | None = None) -> Any:
    """Add a row and give it its id."""
    if at is not None:
        row.created_at = at
    session.add(row)
    session.flush()
    return row
