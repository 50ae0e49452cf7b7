"""Which collection uses which embedder: rows in, rows out."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from mlpi.vectors.models import CollectionEmbedder


def find(session: Session, workspace: str, collection_id: str) -> CollectionEmbedder | None:
    """A collection's row, if it is this workspace's."""
    found = session.get(CollectionEmbedder, collection_id)
    return found if found is not None and found.workspace == workspace else None


def in_workspace(session: Session, workspace: str) -> list[CollectionEmbedder]:
    """All rows of a workspace."""
    query = select(CollectionEmbedder).where(CollectionEmbedder.workspace == workspace)
    return list(session.scalars(query))


def remove(session: Session, workspace: str, collection_id: str) -> None:
    """Remove a collection's row, if there is one in this workspace."""
    session.execute(
        delete(CollectionEmbedder).where(
            CollectionEmbedder.collection_id == collection_id,
            CollectionEmbedder.workspace == workspace,
        )
    )
