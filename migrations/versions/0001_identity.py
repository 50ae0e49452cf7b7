"""Users, sessions, tokens, workspaces, members and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("last_login_at", AT),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(63), nullable=False, unique=True),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("created_at", AT, nullable=False),
    )
    op.create_table(
        "members",
        _owner("user_id", "users.id", primary_key=True),
        _owner("workspace_id", "workspaces.id", primary_key=True, index=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("created_at", AT, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        _owner("user_id", "users.id", index=True),
        _owner("workspace_id", "workspaces.id", index=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("hint", sa.String(16), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("expires_at", AT),
        sa.Column("last_used_at", AT),
        sa.Column("revoked_at", AT),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, primary_key=True),
        _owner("user_id", "users.id", index=True),
        sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("workspace", sa.String(63)),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("seen_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", AT, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def _owner(name: str, target: str, *, primary_key: bool = False, index: bool = False) -> sa.Column:
    return sa.Column(
        name,
        sa.Integer,
        sa.ForeignKey(target, ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=index,
    )
