"""Chroma's unmodified clients against a running service."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import chromadb
import httpx
import psutil
import pytest
from chromadb.config import Settings
from chromadb.errors import ChromaError, InvalidArgumentError, NotFoundError

from tests.service import Service, running_service, until

LIVES = 5  # of the service that is killed
BATCH = 20
POINTS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0]]


def quiet() -> Settings:
    return Settings(anonymized_telemetry=False)  # clients write their host into it


Open = Callable[..., Any]


@contextmanager
def closing(client: Any) -> Iterator[Any]:
    """A client of Chroma, whose own close leaves its two connections open."""
    try:
        yield client
    finally:
        for one in (client._server, client._admin_client._server):
            one._session.close()
        client.close()


def connect(service: Service, token: str, **options: Any) -> AbstractContextManager[Any]:
    headers = {"X-Chroma-Token": token}
    return closing(
        chromadb.HttpClient("127.0.0.1", service.port, headers=headers, settings=quiet(), **options)
    )


@pytest.fixture
def use(service: Service) -> Iterator[Open]:
    with ExitStack() as clients:

        def opened(user: str = "eve", workspace: str = "lab", **options: Any) -> Any:
            client = connect(service, service.token(user, workspace), **options)
            return clients.enter_context(client)

        yield opened


@pytest.fixture
def fresh(use: Open, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A collection of the test's own, gone after it."""
    name = request.node.name.replace("[", "-").replace("]", "")[:60].rstrip("-_")
    owner = use("ana")
    yield use().create_collection(name, embedding_function=None)
    owner.delete_collection(name)


def test_records_live_a_whole_life(fresh: Any) -> None:
    fresh.add(
        ids=["a", "b", "c"],
        embeddings=POINTS,
        documents=["one", None, "three"],
        metadatas=[{"n": 1, "s": "x", "f": 0.5, "b": True, "l": ["p", "q"]}, None, {"n": 3}],
        uris=["file:///a", None, None],
    )
    assert fresh.count() == 3
    found = fresh.query(query_embeddings=[[1.0, 0.0, 0.0]], n_results=2)
    assert found["ids"] == [["a", "c"]]
    assert found["distances"][0][0] == 0.0
    assert found["distances"][0][1] == pytest.approx(0.02)
    fresh.update(ids=["b"], embeddings=[POINTS[1]], documents=["two"], metadatas=[{"n": 2}])
    fresh.upsert(ids=["d"], embeddings=[[0.0, 0.0, 1.0]], metadatas=[{"n": 4}])
    kept = fresh.get(where={"n": {"$gte": 2}}, include=["metadatas", "documents", "embeddings"])
    assert sorted(kept["ids"]) == ["b", "c", "d"]
    assert kept["embeddings"].shape == (3, 3)
    assert fresh.get(ids=["a"])["metadatas"] == [
        {"n": 1, "s": "x", "f": 0.5, "b": True, "l": ["p", "q"]}
    ]
    assert fresh.get(where_document={"$contains": "two"})["ids"] == ["b"]
    fresh.delete(ids=["a"])
    fresh.delete(where={"n": 4})
    assert sorted(fresh.get()["ids"]) == ["b", "c"]


def test_collections_live_a_whole_life(use: Open) -> None:
    client = use("ana")
    made = client.create_collection(
        "life-of-one",
        metadata={"of": "life"},
        configuration={"hnsw": {"space": "cosine"}},
        embedding_function=None,
    )
    again = client.get_or_create_collection("life-of-one", embedding_function=None)
    assert again.id == made.id
    assert again._model.configuration_json["hnsw"]["space"] == "cosine"
    made.modify(name="life-of-two", metadata={"of": "lives"})
    assert client.get_collection("life-of-two", embedding_function=None).metadata == {"of": "lives"}
    assert "life-of-two" in [one.name for one in client.list_collections()]
    assert client.count_collections() >= 1
    with pytest.raises(ChromaError, match="already exists"):
        client.create_collection("life-of-two", embedding_function=None)
    client.delete_collection("life-of-two")
    with pytest.raises(NotFoundError, match="life-of-two"):
        client.get_collection("life-of-two", embedding_function=None)


def test_the_async_client_works(service: Service) -> None:
    async def live() -> list[list[str]]:
        client = await chromadb.AsyncHttpClient(
            "127.0.0.1",
            service.port,
            headers={"Authorization": f"Bearer {service.token('ana', 'lab')}"},
            settings=quiet(),
        )
        assert await client.heartbeat() > 0
        made = await client.create_collection("asynchronous", embedding_function=None)
        await asyncio.gather(
            *(made.add(ids=[str(n)], embeddings=[[float(n), 1.0]]) for n in range(20))
        )
        found = await made.query(query_embeddings=[[7.0, 1.0]], n_results=1)
        await client.delete_collection("asynchronous")
        for one in (client._server, client._admin_client._server):
            await one._cleanup()
        return list(found["ids"])

    assert asyncio.run(live()) == [["7"]]


@pytest.mark.parametrize("header", ["X_CHROMA_TOKEN", "AUTHORIZATION"])
def test_chromas_own_token_settings_work(service: Service, header: str) -> None:
    settings = Settings(
        anonymized_telemetry=False,
        chroma_client_auth_provider="chromadb.auth.token_authn.TokenAuthClientProvider",
        chroma_client_auth_credentials=service.token("ana", "lab"),
        chroma_auth_token_transport_header={
            "X_CHROMA_TOKEN": "X-Chroma-Token",
            "AUTHORIZATION": "Authorization",
        }[header],
    )
    with closing(chromadb.HttpClient("127.0.0.1", service.port, settings=settings)) as client:
        assert client.get_user_identity().user_id == "ana"
        assert client.heartbeat() > 0


def test_a_prefix_leads_there_too(service: Service, fresh: Any) -> None:
    fresh.add(ids=["a"], embeddings=[[1.0, 2.0]])
    prefixed = chromadb.HttpClient(
        f"http://127.0.0.1:{service.port}/chroma",
        headers={"X-Chroma-Token": service.token("eve", "lab")},
        settings=quiet(),
    )
    with closing(prefixed) as client:
        assert client.get_collection(fresh.name, embedding_function=None).count() == 1


def test_a_token_means_its_own_workspace_and_names_it(service: Service, use: Open) -> None:
    made = use("ana").create_collection("whose-is-this", embedding_function=None)
    named = use("ana", database="lab").get_collection("whose-is-this")
    assert named.id == made.id
    http = service.client(service.token("ana", "lab"))
    with http:
        databases = http.get("/api/v2/tenants/default_tenant/databases").json()
        assert [one["name"] for one in databases] == ["lab"]
        listed = http.get("/api/v2/tenants/default_tenant/databases/lab/collections").json()
        assert {one["database"] for one in listed} == {"lab"}
    use("ana").delete_collection("whose-is-this")


def test_no_workspace_reaches_another(service: Service, use: Open) -> None:
    secret = use("ana").create_collection("ours-alone", embedding_function=None)
    secret.add(ids=["a"], embeddings=[[1.0, 2.0]], documents=["a secret"])
    stranger = service.token("otto", "other")
    with pytest.raises(NotFoundError):
        use("otto", "other").get_collection("ours-alone")
    own = "/api/v2/tenants/default_tenant/databases"
    body = {"ids": ["a"], "embeddings": [[3.0, 4.0]]}
    ask = {"query_embeddings": [[1.0, 2.0]]}
    with service.client(stranger) as http:
        for database, status in (("lab", 404), ("other", 404), ("default_database", 404)):
            base = f"{own}/{database}/collections"
            answers = [
                *([http.get(f"{own}/lab")] if database == "lab" else []),
                http.get(f"{base}/by-id/{secret.id}"),
                http.get(f"{base}/ours-alone"),
                http.get(f"{base}/{secret.id}/count"),
                http.put(f"{base}/{secret.id}", json={"new_name": "stolen"}),
                http.delete(f"{base}/ours-alone"),
                *(
                    http.post(f"{base}/{secret.id}/{deed}", json=body)
                    for deed in ("add", "upsert", "update", "get", "delete")
                ),
                http.post(f"{base}/{secret.id}/query", json=ask),
            ]
            assert [answer.status_code for answer in answers] == [status] * len(answers)
            assert not any("secret" in answer.text for answer in answers)
        assert "ours-alone" not in http.get(f"{own}/other/collections").text
    assert secret.get()["documents"] == ["a secret"]
    use("ana").delete_collection("ours-alone")


def test_roles_hold(service: Service, fresh: Any) -> None:
    fresh.add(ids=["a"], embeddings=[[1.0, 2.0]])
    base = "/api/v2/tenants/default_tenant/databases/lab/collections"
    one = f"{base}/{fresh.id}"
    with service.client(service.token("vic", "lab")) as viewer:
        assert viewer.post(f"{one}/get", json={}).json()["ids"] == ["a"]
        assert viewer.post(f"{one}/query", json={"query_embeddings": [[1, 2]]}).status_code == 200
        refused = viewer.post(f"{one}/add", json={"ids": ["b"], "embeddings": [[1, 2]]})
        assert refused.status_code == 403
        assert refused.json()["error"] == "AuthError"
        assert "editor" in refused.json()["message"]
        assert viewer.post(base, json={"name": "new-one"}).status_code == 403
    with service.client(service.token("eve", "lab")) as editor:
        assert editor.delete(f"{base}/{fresh.name}").status_code == 403
        made = editor.post("/api/v2/tenants/default_tenant/databases", json={"name": "mine"})
        assert made.status_code == 403
        assert "workspaces" in made.json()["message"]
    with service.client() as nobody:
        answer = nobody.post(f"{one}/get", json={})
        assert (answer.status_code, answer.json()["error"]) == (401, "AuthorizationError")
        assert nobody.get("/api/v2/heartbeat").status_code == 200


def test_reset_is_off_and_empties_one_workspace_where_it_is_on(
    service: Service, tmp_path: Path
) -> None:
    with service.client(service.token("ana", "lab")) as owner:
        refused = owner.post("/api/v2/reset")
        assert (refused.status_code, refused.json()["message"]) == (
            403,
            "Reset is disabled by config",
        )
    with running_service(tmp_path, env={"MLPI_CHROMA_RESET": "true"}) as free:
        free.add_user("ana")
        for workspace in ("lab", "other"):
            free.mlpi("workspace", "add", workspace)
            free.mlpi("member", "add", workspace, "ana", "owner")
        with (
            connect(free, free.token("ana", "lab")) as lab,
            connect(free, free.token("ana", "other")) as other,
        ):
            lab.create_collection("goes", embedding_function=None)
            other.create_collection("stays", embedding_function=None)
            assert lab._server.reset() is True
            assert lab.list_collections() == []
            assert [one.name for one in other.list_collections()] == ["stays"]


def test_bad_input_is_refused_whole(fresh: Any, service: Service) -> None:
    fresh.add(ids=["a"], embeddings=[[1.0, 2.0]])
    with pytest.raises(InvalidArgumentError, match="dimension of 2, got 3"):
        fresh.add(ids=["b"], embeddings=[[1.0, 2.0, 3.0]])
    many = [[float(n), 1.0] for n in range(1200)]
    many[-1] = [1.0]
    one = f"/api/v2/tenants/default_tenant/databases/lab/collections/{fresh.id}"
    ids = [str(n) for n in range(1200)]
    with service.client(service.token("eve", "lab")) as http:
        ragged = http.post(f"{one}/add", json={"ids": ids, "embeddings": many})
        assert (ragged.status_code, ragged.json()["error"]) == (400, "InvalidArgumentError")
        infinite = [*many[:-1], [1e300, 1.0]]
        assert http.post(f"{one}/add", json={"ids": ids, "embeddings": infinite}).status_code == 400
        nan = b'{"ids":["x"],"embeddings":[[NaN,1.0]]}'
        answer = http.post(f"{one}/add", content=nan, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        wrong = http.post(f"{one}/add", json={"ids": ["x"], "embeddings": [["a", "b"]]})
        assert wrong.status_code == 422
        large = http.post(f"{one}/add", content=b"x" * (40 * 2**20 + 1))
        assert large.status_code == 413
        assert http.post(f"{one}/get", json={"where": {"a": {"$x": 1}}}).status_code == 400
        nested = {"ids": ["x"], "embeddings": [[1, 2]], "metadatas": [{"a": {"b": 1}}]}
        assert http.post(f"{one}/add", json=nested).status_code == 422
        assert http.get(f"{one.replace(str(fresh.id), 'nonsense')}/count").status_code == 400
    assert fresh.get()["ids"] == ["a"]


def test_an_embedding_function_is_stored_and_never_loaded(use: Open, service: Service) -> None:
    base = "/api/v2/tenants/default_tenant/databases/lab/collections"
    hostile = {"type": "known", "name": "os.system", "config": {"command": "touch /tmp/never"}}
    with service.client(service.token("ana", "lab")) as http:
        made = http.post(
            base, json={"name": "with-function", "configuration": {"embedding_function": hostile}}
        )
        assert made.json()["configuration_json"]["embedding_function"] == hostile
        again = http.get(f"{base}/with-function").json()
        assert again["configuration_json"]["embedding_function"] == hostile
        assert http.delete(f"{base}/with-function").status_code == 200


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, to be killed."""
    with running_service(tmp_path) as service:
        service.add_user("ana")
        service.mlpi("workspace", "add", "lab")
        service.mlpi("member", "add", "lab", "ana", "owner")
        yield service


def test_what_was_acknowledged_survives_sigkill(mortal: Service) -> None:
    """Killed again and again in the midst of writes, the service and with it its engine."""
    token = mortal.token("ana", "lab")
    acknowledged: set[str] = set()
    for life in range(LIVES):
        write_until_killed(mortal, token, life, acknowledged)
        mortal.start()
    with connect(mortal, token) as client:
        collection = client.get_collection("killed", embedding_function=None)
        kept = collection.get(include=["embeddings"])
        vectors = dict(zip(kept["ids"], kept["embeddings"], strict=True))
        assert len(acknowledged) > LIVES * BATCH
        assert acknowledged <= set(vectors)
        for name in sorted(acknowledged)[:: max(1, len(acknowledged) // 50)]:
            found = collection.query(query_embeddings=[vectors[name]], n_results=3)
            assert name in found["ids"][0]


def write_until_killed(service: Service, token: str, life: int, acknowledged: set[str]) -> None:
    begun = threading.Event()

    def write(collection: Any) -> None:
        for batch in itertools.count():
            ids = [f"{life}-{batch}-{n}" for n in range(BATCH)]
            try:
                collection.add(ids=ids, embeddings=[vector_of(name) for name in ids])
            except (httpx.TransportError, ChromaError):  # the service was killed
                return
            acknowledged.update(ids)
            if batch == 5 + life:
                begun.set()

    with connect(service, token) as client:
        collection = client.get_or_create_collection("killed", embedding_function=None)
        writer = threading.Thread(target=write, args=(collection,))
        writer.start()
        assert begun.wait(60)
        assert service.process is not None
        service.stop(signal.SIGKILL)
        writer.join(60)
        assert not writer.is_alive()


def vector_of(name: str) -> list[float]:
    """Another one for each name."""
    dice = random.Random(name)
    return [dice.random() for _ in range(16)]


def test_a_broken_engine_is_replaced(mortal: Service) -> None:
    with connect(mortal, mortal.token("ana", "lab")) as client:
        collection = client.create_collection("replaced", embedding_function=None)
        collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
        [engine] = engines(mortal)
        os.kill(engine, signal.SIGKILL)
        until(lambda: engine not in engines(mortal))
        found = until(lambda: answered(collection))
        assert found["ids"] == [["a"]]
        assert engines(mortal) != [engine]


def answered(collection: Any) -> Any:
    """What a query finds; nothing while the engine's end has not been noticed."""
    try:
        return collection.query(query_embeddings=[[1.0, 2.0]], n_results=1)
    except ChromaError:
        return None


def engines(service: Service) -> list[int]:
    """Processes of its vector engines."""
    assert service.process is not None
    children = psutil.Process(service.process.pid).children()
    return [child.pid for child in children if is_engine(child)]


def is_engine(child: psutil.Process) -> bool:
    """Whether it is one that lives: it may end while it is looked at."""
    try:
        words = child.cmdline() if child.status() != psutil.STATUS_ZOMBIE else []
    except psutil.NoSuchProcess:
        return False
    return any("mlpi.vectors.engine" in word for word in words)
