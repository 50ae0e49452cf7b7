"""The vector engine: a process of the service that alone opens the folder of vectors.

    python -m mlpi.vectors.engine <descriptor> <folder>

Chroma's bindings hold Python's lock while they write, for a tenth of a second and more; in a
process of their own they stop nobody else, and what breaks in native code ends this process only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlpi.vectors import frames
from mlpi.vectors.engine.answers import Answer
from mlpi.vectors.engine.api import Api
from mlpi.vectors.engine.asked import Asked
from mlpi.vectors.engine.chroma import Chroma
from mlpi.vectors.engine.keeper import leave_signals
from mlpi.vectors.engine.life import collections_in
from mlpi.vectors.engine.repairs import PANICKED
from mlpi.vectors.frames import Frame

READERS = 4
TELL_S = 5.0  # a start that takes longer says what it does
LOCK = "mlpi.lock"
log = logging.getLogger("mlpi.vectors.engine")


def main(descriptor: int, folder: Path) -> None:
    """Serve until the service closes its end; what was begun is finished first."""
    leave_signals()
    with socket.socket(fileno=descriptor) as end, _locked(folder):
        with _telling(end) as say:
            chroma = Chroma(folder, say)
        Engine(end, Api(chroma), chroma).run()
        chroma.close()
    # The bindings' own threads take seconds to end, and have nothing left to write.
    sys.stdout.flush()
    os._exit(0)


class Engine:
    """Reads on several threads, writes on one, answers as they come.

    Each reading thread takes the next request from the socket itself: handing it over to another
    thread would cost a tenth of what a query takes.
    """

    def __init__(self, end: socket.socket, api: Api, chroma: Chroma) -> None:
        self._end = end
        self._api = api
        self._repairs = chroma.repairs
        self._receiving = threading.Lock()
        self._sending = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "writer")

    def run(self) -> None:
        """Serve until the other end is closed."""
        self._send(Frame(0, {"ready": True, "health": self._repairs.health()}, b""))
        self._repairs.tell = lambda health: self._send(Frame(0, {"health": health}, b""))
        readers = [threading.Thread(target=self._read, name=f"reader-{n}") for n in range(READERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self._writer.shutdown()

    def _read(self) -> None:
        while True:
            with self._receiving:
                frame = frames.receive(self._end)
            if frame is None:
                return
            asked = Asked(**frame.head, body=frame.body)
            if asked.is_read:
                self._serve(frame.number, asked)
            else:
                self._writer.submit(self._serve, frame.number, asked)

    def _serve(self, number: int, asked: Asked) -> None:
        try:
            answer = self._api.answer(asked)
        except Exception:
            log.exception("%s %s failed", asked.method, asked.path)
            answer = _BROKEN
        except BaseException:  # a panic of the bindings: what they hold may be half changed
            log.exception("%s %s: the bindings panicked", asked.method, asked.path)
            self._repairs.blame(collections_in(asked.path))
            self._send(Frame(number, {"status": _BROKEN.status}, _BROKEN.body))
            os._exit(PANICKED)
        self._send(Frame(number, {"status": answer.status}, answer.body))

    def _send(self, frame: Frame) -> None:
        with self._sending, contextlib.suppress(OSError):  # the service is gone: so are we, soon
            frames.send(self._end, frame)


_BROKEN = Answer(
    500, b'{"error":"InternalError","message":"The vector engine failed; see its log."}'
)


@contextlib.contextmanager
def _telling(end: socket.socket) -> Iterator[Callable[[str], None]]:
    """Takes what a start is doing, and tells the service now and then."""
    is_over = threading.Event()
    doing = [""]

    def tell() -> None:
        while not is_over.wait(TELL_S):
            with contextlib.suppress(OSError):
                frames.send(end, Frame(0, {"starting": doing[0]}, b""))

    teller = threading.Thread(target=tell, name="teller")
    teller.start()
    try:
        yield lambda text: doing.__setitem__(0, text)
    finally:
        is_over.set()
        teller.join()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Exclusive use of the folder: two writers lose vectors. Waits for one that is ending."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    main(int(sys.argv[1]), Path(sys.argv[2]))
