"""What the pages need from embedders: the one place where the two rooms meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mlpi.errors import Invalid
from mlpi.vectors.embedders.choice import NONE
from mlpi.vectors.embedders.embedding import Embedding
from mlpi.vectors.embedders.service import Embedders


class Embeds(Protocol):
    """Turns texts into a collection's vectors."""

    def describe(self, workspace: str, collection_id: str) -> str | None:
        """What embeds a collection's texts, in a few words; None when clients bring vectors."""
        ...

    def embed(
        self, workspace: str, collection_id: str, texts: Sequence[str]
    ) -> Sequence[Sequence[float]]:
        """A vector of (dimension,) for each text. Raises MlpiError."""
        ...


class ChosenEmbedder:
    """What somebody chose for each collection, if somebody did."""

    def __init__(self, embedders: Embedders, embedding: Embedding) -> None:
        self._embedders = embedders
        self._embedding = embedding

    def describe(self, workspace: str, collection_id: str) -> str | None:
        choice = self._embedders.of(workspace, collection_id)
        return None if choice.word == NONE else choice.label

    def embed(
        self, workspace: str, collection_id: str, texts: Sequence[str]
    ) -> Sequence[Sequence[float]]:
        choice = self._embedders.of(workspace, collection_id)
        if choice.word == NONE:
            raise no_embedder()
        return self._embedding.embed(workspace, choice, texts)


def no_embedder() -> Invalid:
    return Invalid(
        "This collection has no embedder: its clients bring their vectors.",
        advice="Choose one on About, or search by a vector or by a record.",
        field="text",
    )
