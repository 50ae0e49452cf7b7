"""A real `mlpi serve` in a process of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

START_S = 60
POLL_S = 0.02
PASSWORD = "correct horse battery"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(test: Callable[[], Any], seconds: float = START_S) -> Any:
    """What a test answers once that is true; it is asked again and again."""
    deadline = time.monotonic() + seconds
    while not (found := test()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(POLL_S)
    return found


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of mlpi or MLflow."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLPI_", "MLFLOW_"))}
    return {**kept, "DO_NOT_TRACK": "true", **(extra or {})}


def mlpi(
    *arguments: str,
    home: Path | None = None,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    where = ["--home", str(home)] if home else []
    return subprocess.run(
        [sys.executable, "-m", "mlpi", *arguments, *where],
        input=stdin,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        check=check,
        timeout=250,  # so much only where the machine is busy
    )


@dataclass
class Service:
    """A running service and what tests need to reach it."""

    home: Path
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    _tokens: dict[tuple[str, str, str | None], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str) -> None:
        """Start it and wait until the port answers."""
        log = (self.home.parent / f"{self.home.name}.log").open("a")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlpi", "serve", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--home", str(self.home), *options),
            ],
            stdout=log,
            stderr=log,
            text=True,
            env=clean_environment(self.env),
        )
        log.close()
        self.wait_for("/healthz")

    @property
    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def wait_for(self, path: str) -> httpx.Response:
        """Poll a path until it answers 200."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"the service ended:\n{self.log}"
            try:
                answer = httpx.get(self.url + path)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                return answer
            time.sleep(POLL_S)
        raise AssertionError(f"{path} did not answer 200 within {START_S} s:\n{self.log}")

    def wait_ready(self) -> None:
        """Wait until every component is ready."""
        self.wait_for("/readyz")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def mlpi(self, *arguments: str, stdin: str = "") -> str:
        """Run a command on this home; its standard output."""
        return mlpi(*arguments, home=self.home, stdin=stdin, env=self.env).stdout

    def add_user(self, name: str, *options: str) -> None:
        self.mlpi("user", "add", name, "--password-stdin", *options, stdin=PASSWORD + "\n")

    def settle(self) -> None:
        """An admin and two workspaces: ana owns lab, eve edits, vic views it; otto owns other."""
        for name in ("admin", "ana", "eve", "vic", "otto"):
            self.add_user(name)
        for workspace in ("lab", "other"):
            self.mlpi("workspace", "add", workspace)
        for workspace, name, role in (
            ("lab", "ana", "owner"),
            ("lab", "eve", "editor"),
            ("lab", "vic", "viewer"),
            ("other", "otto", "owner"),
        ):
            self.mlpi("member", "add", workspace, name, role)

    def token(self, user: str, workspace: str, role: str | None = None) -> str:
        """A token of this user, the same one each time."""
        key = (user, workspace, role)
        if key not in self._tokens:
            options = ["--role", role] if role else []
            made = self.mlpi("token", "add", user, "--workspace", workspace, *options)
            self._tokens[key] = made.strip()
        return self._tokens[key]

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client, with a token if given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    @contextmanager
    def browser(self, user: str) -> Iterator[httpx.Client]:
        """An HTTP client that has logged in as a browser does."""
        headers = {"Accept": "text/html"}
        with httpx.Client(base_url=self.url, timeout=60, headers=headers) as client:
            answer = client.post("/login", data={"name": user, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            yield client


@contextmanager
def running_service(
    folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A fresh service under a folder, stopped at the end."""
    home = folder / "home"
    service = Service(home, free_port(), env or {})
    try:
        service.start(*options)
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()
