"""The code that does what a page just did: Python with Chroma's client, and curl."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from mlpi.vectors.browse.clauses import simplified
from mlpi.vectors.browse.view import numbers_of
from mlpi.vectors.names import TENANT, shown
from mlpi.vectors.records import Collection, Condition

_GET = ("documents", "metadatas", "embeddings")
_QUERY = ("documents", "metadatas", "distances")


@dataclass(frozen=True, slots=True)
class Code:
    python: str
    curl: str


@dataclass(frozen=True, slots=True)
class Console:
    """Writes the code for one collection. base: this server's address as the browser knows it."""

    base: str
    workspace: str
    collection: Collection

    def get(self, condition: Condition, limit: int | None = None, offset: int = 0) -> Code:
        """Records as a page of the table reads them."""
        given: dict[str, Any] = {**_filters(condition)}
        if limit is not None:
            given |= {"limit": limit, "offset": offset}
        given["include"] = list(_GET)
        python = [
            f"found = collection.get({_arguments(given)})",
            'for id, document in zip(found["ids"], found["documents"]):',
            "    print(id, document)",
        ]
        return Code(self._python(python), self._curl("get", given))

    def query(self, vector: Sequence[float], k: int, condition: Condition, like: str = "") -> Code:
        """A search for a vector, or for a record, whose vector is fetched first."""
        given = {**_filters(condition), "n_results": k + 1 if like else k, "include": list(_QUERY)}
        lines = []
        if like:
            lines = [
                f'like = collection.get(ids=[{like!r}], include=["embeddings"])',
                'vector = like["embeddings"]',
                f"found = collection.query(query_embeddings=vector, {_arguments(given)})",
            ]
        else:
            whole = {"query_embeddings": [numbers_of(vector)], **given}
            lines = [f"found = collection.query({_arguments(whole)})"]
        lines += ['for id, distance in zip(found["ids"][0], found["distances"][0]):']
        if like:
            lines += [f"    if id != {like!r}:  # nearest to itself", "        print(id, distance)"]
        else:
            lines += ["    print(id, distance)"]
        body = {"query_embeddings": [numbers_of(vector)], **given}
        return Code(self._python(lines), self._curl("query", body))

    def _python(self, lines: Sequence[str]) -> str:
        place = urlsplit(self.base)
        is_tls = place.scheme == "https"
        host = f"[{place.hostname}]" if ":" in (place.hostname or "") else place.hostname
        port = place.port or (443 if is_tls else 80)
        name = self.collection.name
        return "\n".join(
            [
                "import os",
                "",
                "import chromadb",
                "",
                "# Settings, Tokens makes one: export MLPI_TOKEN=mlpi_…",
                "client = chromadb.HttpClient(",
                f"    {host!r}, {port}{', ssl=True' if is_tls else ''},",
                f"    database={shown(self.workspace)!r},",
                '    headers={"X-Chroma-Token": os.environ["MLPI_TOKEN"]},',
                ")",
                f"collection = client.get_collection({name!r}, embedding_function=None)",
                *lines,
            ]
        )

    def _curl(self, deed: str, body: Mapping[str, Any]) -> str:
        path = (
            f"/api/v2/tenants/{TENANT}/databases/{quote(shown(self.workspace))}"
            f"/collections/{self.collection.id}/{deed}"
        )
        return " \\\n  ".join(
            [
                f"curl -fsS {shlex.quote(self.base + path)}",
                '-H "X-Chroma-Token: $MLPI_TOKEN" -H "Content-Type: application/json"',
                f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
            ]
        )


def _filters(condition: Condition) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if condition.ids:
        found["ids"] = list(condition.ids)
    if condition.where:
        found["where"] = simplified(condition.where)
    if condition.where_document:
        found["where_document"] = simplified(condition.where_document)
    return found


def _arguments(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in given.items())
