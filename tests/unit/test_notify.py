"""Messages of checkpoints: what is sent, and what is said when it cannot be."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest

from mlpi.checks import notify
from mlpi.jobs.context import JobContext, JobFailed

PAYLOAD: dict[str, Any] = {
    "event": "failing",
    "workspace": "lab",
    "checkpoint": "Wine für alle",
    "target": "wine version 2",
    "state": "failed",
    "success": False,
    "error": "",
    "statistics": {"successful_expectations": 3, "evaluated_expectations": 4},
    "failed": [
        {
            "expectation": "expect_column_values_to_be_between",
            "column": "alcohol",
            "severity": "critical",
            "observed": None,
            "unexpected_count": 2,
            "rows": [17, 41],
        }
    ],
    "run": 7,
    "url": "http://pi:9000/checks/runs/7?workspace=lab",
    "at": "2026-05-01T12:00:00+00:00",
}


class Mailbox(socketserver.ThreadingTCPServer):
    """As much of SMTP as a client needs, keeping what it is given."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, refuses: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.refuses = refuses
        self.mails: list[str] = []
        self.commands: list[str] = []


class Conversation(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            self.server.commands.append(line)
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                self._say("250-here", "250 AUTH PLAIN")
            elif word == self.server.refuses:
                self._say("535 no" if word == "AUTH" else "550 no")
            elif word == "DATA":
                self._say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.mails.append(text[:-5].decode())
                self._say("250 kept")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("235 yes" if word == "AUTH" else "250 yes")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def mailbox(refuses: str = "") -> Iterator[Mailbox]:
    with Mailbox(refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def mail(server: Mailbox) -> dict[str, Any]:
    return {
        "kind": "email",
        "target": "ana@example.org",
        "event": "failing",
        "id": 1,
        "payload": PAYLOAD,
        "smtp_url": f"smtp://us%40er:p%3Aw@127.0.0.1:{server.server_address[1]}",
        "sender": "mlpi@pi.local",
    }


@pytest.fixture
def context(tmp_path: Path) -> JobContext:
    return JobContext(1, "lab", tmp_path, 1, lambda _: None)


def test_a_mail_says_what_is_wrong_and_where_to_look(context: JobContext) -> None:
    with mailbox() as server:
        notify.send(context, mail(server))
    (text,) = server.mails
    found = message_from_string(text, policy=policy.default)
    assert found["To"] == "ana@example.org"
    assert found["Subject"] == "Wine für alle is failing"
    body = found.get_content()
    assert "3 of 4 expectations are met." in body
    assert "- expect_column_values_to_be_between of alcohol: 2 rows" in body
    assert PAYLOAD["url"] in body
    assert "AUTH" in server.commands[1]


@pytest.mark.parametrize(
    ("refuses", "words"),
    [("AUTH", "refused the user or the password"), ("RCPT", "did not take it")],
)
def test_a_mail_that_is_refused_is_one_line_without_the_password(
    context: JobContext, refuses: str, words: str
) -> None:
    with mailbox(refuses) as server, pytest.raises(JobFailed, match=words) as caught:
        notify.send(context, mail(server))
    assert "p:w" not in str(caught.value)
    assert server.mails == []


def test_a_mail_to_nowhere_is_one_line(context: JobContext) -> None:
    with mailbox() as server:
        order = mail(server)
    with pytest.raises(JobFailed, match="did not take it"):
        notify.send(context, order)


@pytest.mark.parametrize("kind", ["webhook", "ntfy"])
def test_an_address_that_cannot_be_reached_is_not_named_whole(
    context: JobContext, kind: str
) -> None:
    order = {
        "kind": kind,
        "target": "http://127.0.0.1:1/hook…",
        "url": "http://127.0.0.1:1/hooks/T0P5ECRET",
        "event": "failing",
        "id": 1,
        "payload": PAYLOAD,
    }
    with pytest.raises(JobFailed, match="cannot be reached") as caught:
        notify.send(context, order)
    assert "T0P5ECRET" not in str(caught.value)


def test_titles_say_what_happened() -> None:
    events = {"failing": "failed", "recovered": "passed", "passed": "passed", "failed": "error"}
    assert [
        notify.title({**PAYLOAD, "event": event, "state": state, "checkpoint": "Wine"})
        for event, state in events.items()
    ] == ["Wine is failing", "Wine is well again", "Wine passed", "Wine could not be judged"]
