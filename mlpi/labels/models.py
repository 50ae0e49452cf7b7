"""Tables of labeling: projects, tasks, what people and models said of them, and who has what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime

# What reviewers say of an annotation; "" before they have.
ACCEPTED, FIXED, REJECTED = "accepted", "fixed", "rejected"


class LabelProject(Base):
    """What is labeled, and how.

    options: the rest of what Label Studio's API lets one set, by its names there. *_count: of its
    tasks and annotations, kept by the same transactions that change them.
    """

    __tablename__ = "label_projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63), index=True)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    label_config: Mapped[str] = mapped_column(Text)
    maximum_annotations: Mapped[int] = mapped_column(default=1)
    sampling: Mapped[str] = mapped_column(String(32))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_by_id: Mapped[int]
    created_by_name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_inner_id: Mapped[int] = mapped_column(default=0)
    task_count: Mapped[int] = mapped_column(default=0)
    finished_count: Mapped[int] = mapped_column(default=0)
    annotated_count: Mapped[int] = mapped_column(default=0)  # tasks with an annotation
    annotation_count: Mapped[int] = mapped_column(default=0)  # skipped ones are not among them
    skipped_count: Mapped[int] = mapped_column(default=0)
    ground_truth_count: Mapped[int] = mapped_column(default=0)
    prediction_count: Mapped[int] = mapped_column(default=0)


class LabelTask(Base):
    """One thing to label. data, meta: JSON as it came; lot: a random number, for a random order."""

    __tablename__ = "label_tasks"
    __table_args__ = (
        Index("ix_label_tasks_project", "project_id", "id"),
        Index("ix_label_tasks_queue", "project_id", "is_labeled", "id"),
        Index("ix_label_tasks_lots", "project_id", "is_labeled", "lot"),
        Index("ix_label_tasks_scores", "project_id", "is_labeled", "prediction_score"),
        Index("ix_label_tasks_agreement", "project_id", "agreement"),
        Index("ix_label_tasks_changes", "project_id", "updated_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("label_projects.id", ondelete="CASCADE"))
    inner_id: Mapped[int]
    data: Mapped[str] = mapped_column(Text)
    meta: Mapped[str] = mapped_column(Text, default="{}")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_by_id: Mapped[int | None]
    is_labeled: Mapped[bool] = mapped_column(default=False)
    annotation_count: Mapped[int] = mapped_column(default=0)
    skipped_count: Mapped[int] = mapped_column(default=0)
    prediction_count: Mapped[int] = mapped_column(default=0)
    prediction_score: Mapped[float | None]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # its last annotation's
    agreement: Mapped[float | None]  # of its annotations, 0 to 1; None: fewer than two
    lot: Mapped[int]
    file_id: Mapped[int | None]  # of the uploaded file that it came in


class LabelAnnotation(Base):
    """What a person said of a task. result: JSON, checked. key: its sender's, so that one that is
    sent again is not kept twice."""

    __tablename__ = "label_annotations"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        Index("ix_label_annotations_project", "project_id", "id"),
        Index("ix_label_annotations_people", "project_id", "completed_by_id"),
        Index("ix_label_annotations_review", "project_id", "review", "was_cancelled", "id"),
        Index("ix_label_annotations_days", "project_id", "created_at", "was_cancelled"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(
        ForeignKey("label_tasks.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    result: Mapped[str] = mapped_column(Text)
    result_count: Mapped[int] = mapped_column(default=0)
    completed_by_id: Mapped[int]
    completed_by_name: Mapped[str] = mapped_column(String(64))
    updated_by_id: Mapped[int]
    was_cancelled: Mapped[bool] = mapped_column(default=False)
    skip_reason: Mapped[str] = mapped_column(String(500), default="")
    ground_truth: Mapped[bool] = mapped_column(default=False)
    lead_time_s: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    draft_created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    parent_prediction_id: Mapped[int | None]
    parent_annotation_id: Mapped[int | None]
    import_id: Mapped[int | None]
    last_action: Mapped[str] = mapped_column(String(32), default="submitted")
    review: Mapped[str] = mapped_column(String(16), default="")  # accepted, fixed, rejected


class LabelDraft(Base):
    """What a person has not sent yet; annotation_id: of which annotation, 0 of a new one."""

    __tablename__ = "label_drafts"
    __table_args__ = (UniqueConstraint("task_id", "user_id", "annotation_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("label_tasks.id", ondelete="CASCADE"))
    user_id: Mapped[int]
    user_name: Mapped[str] = mapped_column(String(64))
    annotation_id: Mapped[int] = mapped_column(default=0)
    result: Mapped[str] = mapped_column(Text)
    lead_time_s: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LabelPrediction(Base):
    """What a model said of a task."""

    __tablename__ = "label_predictions"
    __table_args__ = (Index("ix_label_predictions_project", "project_id", "model_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(
        ForeignKey("label_tasks.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[int]
    result: Mapped[str] = mapped_column(Text)
    score: Mapped[float | None]
    model_version: Mapped[str] = mapped_column(String(255), default="undefined")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LabelLease(Base):
    """A task that somebody has before them until a time, so that no other is given it."""

    __tablename__ = "label_leases"

    task_id: Mapped[int] = mapped_column(
        ForeignKey("label_tasks.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LabelAssignment(Base):
    """A task that is meant for somebody: they get it before all others, and others do not."""

    __tablename__ = "label_assignments"

    task_id: Mapped[int] = mapped_column(
        ForeignKey("label_tasks.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[int] = mapped_column(index=True)


class LabelReview(Base):
    """What a reviewer said of an annotation. verdict: accepted, fixed or rejected."""

    __tablename__ = "label_reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    annotation_id: Mapped[int] = mapped_column(
        ForeignKey("label_annotations.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[int] = mapped_column(index=True)
    verdict: Mapped[str] = mapped_column(String(16))
    comment: Mapped[str] = mapped_column(Text, default="")
    created_by_id: Mapped[int]
    created_by_name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LabelView(Base):
    """A way to look at a project's tasks: a tab of the data manager, by Label Studio's words.

    data: columns and the like; filters: {"conjunction", "items"}; ordering: columns, "-" for down.
    """

    __tablename__ = "label_views"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(
        ForeignKey("label_projects.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int]
    place: Mapped[int] = mapped_column(default=0)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    filters: Mapped[dict[str, Any]] = mapped_column(JSON)
    ordering: Mapped[list[str]] = mapped_column(JSON)
    selected: Mapped[dict[str, Any]] = mapped_column(JSON)


class LabelFile(Base):
    """A file that was uploaded: media that tasks name, or tasks to read. key: its name on disk."""

    __tablename__ = "label_files"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(
        ForeignKey("label_projects.id", ondelete="CASCADE"), index=True
    )
    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_by_id: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LabelExport(Base):
    """A stored snapshot of a project. status: created, in_progress, completed or failed.

    options: what it holds and leaves out; counters: what it held; key: its file's name on disk.
    """

    __tablename__ = "label_exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(
        ForeignKey("label_projects.id", ondelete="CASCADE"), index=True
    )
    title: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(Text, default="")
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    counters: Mapped[dict[str, Any]] = mapped_column(JSON)
    converted: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    key: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), default="")
    md5: Mapped[str] = mapped_column(String(32), default="")
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    job_id: Mapped[int | None]
    created_by_id: Mapped[int]
    created_by_name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LabelWebhook(Base):
    """Who is told of what happens. project_id None: in any project of the workspace.

    actions: which deeds, by Label Studio's names, when not all of them.
    """

    __tablename__ = "label_webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63), index=True)
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("label_projects.id", ondelete="CASCADE")
    )
    url: Mapped[str] = mapped_column(String(2048))
    send_payload: Mapped[bool] = mapped_column(default=True)
    send_for_all_actions: Mapped[bool] = mapped_column(default=True)
    actions: Mapped[list[str]] = mapped_column(JSON)
    secrets: Mapped[str] = mapped_column(Text, default="")  # headers and signing key, sealed
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    is_sending: Mapped[bool] = mapped_column(default=False)  # a job of it waits or runs
    failures: Mapped[int] = mapped_column(default=0)  # attempts since the last that arrived


class LabelDelivery(Base):
    """A message of a webhook, written with the deed that it tells of. body: JSON as it is sent.

    state: queued, sent or failed. status: what the other side answered; None: nothing yet.
    """

    __tablename__ = "label_deliveries"
    __table_args__ = (Index("ix_label_deliveries_queue", "webhook_id", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("label_webhooks.id", ondelete="CASCADE"))
    action: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    status: Mapped[int | None]
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LabelBackend(Base):
    """A model that predicts for a project. kind: mlflow (source: a model URI) or http (its URL).

    state: what its last call ended with, in words; "" when well.
    """

    __tablename__ = "label_backends"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(
        ForeignKey("label_projects.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(255))
    source: Mapped[str] = mapped_column(String(2048))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    secrets: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(Text, default="")
    job_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
