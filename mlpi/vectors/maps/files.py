"""What workers computed for a collection's pages: home/chroma-maps/<collection>/, ours alone.

Everything in it can be computed again. What belongs to a collection that is gone goes with the
next start.
"""

from __future__ import annotations

import shutil
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Layout:
    """Where records lie on a map. xy: base64 of (n, 2) little-endian float32, a row for each id.

    sequence: the collection's when it was computed; count: of its records then.
    """

    by: str
    ids: list[str]
    xy: str
    count: int
    sequence: int | None
    at: datetime | None = None  # None: just now
    took_s: float = 0.0
    shares: tuple[float, ...] = ()  # of the variance, in x and y; of PCA only


class MapFiles:
    """The folder, for the service and for workers."""

    def __init__(self, home: Path) -> None:
        self._root = home / "chroma-maps"

    def folder(self, collection_id: str) -> Path:
        """A collection's own folder, made if need be."""
        found = self._root / collection_id
        found.mkdir(parents=True, exist_ok=True, mode=0o700)
        return found

    def pairs(self, collection_id: str) -> Path:
        """Where its report of nearest pairs is, if there is one."""
        return self._root / collection_id / "pairs.sqlite3"

    def write(self, collection_id: str, layout: Layout) -> None:
        target = self.folder(collection_id) / f"{layout.by}.json"
        draft = target.with_suffix(".part")
        draft.write_bytes(packed(layout))
        draft.replace(target)

    def read(self, collection_id: str, by: str) -> Layout | None:
        """A layout that was computed; None when there is none, or none that can be read."""
        try:
            return parsed((self._root / collection_id / f"{by}.json").read_bytes())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def remove(self, collection_id: str) -> None:
        shutil.rmtree(self._root / collection_id, ignore_errors=True)

    def sweep(self, known: Container[str]) -> None:
        """Remove what belongs to collections that are gone."""
        if self._root.is_dir():
            for folder in self._root.iterdir():
                if folder.name not in known:
                    shutil.rmtree(folder, ignore_errors=True)


def packed(layout: Layout) -> bytes:
    return orjson.dumps(layout)


def parsed(raw: bytes) -> Layout:
    """Raises ValueError, KeyError or TypeError for what is no layout."""
    found: dict[str, Any] = orjson.loads(raw)
    at = datetime.fromisoformat(found["at"]) if found["at"] else None
    return Layout(**{**found, "at": at, "shares": tuple(found["shares"])})
