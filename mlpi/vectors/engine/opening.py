"""What is done to the folder before the bindings open it.

At every start: the switch to WAL, lists that go with their records (lists.py), the log that
forgets nothing, the sizes of all index files, and the folders that belong to no collection. After
an end that was not orderly, also a whole look at every index that the last engine touched
(life.py). A query of every collection would load every index into memory, minutes for thousands of
them, and would find less than the look at the files: a query follows a few links, the look follows
all, and compares each vector with what was written.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlpi.vectors.engine import comparison, index, lists, log, renewal
from mlpi.vectors.engine.index import Damaged
from mlpi.vectors.engine.life import TOLERATED, TRUSTED
from mlpi.vectors.engine.log import Stored

logger = logging.getLogger(__name__)
_TRUSTED_ONCE = 1  # deaths of an engine that files in order may have caused


@dataclass(frozen=True, slots=True)
class Filling:
    """A collection whose index is not to be asked: it lacks what was made up to the cut."""

    collection: str
    name: str
    database: str
    space: str
    cut: int
    detail: str
    deaths: int = 0  # of engines, when it is given up

    @property
    def is_given_up(self) -> bool:
        """Its index is not made anew: that did not help."""
        return self.deaths > TRUSTED

    @property
    def is_refused(self) -> bool:
        """Nothing of it may be asked of the bindings."""
        return self.deaths > TOLERATED


def opened(
    folder: Path,
    touched: set[str],
    suspects: Counter[str],
    say: Callable[[str], None] = lambda _: None,
) -> list[Filling]:
    """Make the folder ready. say is told what is looked at, for that may take a while."""
    _make(folder)
    with contextlib.closing(log.connect(folder)) as db:
        lists.bind_to_records(db)
        did_forget = log.keep_all(db)
        under_way = log.rebuilds(db)
        found = log.stored(db)
        for number, one in enumerate(found):
            say(f"{number} of {len(found)} collections checked")
            deaths = suspects[one.collection]
            try:
                cut = under_way.get(one.collection, (0, ""))[0]
                is_doubtful = one.collection in touched or deaths > 0
                _check(db, folder, one, cut, is_doubtful=is_doubtful)
                if _TRUSTED_ONCE < deaths <= TRUSTED:
                    raise Damaged("the engine failed at it again and again")
                if did_forget and one.indexed:
                    renewal.rescue(db, folder, one)
            except Damaged as damage:
                lost = renewal.replace(db, folder, one, str(damage))
                logger.warning(
                    "%s: %s; its index is made anew, %d vectors are lost", one.name, damage, lost
                )
        for orphan in log.folders(db, folder):
            shutil.rmtree(orphan, ignore_errors=True)
        under_way = log.rebuilds(db)
        given_up = {one: deaths for one, deaths in suspects.items() if deaths > TRUSTED}
        return [
            _filling(one, *under_way.get(one.collection, (0, "")), given_up.get(one.collection, 0))
            for one in log.stored(db)
            if one.collection in under_way or one.collection in given_up
        ]


def _filling(one: Stored, cut: int, detail: str, deaths: int) -> Filling:
    if deaths:
        detail = f"the engine died {deaths} times of it"
    return Filling(one.collection, one.name, one.database, one.space, cut, detail, deaths)


def _check(
    db: sqlite3.Connection, folder: Path, one: Stored, cut: int, *, is_doubtful: bool
) -> None:
    if one.dimension is None:
        return
    place = folder / one.segment
    if is_doubtful:
        comparison.check(db, folder, one, cut)
        if place.exists():
            index.keep(place)
    elif index.is_written(place):
        index.check_sizes(place, one.dimension)
    elif one.indexed:
        raise Damaged("the index is gone")


def _make(folder: Path) -> None:
    """A file with Chroma's tables. With a rollback journal, readers and the writer stop each other.

    Only the bindings can make the tables, and in a process of their own, so that this one may still
    open the file.
    """
    with contextlib.closing(log.connect(folder)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        if log.is_made(db):
            return
    command = [sys.executable, "-m", "mlpi.vectors.engine.chroma", str(folder)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
