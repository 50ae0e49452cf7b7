"""The engine for workers: a Unix socket in the vectors' folder, which only our own user can reach.

The service listens, since it alone starts the engine, lets it rest and replaces it. What it passes
on are frames; it looks at none of them. A worker's workspace is that of its job.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpi.errors import MlpiError, NotReady
from mlpi.vectors import frames
from mlpi.vectors.frames import Frame
from mlpi.vectors.host import Engine
from mlpi.vectors.shelf import Shelf, over

NAME = "relay.sock"
log = logging.getLogger(__name__)


class NobodyListens(NotReady):
    """No service passes vectors on."""


# From 3.13 on a server looks its socket's name up, to remove it at its end. By then the descriptor
# in that name is another file's; and the socket is removed here.
_OURS: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class Relay:
    """Listens while the service runs. Belongs to one event loop."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / NAME).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(self._folder) as folder:
            listener.bind(f"{folder}/{NAME}")
        (self._folder / NAME).chmod(0o600)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, **_OURS)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        (self._folder / NAME).unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            while True:
                frame = await frames.read(reader)
                await frames.write(writer, await self._answer(frame))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the worker's job has ended, or the service does
        finally:
            self._lines.discard(line)
            writer.close()

    async def _answer(self, frame: Frame) -> Frame:
        try:
            found = await self._engine.ask(frame.head, frame.body)
        except MlpiError as error:
            body = frames.as_json({"error": "InternalError", "message": error.message})
            return Frame(frame.number, {"status": error.status}, body)
        return Frame(frame.number, found.head, found.body)


@contextmanager
def connected(home: Path, workspace: str) -> Iterator[Shelf]:
    """A worker's shelf. Raises NobodyListens."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(line):
        try:
            with _short(home / "chroma") as folder:
                line.connect(f"{folder}/{NAME}")
        except OSError as error:
            raise NobodyListens(f"No service passes vectors on ({error.strerror}).") from None
        yield Shelf(over(line, "The service ended before it answered."), workspace)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A folder's path by descriptor: a socket's path must not be longer than 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
