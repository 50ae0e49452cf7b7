"""What systemd hears from a real service over a real socket."""

from __future__ import annotations

import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.service import Service, clean_environment, free_port

START_S = 60


@dataclass
class Listening:
    """systemd's end of the socket, and every message that came."""

    channel: socket.socket
    heard: list[str] = field(default_factory=list)

    def messages(self, begin: str) -> list[str]:
        return [text for text in self.heard if text.startswith(begin)]

    def listen(self, seconds: float) -> None:
        """Take in whatever comes in this time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.channel], [], [], left)[0]:
                self.heard.append(self.channel.recv(4096).decode())

    def wait_for(self, begin: str, count: int = 1, within_s: float = START_S) -> str:
        """The count-th message that begins so."""
        deadline = time.monotonic() + within_s
        while len(self.messages(begin)) < count:
            assert time.monotonic() < deadline, f"no {begin} but {self.heard}"
            self.listen(0.05)
        return self.messages(begin)[count - 1]


@pytest.fixture
def systemd() -> Iterator[Listening]:
    # Not tmp_path: an address of this kind has at most 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="mlpi-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
    ):
        channel.bind(f"{folder}/notify")
        yield Listening(channel)


@pytest.fixture
def service(tmp_path: Path, systemd: Listening) -> Iterator[Service]:
    """A service that systemd would have begun to start: its port is not waited for."""
    made = Service(tmp_path / "home", free_port())
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop(signal.SIGKILL)  # a polite stop waits for MLflow's import


def begin(service: Service, systemd: Listening, **variables: str) -> None:
    env = clean_environment({"NOTIFY_SOCKET": systemd.channel.getsockname(), **variables})
    env = {key: value for key, value in env.items() if value}
    with (service.home.parent / f"{service.home.name}.log").open("w") as log:
        service.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlpi", "serve", "--host", "127.0.0.1"),
                *("--port", str(service.port), "--home", str(service.home)),
            ],
            stdout=log,
            stderr=log,
            text=True,
            env=env,
        )


def answers(service: Service, timeout_s: float) -> bool:
    try:
        return httpx.get(f"{service.url}/healthz", timeout=timeout_s).status_code == 200
    except httpx.TransportError:
        return False


def test_ready_alive_and_stopping(service: Service, systemd: Listening) -> None:
    begin(service, systemd, WATCHDOG_USEC="600000", WATCHDOG_PID="")
    ready = systemd.wait_for("READY=1")
    assert answers(service, timeout_s=5)
    assert f"STATUS=listening on {service.url}" in ready.splitlines()

    systemd.wait_for("WATCHDOG=1", count=6, within_s=10)

    assert service.process is not None
    service.process.terminate()
    stopping = systemd.wait_for("STOPPING=1", within_s=5)
    # The default drain of 8 s and what components get after it; systemd gives 10.
    assert "EXTEND_TIMEOUT_USEC=9500000" in stopping.splitlines()
    assert service.process.wait(timeout=10) == 0
    assert len(systemd.messages("READY=1")) == len(systemd.messages("STOPPING=1")) == 1


def test_ready_waits_for_the_answer_and_not_only_for_the_port(
    service: Service, systemd: Listening
) -> None:
    """Somebody holds the database: the port is bound, but nobody answers there yet."""
    service.home.mkdir(mode=0o700)
    with closing(sqlite3.connect(service.home / "mlpi.db", isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = WAL")
        holder.execute("BEGIN IMMEDIATE")
        begin(service, systemd, WATCHDOG_USEC="300000", WATCHDOG_PID="")
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", service.port)) == 0:
                    break
            time.sleep(0.02)
        systemd.listen(0.5)
        assert not answers(service, timeout_s=0.2)
        assert systemd.heard == []
        holder.execute("ROLLBACK")
    systemd.wait_for("READY=1", within_s=15)
    assert answers(service, timeout_s=5)


def test_a_watchdog_of_another_process_is_not_fed(service: Service, systemd: Listening) -> None:
    begin(service, systemd, WATCHDOG_USEC="300000", WATCHDOG_PID="1")
    systemd.wait_for("READY=1")
    systemd.listen(0.5)
    assert systemd.messages("WATCHDOG=1") == []


def test_a_start_that_fails_is_never_ready(service: Service, systemd: Listening) -> None:
    service.home.mkdir()
    (service.home / "mlpi.db").write_bytes(b"not a database" * 1000)
    begin(service, systemd)
    assert service.process is not None
    assert service.process.wait(timeout=START_S) == 1
    systemd.listen(0.05)
    assert systemd.heard == []
