"""Saved views of runs, and what somebody has pinned, hidden and coloured."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "tracking_views",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("experiment_id", sa.String(32), nullable=False),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("marks", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("workspace", "experiment_id", "user_id", "name"),
    )
    op.create_index("ix_tracking_views_user_id", "tracking_views", ["user_id"])
