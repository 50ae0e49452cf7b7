"""The daily emptying of the trash, for as long as the service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import anyio.to_thread

log = logging.getLogger(__name__)

EVERY_S = 3600  # what is due is asked for hourly, and at most one job a day comes of it


class Retention:
    """Calls `empty` now and then. It does nothing while nothing is set."""

    def __init__(self, empty: Callable[[], object], every_s: float = EVERY_S) -> None:
        self._empty = empty
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        """Begin. ready: asked until MLflow's tables are there to be read."""
        self._task = asyncio.create_task(self._go_on(ready))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _go_on(self, ready: Callable[[], bool]) -> None:
        while True:
            while not ready():
                await asyncio.sleep(min(5.0, self._every_s))
            try:
                await anyio.to_thread.run_sync(self._empty)
            except Exception:
                # A full disk, a database that is gone: tried again in an hour.
                log.exception("trash not emptied", extra={"action": "retention_failed"})
            await asyncio.sleep(self._every_s)
