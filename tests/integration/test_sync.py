"""`mlpi sync` in a process of its own, beside TensorBoard's own writer, on bad days."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from mlpi.sync.protocol import FILES, OFFSET, beginning
from tests.event_files import NAME, event, header, simple
from tests.service import Service, clean_environment, running_service, until


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may be stopped, with a small quota."""
    folder = tmp_path_factory.mktemp("pi")
    with running_service(folder, env={"MLPI_BOARDS_QUOTA_MB": "8"}) as running:
        running.add_user("ana", "--admin")
        yield running


class Sync:
    """A running `mlpi sync`."""

    def __init__(self, folder: Path, url: str, token: str, *options: str) -> None:
        self._said = folder.parent / f"{folder.name}.said"
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlpi", "sync", str(folder), "--url", url, *options],
                env=clean_environment({"MLPI_TOKEN": token, "PYTHONUNBUFFERED": "1"}),
                stdout=said,
                stderr=said,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def ended(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)


Start = Callable[..., Sync]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `mlpi sync`; what still runs is ended afterwards."""
    running: list[Sync] = []

    def begin(folder: Path, url: str, token: str, *options: str) -> Sync:
        running.append(Sync(folder, url, token, *options))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def log_of(size: int = 500, seed: int = 1) -> bytes:
    return header(1.79e9 + seed) + random.Random(seed).randbytes(size)


def put(path: Path, data: bytes) -> None:
    """A whole file at once, as a program would that renames it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / "part"
    part.write_bytes(data)
    part.rename(path)


def same(service: Service, run: str, folder: Path) -> Callable[[], bool]:
    """Whether a run's event files are there as they are here."""

    def look() -> bool:
        there = service.home / "tensorboard" / "default" / run
        mine = {one.name: one.read_bytes() for one in folder.glob("*tfevents*")}
        copied = {one.name: one.read_bytes() for one in there.glob("*tfevents*")}
        return bool(mine) and mine == copied

    return look


def test_a_training_is_followed_while_the_service_goes_and_comes(
    pi: Service, tmp_path: Path, start: Start
) -> None:
    token, logs = pi.token("ana", "default"), tmp_path / "logs"
    sync = start(logs, pi.url, token, "--run", "laptop", "--interval", "0.5")
    until(lambda: "until Ctrl-C" in sync.said)
    writers = {name: EventFileWriter(str(logs / name), flush_secs=1) for name in ("a", "b/deep")}
    is_over = threading.Event()

    def train() -> None:
        step = 0
        while not is_over.wait(0.01):
            for writer in writers.values():
                summary = Summary(value=[Summary.Value(tag="loss", simple_value=1 / (step + 1))])
                writer.add_event(Event(step=step, wall_time=1.79e9 + step, summary=summary))
                writer.flush()
            step += 1

    training = threading.Thread(target=train)
    training.start()
    there = pi.home / "tensorboard" / "default" / "laptop"

    def size() -> int:
        return sum(one.stat().st_size for one in there.rglob("*tfevents*"))

    try:
        until(lambda: size() > 2000)
        for how in (signal.SIGTERM, signal.SIGKILL):
            pi.stop(how)
            until(lambda: "tried again" in sync.said)
            pi.start()
            before = size()
            until(lambda before=before: size() > before + 500)
    finally:
        is_over.set()
        training.join()
        for writer in writers.values():
            writer.close()
    for name in writers:
        until(same(pi, f"laptop/{name}", logs / name))
    sync.process.send_signal(signal.SIGINT)
    assert sync.ended() == 0
    assert sync.said.count("tried again") == sync.said.count("is back") >= 1, sync.said
    assert "Stopped" in sync.said
    assert "Traceback" not in sync.said
    assert token not in sync.said


def test_files_that_are_replaced_cut_or_gone_are_followed(
    pi: Service, tmp_path: Path, start: Start
) -> None:
    token, logs = pi.token("ana", "default"), tmp_path / "changing"
    put(logs / NAME, log_of(3000))
    put(logs / "gone" / NAME, log_of(400))
    sync = start(logs, pi.url, token, "--run", "changing", "--interval", "0.2")
    until(same(pi, "changing", logs))
    until(same(pi, "changing/gone", logs / "gone"))
    put(logs / NAME, log_of(2000, seed=2))
    until(same(pi, "changing", logs))
    assert "takes" in sync.said
    with (logs / NAME).open("r+b") as file:  # cut, and written to at once
        file.truncate(500)
        file.seek(0, 2)
        file.write(b"other")
    until(same(pi, "changing", logs))
    (logs / "gone" / NAME).unlink()
    put(logs / f"{NAME}.2", log_of(100, seed=3))  # the next of this run
    put(logs / "mlflow_run_id", b"0123456789abcdef0123456789abcdef")
    until(same(pi, "changing", logs))
    there = pi.home / "tensorboard" / "default" / "changing"
    until((there / "mlflow_run_id").exists)
    put(logs / "mlflow_run_id", b"f" * 32 + b"\n")
    until(lambda: (there / "mlflow_run_id").read_bytes() == b"f" * 32 + b"\n")
    assert (there / "gone" / NAME).read_bytes() == log_of(400), "what goes here stays there"
    # What was removed there is not brought back by the next point.
    (there / NAME).unlink()
    with (logs / NAME).open("ab") as file:
        file.write(b"more")
    until(lambda: "was removed or renamed there" in sync.said)
    assert not (there / NAME).exists()
    sync.process.terminate()
    assert sync.ended() == 0
    assert "Traceback" not in sync.said


def test_once_sends_all_and_says_what_it_could_not(
    pi: Service, tmp_path: Path, start: Start
) -> None:
    token, logs = pi.token("ana", "default"), tmp_path / "once"
    for number in range(20):
        put(logs / f"r{number}" / NAME, log_of(number * 50, seed=number))
    put(logs / "notes.txt", b"no event file")
    first = start(logs, pi.url, token, "--run", "once", "--once")
    assert first.ended() == 0, first.said
    assert "20 files" in first.said
    for number in range(20):
        assert same(pi, f"once/r{number}", logs / f"r{number}")()
    again = start(logs, pi.url, token, "--run", "once", "--once")
    assert again.ended() == 0
    assert "0.0 MB were sent" in again.said
    put(logs / "back\\slash" / NAME, log_of(1))
    put(logs / "late" / NAME, log_of(2))
    put(logs / "strange" / NAME, b"no event file, whatever its name")
    third = start(logs, pi.url, token, "--run", "once", "--once")
    assert third.ended() == 1
    assert "backslash" in third.said
    assert "not those of an event file" in third.said
    assert same(pi, "once/late", logs / "late")()


def test_what_cannot_go_on_ends_with_a_reason(pi: Service, tmp_path: Path, start: Start) -> None:
    logs = tmp_path / "ending"
    put(logs / NAME, log_of(10))
    good = pi.token("ana", "default")
    live = start(logs, pi.url, pi.token("ana", "default", "editor"), "--run", "ending")
    until(same(pi, "ending", logs))
    for options, token, words in (
        ((), "mlpi_wrong", "not valid"),
        ((), pi.token("ana", "default", "viewer"), "role editor"),
        (("--workspace", "nowhere"), good, "no workspace 'nowhere'"),
        ((), "", "A token is needed"),
        (("--url", "pi:9000"), good, "no address"),
    ):
        put(logs / NAME, log_of(10, seed=len(words)))
        one = start(logs, pi.url, token, "--run", "fresh", "--once", *options)
        assert one.ended() == 2, one.said
        assert words in one.said
        assert "Traceback" not in one.said
        assert not token or token not in one.said
    none = start(tmp_path / "none", pi.url, good, "--once")
    assert (none.ended(), "is no folder" in none.said) == (2, True)
    # A token that is revoked meanwhile.
    for line in pi.mlpi("token", "list").splitlines():
        if " editor " in f" {line} ":
            pi.mlpi("token", "revoke", line.split()[0])
    with (logs / NAME).open("ab") as file:
        file.write(b"more")
    assert live.ended() == 2
    assert "revoked" in live.said


def test_a_full_quota_ends_it(pi: Service, tmp_path: Path, start: Start) -> None:
    logs = tmp_path / "large"
    put(logs / NAME, log_of(9_000_000))
    sync = start(logs, pi.url, pi.token("ana", "default"), "--run", "large")
    assert sync.ended() == 1
    assert "8,000,000" in sync.said
    assert "MLPI_BOARDS_QUOTA_MB" in sync.said


class Moody(BaseHTTPRequestHandler):
    """A proxy's moods before an mlpi that takes everything. Set on the server: moods, got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Proxy)
        if self.path.startswith(f"{FILES}/"):
            told = beginning(lambda count, at: server.got[at : at + count], len(server.got))
            size = len(server.got)
            self._answer(200, {"size_bytes": size, "upto": size, "beginning": told})
        else:
            self._answer(200, {"workspace": "lab", "files": []} if server.is_mlpi else ["else"])

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        assert isinstance(server, Proxy)
        if len(body) > 1_000_000:
            self._answer(413, None)
        elif server.moods:
            self._answer(server.moods.pop(), None)
        else:
            server.got += body
            self._answer(204, None, len(server.got))

    def _answer(self, status: int, body: object, offset: int | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "1")
        if offset is not None:
            self.send_header(OFFSET, str(offset))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Moody)
        self.moods, self.got, self.is_mlpi = [502, 503, 429], b"", True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def proxy() -> Iterator[Proxy]:
    server = Proxy()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_busy_answers_are_waited_out_and_pieces_made_smaller(tmp_path: Path, start: Start) -> None:
    put(tmp_path / "logs" / "a" / NAME, log_of(5_000_000))
    with proxy() as server:
        begun = time.monotonic()
        sync = start(tmp_path / "logs", server.url, "mlpi_any", "--once")
        assert sync.ended() == 0, sync.said
        assert time.monotonic() - begun > 1, "Retry-After was not heeded"
        assert server.got == log_of(5_000_000)
        said = sync.said
        server.is_mlpi = False
        strange = start(tmp_path / "logs", server.url, "mlpi_any", "--once")
        assert (strange.ended(), "does not answer as mlpi does" in strange.said) == (2, True)
    assert said.count("tried again") == said.count("is back") == 1


def test_once_gives_up_where_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlpi.cli import sync as command

    put(tmp_path / "logs" / NAME, log_of(10))
    monkeypatch.setattr(command, "ONCE_S", 1.0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(command.typer.Exit) as ended:
        command.sync(tmp_path / "logs", "http://127.0.0.1:9", "mlpi_any", once=True)
    assert ended.value.exit_code == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_point_is_there_in_a_moment(pi: Service, tmp_path: Path, start: Start) -> None:
    logs = tmp_path / "quick"
    put(logs / NAME, header())
    start(logs, pi.url, pi.token("ana", "default"), "--run", "quick", "--interval", "60")
    until(same(pi, "quick", logs))
    for step in range(3):
        with (logs / NAME).open("ab") as file:
            file.write(event(step, simple("loss", step)))
        until(same(pi, "quick", logs), 20)  # long before the next look at the folder
