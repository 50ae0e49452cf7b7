"""A helper process of the engine that may open chroma.sqlite3 beside the bindings.

    python -m mlpi.vectors.engine.keeper <descriptor> <folder>

Two libraries of SQLite in one process drop each other's locks on a file, so what the engine must
know of the log while the bindings run is asked here. It runs only while there is something to do.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlpi.vectors import frames
from mlpi.vectors.engine import log, renewal
from mlpi.vectors.engine.log import Vectors
from mlpi.vectors.frames import Frame

_BLOCK = 2000  # vectors in memory at once
_END_S = 10.0


class KeeperGone(Exception):
    """The helper process ended before it answered."""


class WrongDimension(Exception):
    """A query of another dimension than the collection's. Arguments: the collection's, the
    query's."""


class Keeper:
    """The engine's side. Asked by several threads, it does one thing at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asking = threading.Lock()
        self._end: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def lacking(self, collection: str, cut: int, limit: int) -> tuple[dict[str, array[float]], int]:
        """Some records that the index lacks, with their vectors; and how many there are in all."""
        head, body = self._ask("lacking", collection=collection, cut=cut, limit=limit)
        return _unpacked(head["ids"], body), head["lacking"]

    def vectors(self, collection: str, ids: Sequence[str]) -> dict[str, array[float]]:
        """Vectors as they were written, of those records that have one."""
        head, body = self._ask("vectors", collection=collection, ids=list(ids))
        return _unpacked(head["ids"], body)

    def nearest(
        self,
        collection: str,
        space: str,
        query: Sequence[float],
        count: int,
        ids: Sequence[str] | None,
    ) -> list[tuple[str, float]]:
        """The nearest records by looking at each, closest first; of these ids, or of all.

        Raises WrongDimension.
        """
        head, _ = self._ask(
            "nearest",
            array("f", query).tobytes(),
            collection=collection,
            space=space,
            count=count,
            ids=None if ids is None else list(ids),
        )
        if "dimension" in head:
            raise WrongDimension(head["dimension"], len(query))
        return [(one, distance) for one, distance in head["found"]]

    def replace(self, collection: str, detail: str) -> dict[str, Any]:
        """Give it a new index, to be filled. No write may be under way.

        Name, database, space, cut and detail; nothing when there is no such collection.
        """
        return self._ask("replace", collection=collection, detail=detail)[0]

    def end_rebuild(self, collection: str) -> None:
        """Its index lacks nothing any more."""
        self._ask("end_rebuild", collection=collection)

    def sweep(self) -> int:
        """Remove folders that belong to no collection; how many. No write may be under way."""
        return int(self._ask("sweep")[0]["gone"])

    def shrink(self) -> bool | None:
        """One step of looking for useless rows of the log and dropping them; whether the next one
        writes, so that no other write may be under way, or None at the end."""
        next_writes: bool | None = self._ask("shrink")[0]["next_writes"]
        return next_writes

    def rest(self) -> None:
        """End the process; the next question starts it again."""
        with self._asking:
            self._close()

    def _ask(self, deed: str, body: bytes = b"", **words: Any) -> tuple[dict[str, Any], bytes]:
        with self._asking:
            if self._end is None:
                self._start()
            assert self._end is not None
            try:
                frames.send(self._end, Frame(0, {"deed": deed, **words}, body))
                answer = frames.receive(self._end)
            except OSError:
                answer = None
            if answer is None:
                self._close()
                raise KeeperGone
        if "error" in answer.head:
            raise RuntimeError(answer.head["error"])
        return answer.head, answer.body

    def _start(self) -> None:
        self._end, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlpi.vectors.engine.keeper"),
                    *(str(theirs.fileno()), str(self._folder)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def _close(self) -> None:
        if self._end is not None and self._process is not None:
            self._end.close()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._end = self._process = None


def _unpacked(ids: list[str], body: bytes) -> dict[str, array[float]]:
    if not ids:
        return {}
    size = len(body) // len(ids)
    found = {}
    for at, one in enumerate(ids):
        row = array("f")
        row.frombytes(body[at * size : (at + 1) * size])
        found[one] = row
    return found


class _Work:
    """The helper's side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db = log.connect(folder)
        self._known: dict[str, Vectors] = {}
        self._pending: dict[str, deque[str]] = {}
        self._shrinking: Iterator[bool] | None = None

    def answer(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        deed = head.pop("deed")
        if deed == "nearest":
            return self.nearest(query=body, **head), b""
        found = getattr(self, deed)(**head)
        return found if isinstance(found, tuple) else (found, b"")

    def _log(self, collection: str) -> Vectors:
        if collection not in self._known:
            self._known[collection] = Vectors(log.topic_of(collection))
        self._known[collection].follow(self._db)
        return self._known[collection]

    def lacking(self, collection: str, cut: int, limit: int) -> tuple[dict[str, Any], bytes]:
        found = self._log(collection)
        if not self._pending.get(collection):
            self._pending[collection] = deque(one for one, row in found.made.items() if row <= cut)
        pending = self._pending[collection]
        ids: list[str] = []
        while pending and len(ids) < limit:
            one = pending.popleft()
            if found.made.get(one, cut + 1) <= cut:
                ids.append(one)
        vectors = found.of(self._db, ids)
        body = b"".join(vectors[one] for one in ids)
        return {"ids": ids, "lacking": len(ids) + len(pending)}, body

    def vectors(self, collection: str, ids: list[str]) -> tuple[dict[str, Any], bytes]:
        found = self._log(collection).of(self._db, ids)
        return {"ids": list(found)}, b"".join(found.values())

    def nearest(
        self, collection: str, space: str, query: bytes, count: int, ids: list[str] | None
    ) -> dict[str, Any]:
        import numpy as np  # noqa: PLC0415

        wanted = np.frombuffer(query, dtype="<f4")
        found = self._log(collection)
        pool = found.held if ids is None else [one for one in ids if one in found.held]
        by_row = {found.held[one]: one for one in pool}
        rows = sorted(by_row)
        best: list[tuple[float, str]] = []
        for start in range(0, len(rows), _BLOCK):
            part = list(log.raw_vectors(self._db, rows[start : start + _BLOCK]))
            names = [by_row[row] for row, _ in part]
            matrix = np.frombuffer(b"".join(raw for _, raw in part), dtype="<f4")
            matrix = matrix.reshape(len(part), -1)
            if matrix.shape[1] != len(wanted):
                return {"dimension": matrix.shape[1]}
            away = _distances(matrix, wanted, space)
            near = np.argsort(away, kind="stable")[:count]
            best = sorted([*best, *((float(away[n]), names[n]) for n in near)])[:count]
        return {"found": [(one, distance) for distance, one in best]}

    def replace(self, collection: str, detail: str) -> dict[str, Any]:
        for one in log.stored(self._db, collection):
            renewal.replace(self._db, self._folder, one, detail)
            self._pending.pop(collection, None)
            cut, detail = log.rebuilds(self._db)[collection]
            return {
                "name": one.name,
                "database": one.database,
                "space": one.space,
                "cut": cut,
                "detail": detail,
            }
        return {}

    def end_rebuild(self, collection: str) -> dict[str, Any]:
        log.end_rebuild(self._db, collection)
        self._known.pop(collection, None)
        self._pending.pop(collection, None)
        return {}

    def sweep(self) -> dict[str, Any]:
        gone = log.folders(self._db, self._folder)
        for place in gone:
            shutil.rmtree(place, ignore_errors=True)
        return {"gone": len(gone)}

    def shrink(self) -> dict[str, Any]:
        if self._shrinking is None:
            self._shrinking = log.shrink_all(self._db)
        next_writes = next(self._shrinking, None)
        if next_writes is None:
            self._shrinking = None
        return {"next_writes": next_writes}


def _distances(matrix: Any, wanted: Any, space: str) -> Any:
    """(n, dimension) and (dimension,) float32: n distances as Chroma's index measures them."""
    import numpy as np  # noqa: PLC0415

    if space == "l2":
        return ((matrix - wanted) ** 2).sum(axis=1)
    if space == "cosine":
        matrix = matrix / (np.linalg.norm(matrix, axis=1, keepdims=True) + np.float32(1e-30))
        wanted = wanted / (np.linalg.norm(wanted) + np.float32(1e-30))
    return np.float32(1) - matrix @ wanted


def leave_signals() -> None:
    """Ctrl+C in a terminal and systemd's stop reach every process, and are the service's to
    handle: it closes its end, and what was begun is finished."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)


def main(descriptor: int, folder: Path) -> None:
    """Answer until the engine closes its end."""
    leave_signals()
    work = _Work(folder)
    with socket.socket(fileno=descriptor) as end:
        while (frame := frames.receive(end)) is not None:
            try:
                head, body = work.answer(frame.head, frame.body)
            except (sqlite3.Error, OSError) as error:
                head, body = {"error": f"{type(error).__name__}: {error}"}, b""
            with contextlib.suppress(OSError):
                frames.send(end, Frame(0, head, body))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
