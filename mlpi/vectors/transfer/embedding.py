"""What an import asks of embedders: a way to load one in a worker, for a collection.

The room's embedders are given to Transfers as a Choices; without them documents that have no
vector are refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from mlpi.auth.audit import Actor
from mlpi.errors import Invalid

AT_ONCE = 64  # texts


class Embedder(Protocol):
    """A loaded one."""

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, dimension) float32: anything whose rows give their bytes by tobytes()."""
        ...


@dataclass(frozen=True, slots=True)
class Loading:
    """How a worker gets an embedder. function: "package.module:name", called with the recipe."""

    function: str
    recipe: Mapping[str, Any]
    label: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    def load(self) -> Embedder:
        """The embedder. Raises what its function raises."""
        module, _, name = self.function.partition(":")
        embedder: Embedder = getattr(importlib.import_module(module), name)(self.recipe)
        return embedder


class Choices(Protocol):
    """Which embedder each collection has."""

    def loading(self, workspace: str, collection_id: str) -> Loading:
        """Raises Invalid that says what is missing."""
        ...

    def copy(self, workspace: str, source: str, target: str, *, actor: Actor) -> None:
        """Let a collection have another one's choice."""
        ...


class NoChoices:
    """No collection has one."""

    def loading(self, workspace: str, collection_id: str) -> Loading:
        del workspace, collection_id
        raise Invalid(
            "This collection has no embedder, so each record needs a vector.",
            advice="Choose the column that holds the vectors.",
            field="vector",
        )

    def copy(self, workspace: str, source: str, target: str, *, actor: Actor) -> None:
        del workspace, source, target, actor
