"""Datasets, expectation suites, checkpoints, validations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("location", sa.JSON, nullable=False),
        sa.Column("sealed_url", sa.Text, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.UniqueConstraint("workspace", "name"),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("id", sa.Integer, primary_key=True),
        _to("dataset_id", "datasets.id", "CASCADE", nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        _to("job_id", "jobs.id", "SET NULL"),
        sa.Column("row_count", sa.BigInteger),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("profile", sa.JSON),
        sa.Column("preview", sa.JSON),
        sa.Column("profiled_at", AT),
        sa.UniqueConstraint("dataset_id", "number"),
        sa.UniqueConstraint("dataset_id", "sha256"),
    )
    op.create_table(
        "suites",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.UniqueConstraint("workspace", "name"),
    )
    op.create_table(
        "suite_versions",
        sa.Column("id", sa.Integer, primary_key=True),
        _to("suite_id", "suites.id", "CASCADE", nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("expectations", sa.JSON, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("note", sa.String(300), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.UniqueConstraint("suite_id", "number"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        _to("dataset_id", "datasets.id", None, nullable=False),
        _to("suite_id", "suites.id", None, nullable=False),
        sa.Column("pick", sa.String(8), nullable=False),
        sa.Column("pick_value", sa.String(500), nullable=False),
        sa.Column("suite_version", sa.Integer),
        sa.Column("result_format", sa.String(16), nullable=False),
        sa.Column("row_limit", sa.BigInteger),
        sa.Column("runs_on_new_version", sa.Boolean, nullable=False),
        sa.Column("actions", sa.JSON, nullable=False),
        sa.Column("alert_after", sa.Integer, nullable=False),
        sa.Column("recover_after", sa.Integer, nullable=False),
        sa.Column("keep_runs", sa.Integer, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("is_alerting", sa.Boolean, nullable=False),
        sa.Column("streak", sa.Integer, nullable=False),
        sa.Column("last_run_at", AT),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.UniqueConstraint("workspace", "name"),
    )
    op.create_index("ix_checkpoints_dataset_id", "checkpoints", ["dataset_id"])
    op.create_index("ix_checkpoints_suite_id", "checkpoints", ["suite_id"])
    op.create_table(
        "validations",
        sa.Column("id", sa.Integer, primary_key=True),
        _to("checkpoint_id", "checkpoints.id", "CASCADE", nullable=False),
        _to("dataset_version_id", "dataset_versions.id", "SET NULL"),
        _to("suite_version_id", "suite_versions.id", "SET NULL"),
        _to("job_id", "jobs.id", "SET NULL"),
        sa.Column("target", sa.String(300), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("statistics", sa.JSON, nullable=False),
        sa.Column("observed", sa.JSON, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("started_at", AT, nullable=False),
        sa.Column("finished_at", AT),
    )
    op.create_index("ix_validations_checkpoint", "validations", ["checkpoint_id", "id"])
    op.create_index("ix_validations_version", "validations", ["dataset_version_id"])
    op.create_index("ix_validations_job", "validations", ["job_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        _to("validation_id", "validations.id", "CASCADE", nullable=False),
        _to("job_id", "jobs.id", "SET NULL"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.String(500), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("sent_at", AT),
    )
    op.create_index("ix_deliveries_validation_id", "deliveries", ["validation_id"])


def _to(name: str, target: str, on_delete: str | None, *, nullable: bool = True) -> sa.Column[int]:
    key = sa.ForeignKey(target, ondelete=on_delete)
    return sa.Column(name, sa.Integer, key, nullable=nullable)
