"""Which embedder a collection of vectors uses."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "collection_embedders",
        sa.Column("collection_id", sa.String(36), primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("embedder", sa.String(16), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_collection_embedders_workspace", "collection_embedders", ["workspace"])
