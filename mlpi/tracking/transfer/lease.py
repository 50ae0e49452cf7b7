"""One import into a workspace at a time: a lease that a crash lets go of by not renewing it.

Two imports at once would each find a run missing and copy it. Who holds the lease renews it well
before it ends; a service that was started again knows of none, and gets it told at the next
renewal.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from mlpi.clock import Clock
from mlpi.errors import Conflict

LEASE_S = 90
RENEW_S = 20
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
                    advice="Wait for its end. If it was killed, try again in "
                    f"{int((found.until - now).total_seconds()) + 1} s.",
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

    Raises EndUnusable when another holds it. A renewal that fails is tried again: a service that
    is down lets nobody else in either.
    """

    def __init__(self, url: str, headers: dict[str, str], source: str) -> None:
        import secrets  # noqa: PLC0415 - with httpx, of the importer only

        import httpx  # noqa: PLC0415

        self._url = url + PATH
        self._body = {"holder": secrets.token_hex(16), "source": source[:300]}
        self._client = httpx.Client(headers=headers, timeout=30)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="import-lease", daemon=True)

    def __enter__(self) -> None:
        import httpx  # noqa: PLC0415

        from mlpi.tracking.transfer import EndUnusable  # noqa: PLC0415

        try:
            answer = self._client.put(self._url, json=self._body)
        except httpx.HTTPError as error:
            self._client.close()
            raise EndUnusable(f"{self._url} does not answer ({type(error).__name__}).") from None
        if answer.status_code == 409:
            self._client.close()
            told: dict[str, Any] = answer.json()
            raise EndUnusable(str(told.get("message") or told), advice=str(told.get("advice", "")))
        # Any other answer comes from an mlpi without leases, or from no mlpi: as it ever was.
        self._thread.start()

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
