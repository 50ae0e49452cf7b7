"""The fast lane: MLflow's five busiest writes, answered without MLflow."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import anyio.to_thread
from sqlalchemy import make_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlpi.tracking.fastlane import answers, requests
from mlpi.tracking.fastlane.requests import MAX_BODY_BYTES, Change
from mlpi.tracking.fastlane.statements import RunRow
from mlpi.tracking.fastlane.writer import Outcome, Ticket, Writer

log = logging.getLogger(__name__)

CLOSE_S = 5.0
_PATHS = {
    f"/{api}/2.0/mlflow/runs/{action}": action
    for api in ("api", "ajax-api")
    for action in requests.ACTIONS
}
_PLAIN_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8"})


class FastLane:
    """An ASGI app in front of stock MLflow's.

    A plain log-metric, log-batch, log-parameter, set-tag or update of an active run in the
    request's workspace is written by one thread in a shared transaction and answered when that
    is on the disk. Everything else, and whatever about these five is not plain, reaches stock
    MLflow untouched: errors are always in its own words.
    """

    def __init__(self, stock: ASGIApp) -> None:
        self._stock = stock
        self._writer: Writer | None = None
        self._gathered: list[Ticket] = []
        self.notice = ""

    def open(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, on MLflow's database, which exists; or step aside, and say so in notice."""
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend != "sqlite" or not parsed.database or parsed.query:
            self.notice = f"The fast lane is off: it needs a plain SQLite file, not {backend}."
            return
        writer = Writer(Path(parsed.database), loop)
        try:
            writer.open()
        except sqlite3.Error as error:
            self.notice = f"The fast lane is off ({error}); stock MLflow answers alone."
            log.warning("%s", self.notice, extra={"action": "fast_lane_off"})
            return
        self._writer = writer

    async def close(self) -> None:
        """Write what is under way, then end."""
        if self._writer is not None:
            self._writer.finish()
            await anyio.to_thread.run_sync(self._writer.join, CLOSE_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        action = _PATHS.get(scope["path"])
        if (
            self._writer is None
            or action is None
            or scope["method"] != "POST"
            or scope["query_string"]
            or not scope["workspace"]
            or not _is_plain_json(scope["headers"])
        ):
            await self._to_stock(scope, receive, send)
            return
        body, is_whole = await _read(receive)
        change = requests.parse(action, body) if is_whole else None
        if change is not None:
            outcome = await self._written(change, scope["workspace"])
            if outcome is Outcome.DONE:
                await answers.send_json(send, answers.DONE)
                return
            if isinstance(outcome, RunRow):
                await answers.send_json(send, answers.run_info(outcome))
                return
        await self._to_stock(scope, _again(body, receive, is_whole=is_whole), send)

    async def _to_stock(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and let the writer know while somebody else may want to write too."""
        writer = self._writer
        if writer is None or scope["method"] in ("GET", "HEAD") or "artifact" in scope["path"]:
            await self._stock(scope, receive, send)
            return
        writer.stock_writers += 1
        try:
            await self._stock(scope, receive, send)
        finally:
            writer.stock_writers -= 1

    async def _written(self, change: Change, workspace: str) -> Outcome | RunRow:
        """The change's outcome, once its transaction is on the disk."""
        loop = asyncio.get_running_loop()
        ticket = Ticket(change, workspace, loop.create_future())
        self._gathered.append(ticket)
        if len(self._gathered) == 1:
            # After whatever else arrived together with this: one hand-over for all of it.
            loop.call_soon(self._hand_over)
        return await ticket.answer

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        assert self._writer is not None
        self._writer.submit(gathered)


def _is_plain_json(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    kinds = [value for name, value in headers if name == b"content-type"]
    return len(kinds) == 1 and kinds[0].lower() in _PLAIN_TYPES


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The request's body, as far as it is worth reading here, and whether that is all of it."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        return body, True
    chunks = [body]
    size = len(body)
    while message["type"] == "http.request" and message.get("more_body"):
        if size > MAX_BODY_BYTES:
            return b"".join(chunks), False
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    return b"".join(chunks), message["type"] == "http.request"


def _again(body: bytes, receive: Receive, *, is_whole: bool) -> Receive:
    """A receive that begins with what has been read already."""
    is_first = True

    async def receiving() -> Message:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": body, "more_body": not is_whole}
        return await receive()

    return receiving
