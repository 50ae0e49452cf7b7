"""Labeling: views, files, exports, webhooks, models, assignments, reviews and agreement."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True)


def _project(*, nullable: bool = False) -> sa.Column:
    key = sa.ForeignKey("label_projects.id", ondelete="CASCADE")
    return sa.Column("project_id", sa.Integer, key, nullable=nullable)


def _times(*names: str) -> list[sa.Column]:
    return [sa.Column(name, TIME, nullable=False) for name in names]


def upgrade() -> None:
    op.add_column("label_tasks", sa.Column("agreement", sa.Float, nullable=True))
    op.add_column("label_tasks", sa.Column("file_id", sa.Integer, nullable=True))
    op.add_column("label_tasks", sa.Column("completed_at", TIME, nullable=True))
    op.create_index("ix_label_tasks_changes", "label_tasks", ["project_id", "updated_at", "id"])
    op.execute(
        "UPDATE label_tasks SET completed_at = (SELECT max(created_at) FROM label_annotations"
        " WHERE task_id = label_tasks.id) WHERE is_labeled"
    )
    op.add_column(
        "label_annotations",
        sa.Column("review", sa.String(16), nullable=False, server_default=""),
    )
    for name, columns in (
        ("review", ["project_id", "review", "was_cancelled", "id"]),
        ("days", ["project_id", "created_at", "was_cancelled"]),
    ):
        op.create_index(f"ix_label_annotations_{name}", "label_annotations", columns)
    op.create_index("ix_label_tasks_agreement", "label_tasks", ["project_id", "agreement"])
    op.create_table(
        "label_assignments",
        sa.Column(
            "task_id",
            sa.Integer,
            sa.ForeignKey("label_tasks.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("user_id", sa.Integer, primary_key=True),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("project_id", sa.Integer, nullable=False),
    )
    op.create_index("ix_label_assignments_project_id", "label_assignments", ["project_id"])
    op.create_table(
        "label_reviews",
        _id(),
        sa.Column(
            "annotation_id",
            sa.Integer,
            sa.ForeignKey("label_annotations.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_by_id", sa.Integer, nullable=False),
        sa.Column("created_by_name", sa.String(64), nullable=False),
        *_times("created_at"),
    )
    op.create_index("ix_label_reviews_annotation_id", "label_reviews", ["annotation_id"])
    op.create_index("ix_label_reviews_project_id", "label_reviews", ["project_id"])
    op.create_table(
        "label_views",
        _id(),
        _project(),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("data", "filters")),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("ordering", "selected")),
    )
    op.create_index("ix_label_views_project_id", "label_views", ["project_id"])
    op.create_table(
        "label_files",
        _id(),
        _project(),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_by_id", sa.Integer, nullable=False),
        *_times("created_at"),
    )
    op.create_index("ix_label_files_project_id", "label_files", ["project_id"])
    op.create_table(
        "label_exports",
        _id(),
        _project(),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("options", "counters")),
        sa.Column("converted", sa.JSON, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("md5", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.Integer, nullable=True),
        sa.Column("created_by_id", sa.Integer, nullable=False),
        sa.Column("created_by_name", sa.String(64), nullable=False),
        *_times("created_at"),
        sa.Column("finished_at", TIME, nullable=True),
    )
    op.create_index("ix_label_exports_project_id", "label_exports", ["project_id"])
    op.create_table(
        "label_webhooks",
        _id(),
        sa.Column("workspace", sa.String(63), nullable=False),
        _project(nullable=True),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("send_payload", sa.Boolean, nullable=False),
        sa.Column("send_for_all_actions", sa.Boolean, nullable=False),
        sa.Column("actions", sa.JSON, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        *_times("created_at", "updated_at"),
        sa.Column("is_sending", sa.Boolean, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_index("ix_label_webhooks_workspace", "label_webhooks", ["workspace"])
    op.create_table(
        "label_deliveries",
        _id(),
        sa.Column(
            "webhook_id",
            sa.Integer,
            sa.ForeignKey("label_webhooks.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("error", sa.String(500), nullable=False),
        *_times("created_at", "due_at"),
        sa.Column("ended_at", TIME, nullable=True),
    )
    op.create_index("ix_label_deliveries_queue", "label_deliveries", ["webhook_id", "state", "id"])
    op.create_table(
        "label_backends",
        _id(),
        _project(),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("source", sa.String(2048), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("job_id", sa.Integer, nullable=True),
        *_times("created_at", "updated_at"),
    )
    op.create_index("ix_label_backends_project_id", "label_backends", ["project_id"])
