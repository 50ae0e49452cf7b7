"""From a choice that was resolved in the service to an embedder in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from mlpi.vectors.embedders import lexical
from mlpi.vectors.embedders.choice import LEXICAL, MODEL, ONNX, EmbedderUnusable

MOST_AT_ONCE = 64  # texts; what an embedder holds meanwhile grows with them


class Embedder(Protocol):
    """Something that turns texts into vectors."""

    dimension: int

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, dimension) float32 as numpy has it, for at most MOST_AT_ONCE texts.

        Raises EmbedderUnusable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a process needs to load an embedder: plain JSON, without secrets.

    place: of onnx its folder, of a model the root of the artifacts; path: the model's folder
    there; stamp: another one when the files are.
    """

    word: str
    title: str = ""
    place: str = ""
    path: str = ""
    stamp: str = ""

    def plain(self) -> dict[str, str]:
        """As JSON can hold it."""
        return asdict(self)


def load(recipe: Recipe | Mapping[str, str], *, threads: int = 1) -> Embedder:
    """The embedder, loaded: seconds and some hundred MB for the larger ones. Never in the service.

    threads: how many it may keep busy. Raises EmbedderUnusable.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe(**recipe)
    # Each brings packages of its own.
    if recipe.word == LEXICAL:
        return _Lexical()
    if recipe.word == ONNX:
        from mlpi.vectors.embedders.onnx import OnnxEmbedder  # noqa: PLC0415

        return OnnxEmbedder(Path(recipe.place), threads=threads)
    if recipe.word == MODEL:
        from mlpi.vectors.embedders.registered import RegisteredEmbedder  # noqa: PLC0415

        return RegisteredEmbedder(recipe.title, recipe.place, recipe.path)
    raise EmbedderUnusable(
        "This collection has no embedder: clients bring its vectors.",
        advice="Choose one for it first.",
        field="embedder",
    )


class _Lexical:
    dimension = lexical.DIMENSION

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np  # noqa: PLC0415 - never in the service

        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for index, text in enumerate(texts):
            rows[index] = lexical.vector(text)
        return rows
