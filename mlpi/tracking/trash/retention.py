"""The daily emptying of the trash, for as long as the service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import anyio.to_thread

log = logging.getLogger(__name__)

SOON_S = 5
EVERY_S = 3600  # what is due is asked for hourly, and at most one job a day comes of it


class Retention:
    """Calls `empty` now and then; it answers None as long as there are no tables yet."""

    def __init__(self, empty: Callable[[], object | None], every_s: float = EVERY_S) -> None:
        self._empty = empty
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _go_on(self) -> None:
        while True:
            done: object | None = ()
            try:
                done = await anyio.to_thread.run_sync(self._empty)
            except Exception:
                # A full disk, a database that is gone: tried again in an hour.
                log.exception("trash not emptied", extra={"action": "retention_failed"})
            await asyncio.sleep(SOON_S if done is None else self._every_s)
