"""A clean process that has imported what jobs need and forks workers from that.

    python -m mlpi.jobs.forkserver CONTROL_FD FAMILY MODULE…

Started on demand by mlpi/jobs/local.py and ended by it, or by its death: when the control socket
closes, every worker is killed. It is single-threaded and never runs a job itself, so that a fork
always copies one quiet thread. A fork takes milliseconds and shares the imports' memory; a fresh
process would take seconds and hold them again.

Messages in: {"fork": n} with one end of a worker's channel as ancillary data; {"kill": pid}.
Messages out: {"ready": seconds}, {"forked": n, "pid": pid}, {"exited": pid, "status": status}.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time

from mlpi.jobs.channel import Channel
from mlpi.jobs.worker import prepare_process, work

NICENESS = 10  # the UI comes first


class ForkServer:
    """The loop of the process."""

    def __init__(self, control: socket.socket, family: str) -> None:
        self._control = control
        self._family = family
        self._workers: set[int] = set()
        self._rest = b""
        self._wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl+C is the service's to handle

    def run(self, modules: list[str]) -> None:
        """Import, say so, and fork on demand until the service hangs up."""
        began = time.monotonic()
        for module in modules:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, every shared page
        self._tell({"ready": round(time.monotonic() - began, 3)})
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self._wake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._wake, 512)
                        self._reap()
                    elif not self._serve():
                        self._end()
                        return

    def _serve(self) -> bool:
        """Handle what arrived on the control socket; False when it is closed."""
        fds = array.array("i")
        size = socket.CMSG_LEN(16 * fds.itemsize)
        try:
            data, ancillary, _, _ = self._control.recvmsg(2**16, size)
        except ConnectionError:
            return False
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        if not data:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "fork" in message:
                self._fork(message["fork"], fds.pop(0))
            elif message["kill"] in self._workers:
                kill_session(message["kill"])
        return True

    def _fork(self, number: int, fd: int) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                self._control.close()
                os.close(self._wake)
                prepare_process(f"mlpi-{self._family}")
                work(Channel(socket.socket(fileno=fd)))
            except BaseException:  # a child must never go on as the parent
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        os.close(fd)
        self._workers.add(pid)
        self._tell({"forked": number, "pid": pid})

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._workers.discard(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what it may have left running
            self._tell({"exited": pid, "status": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._workers:
            kill_session(pid)

    def _tell(self, message: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(message).encode() + b"\n")


def kill_session(pid: int) -> None:
    """Kill a worker and everything in its session that has not made one of its own."""
    for kill in (os.killpg, os.kill):  # the second for one that has no session yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def main() -> None:
    fd, family, *modules = sys.argv[1:]
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    ForkServer(socket.socket(fileno=int(fd)), family).run(modules)
    # Past the interpreter's own end, at which DuckDB's bindings tell the journal, in sixty lines,
    # what modules that are still imported hold.
    os._exit(0)


if __name__ == "__main__":
    main()
