"""Messages between the service and its vector engine: a JSON head and raw bytes, over a socket.

The engine parses bodies, so that no large JSON is ever read on the service's event loop.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

_SIZES = struct.Struct("<QII")  # number, bytes of the head, bytes of the body
_PIECE = 2**18  # written to the socket at once


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. number ties an answer to its request."""

    number: int
    head: dict[str, Any]
    body: bytes

    def packed(self) -> list[bytes]:
        head = json.dumps(self.head, separators=(",", ":")).encode()
        first = _SIZES.pack(self.number, len(head), len(self.body)) + head
        if len(self.body) < _PIECE:
            return [first + self.body]
        pieces = range(0, len(self.body), _PIECE)
        return [first, *(self.body[start : start + _PIECE] for start in pieces)]


def write_now(writer: asyncio.StreamWriter, frame: Frame) -> bool:
    """Send a small frame at once, if nothing else waits to be sent; whether it was done."""
    if len(frame.body) >= _PIECE or writer.transport.get_write_buffer_size():
        return False
    writer.write(frame.packed()[0])
    return True


async def write(writer: asyncio.StreamWriter, frame: Frame) -> None:
    """Send a frame. The caller sees to it that one frame is written at a time."""
    for piece in frame.packed():
        writer.write(piece)
        await writer.drain()


async def read(reader: asyncio.StreamReader) -> Frame:
    """The next frame. Raises asyncio.IncompleteReadError at the end."""
    number, head, body = _SIZES.unpack(await reader.readexactly(_SIZES.size))
    words = json.loads(await reader.readexactly(head))
    return Frame(number, words, await reader.readexactly(body) if body else b"")


def as_json(value: Any) -> bytes:
    """A small JSON body."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def send(end: socket.socket, frame: Frame) -> None:
    """Send a frame, waiting. Raises OSError when the other end is gone."""
    for piece in frame.packed():
        end.sendall(piece)


def receive(end: socket.socket) -> Frame | None:
    """Wait for a frame; None when the other end is gone."""
    sizes = _exactly(end, _SIZES.size)
    if sizes is None:
        return None
    number, head, body = _SIZES.unpack(sizes)
    first = head + body if body < _PIECE else head  # a large body is not copied out of the two
    words = _exactly(end, first)
    content = _exactly(end, head + body - first)
    if words is None or content is None:
        return None
    return Frame(number, json.loads(words[:head]), words[head:] or content)


def _exactly(end: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        try:
            part = end.recv(size - len(found), socket.MSG_WAITALL)
        except ConnectionError:
            return None
        if not part:
            return None
        found = found + part if found else part
    return found
