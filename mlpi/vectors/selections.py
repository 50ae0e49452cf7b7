"""Records that somebody chose on a map, kept for an hour: too many for an address."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlpi.errors import Invalid, NotFound

KEPT_S = 3600.0
MOST_IDS = 10_000  # of one selection
_MOST_KEPT = 200_000  # ids of all selections together; the oldest go first


@dataclass(frozen=True, slots=True)
class _Chosen:
    workspace: str
    collection_id: str
    ids: tuple[str, ...]
    until: float


class Selections:
    """In memory only: what is gone after a restart is chosen again in a moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._chosen: OrderedDict[str, _Chosen] = OrderedDict()

    def put(self, workspace: str, collection_id: str, ids: Sequence[str]) -> str:
        """Keep a selection; its key. Raises Invalid when it is empty or too large."""
        if not ids:
            raise Invalid("Nothing was selected.", advice="Select records first.")
        if len(ids) > MOST_IDS:
            raise Invalid(f"A selection holds at most {MOST_IDS:,} records.")
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._chosen[key] = _Chosen(
                workspace, collection_id, tuple(ids), self._clock() + KEPT_S
            )
            self._forget()
        return key

    def get(self, workspace: str, collection_id: str, key: str) -> list[str]:
        """The ids of a selection. Raises NotFound when it is gone or another collection's."""
        with self._lock:
            self._forget()
            found = self._chosen.get(key)
        if found is None or (found.workspace, found.collection_id) != (workspace, collection_id):
            raise NotFound(
                "This selection is no longer kept.", advice="Select the records again on the map."
            )
        return list(found.ids)

    def _forget(self) -> None:
        now = self._clock()
        for key in [key for key, one in self._chosen.items() if one.until <= now]:
            del self._chosen[key]
        while sum(len(one.ids) for one in self._chosen.values()) > _MOST_KEPT:
            self._chosen.popitem(last=False)
