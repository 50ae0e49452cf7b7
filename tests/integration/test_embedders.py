"""The embedding host, and models that are registered in a running service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import mlflow
import numpy as np
import psutil
import pytest
from mlflow.tracking import fluent

from mlpi.auth.audit import Actor
from mlpi.errors import MlpiError, NotReady
from mlpi.house import House
from mlpi.settings import Settings
from mlpi.vectors import supervision
from mlpi.vectors.embedders import embedding as embedding_module
from mlpi.vectors.embedders import lexical
from mlpi.vectors.embedders.choice import EmbedderChoice, EmbedderUnusable
from mlpi.vectors.embedders.embedding import Embedding
from mlpi.vectors.embedders.service import Embedders
from tests import embedding_models
from tests.service import Service, until

ACTOR = Actor("ana", "test")
TINY = EmbedderChoice("onnx", {"folder": "tiny"})
TEXTS = ["a cat sat", "the dog", ""]
NETLESS = """
import os, sys

def refuse(event, args):
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto"):
        with open(os.environ["NETLESS_LOG"], "a") as log:
            log.write(f"{event} {args!r}\\n")
        raise PermissionError("no network here")

sys.addaudithook(refuse)
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house of its own, opened, with the tiny model in it."""
    built = House.build(Settings(home=tmp_path / "home"))
    built.open()
    embedding_models.write(built.settings.home / "models" / "tiny")
    yield built
    built.close()


Talk = Callable[[Embedding], Awaitable[Any]]


def talk(house: House, about: Talk) -> Any:
    """Run a talk with an embedding of a house; its host has ended afterwards."""

    async def whole() -> Any:
        embedders = Embedders(house)
        embedding = Embedding(embedders)
        try:
            return await about(embedding)
        finally:
            pid = embedding.pid
            await embedding.stop()
            embedders.close()
            assert pid is None or not psutil.pid_exists(pid)

    return asyncio.run(whole())


async def embed(
    embedding: Embedding, choice: EmbedderChoice, texts: list[str], workspace: str = "lab"
) -> Any:
    """As a sync route asks: in a worker thread."""
    return await anyio.to_thread.run_sync(embedding.embed, workspace, choice, texts)


def test_a_model_embeds_in_a_process_of_its_own(house: House) -> None:
    async def about(embedding: Embedding) -> Any:
        assert embedding.pid is None
        found = await embed(embedding, TINY, TEXTS * 50)
        assert embedding.pid not in (None, os.getpid())
        # Where memory runs out it goes before the service does.
        score = await anyio.Path(f"/proc/{embedding.pid}/oom_score_adj").read_text()
        assert int(score) == 500
        return found

    found = np.array(talk(house, about))
    from mlpi.vectors.embedders.loading import load

    expected = load({"word": "onnx", "place": str(house.settings.home / "models" / "tiny")})
    assert found.shape == (150, embedding_models.DIMENSION)
    assert np.allclose(found[:3], expected.embed(TEXTS), atol=1e-6)
    assert np.allclose(found[147:], found[:3], atol=1e-6)


def test_lexical_needs_no_process(house: House) -> None:
    async def about(embedding: Embedding) -> Any:
        found = await embed(embedding, EmbedderChoice("lexical"), TEXTS)
        lexical_size = await anyio.to_thread.run_sync(
            embedding.dimension, "lab", EmbedderChoice("lexical")
        )
        assert lexical_size == lexical.DIMENSION
        assert embedding.pid is None
        assert await anyio.to_thread.run_sync(embedding.dimension, "lab", TINY) == 6
        return found

    assert talk(house, about) == lexical.vectors(TEXTS)


def test_many_threads_ask_at_once(house: House) -> None:
    async def about(embedding: Embedding) -> list[Any]:
        found: list[Any] = [None] * 20

        async def one(number: int) -> None:
            found[number] = await embed(embedding, TINY, [f"cat {'mat ' * number}"])

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, number)
        again = [(await embed(embedding, TINY, [f"cat {'mat ' * n}"])) for n in range(20)]
        assert found == again
        return found

    assert len(talk(house, about)) == 20


def test_a_model_that_was_replaced_on_disk_is_loaded_anew(house: House) -> None:
    async def about(embedding: Embedding) -> None:
        [before] = await embed(embedding, TINY, ["cat"])
        rows = embedding_models.table(dimension=4)
        embedding_models.write(house.settings.home / "models" / "tiny", rows=rows)
        [after] = await embed(embedding, TINY, ["cat"])
        assert (len(before), len(after)) == (embedding_models.DIMENSION, 4)

    talk(house, about)


def test_a_broken_model_is_a_message_and_not_the_end(house: House) -> None:
    embedding_models.write(house.settings.home / "models" / "broken")
    (house.settings.home / "models" / "broken" / "onnx" / "model.onnx").write_bytes(b"no")

    async def about(embedding: Embedding) -> None:
        await embed(embedding, TINY, ["cat"])
        pid = embedding.pid
        with pytest.raises(EmbedderUnusable, match=r"model\.onnx cannot be used") as caught:
            await embed(embedding, EmbedderChoice("onnx", {"folder": "broken"}), ["cat"])
        assert caught.value.field == "folder"
        assert "downloads nothing" in (caught.value.advice or "")
        await embed(embedding, TINY, ["cat"])
        assert embedding.pid == pid

    talk(house, about)


def test_a_missing_model_starts_nothing(house: House) -> None:
    async def about(embedding: Embedding) -> None:
        with pytest.raises(EmbedderUnusable, match="not complete"):
            await embed(embedding, EmbedderChoice("onnx", {"folder": "absent"}), ["cat"])
        assert embedding.pid is None

    talk(house, about)


def test_a_text_too_long_is_refused_by_number(house: House) -> None:
    async def about(embedding: Embedding) -> None:
        texts = ["a", "b" * (embedding_module.MOST_CHARS + 1)]
        with pytest.raises(MlpiError, match="Text 2 has 1,000,001 characters"):
            await embed(embedding, TINY, texts)

    talk(house, about)


def test_a_host_that_breaks_is_replaced(house: House) -> None:
    async def about(embedding: Embedding) -> None:
        await embed(embedding, TINY, ["cat"])
        first = embedding.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)

        async def break_it() -> None:
            link = embedding._host._link
            assert link is not None
            await anyio.to_thread.run_sync(until, lambda: link._waiting)
            os.kill(first, signal.SIGKILL)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(break_it)
            with pytest.raises(EmbedderUnusable, match="host ended while it worked"):
                await embed(embedding, TINY, ["cat"])
        await embed(embedding, TINY, ["cat"])
        assert embedding.pid not in (None, first)

    talk(house, about)


def test_a_host_that_hangs_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def about(embedding: Embedding) -> None:
        await embed(embedding, TINY, ["cat"])
        first = embedding.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(embedding_module, "ANSWER_S", 0.2)
        with pytest.raises(EmbedderUnusable, match="did not answer within"):
            await embed(embedding, TINY, ["cat"])
        monkeypatch.undo()
        await anyio.to_thread.run_sync(until, lambda: not is_running(first))
        await embed(embedding, TINY, ["cat"])
        assert embedding.pid != first

    talk(house, about)


def test_a_host_without_work_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "IDLE_S", 0.1)

    async def about(embedding: Embedding) -> None:
        await embed(embedding, TINY, ["cat"])
        first = embedding.pid
        assert first is None or await anyio.to_thread.run_sync(until, lambda: not is_running(first))
        await embed(embedding, TINY, ["cat"])

    talk(house, about)


def test_a_host_that_does_not_start_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def about(embedding: Embedding) -> None:
        for _ in range(2):
            with pytest.raises(NotReady, match="embedding host does not start"):
                await embed(embedding, TINY, ["cat"])
        assert "code 1" in embedding.failure

    talk(house, about)


def is_running(pid: int) -> bool:
    """Whether a process does anything, as opposed to one that waits to be buried."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def registered(service: Service) -> str:
    """A pipeline of scikit-learn that was logged and registered in the workspace lab."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    corpus = [
        "the cat sat",
        "a dog ran",
        "cats and dogs",
        "the mat of the cat",
        "dogs run",
        "a mat",
    ]
    pipeline = make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=0)).fit(corpus)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("MLFLOW_"):
                patch.delenv(name)
        patch.setenv("MLFLOW_TRACKING_TOKEN", service.token("ana", "lab"))
        mlflow.set_tracking_uri(service.url)
        mlflow.set_experiment("embedders")
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                pipeline,
                name="model",
                registered_model_name="embedder-tfidf",
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
            )
        mlflow.MlflowClient().set_registered_model_alias("embedder-tfidf", "best", 1)
        fluent._active_experiment_id = None
        mlflow.set_tracking_uri(None)
    return "embedder-tfidf"


@pytest.fixture
def lived_in(service: Service) -> Iterator[House]:
    """The running service's house, looked at from outside."""
    built = House.build(Settings(home=service.home))
    yield built
    built.close()


@pytest.mark.parametrize("end", [{"version": 1}, {"alias": "best"}])
def test_a_registered_model_embeds(
    lived_in: House,
    registered: str,
    end: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    choice = EmbedderChoice("model", {"name": registered, **end})

    async def about(embedding: Embedding) -> Any:
        return await embed(embedding, choice, ["the cat", "a dog", "zebra"])

    found = np.array(talk(lived_in, about))
    assert found.shape == (3, 4)
    assert np.abs(found[0]).sum() > 0
    assert not found[2].any()
    assert list(tmp_path.iterdir()) == [], "it left something behind"


def test_a_registered_model_is_its_workspaces_alone(lived_in: House, registered: str) -> None:
    choice = EmbedderChoice("model", {"name": registered, "version": 1})

    async def about(embedding: Embedding) -> None:
        with pytest.raises(EmbedderUnusable, match="no registered model"):
            await embed(embedding, choice, ["the cat"], "other")

    talk(lived_in, about)


def test_registered_models_are_offered(lived_in: House, registered: str) -> None:
    embedders = Embedders(lived_in)
    try:
        values = [offer.value for offer in embedders.options_of("lab").offers]
        others = [offer.value for offer in embedders.options_of("other").offers]
    finally:
        embedders.close()
    assert {f"model:{registered}@best", f"model:{registered}:1"} <= set(values)
    assert not [value for value in others if registered in value]


def test_no_embedder_ever_asks_the_network(
    lived_in: House, registered: str, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(NETLESS)
    log = tmp_path / "network.log"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hooks"))
    monkeypatch.setenv("NETLESS_LOG", str(log))
    model = EmbedderChoice("model", {"name": registered, "version": 1})

    async def of_lab(embedding: Embedding) -> Any:
        return await embed(embedding, model, ["the cat"])

    async def of_folder(embedding: Embedding) -> Any:
        return await embed(embedding, TINY, ["the cat"])

    assert len(talk(lived_in, of_lab)[0]) == 4
    assert len(talk(house, of_folder)[0]) == embedding_models.DIMENSION
    assert not log.exists(), log.read_text()
