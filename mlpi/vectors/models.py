"""Tables of the vectors room in mlpi's own database; collections and records are Chroma's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from mlpi.db import Base, UtcDateTime


class CollectionEmbedder(Base):
    """What turns a collection's texts into vectors; a collection without a row has nothing."""

    __tablename__ = "collection_embedders"

    collection_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63), index=True)
    embedder: Mapped[str] = mapped_column(String(16))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
