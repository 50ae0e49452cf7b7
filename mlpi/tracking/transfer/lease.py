"""One import into a workspace at a time: a lease that a crash lets go of by not renewing it.

Two imports at once would each find a run missing and copy it. Who holds the lease renews it well
before it ends; a service that was started again knows of none, and gets it told at the next
renewal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from mlpi.clock import Clock
from mlpi.errors import Conflict

LEASE_S = 15  # so long the next one waits for an import that was killed
RENEW_S = 3
ASK_S = 1
PATH = "/api/mlpi/tracking/import-lease"


@dataclass(frozen=True, slots=True)
class _Held:
    holder: str
    words: str
    since: datetime
    until: datetime


class Leases:
    """The service's side: who imports into which workspace, in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def take(self, workspace: str, holder: str, words: str) -> None:
        """Begin or renew. words: who imports from where. Raises Conflict naming the other."""
        now = self._clock()
        with self._lock:
            found = self._held.get(workspace)
            if found is not None and found.holder != holder and found.until > now:
                raise Conflict(
                    f"Another import into {workspace} is running: {found.words}, "
                    f"begun {found.since:%H:%M} UTC.",
                    advice="Wait for its end.",
                )
            since = found.since if found is not None and found.holder == holder else now
            until = now + timedelta(seconds=LEASE_S)
            self._held[workspace] = _Held(holder, words, since, until)

    def give_back(self, workspace: str, holder: str) -> None:
        """End; nothing when somebody else holds it."""
        with self._lock:
            found = self._held.get(workspace)
            if found is not None and found.holder == holder:
                del self._held[workspace]


class Holding(AbstractContextManager[None]):
    """The importer's side: takes the lease, renews it from a thread, gives it back.

    Where another one has it, it waits as long as one that was killed keeps it: then what was begun
    goes on at once. Raises EndUnusable when the other is alive. A renewal that fails is tried
    again: a service that is down lets nobody else in either.
    """

    def __init__(
        self, url: str, headers: dict[str, str], source: str, say: Callable[[str], None]
    ) -> None:
        import secrets  # noqa: PLC0415 - with httpx, of the importer only

        import httpx  # noqa: PLC0415

        self._url = url + PATH
        self._say = say
        self._body = {"holder": secrets.token_hex(16), "source": source[:300]}
        self._client = httpx.Client(headers=headers, timeout=30)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="import-lease", daemon=True)

    def __enter__(self) -> None:
        try:
            told = self._asked()
            if told:
                self._say(f"{told.get('message')} Waiting for {LEASE_S} s, in case it was killed.")
            deadline = time.monotonic() + LEASE_S + ASK_S
            while told and time.monotonic() < deadline:
                self._ended.wait(ASK_S)
                told = self._asked()
            if told:
                from mlpi.tracking.transfer import EndUnusable  # noqa: PLC0415

                raise EndUnusable(str(told.get("message")), advice=str(told.get("advice", "")))
        except BaseException:
            self._client.close()
            raise
        self._thread.start()

    def _asked(self) -> dict[str, Any]:
        """Who has the lease; empty once it is ours. Raises EndUnusable."""
        import httpx  # noqa: PLC0415

        from mlpi.tracking.transfer import EndUnusable  # noqa: PLC0415

        try:
            answer = self._client.put(self._url, json=self._body)
        except httpx.HTTPError as error:
            raise EndUnusable(f"{self._url} does not answer ({type(error).__name__}).") from None
        # Any other answer comes from an mlpi without leases, or from no mlpi: as it ever was.
        found: dict[str, Any] = answer.json() if answer.status_code == 409 else {}
        return found

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import httpx  # noqa: PLC0415

        self._ended.set()
        self._thread.join()
        try:
            self._client.request("DELETE", self._url, json=self._body)
        except httpx.HTTPError:
            return  # it ends by itself
        finally:
            self._client.close()

    def _renew(self) -> None:
        import httpx  # noqa: PLC0415

        while not self._ended.wait(RENEW_S):
            try:
                self._client.put(self._url, json=self._body)
            except httpx.HTTPError:
                continue
