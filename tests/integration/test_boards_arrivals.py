"""Event files over HTTP, on a real service that is killed in between."""

from __future__ import annotations

import http.client
import random
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from mlpi.sync.protocol import BEGINNING, CONTENT, FILES, MOST_BYTES, beginning, checksum
from tests.event_files import NAME, event, header, simple
from tests.service import Service, running_service, until

QUOTA_MB = 24


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may be killed, with a small quota."""
    env = {"MLPI_BOARDS_QUOTA_MB": str(QUOTA_MB)}
    with running_service(tmp_path_factory.mktemp("pi"), env=env) as running:
        running.add_user("ana", "--admin")
        running.mlpi("workspace", "add", "full")
        yield running


def log_of(size: int, seed: int = 1) -> bytes:
    """What begins as an event file and goes on for about so many bytes."""
    return header(1.79e9 + seed) + random.Random(seed).randbytes(size)


def patch(
    client: httpx.Client, path: str, offset: int, data: bytes, **headers: str
) -> httpx.Response:
    sent = {"Content-Type": CONTENT, "Upload-Offset": str(offset)}
    sent["Upload-Checksum"] = checksum(data)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.patch(f"{FILES}/{quote(path)}", content=data, headers={**sent, **named})


def offset_of(client: httpx.Client, path: str) -> int:
    answer = client.head(f"{FILES}/{quote(path)}")
    assert answer.status_code in (200, 404)
    return int(answer.headers.get("Upload-Offset", 0))


def kept(service: Service, path: str, workspace: str = "default") -> Path:
    return service.home / "tensorboard" / workspace / path


def test_a_run_is_sent_in_pieces_and_shown(pi: Service) -> None:
    whole = header() + b"".join(event(step, simple("loss", step)) for step in range(400))
    path = f"digits/lr 0.1%/ä/{NAME}"
    with pi.client(pi.token("ana", "default")) as client:
        assert client.head(f"{FILES}/{quote(path)}").status_code == 404
        at = 0
        while at < len(whole):
            answer = patch(client, path, at, whole[at : at + 5000])
            assert answer.status_code == 204, answer.text
            at = int(answer.headers["Upload-Offset"])
        answer = client.get(f"{FILES}/{quote(path)}", params={"upto": 9000})
        told = answer.json()
        assert (told["run"], told["size_bytes"], told["upto"]) == (path[: -len(NAME) - 1], at, 9000)
        mine = beginning(lambda count, offset: whole[offset : offset + count], 9000)
        assert told["beginning"] == answer.headers[BEGINNING] == mine
        (listed,) = client.get(FILES, params={"run": "digits"}).json()["files"]
        assert (listed["run"], listed["name"], listed["size_bytes"]) == (told["run"], NAME, at)
        until(lambda: "lr 0.1%" in client.get("/boards").text, 10)
        described = client.get("/docs/openapi.json").json()["paths"][FILES + "/{path}"]["patch"]
        assert "460" in described["responses"]
        assert CONTENT in described["requestBody"]["content"]
    assert kept(pi, path).read_bytes() == whole


def test_half_a_body_is_no_piece(pi: Service) -> None:
    whole = log_of(600_000)
    with pi.client(pi.token("ana", "default")) as client:
        assert patch(client, f"torn/{NAME}", 0, whole[:100_000]).status_code == 204
        rest = whole[100_000:]
        head = (
            f"PATCH {FILES}/torn/{NAME} HTTP/1.1\r\nHost: pi\r\nContent-Type: {CONTENT}\r\n"
            f"Authorization: Bearer {pi.token('ana', 'default')}\r\nUpload-Offset: 100000\r\n"
            f"Upload-Checksum: {checksum(rest)}\r\nContent-Length: {len(rest)}\r\n\r\n"
        )
        for sent in (0, 1, len(rest) // 2, len(rest) - 1):
            with socket.create_connection(("127.0.0.1", pi.port)) as line:
                line.sendall(head.encode() + rest[:sent])
            # The answer to a later request says what the earlier one left.
            assert offset_of(client, f"torn/{NAME}") == 100_000
        assert patch(client, f"torn/{NAME}", 100_000, rest).status_code == 204
    assert kept(pi, f"torn/{NAME}").read_bytes() == whole


def test_a_killed_service_keeps_what_it_acknowledged(pi: Service) -> None:
    dice = random.Random(7)
    whole, path = log_of(6_000_000), f"killed/{NAME}"
    acknowledged, kills, piece = 0, 0, 150_000
    with pi.client(pi.token("ana", "default")) as client:
        while acknowledged < len(whole):
            killer = None
            if kills < 3 and acknowledged > len(whole) * (kills + 1) / 5:
                kills += 1
                assert pi.process is not None
                killer = threading.Timer(dice.uniform(0, 0.01), pi.process.kill)
                killer.start()
            try:
                while True:
                    data = whole[acknowledged : acknowledged + piece]
                    answer = patch(client, path, acknowledged, data)
                    assert answer.status_code == 204, answer.text
                    acknowledged = int(answer.headers["Upload-Offset"])
                    if killer is None or acknowledged == len(whole):
                        break
            except httpx.TransportError:
                assert killer is not None
                killer.join()
                assert pi.stop(signal.SIGKILL) == -signal.SIGKILL
                here = kept(pi, path).read_bytes()
                assert acknowledged <= len(here) <= acknowledged + piece
                assert whole.startswith(here)
                pi.start()
                acknowledged = offset_of(client, path)
                assert acknowledged == len(here)
    assert kills == 3
    assert kept(pi, path).read_bytes() == whole


def test_wrong_pieces_say_what_was_wrong(pi: Service) -> None:
    whole, path = log_of(1000), f"wrong/{NAME}"
    with pi.client(pi.token("ana", "default")) as client:
        assert patch(client, path, 0, whole).status_code == 204
        changed = patch(client, path, len(whole), b"more", Upload_Checksum=checksum(b"less"))
        assert changed.status_code == 460
        assert "SHA-256" in changed.json()["message"]
        elsewhere = patch(client, path, 5, b"more")
        assert elsewhere.status_code == 409
        assert elsewhere.headers["Upload-Offset"] == str(len(whole))
        assert f"{len(whole):,} bytes" in elsewhere.json()["message"]
        nowhere = patch(client, f"nowhere/{NAME}", 5, b"more")
        assert (nowhere.status_code, nowhere.headers["Upload-Offset"]) == (409, "0")
        for headers in (
            {"Content_Type": "text/plain"},
            {"Upload_Offset": "-1"},
            {"Upload_Offset": "ten"},
            {"Upload_Checksum": "md5 x"},
        ):
            assert patch(client, path, len(whole), b"more", **headers).status_code == 422
        for missing in ("Upload-Offset", "Upload-Checksum"):
            headers = {"Content-Type": CONTENT, "Upload-Offset": "0", "Upload-Checksum": "x"}
            del headers[missing]
            answer = client.patch(f"{FILES}/{path}", content=b"more", headers=headers)
            assert (answer.status_code, answer.json()["field"]) == (422, missing.lower())
        assert patch(client, path, len(whole), b"").status_code == 422
        strange = patch(client, f"strange/{NAME}", 0, b"no event file at all")
        assert (strange.status_code, strange.json()["error_code"]) == (422, "NO_EVENT_FILE")
        large = patch(client, path, len(whole), b"\0" * (MOST_BYTES + 1))
        assert large.status_code == 413
        assert "pieces" in large.json()["advice"]
        unsaid = client.patch(  # without a length, in chunks
            f"{FILES}/{path}",
            content=(b"\0" * 1_000_000 for _ in range(18)),
            headers={"Content-Type": CONTENT, "Upload-Offset": "0", "Upload-Checksum": "x"},
        )
        assert unsaid.status_code == 413
    assert kept(pi, path).read_bytes() == whole
    assert not kept(pi, "strange").exists()


def test_of_two_writers_one_is_sent_away(pi: Service) -> None:
    token, path = pi.token("ana", "default"), f"both/{NAME}"
    first, pieces = log_of(100), [random.Random(n).randbytes(300_000) for n in range(8)]
    with pi.client(token) as client:
        assert patch(client, path, 0, first).status_code == 204
    gate, statuses = threading.Barrier(len(pieces)), dict[int, int]()

    def write(number: int) -> None:
        with pi.client(token) as client:
            client.get(FILES)  # connected
            gate.wait(30)
            statuses[number] = patch(client, path, len(first), pieces[number]).status_code

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(pieces))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses.values()) == [204] + [409] * 7
    (winner,) = (number for number, status in statuses.items() if status == 204)
    assert kept(pi, path).read_bytes() == first + pieces[winner]


def test_the_quota_ends_in_words(pi: Service) -> None:
    piece = log_of(8_000_000)
    with pi.client(pi.token("ana", "full")) as client:
        for number in range(2):
            assert patch(client, f"r{number}/{NAME}", 0, piece).status_code == 204
        refused = patch(client, f"r2/{NAME}", 0, piece)
        assert refused.status_code == 413
        assert refused.json()["error_code"] == "BOARDS_QUOTA_EXCEEDED"
        assert "24,000,000" in refused.json()["message"]
        assert "MLPI_BOARDS_QUOTA_MB" in refused.json()["advice"]
    assert not kept(pi, "r2", "full").exists()


# As they stand on the wire: clients tidy paths before they send them.
WAYS_OUT = [
    f"../other/{NAME}",
    f"a/../../other/{NAME}",
    f"%2e%2e/other/{NAME}",
    f"a/%2e%2e/%2e%2e/other/{NAME}",
    f"..%2fother%2f{NAME}",
    f"%2fetc%2f{NAME}",
    f"/etc/{NAME}",
    f"a//{NAME}",
    f"a%2f%2f{NAME}",
    f"a%5c..%5c{NAME}",
    f"a%00/{NAME}",
    f"a/{NAME}%00",
    f"a%0a/{NAME}",
    f"%252e%252e/{NAME}%2e.profile-empty",
    f".git/{NAME}",
    f"a/.{NAME}",
    "a/authorized_keys",
    "a/tfevents/..",
    f"a/{'x' * 300}/{NAME}",
]


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_path_leads_out(pi: Service, way: str) -> None:
    before = sorted(str(path) for path in pi.home.rglob(f"*{NAME}*"))
    data = log_of(10)
    line = http.client.HTTPConnection("127.0.0.1", pi.port, timeout=30)
    try:
        for method in ("PATCH", "GET"):
            line.putrequest(method, f"{FILES}/{way}", skip_accept_encoding=True)
            line.putheader("Authorization", f"Bearer {pi.token('ana', 'default')}")
            if method == "PATCH":
                for name, value in (
                    ("Content-Type", CONTENT),
                    ("Upload-Offset", "0"),
                    ("Upload-Checksum", checksum(data)),
                    ("Content-Length", str(len(data))),
                ):
                    line.putheader(name, value)
            line.endheaders(data if method == "PATCH" else None)
            answer = line.getresponse()
            assert answer.status in (400, 404, 422), answer.read()
            assert b"Traceback" not in answer.read()
    finally:
        line.close()
    assert sorted(str(path) for path in pi.home.rglob(f"*{NAME}*")) == before


def test_a_token_reaches_its_workspace_only(service: Service) -> None:
    data, path = log_of(10), f"mine/{NAME}"
    with service.client(service.token("eve", "lab")) as editor:
        assert patch(editor, path, 0, data).status_code == 204
        assert editor.get(f"{FILES}/{path}", params={"workspace": "other"}).status_code == 404
        elsewhere = editor.patch(
            f"{FILES}/{path}",
            params={"workspace": "other"},
            content=data,
            headers={
                "Content-Type": CONTENT,
                "Upload-Offset": "0",
                "Upload-Checksum": checksum(data),
            },
        )
        assert elsewhere.status_code == 404
    assert not (service.home / "tensorboard" / "other" / "mine").exists()
    with service.client(service.token("vic", "lab")) as viewer:
        assert offset_of(viewer, path) == len(data)
        assert patch(viewer, path, len(data), data).status_code == 403
    with service.client(service.token("otto", "other")) as stranger:
        assert stranger.head(f"{FILES}/{path}").status_code == 404
        assert stranger.get(FILES).json() == {"workspace": "other", "files": []}
    with service.client() as nobody:
        assert nobody.get(f"{FILES}/{path}").status_code == 401
        assert patch(nobody, path, len(data), data).status_code == 401
    assert (service.home / "tensorboard" / "lab" / path).read_bytes() == data
