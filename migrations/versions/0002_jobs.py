"""Jobs and schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("expression", sa.String(200), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("last_due_at", AT),
        sa.UniqueConstraint("workspace", "name"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("fraction", sa.Float),
        sa.Column("message", sa.String(500), nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("traceback", sa.Text, nullable=False),
        sa.Column("memory_bytes", sa.BigInteger),
        sa.Column("cpus", sa.Float, nullable=False),
        sa.Column("timeout_s", sa.Float),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("jobs.id", ondelete="SET NULL")),
        sa.Column("schedule_id", sa.Integer, sa.ForeignKey("schedules.id", ondelete="SET NULL")),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("worker", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("available_at", AT, nullable=False),
        sa.Column("started_at", AT),
        sa.Column("lease_until", AT),
        sa.Column("finished_at", AT),
        sa.UniqueConstraint("workspace", "idempotency_key"),
    )
    op.create_index("ix_jobs_queue", "jobs", ["state", "priority", "id"])
    op.create_index("ix_jobs_workspace", "jobs", ["workspace", "id"])
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    op.create_index("ix_jobs_schedule_id", "jobs", ["schedule_id"])
