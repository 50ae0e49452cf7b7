"""A vector engine in a process of its own, without the service, for tests."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlpi.vectors import frames
from mlpi.vectors.frames import Frame
from tests.service import until

COLLECTIONS = "/tenants/default_tenant/databases/lab/collections"


class Gone(Exception):
    """The engine ended before it answered."""


class Talk:
    """One engine and what it said. Asked by any number of threads."""

    def __init__(self, folder: Path) -> None:
        self._end, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlpi.vectors.engine"),
                    *(str(theirs.fileno()), str(folder)),
                ],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "TOKIO_WORKER_THREADS": "1"},
            )
        self.health: dict[str, Any] = {}
        self.states: set[str] = set()  # of any collection, ever
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, SimpleQueue[Frame | None]] = {}
        self._is_over = False
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._ready.wait(100)

    def _read(self) -> None:
        while (frame := frames.receive(self._end)) is not None:
            if frame.number:
                self._answers[frame.number].put(frame)
                continue
            self.health = frame.head.get("health", self.health)
            self.states |= {one["state"] for one in self.health.get("collections", ())}
            if "ready" in frame.head:
                self._ready.set()
        self._is_over = True
        for waiting in list(self._answers.values()):
            waiting.put(None)
        self._ready.set()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer. Raises Gone."""
        number = next(self._numbers)
        answer = self._answers[number] = SimpleQueue()
        head = {
            "method": method,
            "path": path,
            "query": "",
            "content_type": "application/json",
            "workspace": "lab",
            "database": "lab",
        }
        try:
            with self._sending:
                frames.send(self._end, Frame(number, head, json.dumps(body).encode()))
        except OSError:
            raise Gone from None
        frame = None if self._is_over and answer.empty() else answer.get()
        del self._answers[number]
        if frame is None:
            raise Gone
        return frame.head["status"], json.loads(frame.body)

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to what must succeed."""
        status, answer = self.ask(method, path, body)
        assert status < 300, answer
        return answer

    def make(self, name: str, *, space: str = "l2", threshold: int = 1000) -> str:
        """A collection's id."""
        hnsw = {"space": space, "sync_threshold": threshold, "batch_size": 2}
        body = {"name": name, "configuration": {"hnsw": hnsw}}
        return str(self.done("POST", COLLECTIONS, body)["id"])

    def records(self, collection: str, deed: str, body: Mapping[str, Any]) -> Any:
        return self.done("POST", f"{COLLECTIONS}/{collection}/{deed}", body)

    def wait_whole(self) -> None:
        """Until nothing is under repair."""
        until(lambda: not self.done("HEALTH", "/mlpi/health")["is_busy"], 100)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        self._end.close()

    def end(self) -> int:
        """An orderly end; its exit code."""
        self._end.shutdown(socket.SHUT_WR)
        code = self.process.wait(60)
        self._reader.join()
        self._end.close()
        return code


@contextmanager
def talking(folder: Path) -> Iterator[Talk]:
    talk = Talk(folder)
    try:
        yield talk
    finally:
        if talk.process.poll() is None:
            talk.end()
        else:
            talk._end.close()
