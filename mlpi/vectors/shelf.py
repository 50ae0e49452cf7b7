"""A workspace's vectors for code of ours: requests to the engine, in the words of Chroma's API.

In the service a shelf asks through the event loop (`threaded`), in a worker through the relay's
socket (mlpi.vectors.relay); it blocks in both. Kept light, for workers import it.
"""

from __future__ import annotations

import base64
import socket
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import orjson

from mlpi.errors import Conflict, Invalid, MlpiError, NotFound, NotReady
from mlpi.vectors import frames
from mlpi.vectors.frames import Frame
from mlpi.vectors.names import TENANT, shown
from mlpi.vectors.records import Condition, Record

# Sends one request, a head and a body, and waits for its answer.
Ask = Callable[[Mapping[str, Any], bytes], Frame]
Deed = Literal["add", "upsert", "update"]
PAGE = 500  # records that are read at once when all are

_ERRORS: Mapping[int, type[MlpiError]] = {
    400: Invalid,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
}


class EngineRefused(MlpiError):
    """The vector engine could not do this; its log says why."""


class Shelf:
    """One workspace's collections and records.

    Every call raises the MlpiError that the engine's answer means: Invalid, NotFound, Conflict,
    NotReady while it cannot answer, EngineRefused.
    """

    def __init__(self, ask: Ask, workspace: str) -> None:
        self._ask = ask
        self.workspace = workspace

    # --- collections ------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        space: str = "cosine",
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a collection; its id. settings: of its HNSW index, in Chroma's words."""
        body = {
            "name": name,
            "metadata": metadata or None,
            "configuration": {"hnsw": {**(settings or {}), "space": space}},
            "get_or_create": False,
        }
        return str(self._call("POST", "", body)["id"])

    def rename(self, collection_id: str, name: str) -> None:
        self._call("PUT", f"/{collection_id}", {"new_name": name})

    def describe(self, collection_id: str, metadata: Mapping[str, Any]) -> None:
        """Replace a collection's metadata."""
        self._call("PUT", f"/{collection_id}", {"new_metadata": dict(metadata)})

    def remove(self, name: str) -> None:
        """Delete a collection by its name, as Chroma does."""
        self._call("DELETE", f"/{quote(name)}")

    # --- records ----------------------------------------------------------------------------

    def count(self, collection_id: str) -> int:
        return int(self._call("GET", f"/{collection_id}/count"))

    def get(
        self,
        collection_id: str,
        condition: Condition | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        vectors: bool = False,
        documents: bool = True,
    ) -> list[Record]:
        """Records that meet a condition, in the order they were first added."""
        include = [
            *("metadatas", "uris"),
            *(["documents"] if documents else []),
            *(["embeddings"] if vectors else []),
        ]
        return _records(self._get(collection_id, condition, limit, offset, include))

    def plain(
        self,
        collection_id: str,
        condition: Condition | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        vectors: bool = True,
    ) -> dict[str, Any]:
        """The same as get, as Chroma answers it: a list for each column, vectors as numbers."""
        include = ["documents", "metadatas", "uris", *(["embeddings"] if vectors else [])]
        found: dict[str, Any] = self._get(collection_id, condition, limit, offset, include)
        return found

    def ids(
        self,
        collection_id: str,
        condition: Condition | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[str]:
        """The ids of what get would find."""
        found: list[str] = self._get(collection_id, condition, limit, offset, [])["ids"]
        return found

    def _get(
        self,
        collection_id: str,
        condition: Condition | None,
        limit: int | None,
        offset: int,
        include: Sequence[str],
    ) -> Any:
        condition = condition or Condition()
        body = {
            "ids": condition.ids,
            "where": condition.where,
            "where_document": condition.where_document,
            "limit": limit,
            "offset": offset,
            "include": include,
        }
        return self._call("POST", f"/{collection_id}/get", body)

    def pages(
        self, collection_id: str, condition: Condition | None = None, *, vectors: bool = True
    ) -> Iterator[list[Record]]:
        """All records that meet a condition, PAGE at a time."""
        offset = 0
        while page := self.get(
            collection_id, condition, limit=PAGE, offset=offset, vectors=vectors
        ):
            yield page
            offset += len(page)

    def nearest(
        self,
        collection_id: str,
        vector: Sequence[float],
        *,
        k: int = 10,
        condition: Condition | None = None,
        vectors: bool = False,
        documents: bool = True,
    ) -> list[Record]:
        """The k records nearest to a vector of (dimension,), closest first."""
        condition = condition or Condition()
        body = {
            "ids": condition.ids,
            "where": condition.where,
            "where_document": condition.where_document,
            "query_embeddings": [list(vector)],
            "n_results": k,
            "include": [
                *("metadatas", "uris", "distances"),
                *(["documents"] if documents else []),
                *(["embeddings"] if vectors else []),
            ],
        }
        found = self._call("POST", f"/{collection_id}/query", body)
        first = {
            key: value[0] if isinstance(value, list) and key != "include" else value
            for key, value in found.items()
        }
        return _records(first)

    def write(self, deed: Deed, collection_id: str, records: Sequence[Record]) -> None:
        """Add, upsert or update records; a record without a vector keeps its own on update."""
        body: dict[str, Any] = {
            "ids": [one.id for one in records],
            "documents": [one.document for one in records],
            "metadatas": [dict(one.metadata) or None for one in records],
            "uris": [one.uri for one in records],
            "embeddings": [None if one.vector is None else _encoded(one.vector) for one in records],
        }
        if all(one is None for one in body["embeddings"]):
            del body["embeddings"]
        self._call("POST", f"/{collection_id}/{deed}", body)

    def delete(self, collection_id: str, condition: Condition) -> int:
        """Delete what meets a condition, which must not be empty; how many went."""
        if not condition:
            raise Invalid("Nothing was chosen.", advice="Select records or set a filter.")
        body = {
            "ids": condition.ids,
            "where": condition.where,
            "where_document": condition.where_document,
        }
        return int(self._call("POST", f"/{collection_id}/delete", body)["deleted"])

    # --- what only our engine knows -------------------------------------------------------------

    def own(self, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """One of the engine's own answers, see mlpi.vectors.engine.own."""
        return self._request("POST", f"/mlpi/{what}", body or {})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        database = quote(shown(self.workspace))
        base = f"/tenants/{TENANT}/databases/{database}/collections"
        return self._request(method, base + path, body)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        head = {
            "method": method,
            "path": path,
            "query": "",
            "content_type": "application/json",
            "workspace": self.workspace,
            "database": shown(self.workspace),
        }
        frame = self._ask(head, b"" if body is None else orjson.dumps(body))
        answer = orjson.loads(frame.body) if frame.body else None
        status = frame.head["status"]
        if status < 400:
            return answer
        message = str(answer.get("message", "")) if isinstance(answer, dict) else ""
        if status == 503:
            raise NotReady(message or None)
        raise _ERRORS.get(status, EngineRefused)(_plain(message))


def threaded(ask: Callable[[Mapping[str, Any], bytes], Any]) -> Ask:
    """An engine's asynchronous ask, for the threads in which the service's sync routes run."""

    def asked(head: Mapping[str, Any], body: bytes) -> Frame:
        import anyio.from_thread  # noqa: PLC0415 - workers do without

        frame: Frame = anyio.from_thread.run(ask, head, body)
        return frame

    return asked


def over(end: socket.socket, gone: str) -> Ask:
    """Asks over a socket, one request after the other. gone: why nobody answers any more."""

    def asked(head: Mapping[str, Any], body: bytes) -> Frame:
        frames.send(end, Frame(1, dict(head), body))
        answer = frames.receive(end)
        if answer is None:
            raise NotReady(gone)
        return answer

    return asked


def _records(found: Mapping[str, Any]) -> list[Record]:
    size = len(found["ids"])
    empty = [None] * size
    columns = [
        found.get(name) or empty
        for name in ("documents", "metadatas", "embeddings", "uris", "distances")
    ]
    return [
        Record(
            id_,
            document,
            dict(sorted((metadata or {}).items())),  # Chroma keeps no order
            None if vector is None else array("f", vector),
            uri,
            distance,
        )
        for id_, document, metadata, vector, uri, distance in zip(
            found["ids"], *columns, strict=True
        )
    ]


def _encoded(vector: array[float]) -> str:
    """As Chroma's own client sends it: base64 of little-endian float32."""
    return base64.b64encode(vector.tobytes()).decode()


def _plain(message: str) -> str:
    """An engine's message as a sentence."""
    message = message.removeprefix("Validation error: ").strip()
    return message if message.endswith((".", "!", "?")) else message + "."
