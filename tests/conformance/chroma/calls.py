"""Raw requests that both servers are sent in this order, each to what the former ones left."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from dataclasses import dataclass, field
from typing import Any

TENANT = "/api/v2/tenants/default_tenant"
DATABASE = f"{TENANT}/databases/default_database"
ABSENT = "00000000-0000-4000-8000-000000000000"
_SENT: Any = object()


@dataclass(frozen=True)
class Call:
    """One request. {words} of its path are ids of collections that earlier ones made."""

    name: str
    method: str
    path: str
    json: Any = _SENT
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)  # an empty one is not sent
    keep: str = ""  # the id in the answer, under this word
    sorts: bool = False  # the answer is a list, in no order that either server promises
    counts: bool = False  # how long that list is, is all that is compared

    @property
    def body(self) -> bytes | None:
        if self.content is not None or self.json is _SENT:
            return self.content
        return json.dumps(self.json).encode()


def calls() -> list[Call]:
    """All of them; each name occurs once."""
    found = [
        *_system(),
        *_collections(),
        *_configurations(),
        *_writes(),
        *_bad_writes(),
        *_values(),
        *_gets(),
        *_queries(),
        *_deletes(),
        *_bodies(),
        *_rest(),
    ]
    assert len({call.name for call in found}) == len(found)
    return found


def _system() -> list[Call]:
    return [
        Call("root", "GET", "/api/v2"),
        Call("heartbeat", "GET", "/api/v2/heartbeat"),
        Call("heartbeat, head", "HEAD", "/api/v2/heartbeat"),
        Call("version", "GET", "/api/v2/version"),
        Call("healthcheck", "GET", "/api/v2/healthcheck"),
        Call("pre-flight", "GET", "/api/v2/pre-flight-checks"),
        Call("identity", "GET", "/api/v2/auth/identity"),
        Call("v1", "GET", "/api/v1/heartbeat"),
        Call("v1, put", "PUT", "/api/v1/collections"),
        Call("v1, post", "POST", "/api/v1/collections", {"name": "x"}),
        Call("no such route", "GET", "/api/v2/nonsense"),
        Call("no such route below a database", "GET", f"{DATABASE}/nonsense"),
        Call("wrong method", "POST", "/api/v2/heartbeat"),
        Call("wrong method on collections", "PUT", f"{DATABASE}/collections", {}),
        Call("options", "OPTIONS", f"{DATABASE}/collections"),
        Call("trailing slash", "GET", f"{DATABASE}/collections/"),
        Call("tenant", "GET", TENANT),
        Call("tenant that is not", "GET", "/api/v2/tenants/nobody"),
        Call("tenant made", "POST", "/api/v2/tenants", {"name": "fresh_tenant"}),
        Call("tenant renamed", "PATCH", TENANT, {"resource_name": "x"}),
        Call("database", "GET", DATABASE),
        Call("database that is not", "GET", f"{TENANT}/databases/absent"),
        Call("database made", "POST", f"{TENANT}/databases", {"name": "made"}),
        Call("database made, no name", "POST", f"{TENANT}/databases", {}),
        Call("database deleted", "DELETE", f"{TENANT}/databases/absent"),
        Call("databases", "GET", f"{TENANT}/databases"),
        Call("databases of a tenant that is not", "GET", "/api/v2/tenants/nobody/databases"),
        Call("databases, page past the end", "GET", f"{TENANT}/databases?limit=5&offset=90"),
        Call("databases, bad limit", "GET", f"{TENANT}/databases?limit=x"),
        Call("collections of no database", "GET", f"{TENANT}/databases/absent/collections"),
        Call("collections of no tenant", "GET", "/api/v2/tenants/x/databases/y/collections"),
    ]


def _collections() -> list[Call]:
    path = f"{DATABASE}/collections"
    return [
        Call("no collections", "GET", path),
        Call("count of none", "GET", f"{DATABASE}/collections_count"),
        Call("create", "POST", path, {"name": "plain"}, keep="plain"),
        Call("create again", "POST", path, {"name": "plain"}),
        Call(
            "get or create",
            "POST",
            path,
            {"name": "plain", "get_or_create": True, "metadata": {"a": 1}},
        ),
        Call(
            "get or create with another configuration",
            "POST",
            path,
            {
                "name": "plain",
                "get_or_create": True,
                "configuration": {"hnsw": {"space": "cosine"}},
            },
        ),
        Call(
            "create with metadata",
            "POST",
            path,
            {"name": "other", "metadata": {"s": "x", "i": 3, "f": 0.5, "b": True}},
            keep="other",
        ),
        Call("create, empty metadata", "POST", path, {"name": "empty-meta", "metadata": {}}),
        Call("create, null in metadata", "POST", path, {"name": "m-1", "metadata": {"a": None}}),
        Call("create, nested metadata", "POST", path, {"name": "m-2", "metadata": {"a": {"b": 1}}}),
        Call("create, metadata a list", "POST", path, {"name": "m-3", "metadata": [1]}),
        Call("create, no name", "POST", path, {}),
        Call("create, name a number", "POST", path, {"name": 7}),
        Call("create, name null", "POST", path, {"name": None}),
        Call("create, empty name", "POST", path, {"name": ""}),
        Call("create, short name", "POST", path, {"name": "ab"}),
        Call("create, name with a space", "POST", path, {"name": "a b c"}),
        Call("create, name with dots", "POST", path, {"name": "a..b"}),
        Call("create, name of an address", "POST", path, {"name": "127.0.0.1"}),
        Call("create, long name", "POST", path, {"name": "n" * 600}),
        Call("create, 512 long", "POST", path, {"name": "n" * 512}),
        Call("create, flag a word", "POST", path, {"name": "x-1", "get_or_create": "yes"}),
        Call("create, flag null", "POST", path, {"name": "x-2", "get_or_create": None}),
        Call("create, unknown field", "POST", path, {"name": "unknown-field", "nonsense": 1}),
        Call("create, a list", "POST", path, [1]),
        Call("create, a string", "POST", path, "x"),
        Call("create, null", "POST", path, None),
        Call("create, empty body", "POST", path, content=b""),
        Call("create, no JSON", "POST", path, content=b"{name"),
        Call("create, half a JSON", "POST", path, content=b'{"name":"half"'),
        Call("create, more than JSON", "POST", path, content=b'{"name":"more"} x'),
        Call("create, not UTF-8", "POST", path, content=b'{"name":"\xff\xfe\xfd"}'),
        Call(
            "create, as text",
            "POST",
            path,
            {"name": "as-text"},
            headers={"content-type": "text/plain"},
        ),
        Call("create, of no kind", "POST", path, {"name": "no-kind"}, headers={"content-type": ""}),
        Call(
            "create, as JSON with a charset",
            "POST",
            path,
            {"name": "charset"},
            headers={"content-type": "application/json; charset=utf-8"},
        ),
        Call(
            "create, gzipped",
            "POST",
            path,
            content=gzip.compress(b'{"name":"gzipped"}', mtime=0),
            headers={"content-encoding": "gzip"},
        ),
        Call("get", "GET", f"{path}/plain"),
        Call("get, head", "HEAD", f"{path}/plain"),
        Call("get one that is not", "GET", f"{path}/absent"),
        Call("get by id", "GET", f"{path}/by-id/{{other}}"),
        Call("get by the name's id", "GET", f"{path}/{{other}}"),
        Call("get by an id that is not", "GET", f"{path}/by-id/{ABSENT}"),
        Call("get by no id", "GET", f"{path}/by-id/nonsense"),
        Call("list", "GET", path, sorts=True),
        Call("list, first", "GET", f"{path}?limit=1", counts=True),
        Call("list, second", "GET", f"{path}?limit=1&offset=1", counts=True),
        Call("list, a page", "GET", f"{path}?limit=3&offset=1", counts=True),
        Call("list, none", "GET", f"{path}?limit=0"),
        Call("list, past the end", "GET", f"{path}?offset=100"),
        Call("list, negative", "GET", f"{path}?limit=-1"),
        Call("list, words", "GET", f"{path}?offset=few"),
        Call("list, huge", "GET", f"{path}?limit=99999999999"),
        Call("list, empty limit", "GET", f"{path}?limit="),
        Call("count", "GET", f"{DATABASE}/collections_count"),
        Call("rename", "PUT", f"{path}/{{other}}", {"new_name": "renamed"}),
        Call("rename to a taken name", "PUT", f"{path}/{{other}}", {"new_name": "plain"}),
        Call("rename to a bad name", "PUT", f"{path}/{{other}}", {"new_name": "a b"}),
        Call("rename to itself", "PUT", f"{path}/{{other}}", {"new_name": "renamed"}),
        Call("rename, a number", "PUT", f"{path}/{{other}}", {"new_name": 3}),
        Call("other metadata", "PUT", f"{path}/{{other}}", {"new_metadata": {"z": 1}}),
        Call("empty metadata", "PUT", f"{path}/{{other}}", {"new_metadata": {}}),
        Call("null in new metadata", "PUT", f"{path}/{{other}}", {"new_metadata": {"z": None}}),
        Call("nested new metadata", "PUT", f"{path}/{{other}}", {"new_metadata": {"z": {}}}),
        Call("nothing new", "PUT", f"{path}/{{other}}", {}),
        Call("modify by no id", "PUT", f"{path}/nonsense", {"new_name": "abc"}),
        Call("modify by an id that is not", "PUT", f"{path}/{ABSENT}", {"new_name": "abc"}),
        Call("modify, no JSON", "PUT", f"{path}/{{other}}", content=b"{"),
        Call("modified", "GET", f"{path}/renamed"),
        Call("delete one that is not", "DELETE", f"{path}/absent"),
        Call("delete by id", "DELETE", f"{path}/{{other}}"),
        Call("delete", "DELETE", f"{path}/renamed"),
        Call("delete again", "DELETE", f"{path}/renamed"),
        Call("count of the deleted", "GET", f"{path}/{{other}}/count"),
    ]


def _configurations() -> list[Call]:
    path = f"{DATABASE}/collections"
    hostile = {"type": "known", "name": "os.system", "config": {"command": "false"}}
    unindexed = {"string": {"string_inverted_index": {"enabled": False, "config": {}}}}

    def create(name: str, label: str, **fields: Any) -> Call:
        return Call(label, "POST", path, {"name": name, **fields}, keep=name)

    def hnsw(name: str, label: str, **values: Any) -> Call:
        return create(name, label, configuration={"hnsw": values})

    return [
        hnsw("cosine", "cosine", space="cosine"),
        hnsw("inner", "inner product", space="ip", ef_search=50),
        hnsw("space-x", "unknown space", space="manhattan"),
        hnsw("ef-x", "ef of zero", ef_construction=0),
        hnsw("ef-y", "negative ef", ef_search=-4),
        hnsw("ef-z", "ef a word", ef_search="many"),
        hnsw("sync-x", "sync threshold too small", sync_threshold=1),
        hnsw("batch-x", "batch size too small", batch_size=1),
        hnsw("hnsw-x", "unknown parameter", nonsense=1),
        create("both", "two indexes", configuration={"hnsw": {}, "spann": {}}),
        create("spann", "spann", configuration={"spann": {"space": "l2"}}),
        create("config-x", "configuration a word", configuration="x"),
        create("config-y", "empty configuration", configuration={}),
        create("old-way", "space in metadata", metadata={"hnsw:space": "cosine", "hnsw:M": 8}),
        create("old-x", "unknown space in metadata", metadata={"hnsw:space": "x"}),
        create("function", "embedding function", configuration={"embedding_function": hostile}),
        Call("embedding function read", "GET", f"{path}/function"),
        create(
            "function-x",
            "embedding function without a type",
            configuration={"embedding_function": {"name": "x"}},
        ),
        create(
            "legacy",
            "legacy embedding function",
            configuration={"embedding_function": {"type": "legacy"}},
        ),
        Call(
            "other ef",
            "PUT",
            f"{path}/{{cosine}}",
            {"new_configuration": {"hnsw": {"ef_search": 77}}},
        ),
        Call("other ef read", "GET", f"{path}/cosine"),
        Call(
            "other space",
            "PUT",
            f"{path}/{{cosine}}",
            {"new_configuration": {"hnsw": {"space": "l2"}}},
        ),
        Call(
            "other embedding function",
            "PUT",
            f"{path}/{{cosine}}",
            {"new_configuration": {"embedding_function": hostile}},
        ),
        Call("configuration after it", "GET", f"{path}/cosine"),
        Call("new configuration a word", "PUT", f"{path}/{{cosine}}", {"new_configuration": "x"}),
        create("schema", "schema", schema={"defaults": {}, "keys": {}}),
        Call("schema read", "GET", f"{path}/schema"),
        create("schema-x", "schema a word", schema="x"),
        create(
            "schema-y",
            "schema and configuration",
            schema={"defaults": {}, "keys": {}},
            configuration={"hnsw": {"space": "cosine"}},
        ),
        create(
            "schema-z",
            "schema with an unindexed key",
            schema={
                "defaults": {},
                "keys": {"a": unindexed},
            },
        ),
    ]


def _writes() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}"
    raw = base64.b64encode(struct.pack("<2f", 7.0, 8.0)).decode()
    return [
        Call("count before any write", "GET", f"{path}/count"),
        Call("query before any write", "POST", f"{path}/query", {"query_embeddings": [[1, 2]]}),
        Call("get before any write", "POST", f"{path}/get", {}),
        Call(
            "add",
            "POST",
            f"{path}/add",
            {
                "ids": ["a", "b", "c"],
                "embeddings": [[1.0, 2.0], [3.0, 4.0], [1.1, 2.1]],
                "documents": ["first words", None, "third words"],
                "metadatas": [{"n": 1, "s": "x", "f": 0.5, "b": True}, None, {"n": 3}],
                "uris": ["file:///a", None, None],
            },
        ),
        Call(
            "add one that is there", "POST", f"{path}/add", {"ids": ["a"], "embeddings": [[9, 9]]}
        ),
        Call("what stayed", "POST", f"{path}/get", {"include": ["embeddings", "documents"]}),
        Call("add base64", "POST", f"{path}/add", {"ids": ["d"], "embeddings": [raw]}),
        Call("add integers", "POST", f"{path}/add", {"ids": ["e"], "embeddings": [[5, 6]]}),
        Call(
            "upsert",
            "POST",
            f"{path}/upsert",
            {"ids": ["e", "f"], "embeddings": [[5.5, 6.5], [2, 2]], "documents": ["e!", "f!"]},
        ),
        Call(
            "update",
            "POST",
            f"{path}/update",
            {"ids": ["b"], "embeddings": [None], "documents": ["second words"]},
        ),
        Call(
            "update metadata",
            "POST",
            f"{path}/update",
            {"ids": ["a"], "metadatas": [{"n": None, "new": [1, 2]}]},
        ),
        Call("update missing ids", "POST", f"{path}/update", {"ids": ["zz"], "documents": ["x"]}),
        Call("update nothing", "POST", f"{path}/update", {"ids": ["a"]}),
        Call(
            "everything",
            "POST",
            f"{path}/get",
            {"include": ["documents", "embeddings", "metadatas", "uris"]},
        ),
        Call("count after writes", "GET", f"{path}/count"),
        Call("count, index only", "GET", f"{path}/count?read_level=index_only"),
        Call("count, unknown level", "GET", f"{path}/count?read_level=x"),
        Call("dimension is known", "GET", f"{DATABASE}/collections/plain"),
    ]


def _bad_writes() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}"
    absent = f"{DATABASE}/collections/{ABSENT}"
    one = {"ids": ["x"], "embeddings": [[1, 2]]}
    bodies: list[tuple[str, Any]] = [
        ("nothing", {}),
        ("no embeddings", {"ids": ["x"]}),
        ("no ids", {"embeddings": [[1, 2]]}),
        ("null embeddings", {"ids": ["x"], "embeddings": None}),
        ("null ids", {"ids": None, "embeddings": [[1, 2]]}),
        ("empty batch", {"ids": [], "embeddings": []}),
        ("fewer embeddings", {"ids": ["x", "y"], "embeddings": [[1, 2]]}),
        ("fewer documents", {**one, "documents": []}),
        ("more metadatas", {**one, "metadatas": [{"a": 1}, {"a": 2}]}),
        ("wrong dimension", {"ids": ["x"], "embeddings": [[1, 2, 3]]}),
        ("mixed dimensions", {"ids": ["x", "y"], "embeddings": [[1, 2], [1, 2, 3]]}),
        ("empty vector", {"ids": ["x"], "embeddings": [[]]}),
        ("null vector", {"ids": ["x"], "embeddings": [None]}),
        ("words for numbers", {"ids": ["x"], "embeddings": [["a", "b"]]}),
        ("a flat vector", {"ids": ["x"], "embeddings": [1, 2]}),
        ("nested too deep", {"ids": ["x"], "embeddings": [[[1, 2]]]}),
        ("true for a number", {"ids": ["x"], "embeddings": [[True, 2]]}),
        ("null for a number", {"ids": ["x"], "embeddings": [[None, 2]]}),
        ("too large for float32", {"ids": ["x"], "embeddings": [[1e300, 2]]}),
        ("base64 that is none", {"ids": ["x"], "embeddings": ["%%%"]}),
        ("base64 of 3 bytes", {"ids": ["x"], "embeddings": ["AAAA"]}),
        ("base64 of NaN", {"ids": ["x"], "embeddings": ["AADAfwAAgD8="]}),
        ("base64 of infinity", {"ids": ["x"], "embeddings": ["AACAfwAAgD8="]}),
        ("base64 of nothing", {"ids": ["x"], "embeddings": [""]}),
        ("base64 and numbers", {"ids": ["x", "y"], "embeddings": ["AACAPwAAgD8=", [1, 2]]}),
        ("same id twice", {"ids": ["x", "x"], "embeddings": [[1, 2], [3, 4]]}),
        ("empty id", {"ids": [""], "embeddings": [[1, 2]]}),
        ("id a number", {"ids": [1], "embeddings": [[1, 2]]}),
        ("id null", {"ids": [None], "embeddings": [[1, 2]]}),
        ("ids a string", {"ids": "x", "embeddings": [[1, 2]]}),
        ("document a number", {**one, "documents": [3]}),
        ("documents a string", {**one, "documents": "x"}),
        ("uri a list", {**one, "uris": [["x"]]}),
        ("metadata a string", {**one, "metadatas": ["x"]}),
        ("metadatas an object", {**one, "metadatas": {"a": 1}}),
        ("nested metadata", {**one, "metadatas": [{"a": {"b": 1}}]}),
        ("mixed list in metadata", {**one, "metadatas": [{"a": [1, "x"]}]}),
        ("list of lists in metadata", {**one, "metadatas": [{"a": [[1]]}]}),
        ("list of null in metadata", {**one, "metadatas": [{"a": [None]}]}),
        ("huge integer in metadata", {**one, "metadatas": [{"a": 2**63}]}),
        ("reserved key", {**one, "metadatas": [{"chroma:document": "x"}]}),
        ("array", [1]),
    ]
    found = [
        Call(f"{deed}, {label}", "POST", f"{path}/{deed}", body)
        for deed in ("add", "upsert", "update")
        for label, body in bodies
    ]
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        content = b'{"ids":["x"],"embeddings":[[' + number + b",1.0]]}"
        found.append(Call(f"add {number.decode()}", "POST", f"{path}/add", content=content))
    for deed in ("add", "upsert", "update", "get", "query", "delete"):
        found += [
            Call(f"{deed} to no id", "POST", f"{DATABASE}/collections/plain/{deed}", one),
            Call(f"{deed} to one that is not", "POST", f"{absent}/{deed}", one),
            Call(f"{deed}, no JSON", "POST", f"{path}/{deed}", content=b"{"),
        ]
    state = {"include": ["documents", "embeddings", "metadatas", "uris"]}
    return [
        *found,
        Call("what bad writes left", "POST", f"{path}/get", state),
        Call("that deleted", "POST", f"{path}/delete", {"ids": ["x", "y"]}),
    ]


def _values() -> list[Call]:
    """What metadata may hold, and what comes back."""
    path = f"{DATABASE}/collections/{{values}}"
    held: list[tuple[str, Any]] = [
        ("null", {"a": None}),
        ("empty object", {}),
        ("empty string", {"a": ""}),
        ("empty key", {"": 1}),
        ("empty list", {"a": []}),
        ("strings", {"a": ["p", "q"]}),
        ("integers", {"a": [1, -2]}),
        ("floats", {"a": [0.5, 1.0]}),
        ("integers and floats", {"a": [1, 0.5]}),
        ("booleans", {"a": [True, False]}),
        ("long integer", {"a": 2**53 + 1}),
        ("smallest integer", {"a": -(2**63)}),
        ("float without a fraction", {"a": 3.0}),
        ("tiny float", {"a": 5e-324}),
        ("large float", {"a": 1.5e300}),
        ("not ASCII", {"schlüssel": "wärme \U0001f321 \x00"}),
        ("sparse", {"a": {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 0.25]}}),
        (
            "sparse, unsorted",
            {"a": {"#type": "sparse_vector", "indices": [5, 1], "values": [1, 2]}},
        ),
        ("sparse, uneven", {"a": {"#type": "sparse_vector", "indices": [5], "values": [1, 2]}}),
    ]
    found = [Call("values", "POST", f"{DATABASE}/collections", {"name": "values"}, keep="values")]
    for number, (label, metadata) in enumerate(held):
        body = {"ids": [f"v{number}"], "embeddings": [[number, 1]], "metadatas": [metadata]}
        found.append(Call(f"metadata, {label}", "POST", f"{path}/upsert", body))
        body = {"ids": [f"v{number}"]}
        found.append(Call(f"metadata, {label}, read", "POST", f"{path}/get", body))
    for number, value in enumerate((0.1, 1 / 3, 1e-7, 3e38, -0.0, 1e-45, 16777217.0, 123456.789)):
        body = {"ids": [f"n{number}"], "embeddings": [[value, 1]]}
        found.append(Call(f"a vector with {value}", "POST", f"{path}/upsert", body))
    asked = {"ids": [f"n{number}" for number in range(8)], "include": ["embeddings"]}
    found.append(Call("vectors read", "POST", f"{path}/get", asked))
    nearest = {"query_embeddings": [[0.123, 0.77]], "n_results": 5, "include": ["distances"]}
    found.append(Call("distances to them", "POST", f"{path}/query", nearest))
    large = {"ids": ["large"], "embeddings": [[1, 2]], "metadatas": [{"a": "x" * 2**20}]}
    found.append(Call("metadata of a megabyte", "POST", f"{path}/add", large))
    found.append(Call("metadata of a megabyte, read", "POST", f"{path}/get", {"ids": ["large"]}))
    text = {"ids": ["text"], "embeddings": [[1, 2]], "documents": ["w" * 2**20]}
    found.append(Call("document of a megabyte", "POST", f"{path}/add", text))
    return found


def _gets() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}/get"
    bodies: list[tuple[str, Any]] = [
        ("all", {}),
        ("by id", {"ids": ["b", "a"]}),
        ("by ids that are not", {"ids": ["a", "zz"]}),
        ("by the same id twice", {"ids": ["a", "a"]}),
        ("by no ids", {"ids": []}),
        ("null ids", {"ids": None}),
        ("limit", {"limit": 2}),
        ("limit zero", {"limit": 0}),
        ("limit and offset", {"limit": 2, "offset": 1}),
        ("offset past the end", {"offset": 99}),
        ("negative limit", {"limit": -1}),
        ("negative offset", {"offset": -1}),
        ("half a limit", {"limit": 1.5}),
        ("limit a word", {"limit": "x"}),
        ("huge limit", {"limit": 2**32 - 1}),
        ("too huge limit", {"limit": 2**32}),
        ("include nothing", {"include": []}),
        ("include embeddings", {"include": ["embeddings"], "ids": ["a"]}),
        ("include distances", {"include": ["distances"], "ids": ["a"]}),
        ("include twice", {"include": ["documents", "documents"], "ids": ["a"]}),
        ("include unknown", {"include": ["nonsense"]}),
        ("include null", {"include": None}),
        ("include a string", {"include": "documents"}),
        *((f"where {label}", {"where": one}) for label, one in _wheres()),
        *((f"where_document {label}", {"where_document": one}) for label, one in _documents()),
    ]
    return [Call(f"get, {label}", "POST", path, body) for label, body in bodies]


def _wheres() -> list[tuple[str, Any]]:
    return [
        ("equal", {"s": "x"}),
        ("none equal", {"s": "y"}),
        ("eq", {"n": {"$eq": 3}}),
        ("ne", {"n": {"$ne": 3}}),
        ("gt", {"n": {"$gt": 1}}),
        ("gte", {"n": {"$gte": 3.0}}),
        ("gt a string", {"s": {"$gt": "a"}}),
        ("boolean", {"b": True}),
        ("in", {"s": {"$in": ["x", "y"]}}),
        ("nin", {"s": {"$nin": ["x"]}}),
        ("in nothing", {"s": {"$in": []}}),
        ("in mixed", {"s": {"$in": ["x", 1]}}),
        ("contains", {"new": {"$contains": 2}}),
        ("and", {"$and": [{"s": "x"}, {"b": True}]}),
        ("or", {"$or": [{"n": 3}, {"s": "x"}]}),
        ("and of one", {"$and": [{"s": "x"}]}),
        ("and of none", {"$and": []}),
        ("two keys", {"s": "x", "b": True}),
        ("empty", {}),
        ("null", None),
        ("a list", []),
        ("a string", "x"),
        ("unknown operator", {"s": {"$x": 1}}),
        ("unknown operator on top", {"$x": [{"s": 1}]}),
        ("two operators", {"n": {"$gt": 1, "$lt": 3}}),
        ("null value", {"s": None}),
        ("list value", {"s": ["x"]}),
        ("and of a word", {"$and": "x"}),
        ("nested deep", {"$and": [{"$or": [{"n": 3}, {"n": 1}]}, {"n": {"$gt": 0}}]}),
    ]


def _documents() -> list[tuple[str, Any]]:
    return [
        ("contains", {"$contains": "words"}),
        ("not contains", {"$not_contains": "first"}),
        ("contains nothing", {"$contains": ""}),
        ("contains a number", {"$contains": 3}),
        ("and", {"$and": [{"$contains": "words"}, {"$contains": "third"}]}),
        ("or", {"$or": [{"$contains": "third"}, {"$contains": "first"}]}),
        ("regex", {"$regex": "f[a-z]+st"}),
        ("bad regex", {"$regex": "("}),
        ("not regex", {"$not_regex": "first"}),
        ("unknown operator", {"$x": "y"}),
        ("two operators", {"$contains": "a", "$not_contains": "b"}),
        ("empty", {}),
        ("a string", "x"),
        ("a list", ["x"]),
    ]


def _queries() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}/query"
    near = {"query_embeddings": [[1.0, 2.0]]}
    bodies: list[tuple[str, Any]] = [
        ("as it is", near),
        ("two at once", {"query_embeddings": [[1, 2], [5.2, 6.1]], "n_results": 2}),
        ("one", {**near, "n_results": 1}),
        ("none", {**near, "n_results": 0}),
        ("minus one", {**near, "n_results": -1}),
        ("more than there are", {**near, "n_results": 1000}),
        ("too many", {**near, "n_results": 2**32}),
        ("null n_results", {**near, "n_results": None}),
        ("n_results a word", {**near, "n_results": "x"}),
        ("n_results a float", {**near, "n_results": 2.0}),
        (
            "include everything",
            {
                **near,
                "n_results": 2,
                "include": ["documents", "embeddings", "metadatas", "uris", "distances"],
            },
        ),
        ("include nothing", {**near, "include": []}),
        ("include distances", {**near, "include": ["distances"]}),
        ("include documents", {**near, "include": ["documents"]}),
        ("include unknown", {**near, "include": ["x"]}),
        ("nothing", {}),
        ("null", {"query_embeddings": None}),
        ("no vectors", {"query_embeddings": []}),
        ("an empty vector", {"query_embeddings": [[]]}),
        ("a flat vector", {"query_embeddings": [1, 2]}),
        ("wrong dimension", {"query_embeddings": [[1, 2, 3]]}),
        ("mixed dimensions", {"query_embeddings": [[1, 2], [1, 2, 3]]}),
        ("words", {"query_embeddings": [["a", "b"]]}),
        ("base64", {"query_embeddings": ["AACAPwAAgD8="]}),
        ("too large for float32", {"query_embeddings": [[1e300, 1]]}),
        ("among ids", {**near, "ids": ["e", "f"]}),
        ("among ids that are not", {**near, "ids": ["zz"]}),
        ("among no ids", {**near, "ids": []}),
        ("where", {**near, "where": {"n": {"$gte": 1}}}),
        ("where nothing fits", {**near, "where": {"n": 99}}),
        ("where wrong", {**near, "where": {"n": {"$x": 1}}}),
        ("where_document", {**near, "where_document": {"$contains": "words"}}),
        ("where_document wrong", {**near, "where_document": {"$x": "words"}}),
        ("both", {**near, "where": {"n": 3}, "where_document": {"$contains": "third"}}),
        ("ids and where", {**near, "ids": ["c", "e"], "where": {"n": 3}}),
    ]
    found = [Call(f"query, {label}", "POST", path, body) for label, body in bodies]
    found += [
        Call(
            f"query {number.decode()}",
            "POST",
            path,
            content=b'{"query_embeddings":[[' + number + b",1]]}",
        )
        for number in (b"NaN", b"1e999")
    ]
    return found


def _deletes() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}/delete"
    bodies: list[tuple[str, Any]] = [
        ("nothing named", {}),
        ("no ids", {"ids": []}),
        ("id that is not", {"ids": ["zz"]}),
        ("id a number", {"ids": [1]}),
        ("ids a string", {"ids": "a"}),
        ("bad where", {"where": {"n": {"$x": 1}}}),
        ("empty where", {"where": {}}),
        ("where nothing fits", {"where": {"n": 99}}),
        ("limit without a filter", {"limit": 1}),
        ("limit zero", {"where": {"n": {"$gt": 0}}, "limit": 0}),
        ("negative limit", {"where": {"n": 1}, "limit": -1}),
        ("one", {"ids": ["d"]}),
        ("one of two", {"ids": ["f", "zz"]}),
        ("where", {"where": {"n": 3}}),
        ("where_document", {"where_document": {"$contains": "second"}}),
        ("the same id twice", {"ids": ["e", "e"]}),
    ]
    found = [Call(f"delete, {label}", "POST", path, body) for label, body in bodies]
    many = [str(number) for number in range(100_000)]
    found.append(Call("delete, 100,000 ids", "POST", path, {"ids": many}))
    left = f"{DATABASE}/collections/{{plain}}/get"
    found.append(Call("what deletes left", "POST", left, {}))
    return found


def _bodies() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}"
    large = b" " * (40 * 2**20 - 2) + b"{}"
    ids = [str(number) for number in range(5462)]
    batch = {"ids": ids, "embeddings": [[1, 2]] * len(ids)}
    return [
        Call("a body of 40 MiB", "POST", f"{path}/get", content=large),
        Call("a body of more", "POST", f"{path}/get", content=large + b" "),
        Call("an added body of more", "POST", f"{path}/add", content=large + b" "),
        Call("a queried body of more", "POST", f"{path}/query", content=large + b" "),
        Call("a batch above the limit", "POST", f"{path}/add", batch),
        Call("count after it", "GET", f"{path}/count"),
    ]


def _rest() -> list[Call]:
    path = f"{DATABASE}/collections/{{plain}}"
    return [
        Call("fork", "POST", f"{path}/fork", {"new_name": "forked"}),
        Call("fork, no name", "POST", f"{path}/fork", {}),
        Call(
            "fork of one that is not",
            "POST",
            f"{DATABASE}/collections/{ABSENT}/fork",
            {"new_name": "abc"},
        ),
        Call("fork count", "GET", f"{path}/fork_count"),
        Call("fork count by no id", "GET", f"{DATABASE}/collections/plain/fork_count"),
        Call("indexing status", "GET", f"{path}/indexing_status"),
        Call("search", "POST", f"{path}/search", {"searches": []}),
        Call("search, nothing", "POST", f"{path}/search", {}),
        Call("search, one", "POST", f"{path}/search", {"searches": [{"limit": {"limit": 1}}]}),
        Call("function", "GET", f"{path}/functions/f"),
        Call(
            "attach a function",
            "POST",
            f"{path}/functions/attach",
            {"name": "f", "function_id": "record_counter", "output_collection": "out"},
        ),
        Call("attach nothing", "POST", f"{path}/functions/attach", {}),
        Call("detach a function", "POST", f"{path}/attached_functions/f/detach", {}),
        Call("unknown action", "POST", f"{path}/nonsense", {}),
        Call("get by GET", "GET", f"{path}/get"),
        Call("count by POST", "POST", f"{path}/count", {}),
        Call("a crn", "GET", "/api/v2/collections/a:b:c"),
        Call("list of all", "GET", f"{DATABASE}/collections", sorts=True),
        Call(
            "create, name twice",
            "POST",
            f"{DATABASE}/collections",
            content=b'{"name":"one-1","name":"two-2"}',
        ),
        Call("reset", "POST", "/api/v2/reset"),
        Call("nothing after a reset", "GET", f"{DATABASE}/collections"),
        Call("count after a reset", "GET", f"{path}/count"),
    ]
