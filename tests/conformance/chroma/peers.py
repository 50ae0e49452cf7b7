"""The two servers that are compared: `chroma run` as installed, and `mlpi serve`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.service import PASSWORD, START_S, Service, clean_environment, free_port, running_service

USER = "conformance"


@dataclass(frozen=True)
class Peer:
    """A running server and what opens it."""

    name: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    service: Service | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def session(self) -> httpx.Client:
        """A client as its admin's browser, which may go into every workspace. mlpi only."""
        client = httpx.Client(base_url=self.url, timeout=120)
        answer = client.post("/login", data={"name": USER, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client


@contextmanager
def stock(folder: Path) -> Iterator[Peer]:
    """`chroma run` on an empty folder, with resets allowed."""
    port = free_port()
    config = folder / "chroma.yaml"
    config.write_text(
        f"port: {port}\nlisten_address: 127.0.0.1\nallow_reset: true\n"
        f"persist_path: {folder / 'stock'}\n"
    )
    with (folder / "stock.log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "chroma", "run", config],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment({"ANONYMIZED_TELEMETRY": "False"}),
        )
    try:
        peer = Peer("stock", port)
        _wait(peer, process)
        yield peer
    finally:
        process.terminate()
        process.wait()


@contextmanager
def ours(folder: Path) -> Iterator[Peer]:
    """`mlpi serve` on an empty home, and the token of an owner of the workspace `default`."""
    with running_service(folder, env={"MLPI_CHROMA_RESET": "true"}) as service:
        service.add_user(USER, "--admin")
        token = service.token(USER, "default")
        yield Peer("mlpi", service.port, {"X-Chroma-Token": token}, service)


PEERS = {"stock": stock, "mlpi": ours}


def _wait(peer: Peer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "chroma run ended"
        try:
            if httpx.get(f"{peer.url}/api/v2/heartbeat").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("chroma run does not answer")
