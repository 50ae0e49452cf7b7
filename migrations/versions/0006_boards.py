"""Runs of boards that are archived or tied to an MLflow run."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "board_runs",
        sa.Column(
            "workspace",
            sa.String(63),
            sa.ForeignKey("workspaces.name", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.String(400), primary_key=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mlflow_run_id", sa.String(32), nullable=True),
    )
    op.create_index("ix_board_runs_mlflow_run_id", "board_runs", ["mlflow_run_id"])
