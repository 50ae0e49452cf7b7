"""Tables of datasets, expectation suites, checkpoints and what they found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, deferred, mapped_column

from mlpi.db import Base, UtcDateTime


class DatasetKind(StrEnum):
    """Where a dataset's rows lie."""

    FILE = "file"  # uploaded, kept in the store
    PATH = "path"  # a file or a pattern under a folder that the settings allow, left in place
    SQL = "sql"  # a table or query of another database


class VersionState(StrEnum):
    """How far a version has been looked at."""

    PROFILING = "profiling"
    READY = "ready"
    FAILED = "failed"


class Dataset(Base):
    """A table that is checked again and again.

    options: how to read it, as in Source. location: {"pattern"} of a PATH; {"url" without its
    password, "table" or "query"} of SQL, whose whole URL is sealed_url (see mlpi/auth/vault.py).
    """

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("workspace", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(8))
    description: Mapped[str] = mapped_column(String(500), default="")
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    location: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_url: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DatasetVersion(Base):
    """One content of a dataset, by its hash.

    A SQL table has one version, whose sha256 is empty and whose profile is renewed. path is where
    a PATH's file lay; a FILE's is found in the store by its hash. origin: where the content came
    from, such as {"by": "upload"} or {"by": "labels", "project": 3, "snapshot": 7}.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        UniqueConstraint("dataset_id", "number"),
        UniqueConstraint("dataset_id", "sha256"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    file_name: Mapped[str] = mapped_column(String(255), default="")
    format: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text, default="")
    origin: Mapped[dict[str, Any]] = mapped_column(JSON)
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16), default=VersionState.PROFILING)
    error: Mapped[str] = mapped_column(String(500), default="")
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[list[list[str]]] = mapped_column(JSON)  # [name, type] each
    profile: Mapped[dict[str, Any] | None] = deferred(mapped_column(JSON(none_as_null=True)))
    preview: Mapped[dict[str, Any] | None] = deferred(mapped_column(JSON(none_as_null=True)))
    profiled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Suite(Base):
    """An expectation suite; what it expects is in its versions."""

    __tablename__ = "suites"
    __table_args__ = (UniqueConstraint("workspace", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), default="")
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SuiteVersion(Base):
    """What a suite expected from one moment on; never changed.

    expectations: Great Expectations' own JSON, each with an id that stays through versions.
    meta: the suite's meta. origin: "edited", "proposed", "imported", "restored".
    """

    __tablename__ = "suite_versions"
    __table_args__ = (UniqueConstraint("suite_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    suite_id: Mapped[int] = mapped_column(ForeignKey("suites.id", ondelete="CASCADE"))
    number: Mapped[int]
    expectations: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    meta: Mapped[dict[str, Any]] = mapped_column(JSON)
    origin: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(300), default="")
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CheckState(StrEnum):
    """How a checkpoint is, and how a validation ended."""

    NEW = "new"  # a checkpoint that has not run
    RUNNING = "running"  # of a validation alone
    PASSED = "passed"
    FAILED = "failed"  # the data does not fulfil the suite
    ERROR = "error"  # nobody knows: the data could not be read, or the worker died


class Checkpoint(Base):
    """A dataset held against a suite.

    pick: "newest" version, "version" (pick_value: its number) or "pattern" (pick_value: a glob
    under an allowed folder, of which the newest file is taken). suite_version: a number, or None
    for the newest. actions: [{"kind": "webhook" | "email" | "ntfy", "target": …, "on": "change" |
    "failure" | "always", "sealed": …}]. alert_after and recover_after: so many runs in a row make
    it failing or well again, so that one flap does not ring.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("workspace", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(100))
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    suite_id: Mapped[int] = mapped_column(ForeignKey("suites.id"), index=True)
    pick: Mapped[str] = mapped_column(String(8), default="newest")
    pick_value: Mapped[str] = mapped_column(String(500), default="")
    suite_version: Mapped[int | None]
    result_format: Mapped[str] = mapped_column(String(16), default="SUMMARY")
    row_limit: Mapped[int | None] = mapped_column(BigInteger)
    runs_on_new_version: Mapped[bool] = mapped_column(default=False)
    actions: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    alert_after: Mapped[int] = mapped_column(default=1)
    recover_after: Mapped[int] = mapped_column(default=1)
    keep_runs: Mapped[int] = mapped_column(default=100)
    state: Mapped[str] = mapped_column(String(8), default=CheckState.NEW)
    is_alerting: Mapped[bool] = mapped_column(default=False)
    streak: Mapped[int] = mapped_column(default=0)  # runs in a row against is_alerting
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Validation(Base):
    """One run of a checkpoint.

    result: Great Expectations' ExpectationSuiteValidationResult as JSON. observed: by
    expectation id, {"success", "value"} for the trend. figures: {"wall_s", "rows", "engines"}.
    target: what was validated, in words that outlive it, such as "wine, version 3".
    """

    __tablename__ = "validations"
    __table_args__ = (
        Index("ix_validations_checkpoint", "checkpoint_id", "id"),
        Index("ix_validations_version", "dataset_version_id"),
        Index("ix_validations_job", "job_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id", ondelete="CASCADE"))
    dataset_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("dataset_versions.id", ondelete="SET NULL")
    )
    suite_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("suite_versions.id", ondelete="SET NULL")
    )
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    target: Mapped[str] = mapped_column(String(300))
    cause: Mapped[str] = mapped_column(String(16))  # "hand", "schedule", "version", "api"
    actor: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(8), default=CheckState.RUNNING)
    error: Mapped[str] = mapped_column(String(500), default="")
    statistics: Mapped[dict[str, Any]] = mapped_column(JSON)
    observed: Mapped[dict[str, Any]] = mapped_column(JSON)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = deferred(mapped_column(JSON(none_as_null=True)))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Delivery(Base):
    """One message of a checkpoint to somebody, and whether it arrived."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    validation_id: Mapped[int] = mapped_column(
        ForeignKey("validations.id", ondelete="CASCADE"), index=True
    )
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    kind: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(String(500))
    event: Mapped[str] = mapped_column(String(16))  # "failing", "recovered", or how the run ended
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(16))  # "queued", "sent", "failed"
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
