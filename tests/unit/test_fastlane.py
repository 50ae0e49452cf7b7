"""The fast lane by itself: what it takes, what it passes on, and what one transaction holds."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from mlpi.tracking.fastlane import lane as lane_module
from mlpi.tracking.fastlane import requests, writer
from mlpi.tracking.fastlane.lane import FastLane

SCHEMA = """
    CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, workspace TEXT NOT NULL);
    CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, experiment_id INTEGER, user_id TEXT,
        status TEXT, start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT);
    CREATE TABLE metrics (run_uuid TEXT NOT NULL, key TEXT NOT NULL, value FLOAT NOT NULL,
        timestamp BIGINT NOT NULL, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL,
        PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
    CREATE TABLE latest_metrics (run_uuid TEXT NOT NULL, key TEXT NOT NULL, value FLOAT NOT NULL,
        timestamp BIGINT, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL,
        PRIMARY KEY (key, run_uuid));
    CREATE TABLE params (run_uuid TEXT, key TEXT, value TEXT NOT NULL,
        PRIMARY KEY (key, run_uuid));
    CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT, PRIMARY KEY (key, run_uuid));
    CREATE TABLE logged_models (model_id TEXT PRIMARY KEY);
    CREATE TABLE logged_model_metrics (model_id TEXT, metric_name TEXT,
        metric_timestamp_ms BIGINT, metric_step BIGINT, metric_value FLOAT, experiment_id INTEGER,
        run_id TEXT, dataset_uuid TEXT, dataset_name TEXT, dataset_digest TEXT,
        PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id));
    INSERT INTO experiments VALUES (1, 'lab');
    INSERT INTO runs VALUES ('good', 'n', 1, 'u', 'RUNNING', 1, NULL, 'active', 'a:/');
    INSERT INTO runs VALUES ('gone', 'n', 1, 'u', 'RUNNING', 1, NULL, 'deleted', 'a:/');
"""


def metric(step: int = 0, run_id: str = "good", **more: Any) -> dict[str, Any]:
    return {"run_id": run_id, "key": "loss", "value": 0.5, "timestamp": 1, "step": step, **more}


class Scene:
    """A database, a lane in front of a stock app that only writes down what reaches it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.executescript(SCHEMA)
        self.at_stock: list[bytes] = []
        self.lane = FastLane(self._stock)

    async def _stock(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.at_stock.append(body)
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"stock"})

    async def ask(
        self,
        action: str,
        body: Any,
        *,
        method: str = "POST",
        query: bytes = b"",
        kind: bytes = b"application/json",
        workspace: str = "lab",
        chunks: int = 1,
    ) -> tuple[int, bytes]:
        """One request; the answer's status and body."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        size = max(1, -(-len(raw) // chunks))
        parts = [raw[at : at + size] for at in range(0, len(raw), size)] or [b""]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": f"/api/2.0/mlflow/runs/{action}",
            "query_string": query,
            "headers": [(b"host", b"x"), (b"content-type", kind)],
            "workspace": workspace,
        }
        await self.lane(scope, receive, send)
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent)

    def play(self, play: Callable[[], Awaitable[Any]]) -> Any:
        """Run a scene with the lane open."""

        async def opened() -> Any:
            loop = asyncio.get_running_loop()
            await asyncio.to_thread(self.lane.open, self.url, loop)
            try:
                return await play()
            finally:
                await self.lane.close()

        return asyncio.run(opened())

    def steps(self) -> list[int]:
        return [row[0] for row in self.db.execute("SELECT step FROM metrics ORDER BY step")]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "mlflow.db")
    yield made
    made.db.close()


@dataclass
class Groups:
    """The sizes of the transactions that the writer made, and that it has begun one."""

    sizes: list[int] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Groups:
    found = Groups()
    write = writer.Writer._write

    def counting(self: writer.Writer, db: sqlite3.Connection, group: Sequence[Any]) -> Any:
        found.sizes.append(len(group))
        found.begun.set()
        return write(self, db, group)

    monkeypatch.setattr(writer.Writer, "_write", counting)
    return found


def test_a_plain_metric_is_on_the_disk_when_it_is_answered(scene: Scene) -> None:
    async def play() -> None:
        assert await scene.ask("log-metric", metric(7)) == (200, b"{}")
        assert scene.steps() == [7]

    scene.play(play)
    assert scene.at_stock == []


def test_what_waits_together_is_synced_together(scene: Scene, groups: Groups) -> None:
    async def play() -> list[Any]:
        scene.db.execute("BEGIN IMMEDIATE")  # somebody else is writing
        first = asyncio.create_task(scene.ask("log-metric", metric(0)))
        await asyncio.to_thread(groups.begun.wait)
        others = [asyncio.create_task(scene.ask("log-metric", metric(n))) for n in range(1, 40)]
        await asyncio.sleep(0)
        scene.db.execute("COMMIT")
        return await asyncio.gather(first, *others)

    assert scene.play(play) == [(200, b"{}")] * 40
    assert groups.sizes[0] == 1
    assert len(groups.sizes) <= 3
    assert scene.steps() == list(range(40))


def test_one_that_cannot_be_does_not_lose_the_others(scene: Scene, groups: Groups) -> None:
    wishes: list[tuple[str, Any]] = [
        ("log-parameter", {"run_id": "good", "key": "lr", "value": "1"}),
        ("log-metric", metric(1)),
        ("log-metric", metric(2, "gone")),
        ("log-metric", metric(3, "nobody")),
        ("log-parameter", {"run_id": "good", "key": "lr", "value": "2"}),
        ("log-batch", {"run_id": "good", "params": [{"key": "lr", "value": "3"}], "tags": []}),
        ("set-tag", {"run_id": "good", "key": "mlflow.runName", "value": "new"}),
        ("update", {"run_id": "good", "status": "FINISHED", "end_time": 9}),
        ("log-metric", metric(4)),
    ]

    async def play() -> list[Any]:
        return await asyncio.gather(*(scene.ask(*wish) for wish in wishes))

    answers = scene.play(play)
    assert groups.sizes == [len(wishes)]
    assert [status for status, _ in answers] == [200, 200, 418, 418, 418, 418, 200, 200, 200]
    info = json.loads(answers[7][1])["run_info"]
    assert (info["run_name"], info["status"], info["end_time"]) == ("new", "FINISHED", 9)
    assert scene.at_stock == [json.dumps(wishes[n][1]).encode() for n in (2, 3, 4, 5)]
    assert scene.steps() == [1, 4]
    assert scene.db.execute("SELECT value FROM params").fetchall() == [("1",)]


def test_a_locked_database_is_left_to_stock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 1)

    async def play() -> Any:
        scene.db.execute("BEGIN IMMEDIATE")
        locked = await scene.ask("log-metric", metric(1))
        scene.db.execute("COMMIT")
        return locked, await scene.ask("log-metric", metric(2))

    assert scene.play(play) == ((418, b"stock"), (200, b"{}"))
    assert scene.steps() == [2]


def test_a_group_that_fails_leaves_nothing_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("mlpi.tracking.fastlane.statements.add_metrics", broken)
    wish = {**metric(), "params": [{"key": "lr", "value": "1"}]}
    batch = {
        "run_id": "good",
        "params": wish["params"],
        "metrics": [{name: wish[name] for name in ("key", "value", "timestamp")}],
    }

    async def play() -> Any:
        return await scene.ask("log-batch", batch)

    assert scene.play(play) == (418, b"stock")
    assert scene.db.execute("SELECT count(*) FROM params").fetchone() == (0,)


@pytest.mark.parametrize(
    "how",
    [
        {"query": b"x=1"},
        {"kind": b"text/plain"},
        {"method": "PUT"},
        {"workspace": ""},
        {"workspace": "other"},
        {"chunks": 3, "workspace": "other"},
    ],
)
def test_what_is_not_plain_reaches_stock_untouched(scene: Scene, how: dict[str, Any]) -> None:
    async def play() -> Any:
        return await scene.ask("log-metric", metric(), **how)

    assert scene.play(play)[0] == 418
    assert scene.at_stock == [json.dumps(metric()).encode()]
    assert scene.steps() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"{}"', b"\xff", b"[" * 100_000, b"nul"])
def test_what_is_no_object_reaches_stock_untouched(scene: Scene, body: bytes) -> None:
    async def play() -> Any:
        return await scene.ask("log-metric", body)

    assert scene.play(play)[0] == 418
    assert scene.at_stock == [body]


def test_a_body_may_come_in_pieces(scene: Scene) -> None:
    async def play() -> Any:
        return await scene.ask("log-metric", metric(), chunks=5)

    assert scene.play(play) == (200, b"{}")


def test_a_body_too_long_to_look_at_reaches_stock_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "MAX_BODY_BYTES", 20)

    async def play() -> Any:
        return await scene.ask("log-metric", metric(), chunks=9)

    assert scene.play(play)[0] == 418
    assert scene.at_stock == [json.dumps(metric()).encode()]


def test_after_the_end_everything_reaches_stock(scene: Scene) -> None:
    async def play() -> Any:
        waiting = asyncio.create_task(scene.ask("log-metric", metric(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await scene.lane.close()
        return await waiting, await scene.ask("log-metric", metric(2))

    assert scene.play(play) == ((200, b"{}"), (418, b"stock"))
    assert scene.steps() == [1]


@pytest.mark.parametrize("url", ["postgresql+psycopg://u:secret@h/d", "sqlite://"])
def test_it_steps_aside_where_there_is_no_sqlite_file(scene: Scene, url: str) -> None:
    scene.url = url

    async def play() -> Any:
        return await scene.ask("log-metric", metric())

    assert scene.play(play)[0] == 418
    assert "fast lane is off" in scene.lane.notice
    assert "secret" not in scene.lane.notice


def test_it_steps_aside_when_the_tables_are_not_those_it_knows(scene: Scene) -> None:
    scene.db.execute("ALTER TABLE tags RENAME COLUMN value TO worth")

    async def play() -> Any:
        return await scene.ask("log-metric", metric())

    assert scene.play(play)[0] == 418
    assert "no such column: value" in scene.lane.notice


def test_a_lane_that_works_has_nothing_to_say(scene: Scene) -> None:
    async def play() -> Any:
        return scene.lane.notice

    assert scene.play(play) == ""


def test_a_long_queue_is_cut_into_groups() -> None:
    def ticket(count: int) -> Any:
        points = [requests.Metric("k", 1.0, 1, step, 0) for step in range(count)]
        return writer.Ticket(requests.Change("r", metrics=points), "lab", None)  # type: ignore[arg-type]

    many = [ticket(1)] * (writer.MAX_CHANGES + 5)
    group, rest = writer._split(many)
    assert (len(group), len(rest)) == (writer.MAX_CHANGES, 5)
    large = [ticket(writer.MAX_METRICS), ticket(1), ticket(1)]
    group, rest = writer._split(large)
    assert (len(group), len(rest)) == (1, 2)
    assert writer._split([]) == ([], [])
