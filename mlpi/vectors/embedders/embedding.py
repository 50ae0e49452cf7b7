"""Texts into vectors for whoever asks in the service."""

from __future__ import annotations

import asyncio
import json
import os
from array import array
from collections.abc import Sequence
from typing import TypeAlias

import anyio.from_thread

from mlpi.errors import Invalid
from mlpi.vectors.embedders import lexical
from mlpi.vectors.embedders.choice import LEXICAL, EmbedderChoice, EmbedderUnusable
from mlpi.vectors.embedders.loading import MOST_AT_ONCE, Recipe
from mlpi.vectors.embedders.service import Embedders
from mlpi.vectors.supervision import EngineEnded, Hosted

ANSWER_S = 120.0  # a model on an SD card takes a minute to be read
MOST_CHARS = 1_000_000  # of one text
Vector: TypeAlias = "array[float]"  # float32


class Embedding:
    """Embeds where it may: lexical here and now, models in the embedding host.

    The host is started by the first text that needs it and ends when nobody asked for a while.
    """

    def __init__(self, embedders: Embedders) -> None:
        self._embedders = embedders
        self._host = Hosted("embedding host", "mlpi.vectors.embedders", (), _environment())

    @property
    def pid(self) -> int | None:
        """The host's process, while it runs."""
        return self._host.pid

    @property
    def failure(self) -> str:
        """Why the host does not start, if it does not."""
        return self._host.failure

    async def stop(self) -> None:
        """End the host, whatever it does."""
        await self._host.stop()

    def embed(self, workspace: str, choice: EmbedderChoice, texts: Sequence[str]) -> list[Vector]:
        """A float32 vector for each text, all of one length.

        To be called in a worker thread of the event loop, as sync routes are. The first text for
        a model waits until that is loaded: seconds. Raises EmbedderUnusable, Invalid, NotReady.
        """
        _check(texts)
        if choice.word == LEXICAL:
            return lexical.vectors(texts)
        return anyio.from_thread.run(
            self._ask_all, self._embedders.recipe(workspace, choice), texts
        )

    def dimension(self, workspace: str, choice: EmbedderChoice) -> int:
        """How long its vectors are: what tells, before it is chosen, whether it works and fits.

        As embed, which it calls. Raises what that raises.
        """
        return len(self.embed(workspace, choice, ["text"])[0])

    async def _ask_all(self, recipe: Recipe, texts: Sequence[str]) -> list[Vector]:
        found: list[Vector] = []
        for start in range(0, len(texts), MOST_AT_ONCE):
            found += await self._ask(recipe, texts[start : start + MOST_AT_ONCE])
        return found

    async def _ask(self, recipe: Recipe, texts: Sequence[str]) -> list[Vector]:
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._host.ask(
                    {"recipe": recipe.plain()}, json.dumps(texts).encode()
                )
        except TimeoutError:
            self._host.kill()
            raise EmbedderUnusable(
                f"The {recipe.title} did not answer within {ANSWER_S:.0f} s and was ended.",
                advice="Try fewer or shorter texts, or another embedder.",
                field="embedder",
            ) from None
        except EngineEnded:
            raise EmbedderUnusable(
                f"The embedding host ended while it worked with the {recipe.title}: "
                "the model broke it, or the machine ran out of memory.",
                advice="Try again; if it happens again, choose another embedder.",
                field="embedder",
            ) from None
        if "error" in answer.head:
            message, advice, field = answer.head["error"]
            raise EmbedderUnusable(message, advice=advice, field=field)
        return _rows(answer.body, answer.head["dimension"])


def _rows(body: bytes, dimension: int) -> list[Vector]:
    size = dimension * 4
    return [array("f", body[start : start + size]) for start in range(0, len(body), size)]


def _check(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts, 1):
        if len(text) > MOST_CHARS:
            raise Invalid(
                f"Text {number} has {len(text):,} characters.",
                advice=f"At most {MOST_CHARS:,} are embedded at once; cut it into parts.",
                field="text",
            )


def _environment() -> dict[str, str]:
    """What keeps models from the network, and their numeric libraries from taking every core."""
    threads = str(max(1, (os.cpu_count() or 1) - 1))
    return {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
    }
