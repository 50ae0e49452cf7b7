"""The vector engine as the service sees it: what it says of its indexes, and what broke it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread

from mlpi.errors import NotReady
from mlpi.vectors.engine import life
from mlpi.vectors.supervision import END_S, Hosted

log = logging.getLogger(__name__)

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}


class Engine(Hosted):
    """The vector engine on its folder."""

    def __init__(self, folder: Path) -> None:
        # Chroma's own runtime: with more threads a query takes half as long again to wake them.
        # A map's sums take a tenth of a second on one; each further thread holds 15 MB.
        env = {"TOKIO_WORKER_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        super().__init__("vector engine", "mlpi.vectors.engine", (str(folder),), env)
        self._folder = folder
        self._waking: asyncio.Task[None] | None = None
        self._health: Mapping[str, Any] = {}

    @property
    def ailing(self) -> Sequence[Mapping[str, Any]]:
        """Collections whose index is being made anew or was given up, as the engine said last.

        Each has collection, name, state (rebuilding or broken), done and total (records), detail.
        """
        found: Sequence[Mapping[str, Any]] = self._health.get("collections", ())
        return found

    def wake_if_needed(self) -> None:
        """Start it now if the last one did not end in order: what is broken is found at a start."""
        if not life.did_end(self._folder):
            self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        with contextlib.suppress(NotReady):  # the next request tries again
            await self._running()

    async def stop(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
        await super().stop()

    def _hear(self, said: Mapping[str, Any]) -> None:
        super()._hear(said)
        if "health" in said:
            self._health = said["health"]

    async def _before_start(self) -> None:
        """Note what an engine that crashed was busy with; its successor looks at that first."""
        link = self._link
        if link is None or not link.unanswered:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = await anyio.to_thread.run_sync(link.process.wait, END_S)
            if -code in _CRASHES:
                found = {one for path in link.unanswered for one in life.collections_in(path)}
                for collection in found:
                    await anyio.to_thread.run_sync(life.suspect, self._folder, collection)
                log.error(
                    "vector engine crashed: signal %d", -code, extra={"action": "vectors_crashed"}
                )
