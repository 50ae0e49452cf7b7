"""Tables of labeling: projects, tasks, what people and models said of them, and who has what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime


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
    lot: Mapped[int]


class LabelAnnotation(Base):
    """What a person said of a task. result: JSON, checked. key: its sender's, so that one that is
    sent again is not kept twice."""

    __tablename__ = "label_annotations"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        Index("ix_label_annotations_project", "project_id", "id"),
        Index("ix_label_annotations_people", "project_id", "completed_by_id"),
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
