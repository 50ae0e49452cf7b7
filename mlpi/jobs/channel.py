"""Messages between the service and its helpers: JSON, a line each, over a socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

MAX_LINE = 64 * 2**20
_CHUNK = 2**16

Message = dict[str, Any]


class Channel:
    """One end of a socket pair. The service's end never waits; a helper's end does."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, *messages: Message) -> None:
        """Send messages whole. Raises OSError when the other end is gone."""
        lines = [json.dumps(message, separators=(",", ":")) + "\n" for message in messages]
        self._end.sendall("".join(lines).encode())

    def receive(self) -> Message | None:
        """Wait for one message; None when the other end is gone."""
        while True:
            message = self._take()
            if message is not None:
                return message
            if not self._read():
                return None

    def drain(self) -> Iterator[Message]:
        """Every message that has arrived, without waiting; sets is_closed at the end of all."""
        while True:
            try:
                more = self._read(socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not more:
                self.is_closed = True
                break
        while (message := self._take()) is not None:
            yield message

    def close(self) -> None:
        self.is_closed = True
        self._end.close()

    def _read(self, flags: int = 0) -> bool:
        try:
            chunk = self._end.recv(_CHUNK, flags)
        except ConnectionError:
            return False
        self._rest += chunk
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"a message longer than {MAX_LINE} bytes")
        return bool(chunk)

    def _take(self) -> Message | None:
        """The next complete message, if there is one."""
        end = self._rest.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        message: Message = json.loads(line)
        return message


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, both closed on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
