"""The service's side of the vector engine: started when asked for, ended when idle, replaced when
it broke.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread

from mlpi.errors import NotReady
from mlpi.vectors import frames
from mlpi.vectors.engine import life
from mlpi.vectors.frames import Frame

log = logging.getLogger(__name__)

IDLE_S = 300.0  # without a request, until its memory returns
START_S = 60.0  # an engine that ends may still be finishing what the next one waits for
REST_S = 5.0  # after a start that failed
END_S = 10.0
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
_LIMIT = 2**20  # bytes that are read ahead


class EngineEnded(NotReady):
    """The vector engine ended before it answered: what was asked may or may not be done."""


class Engine:
    """The engine's process and the requests under way in it. Belongs to one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._link: _Link | None = None
        self._starting = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self._waking: asyncio.Task[None] | None = None
        self._health: Mapping[str, Any] = {}
        self.failure = ""
        self._heard = 0
        self.starting = ""  # what a start that takes long is doing

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._link.process.pid if self._link else None

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

    async def ask(self, head: Mapping[str, Any], body: bytes) -> Frame:
        """The answer to one request. Raises NotReady, EngineEnded."""
        link = await self._running()
        return await link.ask(head, body)

    async def stop(self) -> None:
        """End it, once it has finished what it does."""
        for task in (self._watch, self._waking):
            if task is not None:
                task.cancel()
        if self._link is not None:
            await self._link.end()

    async def _running(self) -> _Link:
        link = self._link
        if link is not None and not link.is_over:
            return link
        if self.starting:
            raise NotReady(f"The vector engine looks at its indexes first: {self.starting}.")
        async with self._starting:
            if self._link is None or self._link.is_over:
                if time.monotonic() - self._failed_at < REST_S:
                    raise NotReady(f"The vector engine does not start: {self.failure}.")
                self._link = await self._start()
            return self._link

    async def _start(self) -> _Link:
        await self._blame()
        ours, theirs = socket.socketpair()
        with theirs:
            # Started by the thread of the event loop, for it lives as long as the service.
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork is a millisecond, nothing waits
                [
                    *(sys.executable, "-m", "mlpi.vectors.engine"),
                    *(str(theirs.fileno()), str(self._folder)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LIMIT)
        link = _Link(process, reader, writer, self._hear)
        try:
            while not link.ready.is_set():
                heard = self._heard
                try:
                    async with asyncio.timeout(START_S):
                        await link.ready.wait()
                except TimeoutError:
                    if self._heard == heard:  # not even a word of what it does
                        process.kill()
                        break
        except asyncio.CancelledError:
            await link.end()
            raise
        self.starting = ""
        if link.is_over or not link.ready.is_set():
            await link.end()
            self._failed_at = time.monotonic()
            self.failure = f"it ended with code {process.returncode}; see the service's log"
            log.error("vector engine: %s", self.failure, extra={"action": "vectors_failed"})
            raise NotReady(f"The vector engine does not start: {self.failure}.")
        self.failure = ""
        log.info("vector engine started", extra={"action": "vectors_started"})
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._retire())
        return link

    def _hear(self, said: Mapping[str, Any]) -> None:
        """What the engine says of itself."""
        self._heard += 1
        if "starting" in said:
            self.starting = said["starting"]
        if "health" in said:
            self._health = said["health"]

    async def _blame(self) -> None:
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

    async def _retire(self) -> None:
        while (link := self._link) is not None:
            await asyncio.sleep(link.rests_in(IDLE_S))
            if link.is_over:
                self._link = None
            elif link.rests_in(IDLE_S) <= 0:
                self._link = None
                await link.end()
                log.info("vector engine rests", extra={"action": "vectors_idle"})


class _Link:
    """One process, and the futures of what it was asked."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hear: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.process = process
        self.unanswered: list[str] = []  # paths, once it is over
        self.ready = asyncio.Event()
        self.is_over = False
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._hear = hear
        self._is_busy = False
        self._asked: dict[int, str] = {}
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._writing = asyncio.Lock()
        self._used_at = time.monotonic()
        self._reading = asyncio.create_task(self._read())

    def rests_in(self, idle_s: float) -> float:
        """Seconds until it has been idle for so long; never while something is under way."""
        if self._waiting or self._is_busy:
            return idle_s
        return self._used_at + idle_s - time.monotonic()

    async def ask(self, head: Mapping[str, Any], body: bytes) -> Frame:
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._asked[number] = head["path"]
        try:
            # Whole, also when who asked is gone: half a frame would end the link for everybody.
            await asyncio.shield(self._write(Frame(number, dict(head), body)))
            found: Frame = await answer
        except ConnectionError:
            raise EngineEnded from None
        finally:
            self._waiting.pop(number, None)
            self._asked.pop(number, None)
            self._used_at = time.monotonic()
        return found

    async def _write(self, frame: Frame) -> None:
        async with self._writing:
            await frames.write(self._writer, frame)

    async def end(self) -> None:
        """Close our end, on which the process finishes and ends; kill it if it does not."""
        self.is_over = True
        with contextlib.suppress(OSError):
            self._writer.close()
            await self._writer.wait_closed()
        try:
            await anyio.to_thread.run_sync(self.process.wait, END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                frame = await frames.read(self._reader)
                if frame.number == 0:
                    self._is_busy = frame.head.get("health", {}).get("is_busy", self._is_busy)
                    self._hear(frame.head)
                    if "ready" in frame.head:
                        self.ready.set()
                elif (future := self._waiting.get(frame.number)) and not future.done():
                    future.set_result(frame)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.is_over = True
            self.unanswered = list(self._asked.values())
            self.ready.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(EngineEnded())
            self._writer.close()
            self.process.poll()


def _environment() -> dict[str, str]:
    """Ours, without what others are not to know, and without anything that phones home."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("MLPI_")},
        "ANONYMIZED_TELEMETRY": "False",
        "DO_NOT_TRACK": "true",
        # Chroma's own runtime: with more threads a query takes half as long again to wake them.
        "TOKIO_WORKER_THREADS": "1",
    }
