"""The embedding host: a process of the service that alone loads embedding models.

    python -m mlpi.vectors.embedders <descriptor>

A model takes some hundred MB, may bring any package with it, and may break or hang: here it costs
the service nothing, and its memory returns when the host ends for want of work.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlpi.errors import MlpiError
from mlpi.vectors import frames
from mlpi.vectors.embedders.loading import Embedder, Recipe, load
from mlpi.vectors.frames import Frame

MOST_LOADED = 2
NICENESS = 5  # pages come first
FIRST_TO_GO = "500"  # where memory runs out: a model can be loaded again
log = logging.getLogger("mlpi.vectors.embedders")


def main(descriptor: int) -> None:
    """Serve until the service closes its end; nothing that is lost then matters."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is the service's to handle
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    with socket.socket(fileno=descriptor) as end:
        _Host(end).run()
    os._exit(0)  # not after what a model still computes


class _Host:
    """One request at a time, in the order they came; a thread of its own sees the end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._asked: SimpleQueue[Frame] = SimpleQueue()
        self._loaded: OrderedDict[Recipe, Embedder] = OrderedDict()

    def run(self) -> None:
        """Serve until the other end is closed."""
        frames.send(self._end, Frame(0, {"ready": True}, b""))
        threading.Thread(target=self._work, name="embedder", daemon=True).start()
        while (frame := frames.receive(self._end)) is not None:
            self._asked.put(frame)

    def _work(self) -> None:
        while True:
            frame = self._asked.get()
            head, body = self._answered(frame)
            with contextlib.suppress(OSError):  # the service is gone: so are we, soon
                frames.send(self._end, Frame(frame.number, head, body))

    def _answered(self, frame: Frame) -> tuple[dict[str, Any], bytes]:
        """Head and body of the answer: the vectors' float32, or in the head what is wrong."""
        try:
            embedder = self._embedder(Recipe(**frame.head["recipe"]))
            rows = embedder.embed(json.loads(frame.body))
        except MlpiError as error:
            return {"error": [error.message, error.advice, error.field]}, b""
        except MemoryError:
            return {"error": ["There is not enough memory for this embedder.", None, None]}, b""
        except Exception:
            log.exception("an embedder failed")
            return {"error": ["The embedder failed; the service's log says how.", None, None]}, b""
        return {"dimension": embedder.dimension}, rows.tobytes()

    def _embedder(self, recipe: Recipe) -> Embedder:
        if recipe not in self._loaded:
            while len(self._loaded) >= MOST_LOADED:
                self._loaded.popitem(last=False)
                _give_memory_back()
            self._loaded[recipe] = load(recipe, threads=max(1, (os.cpu_count() or 1) - 1))
        self._loaded.move_to_end(recipe)
        return self._loaded[recipe]


def _give_memory_back() -> None:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    main(int(sys.argv[1]))
