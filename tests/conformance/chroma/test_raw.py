"""The same raw requests to `chroma run` and to mlpi: the same statuses, bodies and errors."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.chroma.calls import Call, calls
from tests.conformance.chroma.peers import Peer, ours, stock
from tests.conformance.mlflow.verdicts import known_differences

DIFFERENCES = Path(__file__).parent / "raw_differences.txt"
TIMES = re.compile(r'"nanosecond heartbeat":\s*\d+')
PLACES = re.compile(r" at line \d+ column \d+")
IDENTITIES = re.compile(r"(?!0{8})[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Each parser says in its own words what it stumbled over.
PARSERS = re.compile(r"(Failed to parse the request body as JSON): [^}]*\"")


@dataclass(frozen=True)
class Answered:
    """What is compared of an answer. body: as JSON where it is JSON."""

    status: int
    kind: str
    has_trace: bool
    body: Any


def drive(peer: Peer) -> dict[str, Answered]:
    """Every call in turn."""
    words: dict[str, str] = {}
    found: dict[str, Answered] = {}
    with httpx.Client(base_url=peer.url, headers=dict(peer.headers), timeout=120) as client:
        for call in calls():
            found[call.name] = _answered(client, call, words)
    return found


def _answered(client: httpx.Client, call: Call, words: dict[str, str]) -> Answered:
    path = call.path.format_map({**words, "_": ""}) if "{" in call.path else call.path
    try:
        headers = {"content-type": "application/json", **call.headers}
        sent = {key: value for key, value in headers.items() if value}
        answer = client.request(call.method, path, content=call.body, headers=sent)
    except httpx.TransportError as error:
        return Answered(0, type(error).__name__, False, None)
    if call.keep and answer.is_success:
        words[call.keep] = answer.json()["id"]
    return Answered(
        answer.status_code,
        answer.headers.get("content-type", ""),
        "chroma-trace-id" in answer.headers,
        _normal(answer.text, words, call),
    )


def _normal(text: str, words: dict[str, str], call: Call) -> Any:
    """A body without what is another each time: ids, times, places in what was sent."""
    for word, identity in words.items():
        text = text.replace(identity, f"<{word}>")
    text = IDENTITIES.sub("<id>", PLACES.sub("", TIMES.sub('"nanosecond heartbeat":0', text)))
    try:
        body = json.loads(PARSERS.sub(r'\1"', text))
    except ValueError:
        return text
    if call.counts:
        return len(body)
    return sorted(body, key=itemgetter("name")) if call.sorts else body


@pytest.mark.timeout(300)
def test_raw_requests_are_answered_as_chroma_run_answers_them(tmp_path: Path) -> None:
    with stock(tmp_path) as first, ours(tmp_path) as second, ThreadPoolExecutor(2) as pool:
        theirs, mine = pool.map(drive, (first, second))
    known = known_differences(DIFFERENCES)
    assert set(known) <= set(theirs), "the list of differences names calls that are not made"
    wrong = [
        f"{name}\n  chroma run: {str(theirs[name])[:800]}\n  mlpi:       {str(mine[name])[:800]}"
        for name in theirs
        if mine[name] != theirs[name] and name not in known
    ]
    assert not wrong, f"{len(wrong)} of {len(theirs)} differ:\n" + "\n".join(wrong)
    same = [name for name in known if mine[name] == theirs[name]]
    assert not same, f"listed as different, and are not: {same}"
