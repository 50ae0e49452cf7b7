"""The table of saved views, in mlpi's own database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime


class SavedView(Base):
    """A view of an experiment's runs under a name; the one without a name holds a user's marks.

    query is that of its URL; marks are pinned and hidden run ids, and colours 1 to 6 by run id.
    """

    __tablename__ = "tracking_views"
    __table_args__ = (UniqueConstraint("workspace", "experiment_id", "user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63))
    experiment_id: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    query: Mapped[str] = mapped_column(Text, default="")
    marks: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
