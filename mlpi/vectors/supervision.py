"""The service's side of a process of its own: started when asked for, ended when idle, replaced
when it broke. The vector engine is one, the embedding host another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread

from mlpi.errors import NotReady
from mlpi.vectors import frames
from mlpi.vectors.frames import Frame

log = logging.getLogger(__name__)

IDLE_S = 300.0  # without a request, until its memory returns
START_S = 60.0  # one that ends may still be finishing what the next one waits for
REST_S = 5.0  # after a start that failed
END_S = 10.0
_LIMIT = 2**20  # bytes that are read ahead


class EngineEnded(NotReady):
    """It ended before it answered: what was asked may or may not be done."""


class Hosted:
    """A process and the requests under way in it. Belongs to one event loop.

    The process is given the number of its end of a socket as its first argument. It says that it
    is ready by a frame with number 0, answers frames, and ends when the other end is closed.
    """

    def __init__(
        self, title: str, module: str, arguments: Sequence[str], env: Mapping[str, str]
    ) -> None:
        """title: what it is in messages; module: what `python -m` runs; env: on top of ours."""
        self._title = title
        self._module = module
        self._arguments = arguments
        self._env = env
        self._link: Link | None = None
        self._starting = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self.failure = ""
        self._heard = 0
        self.starting = ""  # what a start that takes long is doing

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._link.process.pid if self._link else None

    async def ask(self, head: Mapping[str, Any], body: bytes) -> Frame:
        """The answer to one request. Raises NotReady, EngineEnded."""
        link = await self._running()
        return await link.ask(head, body)

    def kill(self) -> None:
        """End it at once: it hangs. What is under way in it raises EngineEnded."""
        if self._link is not None:
            self._link.is_over = True  # who asks next is not to meet it
            self._link.process.kill()

    async def stop(self) -> None:
        """End it, once it has finished what it does."""
        if self._watch is not None:
            self._watch.cancel()
        if self._link is not None:
            await self._link.end()

    async def _running(self) -> Link:
        link = self._link
        if link is not None and not link.is_over:
            return link
        if self.starting:
            raise NotReady(f"The {self._title} is not ready yet: {self.starting}.")
        async with self._starting:
            if self._link is None or self._link.is_over:
                if time.monotonic() - self._failed_at < REST_S:
                    raise NotReady(f"The {self._title} does not start: {self.failure}.")
                self._link = await self._start()
            return self._link

    async def _start(self) -> Link:
        await self._before_start()
        ours, theirs = socket.socketpair()
        with theirs:
            # Started by the thread of the event loop, for it lives as long as the service.
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork is a millisecond, nothing waits
                [
                    *(sys.executable, "-m", self._module),
                    *(str(theirs.fileno()), *self._arguments),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**environment(), **self._env},
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LIMIT)
        link = Link(self._title, process, reader, writer, self._hear)
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
            log.error("%s: %s", self._title, self.failure, extra={"action": "vectors_failed"})
            raise NotReady(f"The {self._title} does not start: {self.failure}.")
        self.failure = ""
        log.info("%s started", self._title, extra={"action": "vectors_started"})
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._retire())
        return link

    async def _before_start(self) -> None:
        """What is to be done before another one is started in the place of one that ended."""

    def _hear(self, said: Mapping[str, Any]) -> None:
        """What it says of itself: that it is ready, or what it does until then."""
        self._heard += 1
        if "starting" in said:
            self.starting = said["starting"]

    async def _retire(self) -> None:
        while (link := self._link) is not None:
            await asyncio.sleep(link.rests_in(IDLE_S))
            if link.is_over:
                self._link = None
            elif link.rests_in(IDLE_S) <= 0:
                self._link = None
                await link.end()
                log.info("%s rests", self._title, extra={"action": "vectors_idle"})


class Link:
    """One process, and the futures of what it was asked."""

    def __init__(
        self,
        title: str,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hear: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.process = process
        self._title = title
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
        self._asked[number] = str(head.get("path", ""))  # only the engine has paths
        try:
            frame = Frame(number, dict(head), body)
            if self._writing.locked() or not frames.write_now(self._writer, frame):
                # Whole, also when who asked is gone: half a frame would end the link for all.
                await asyncio.shield(self._write(frame))
            found: Frame = await answer
        except ConnectionError:
            raise self._ended() from None
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
                    future.set_exception(self._ended())
            self._writer.close()
            await self._bury()

    async def _bury(self) -> None:
        """Wait until the process is gone; kill it if it does not go."""
        try:
            await anyio.to_thread.run_sync(self.process.wait, END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ended(self) -> EngineEnded:
        return EngineEnded(
            f"The {self._title} ended before it answered: what was asked may or may not be done."
        )


def environment() -> dict[str, str]:
    """Ours, without what others are not to know, and without anything that phones home."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("MLPI_")},
        "ANONYMIZED_TELEMETRY": "False",
        "DO_NOT_TRACK": "true",
    }
