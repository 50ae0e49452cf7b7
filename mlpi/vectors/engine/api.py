"""Chroma's API over its bindings: what each route of `chroma run` does."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from uuid import UUID

import orjson

from mlpi.vectors.engine import answers, own, payloads
from mlpi.vectors.engine.answers import Answer
from mlpi.vectors.engine.asked import Asked
from mlpi.vectors.engine.chroma import Chroma
from mlpi.vectors.engine.payloads import Vectors
from mlpi.vectors.engine.refusals import (
    Refused,
    explained,
    invalid,
    mistyped,
    not_found,
    unsupported,
)
from mlpi.vectors.names import TENANT, shown

SLICE = 500  # records; longer writes let reads in between
_NO_FUNCTIONS = (
    "Tonic error: code: 'Operation is not implemented or not supported', message: \"{}\""
)
_NO_SQLITE_FUNCTIONS = " Attached Function operations not yet implemented in SqliteSysDb"
# How the bindings begin when a configuration or schema is of the wrong shape.
_MISSHAPEN = re.compile(
    r"(unknown|missing|duplicate) (field|variant)|invalid (type|value|length)|data did not match"
)
_NO_MAKING = "Tenants and databases are mlpi's workspaces; an admin makes them under Settings."


class Api:
    """Answers requests; knows no socket."""

    def __init__(self, chroma: Chroma) -> None:
        self._chroma = chroma
        self._db = chroma.bindings

    def answer(self, asked: Asked) -> Answer:
        """The answer to a request; errors too."""
        try:
            return self._routed(asked)
        except Refused as refused:
            return _refusal(refused)
        except (TypeError, ValueError, OverflowError) as error:  # what the bindings cannot convert
            return _refusal(invalid(str(error)))
        except Exception as error:
            if not type(error).__module__.startswith("chromadb"):
                raise
            return _refusal(explained(error))

    def _routed(self, asked: Asked) -> Answer:
        match asked.method, asked.segments:
            case "HEALTH", ["mlpi", "health"]:  # of the house; no client can ask so
                return answers.done(self._chroma.repairs.health())
            case "POST", ["mlpi", *_]:
                return own.answer(self._chroma, asked)
            case "POST", ["reset"]:
                return self._reset(asked)
            case "GET", ["heartbeat"]:
                return answers.done({"nanosecond heartbeat": time.time_ns()})
            case "GET", ["tenants", tenant]:
                _require_tenant(tenant)
                return answers.done({"name": TENANT, "resource_name": None})
            case _, ["tenants", *_] if len(asked.segments) < 3:
                raise Refused(403, "AuthError", _NO_MAKING)
            case "GET", ["tenants", tenant, "databases"] if tenant != TENANT:
                return answers.done([])
            case _, ["tenants", tenant, "databases", *rest]:
                _require_tenant(tenant)
                return self._in_database(asked, rest)
        raise Refused(404, "NotFoundError", "There is no such route.")

    def _in_database(self, asked: Asked, rest: list[str]) -> Answer:
        match asked.method, rest:
            case "GET", []:
                found = [self._database(one, shown(one)) for one in asked.workspaces]
                limit, offset = asked.page()
                return answers.done(found[offset or 0 :][:limit])
            case "GET", [_]:
                return answers.done(self._database(asked.workspace, asked.database))
            case ("POST", []) | ("DELETE", [_]):
                raise Refused(403, "AuthError", _NO_MAKING)
            case "GET", [_, "collections"]:
                return self._list(asked)
            case "POST", [_, "collections"]:
                return self._create(asked)
            case "GET", [_, "collections_count"]:
                count = self._db.count_collections(TENANT, self._chroma.database(asked.workspace))
                return answers.done(count)
            case "GET", [_, "collections", "by-id", identity]:
                if not _is_uuid(identity):
                    raise invalid(
                        "Validation error: collection_id: "
                        "Invalid collection ID format, expected UUID"
                    )
                return self._shown(asked, self._chroma.collection(identity, asked.workspace))
            case "GET", [_, "collections", name]:
                database = self._chroma.database(asked.workspace)
                return self._shown(asked, self._db.get_collection(name, TENANT, database))
            case "PUT", [_, "collections", identity]:
                return self._modify(asked, identity)
            case "DELETE", [_, "collections", name]:
                return self._delete_collection(asked, name)
            case _, [_, "collections", identity, *action]:
                return self._in_collection(asked, identity, action)
        raise Refused(404, "NotFoundError", "There is no such route.")

    def _in_collection(self, asked: Asked, identity: str, action: list[str]) -> Answer:
        handler = _ACTIONS.get((asked.method, action[0]))
        if handler is None:
            raise Refused(404, "NotFoundError", "There is no such route.")
        return handler(self, asked, identity)

    def _require(self, asked: Asked, identity: str) -> None:
        """See that a collection is the workspace's. Raises Refused.

        Called once a body has been read, for Chroma's own server complains of that first.
        """
        if not _is_uuid(identity):
            raise invalid("Collection ID is not a valid UUIDv4")
        try:
            self._chroma.require(identity, asked.workspace)
        except Exception as error:
            if type(error).__name__ != "NotFoundError":
                raise
            raise not_found(f"Collection [{identity}] does not exist.") from None

    def _shown(self, asked: Asked, found: Any) -> Answer:
        return answers.done(answers.collection(found, asked.database, TENANT))

    def _database(self, workspace: str, name: str) -> dict[str, str]:
        found = self._db.get_database(self._chroma.database(workspace), TENANT)
        return {"id": str(found.id), "name": name, "tenant": TENANT}

    def _list(self, asked: Asked) -> Answer:
        limit, offset = asked.page()
        database = self._chroma.database(asked.workspace)
        found = self._db.list_collections(limit, offset, TENANT, database)
        return answers.done([answers.collection(one, asked.database, TENANT) for one in found])

    def _create(self, asked: Asked) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "CreateCollectionPayload")
        name = payloads.text(body, "name")
        metadata = payloads.metadata(body, "metadata")
        may_exist = payloads.flag(body, "get_or_create")
        with _configuration_in("schema" if body.get("configuration") is None else "configuration"):
            found = self._db.create_collection(
                name,
                _as_json(body, "configuration"),
                _as_json(body, "schema"),
                metadata,
                may_exist,
                TENANT,
                self._chroma.database(asked.workspace),
            )
        return self._shown(asked, found)

    def _modify(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "UpdateCollectionPayload")
        name = payloads.optional_text(body, "new_name")
        metadata = payloads.metadata(body, "new_metadata", is_update=True)
        self._require(asked, identity)
        with _configuration_in("new_configuration"):
            self._db.update_collection(
                identity, name, metadata, _as_json(body, "new_configuration")
            )
        return answers.done({})

    def _delete_collection(self, asked: Asked, name: str) -> Answer:
        database = self._chroma.database(asked.workspace)
        found = self._db.get_collection(name, TENANT, database)
        self._db.delete_collection(name, TENANT, database)
        self._chroma.forget(str(found.id))
        return answers.done({})

    def _reset(self, asked: Asked) -> Answer:
        """Every collection of the one workspace goes; others are not touched."""
        database = self._chroma.database(asked.workspace)
        for found in self._db.list_collections(None, None, TENANT, database):
            self._db.delete_collection(found.name, TENANT, database)
            self._chroma.forget(str(found.id))
        return answers.done(True)

    def _add(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "AddCollectionRecordsPayload")
        ids = payloads.ids(body)
        self._write("add", asked, identity, ids, payloads.embeddings(body), body)
        return answers.done({}, 201)

    def _upsert(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "UpsertCollectionRecordsPayload")
        ids = payloads.ids(body)
        self._write("upsert", asked, identity, ids, payloads.embeddings(body), body)
        return answers.done({})

    def _update(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "UpdateCollectionRecordsPayload")
        ids = payloads.ids(body)
        vectors = None
        if body.get("embeddings") is not None:
            vectors = payloads.embeddings(body, may_miss=True)
        self._write("update", asked, identity, ids, vectors, body)
        return answers.done({})

    def _write(
        self,
        deed: str,
        asked: Asked,
        identity: str,
        ids: list[str],
        vectors: Vectors | None,
        body: payloads.Body,
    ) -> None:
        """Everything is judged before the first slice is written, so that no half remains."""
        columns = [
            vectors,
            payloads.metadatas(body, is_update=deed != "add"),
            payloads.optional_texts(body, "documents"),
            payloads.optional_texts(body, "uris"),
        ]
        self._require(asked, identity)
        payloads.check_lengths(ids, columns)
        payloads.check_dimensions(vectors)
        database = self._chroma.database(asked.workspace)
        call = getattr(self._db, deed)
        for start in range(0, max(len(ids), 1), SLICE):
            part = slice(start, start + SLICE)
            cut = [None if column is None else column[part] for column in columns]
            names = (ids[part], identity) if deed == "add" else (identity, ids[part])
            call(*names, *cut, TENANT, database)

    def _get(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "GetRequestPayload")
        include = payloads.include(body, ("documents", "metadatas"))
        ids = payloads.optional_ids(body)
        limit, offset = payloads.number(body, "limit"), payloads.number(body, "offset")
        self._require(asked, identity)
        found = self._db.get(
            identity,
            ids,
            payloads.clause(body, "where"),
            limit,
            offset or 0,
            payloads.clause(body, "where_document"),
            include,
            TENANT,
            self._chroma.database(asked.workspace),
        )
        return answers.done(answers.records(found, include))

    def _query(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "QueryRequestPayload")
        include = payloads.include(body, ("documents", "metadatas", "distances"))
        vectors = payloads.query_embeddings(body)
        count = payloads.number(body, "n_results")
        ids = payloads.optional_ids(body)
        self._require(asked, identity)
        found = self._db.query(
            identity,
            ids,
            vectors,
            10 if count is None else count,
            payloads.clause(body, "where"),
            payloads.clause(body, "where_document"),
            include,
            TENANT,
            self._chroma.database(asked.workspace),
        )
        return answers.done(answers.neighbours(found, include))

    def _delete(self, asked: Asked, identity: str) -> Answer:
        body = payloads.body_of(asked.body, asked.content_type, "DeleteCollectionRecordsPayload")
        ids, limit = payloads.optional_ids(body), payloads.number(body, "limit")
        self._require(asked, identity)
        deleted = self._db.delete(
            identity,
            ids,
            payloads.clause(body, "where"),
            payloads.clause(body, "where_document"),
            limit,
            TENANT,
            self._chroma.database(asked.workspace),
        )
        return answers.done({"deleted": deleted})

    def _count(self, asked: Asked, identity: str) -> Answer:
        asked.check_read_level()
        self._require(asked, identity)
        database = self._chroma.database(asked.workspace)
        return answers.done(self._db.count(identity, TENANT, database))

    def _fork(self, asked: Asked, identity: str) -> NoReturn:
        body = payloads.body_of(asked.body, asked.content_type, "ForkCollectionPayload")
        payloads.text(body, "new_name")
        self._require(asked, identity)
        raise unsupported("Collection forking is unsupported for local chroma")

    def _fork_count(self, asked: Asked, identity: str) -> NoReturn:
        self._require(asked, identity)
        raise unsupported("Count forks is unsupported for local chroma")

    def _search(self, asked: Asked, identity: str) -> NoReturn:
        body = payloads.body_of(asked.body, asked.content_type, "SearchRequestPayload")
        payloads.required(body, "searches")
        self._require(asked, identity)
        raise unsupported(
            "Error executing plan: Not implemented: "
            "Search operation is not implemented for local executor"
        )

    def _indexing_status(self, asked: Asked, identity: str) -> NoReturn:
        self._require(asked, identity)
        raise Refused(500, "InternalError", "Method scout_logs is not implemented")

    def _function(self, asked: Asked, identity: str) -> NoReturn:
        self._require(asked, identity)
        raise not_found("Attached function not found")

    def _attach(self, asked: Asked, identity: str) -> NoReturn:
        body = payloads.body_of(asked.body, asked.content_type, "AttachFunctionRequest")
        payloads.text(body, "name")
        self._require(asked, identity)
        raise unsupported(_NO_FUNCTIONS.format(_NO_SQLITE_FUNCTIONS))

    def _detach(self, asked: Asked, identity: str) -> NoReturn:
        payloads.body_of(asked.body, asked.content_type, "DetachFunctionRequest")
        self._require(asked, identity)
        raise unsupported(_NO_FUNCTIONS.format("Not implemented"))


_ACTIONS: Mapping[tuple[str, str], Callable[[Api, Asked, str], Answer]] = {
    ("POST", "add"): Api._add,
    ("POST", "upsert"): Api._upsert,
    ("POST", "update"): Api._update,
    ("POST", "get"): Api._get,
    ("POST", "query"): Api._query,
    ("POST", "delete"): Api._delete,
    ("GET", "count"): Api._count,
    ("POST", "fork"): Api._fork,
    ("GET", "fork_count"): Api._fork_count,
    ("POST", "search"): Api._search,
    ("GET", "indexing_status"): Api._indexing_status,
    ("GET", "functions"): Api._function,
    ("POST", "functions"): Api._attach,
    ("POST", "attached_functions"): Api._detach,
}


def _refusal(refused: Refused) -> Answer:
    return answers.done({"error": refused.kind, "message": refused.message}, refused.status)


@contextlib.contextmanager
def _configuration_in(field: str) -> Iterator[None]:
    """Complaints of the bindings about a field's shape become those of Chroma's own server."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ == "InvalidArgumentError" and _MISSHAPEN.match(str(error)):
            raise mistyped(f"{field}: {error}") from None
        raise


def _require_tenant(tenant: str) -> None:
    if tenant != TENANT:
        raise not_found(f"Tenant [{tenant}] not found")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _as_json(body: payloads.Body, field: str) -> str | None:
    value = body.get(field)
    return None if value is None else orjson.dumps(value).decode()
