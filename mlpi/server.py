"""Running the service: home lock, port, uvicorn, systemd's notifications."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn

from mlpi.app import create_app
from mlpi.auth.setup import SetupKey
from mlpi.errors import PortTaken, StartupError
from mlpi.house import House, home_problem, prepare_home
from mlpi.lock import home_lock
from mlpi.settings import Settings
from mlpi.system.limits import raise_file_limit
from mlpi.system.notify import Notifier

log = logging.getLogger(__name__)

BACKLOG = 512
# What components get to close, after the requests have had their time (settings.shutdown_s).
STOP_RESERVE_S = 1.5
TRIM_EVERY_S = 60.0
_M_ARENA_MAX = -8


@dataclass(frozen=True, slots=True)
class Running:
    """A service whose port answers: its address for people, and for this machine's processes."""

    house: House
    url: str
    local_url: str
    stop: Callable[[], None]


class Companion(Protocol):
    """Work beside the service, in a thread of its own."""

    def run(self, service: Running) -> None:
        """Called once the port answers. What it raises is its own affair: nobody catches it."""
        ...

    def stop(self) -> None:
        """The service ends; run() returns soon after this."""
        ...


def serve(settings: Settings, *, companion: Companion | None = None, invites: bool = True) -> None:
    """Run until a signal. Raises StartupError and its kinds before the port answers.

    invites: whether a service without users prints its set-up link.
    """
    _configure_logging(settings)
    _bound_memory()
    raise_file_limit()
    # Before uvicorn takes the signal over, and when it raises it again after it has drained:
    # the way out is through every `finally`, with exit code 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare_home(settings)
    with (
        home_lock(settings.home) as publish,
        bound_socket(settings.host, settings.port) as listener,
    ):
        _use_own_temporary_folder(settings.home)
        house = House.build(settings)
        try:
            house.open()
            with house.db.explaining():
                house.audit.prune(older_than_days=settings.audit_days)
            _Service(house, listener, publish, companion, invites=invites).run()
        finally:
            house.close()


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises PortTaken, StartupError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise _explained(error, host, port) from None
        yield listener
    finally:
        listener.close()


def _explained(error: OSError, host: str, port: int) -> StartupError:
    reason = error.strerror or str(error)
    if "in use" in reason:
        return PortTaken(
            f"Port {port} on {host} is in use.",
            advice="Choose another with --port, or see who has it: mlpi doctor.",
        )
    if "ermission" in reason:
        return StartupError(f"Port {port} needs root.", advice="Choose one above 1023 with --port.")
    return StartupError(f"{host}:{port} cannot be listened on ({reason}).")


class _Service(uvicorn.Server):
    """uvicorn, plus set-up link, systemd notifications and a drain with an end."""

    def __init__(
        self,
        house: House,
        listener: socket.socket,
        publish: Callable[[str], None],
        companion: Companion | None,
        *,
        invites: bool,
    ) -> None:
        settings = house.settings
        self._house = house
        self._listener = listener
        self._publish = publish
        self._companion = companion
        self._invites = invites
        self._setup_key = SetupKey()
        self._notifier = Notifier.from_environment()
        self._watchdog: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            create_app(house, self._setup_key),
            log_config=None,
            access_log=False,  # addresses carry the set-up key, and flash wears out
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=int(settings.shutdown_s),
            timeout_keep_alive=30,
            lifespan="on",
            ws="none",
        )
        super().__init__(config)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        del sockets
        super().run([self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn's answer to a component that does not start
            raise StartupError("The service could not start; its log says why.") from None
        if self.should_exit:
            return  # asked to stop meanwhile
        base = self._base()
        log.info("listening on %s", base, extra={"action": "listening", "url": base})
        local = self._base(on_this_machine=True)
        self._publish(local)
        if self._invites and not self._house.users.any_exist():
            # Printed, not logged: whoever may read the terminal or journal may set mlpi up.
            print(f"Set up mlpi here: {self._setup_key.link(base)}", flush=True)  # noqa: T201
        self._notifier.ready(f"listening on {base}")
        self._watchdog = asyncio.create_task(self._notifier.feed_watchdog())
        self._tidying = asyncio.create_task(_give_memory_back())
        if self._companion is not None:
            running = Running(self._house, base, local, self._end)
            # Not the loop's own pool, which the end of the loop waits for.
            threading.Thread(
                target=self._companion.run, args=(running,), name="companion", daemon=True
            ).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        within_s = self._house.settings.shutdown_s + STOP_RESERVE_S
        leave_after(within_s)
        self._notifier.stopping(within_s)
        if self._companion is not None:
            self._companion.stop()
        await super().shutdown(sockets)
        for task in (self._watchdog, self._tidying):
            if task is not None:
                task.cancel()

    def _end(self) -> None:
        self.should_exit = True

    def _base(self, *, on_this_machine: bool = False) -> str:
        host, port = self._listener.getsockname()[:2]
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            if on_this_machine:
                host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - compared
            else:
                host = socket.gethostname()
                if "." not in host and Path("/usr/sbin/avahi-daemon").exists():
                    host += ".local"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _configure_logging(settings: Settings) -> None:
    under_systemd = "JOURNAL_STREAM" in os.environ  # the journal has its own clock
    moment = "" if under_systemd else "%(asctime)s "
    logging.basicConfig(
        level=settings.log_level.upper(),
        format=moment + "%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )
    for chatty in ("alembic", "mlflow", "httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.root.level))


def leave_after(seconds: float) -> None:
    """End the process then, whatever still hangs; what was acknowledged is on disk.

    A thread that waits for a client keeps Python from ending, and systemd would not wait either.
    """

    def leave() -> None:
        log.warning("left with requests unfinished", extra={"action": "stop_cut_short"})
        os._exit(0)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _use_own_temporary_folder(home: Path) -> None:
    """Spool uploads beside the data unless told otherwise: /tmp is memory on Debian 13."""
    if "TMPDIR" in os.environ:
        return
    folder = home / "tmp"
    try:
        shutil.rmtree(folder, ignore_errors=True)  # what a killed service left
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise home_problem(home, error) from None
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # asked again, now with the variable


async def _give_memory_back() -> None:
    """Return freed memory to the system now and then; glibc alone keeps what a busy hour took."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return  # another libc
    while True:
        await asyncio.sleep(TRIM_EVERY_S)
        await asyncio.to_thread(trim, 0)


def _bound_memory() -> None:
    """Let glibc keep two arenas, not eight per core: 20 to 40 MB less after some traffic."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    except (OSError, AttributeError):
        return  # another libc
