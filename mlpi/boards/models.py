"""What mlpi itself keeps of runs; their points are in their folders."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime


class BoardRun(Base):
    """A run that was archived or tied to an MLflow run; others have no row."""

    __tablename__ = "board_runs"

    workspace: Mapped[str] = mapped_column(
        String(63), ForeignKey("workspaces.name", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(400), primary_key=True)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mlflow_run_id: Mapped[str | None] = mapped_column(String(32), index=True)
