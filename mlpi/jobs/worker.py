"""Inside a worker process: take a job, run it, tell how it went, wait for the next."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import logging
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpi.jobs.channel import Channel, Message
from mlpi.jobs.context import JobContext, JobFailed
from mlpi.jobs.output import Output

_PR_SET_PDEATHSIG = 1
# What numeric libraries read, once, when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def work(channel: Channel) -> None:
    """Run jobs in order until the service closes the channel; some it may take back before."""
    home = Path.cwd()
    inbox, output = _Inbox(channel), Output()
    while (order := inbox.next()) is not None:
        if inbox.was_taken_back(order):
            answer: Message = {"skipped": order["job"]}
        else:
            log = Path(order["log"])
            output.begin(log, is_quick=order["is_quick"])
            _take_cpus(order["cpus"])
            answer = _run(order, channel.send)
            _flush()
            output.end(log)
            os.chdir(home)
        try:
            channel.send(answer)
        except OSError:
            break
    output.close()


class _Inbox:
    """Orders that wait, and the numbers of those that are not wanted any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._orders: deque[Message] = deque()
        self._unwanted: set[int] = set()

    def next(self) -> Message | None:
        """The next order, waited for if need be; None when the service is gone."""
        for message in self._channel.drain():
            self._take(message)
        while not self._orders:
            received = self._channel.receive()
            if received is None:
                return None
            self._take(received)
        return None if self._channel.is_closed else self._orders.popleft()

    def was_taken_back(self, order: Message) -> bool:
        if order["job"] not in self._unwanted:
            return False
        self._unwanted.discard(order["job"])
        return True

    def _take(self, message: Message) -> None:
        if "skip" in message:
            self._unwanted.add(message["skip"])
        else:
            self._orders.append(message)


def call(order: Message, send: Callable[[Message], None]) -> Any:
    """The result of an order's function, as JSON can hold it. Raises what the function raises."""
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    context = JobContext(
        job_id=order["job"],
        workspace=order["workspace"],
        home=Path(order["home"]),
        attempt=order["attempt"],
        send=send,
        cpus=order["cpus"],
    )
    result = function(context, order["params"])
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        raise JobFailed(f"its result cannot be kept as JSON: {error}") from None
    return result


def _run(order: Message, send: Callable[[Message], None]) -> Message:
    send({"started": order["job"]})
    try:
        return {"succeeded": order["job"], "result": call(order, send)}
    except JobFailed as error:
        return {"failed": order["job"], "error": str(error), "traceback": ""}
    except MemoryError:
        return {"failed": order["job"], "error": "there was not enough memory", "traceback": ""}
    except (Exception, SystemExit) as error:
        trace = traceback.format_exc()
        sys.stderr.write(trace)
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return {"failed": order["job"], "error": line, "traceback": trace}


def _take_cpus(cpus: int) -> None:
    """Let numeric libraries run so many threads: those loaded already, and those still to come."""
    wanted = str(cpus)
    if os.environ.get(THREADS[0]) == wanted:
        return
    os.environ.update(dict.fromkeys(THREADS, wanted))
    if "numpy" in sys.modules:
        # Late: it looks at what is loaded. It ships no types.
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # noqa: PLC0415

        threadpool_limits(cpus)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def prepare_process(name: str) -> None:
    """Make a forked child a worker: its own session, so that all it starts can be ended with it."""
    os.setsid()
    _die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    _name_process(name)
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")  # noqa: SIM115
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )


def _die_with_parent() -> None:
    """Be killed when the fork server is, however it ends (prctl(2), Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _name_process(name: str) -> None:
    """What `top` shows (at most 15 bytes)."""
    try:
        Path("/proc/self/comm").write_text(name[:15])
    except OSError:
        return
