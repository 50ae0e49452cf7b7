"""Indexes that are broken: noticed, replaced, and filled while everything goes on.

Reads of such a collection look at each vector of the log instead of the index: exact, slower.
Writes go the usual way and are in the new index at once, so none is held back or refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mlpi.vectors.engine.keeper import Keeper, KeeperGone
from mlpi.vectors.engine.life import Life
from mlpi.vectors.engine.opening import Filling
from mlpi.vectors.names import TENANT

log = logging.getLogger(__name__)

FED_AT_ONCE = 100  # records; other writes and Python wait for so long, about 50 ms
REST_S = 0.01  # between them, so that a waiting write is next
SWEEP_S = 2.0  # after a deletion; more may follow
SHRINK_S = 60.0  # after a start, which has other things to do
SHRINK_EVERY_S = 3600.0
RETRY_S = 5.0
_SAY_EVERY_S = 1.0
PANICKED = 70  # the engine's exit code

# What the bindings say when an index cannot be used, from their sources.
_INDEX_ERRORS = re.compile(
    "Error finding id|hnsw|Nothing found on disk|Error getting embedding|Error querying knn"
    "|pickle|Backfill|Error applying log chunk|Error updating max sequence id",
    re.IGNORECASE,
)

# A panic in one of their tasks is not passed on: the task is gone, and nobody can write any more.
_DEATHS = re.compile(
    "to compactor: Failed to (send request|receive response)"
    "|Error sending (message|purge log msg) to compactor"
)

Answered = TypeVar("Answered")


class Panicked(BaseException):
    """The bindings are of no use any more, and neither is this process."""


def require_life(error: BaseException) -> None:
    """Raises Panicked when an exception of the bindings says that a part of them is dead."""
    if _DEATHS.search(str(error)):
        raise Panicked(str(error)) from error


def is_index_error(error: BaseException) -> bool:
    """Whether an exception of the bindings may mean a broken index; it need not."""
    return type(error).__module__.startswith("chromadb") and bool(_INDEX_ERRORS.search(str(error)))


@dataclass(frozen=True, slots=True)
class Condition:
    """How a collection that needs care is. state: rebuilding, or broken for what is given up."""

    collection: str
    name: str
    state: str
    done: int
    total: int
    detail: str

    def shown(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.__slots__}


class Repairs:
    """What is under repair, and the thread that repairs it.

    writing: held by whoever writes to the bindings.
    """

    def __init__(
        self,
        bindings: Any,
        keeper: Keeper,
        writing: threading.RLock,
        fillings: Sequence[Filling],
        life: Life,
    ) -> None:
        self._bindings = bindings
        self._keeper = keeper
        self._writing = writing
        self._life = life
        self._fillings = {one.collection: one for one in fillings}
        self._conditions = {one.collection: _condition(one) for one in fillings}
        self._wake = threading.Event()
        self._is_ending = False
        self._sweep_at: float | None = None
        self._shrink_at = time.monotonic() + SHRINK_S
        self._is_shrink_writing: bool | None = None
        self._said_at = 0.0
        self.tell: Callable[[Mapping[str, Any]], None] = lambda _: None
        self._thread = threading.Thread(target=self._run, name="repairs")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the slice under way; the next engine goes on."""
        self._is_ending = True
        self._wake.set()
        self._thread.join()
        self._keeper.rest()

    def filling(self, collection: str) -> Filling | None:
        """What is known of a collection whose index is not to be asked."""
        return self._fillings.get(collection)

    def health(self) -> dict[str, Any]:
        """By collection, those that are not ok."""
        return {
            "is_busy": any(not one.is_given_up for one in self._fillings.values()),
            "collections": [one.shown() for one in list(self._conditions.values())],
        }

    def broke(self, collection: str, detail: str) -> None:
        """An index is broken: from now on the log answers, and a new index is filled."""
        with self._writing:
            if collection in self._fillings:
                return
            log.warning("index of %s is broken: %s", collection, detail)
            found = self._keeper.replace(collection, detail)
            if found:
                one = Filling(collection, **found)
                self._fillings[collection] = one
                self._conditions[collection] = _condition(one)
        self._wake.set()
        self._tell()

    def forget(self, collection: str) -> None:
        """A collection was deleted: its folder goes soon."""
        self._fillings.pop(collection, None)
        self._conditions.pop(collection, None)
        self._sweep_at = time.monotonic() + SWEEP_S
        self._wake.set()

    def blame(self, collections: Iterable[str]) -> None:
        """The engine dies of what one of these did to the bindings."""
        for one in list(collections):
            self._life.suspect(one)

    def _run(self) -> None:
        self._tell()
        while not self._is_ending:
            self._wake.clear()
            try:
                waits = self._step()
            except Exception:
                log.exception("a repair failed; it is tried again")
                waits = RETRY_S
            except BaseException:  # a panic of the bindings
                log.exception("the bindings panicked in a repair")
                self.blame(self._fillings)
                os._exit(PANICKED)
            self._wake.wait(waits)

    def _step(self) -> float:
        """One piece of what is to do; seconds until the next."""
        for one in list(self._fillings.values()):
            if not one.is_given_up:
                self._fill(one)
                return REST_S
        if self._sweep_at is not None:
            if (left := self._sweep_at - time.monotonic()) > 0:
                return left
            self._sweep_at = None
            with self._writing:
                self._keeper.sweep()
            return REST_S
        if (left := self._shrink_at - time.monotonic()) > 0:
            self._keeper.rest()
            return left
        with self._writing if self._is_shrink_writing else contextlib.nullcontext():
            self._is_shrink_writing = self._keeper.shrink()
        if self._is_shrink_writing is None:
            self._shrink_at = time.monotonic() + SHRINK_EVERY_S
        return REST_S

    def _fill(self, one: Filling) -> None:
        self._life.touch(one.collection)
        with self._writing:
            if one.collection not in self._fillings:
                return
            records, lacking = self._keeper.lacking(one.collection, one.cut, FED_AT_ONCE)
            if records:
                try:
                    self._bindings.upsert(
                        *(one.collection, list(records), list(records.values()), None, None, None),
                        *(TENANT, one.database),
                    )
                except Exception as error:
                    require_life(error)
                    raise
            else:
                self._keeper.end_rebuild(one.collection)
                del self._fillings[one.collection]
                del self._conditions[one.collection]
                log.info("index of %s is whole again", one.name)
                self._tell()
                return
        old = self._conditions[one.collection]
        total = old.total or lacking
        done = total - lacking + len(records)
        self._conditions[one.collection] = replace(old, total=total, done=done)
        if time.monotonic() - self._said_at > _SAY_EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._said_at = time.monotonic()
        self.tell(self.health())

    def vectors(self, collection: str, ids: Sequence[str]) -> dict[str, Any]:
        """Vectors from the log. Raises KeeperGone."""
        return _again(lambda: self._keeper.vectors(collection, ids))

    def nearest(
        self, one: Filling, query: Sequence[float], count: int, ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """Nearest records, from the log. Raises KeeperGone."""
        return _again(lambda: self._keeper.nearest(one.collection, one.space, query, count, ids))


def _again(question: Callable[[], Answered]) -> Answered:
    """A helper that was resting or died is started by the second try."""
    try:
        return question()
    except KeeperGone:
        return question()


def _condition(one: Filling) -> Condition:
    state = "broken" if one.is_given_up else "rebuilding"
    return Condition(one.collection, one.name, state, 0, 0, one.detail)
