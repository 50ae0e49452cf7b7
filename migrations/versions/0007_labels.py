"""Labeling projects, tasks, annotations, drafts, predictions and leases."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)


def _task(**options: object) -> sa.Column:
    key = sa.ForeignKey("label_tasks.id", ondelete="CASCADE")
    return sa.Column("task_id", sa.Integer, key, nullable=False, **options)


def upgrade() -> None:
    counts = ("task", "finished", "annotated", "annotation", "skipped", "ground_truth")
    op.create_table(
        "label_projects",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("label_config", sa.Text, nullable=False),
        sa.Column("maximum_annotations", sa.Integer, nullable=False),
        sa.Column("sampling", sa.String(32), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("created_by_id", sa.Integer, nullable=False),
        sa.Column("created_by_name", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("last_inner_id", sa.Integer, nullable=False),
        *(sa.Column(f"{name}_count", sa.Integer, nullable=False) for name in counts),
        sa.Column("prediction_count", sa.Integer, nullable=False),
    )
    op.create_index("ix_label_projects_workspace", "label_projects", ["workspace"])
    op.create_table(
        "label_tasks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "project_id",
            sa.Integer,
            sa.ForeignKey("label_projects.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("inner_id", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("meta", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by_id", sa.Integer, nullable=True),
        sa.Column("is_labeled", sa.Boolean, nullable=False),
        sa.Column("annotation_count", sa.Integer, nullable=False),
        sa.Column("skipped_count", sa.Integer, nullable=False),
        sa.Column("prediction_count", sa.Integer, nullable=False),
        sa.Column("prediction_score", sa.Float, nullable=True),
        sa.Column("lot", sa.Integer, nullable=False),
    )
    for name, columns in (
        ("project", ["project_id", "id"]),
        ("queue", ["project_id", "is_labeled", "id"]),
        ("lots", ["project_id", "is_labeled", "lot"]),
        ("scores", ["project_id", "is_labeled", "prediction_score"]),
    ):
        op.create_index(f"ix_label_tasks_{name}", "label_tasks", columns)
    op.create_table(
        "label_annotations",
        sa.Column("id", sa.Integer, primary_key=True),
        _task(),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("result_count", sa.Integer, nullable=False),
        sa.Column("completed_by_id", sa.Integer, nullable=False),
        sa.Column("completed_by_name", sa.String(64), nullable=False),
        sa.Column("updated_by_id", sa.Integer, nullable=False),
        sa.Column("was_cancelled", sa.Boolean, nullable=False),
        sa.Column("skip_reason", sa.String(500), nullable=False),
        sa.Column("ground_truth", sa.Boolean, nullable=False),
        sa.Column("lead_time_s", sa.Float, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("draft_created_at", TIME, nullable=True),
        sa.Column("parent_prediction_id", sa.Integer, nullable=True),
        sa.Column("parent_annotation_id", sa.Integer, nullable=True),
        sa.Column("import_id", sa.Integer, nullable=True),
        sa.Column("last_action", sa.String(32), nullable=False),
        sa.UniqueConstraint("project_id", "key"),
    )
    for name, columns in (
        ("task_id", ["task_id"]),
        ("project", ["project_id", "id"]),
        ("people", ["project_id", "completed_by_id"]),
    ):
        op.create_index(f"ix_label_annotations_{name}", "label_annotations", columns)
    op.create_table(
        "label_drafts",
        sa.Column("id", sa.Integer, primary_key=True),
        _task(),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("annotation_id", sa.Integer, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("lead_time_s", sa.Float, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("task_id", "user_id", "annotation_id"),
    )
    op.create_table(
        "label_predictions",
        sa.Column("id", sa.Integer, primary_key=True),
        _task(),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=True),
        sa.Column("model_version", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("ix_label_predictions_task_id", "label_predictions", ["task_id"])
    op.create_index(
        "ix_label_predictions_project", "label_predictions", ["project_id", "model_version"]
    )
    op.create_table(
        "label_leases",
        _task(primary_key=True),
        sa.Column("user_id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
    )
    op.create_index("ix_label_leases_project_id", "label_leases", ["project_id"])
