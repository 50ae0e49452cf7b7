"""Reading the bodies of requests, refused in the words of Chroma's own server.

Its words also give a line and a column, which are left out here.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from mlpi.vectors.engine.refusals import Refused, invalid, mistyped, unsupported

INCLUDES = ("distances", "documents", "embeddings", "metadatas", "uris")
_U32 = 2**32 - 1
_SCALARS = (str, int, float, bool)
_NUMBERS = frozenset({int, float})
_STRANGE = re.compile(r"[^A-Za-z0-9+/=]")

Body = Mapping[str, Any]
Vectors = Sequence[Sequence[float] | None]


def body_of(raw: bytes, content_type: str, structure: str) -> Body:
    """The object in a body. structure: the name that Chroma gives its kind. Raises Refused."""
    kind = content_type.partition(";")[0].strip().lower() or "application/json"
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Refused(415, "ChromaError", "Expected request with `Content-Type: application/json`")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid(f"Failed to parse the request body as JSON: {error}") from None
    if not isinstance(body, dict):
        raise mistyped(f"invalid type: {_named(body)}, expected struct {structure}")
    return body


def required(body: Body, field: str) -> Any:
    """A value that must be there. Raises Refused."""
    if field not in body:
        raise mistyped(f"missing field `{field}`")
    return body[field]


def text(body: Body, field: str) -> str:
    """A string that must be there. Raises Refused."""
    value = required(body, field)
    if not isinstance(value, str):
        raise mistyped(f"{field}: invalid type: {_named(value)}, expected a string")
    return value


def optional_text(body: Body, field: str) -> str | None:
    return None if body.get(field) is None else text(body, field)


def flag(body: Body, field: str) -> bool:
    value = body.get(field, False)
    if not isinstance(value, bool):
        raise mistyped(f"{field}: invalid type: {_named(value)}, expected a boolean")
    return value


def number(body: Body, field: str) -> int | None:
    """A count of at most 32 bits. Raises Refused."""
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistyped(f"{field}: invalid type: {_named(value)}, expected u32")
    if not 0 <= value <= _U32:
        raise mistyped(f"{field}: invalid value: integer `{value}`, expected u32")
    return value


def ids(body: Body) -> list[str]:
    """Ids that must be there. Raises Refused."""
    return _texts(required(body, "ids"), "ids", may_miss=False)


def optional_ids(body: Body) -> list[str] | None:
    return None if body.get("ids") is None else ids(body)


def optional_texts(body: Body, field: str) -> list[str | None] | None:
    """Documents or URIs, of which single ones may be missing. Raises Refused."""
    value = body.get(field)
    return None if value is None else _texts(value, field, may_miss=True)


def _texts(value: Any, field: str, *, may_miss: bool) -> list[Any]:
    if not isinstance(value, list):
        raise mistyped(f"{field}: invalid type: {_named(value)}, expected a sequence")
    for index, one in enumerate(value):
        if not isinstance(one, str) and not (may_miss and one is None):
            raise mistyped(f"{field}[{index}]: invalid type: {_named(one)}, expected a string")
    return value


def include(body: Body, default: Sequence[str]) -> list[str]:
    """What an answer is to hold. Raises Refused."""
    if "include" not in body:
        return list(default)
    value = body["include"]
    if not isinstance(value, list):
        raise mistyped(f"include: invalid type: {_named(value)}, expected a sequence")
    for index, one in enumerate(value):
        if not isinstance(one, str):
            raise mistyped(f"include[{index}]: invalid type: {_named(one)}, expected a string")
        if one not in INCLUDES:
            known = ", ".join(f"`{name}`" for name in INCLUDES)
            raise mistyped(f"include[{index}]: unknown variant `{one}`, expected one of {known}")
    return value


def clause(body: Body, field: str) -> str | None:
    """A filter as JSON, which the bindings judge."""
    value = body.get(field)
    return None if value is None else orjson.dumps(value).decode()


def embeddings(body: Body, *, may_miss: bool = False) -> Vectors:
    """Vectors as numbers, or each as base64 of little-endian float32. Raises Refused.

    may_miss: single ones may be null, as in updates.
    """
    value = required(body, "embeddings")
    enum = "UpdateEmbeddingsPayload" if may_miss else "EmbeddingsPayload"
    wrong = mistyped(f"embeddings: data did not match any variant of untagged enum {enum}")
    if not isinstance(value, list):
        raise wrong
    present = [one for one in value if one is not None] if may_miss else value
    if all(isinstance(one, list) for one in present):
        return [None if one is None else _finite(one, wrong) for one in value]
    if all(isinstance(one, str) for one in present):
        return [None if one is None else _decoded(one, index) for index, one in enumerate(value)]
    raise wrong


def _finite(values: list[Any], wrong: Refused) -> Sequence[float]:
    if bool in map(type, values):
        raise wrong
    try:
        row = array("f", values)
    except (TypeError, OverflowError):
        raise wrong from None
    if not math.isfinite(sum(row)):  # what does not fit 32 bits has become infinite
        raise invalid(
            "Validation error: embeddings: Embeddings must not contain NaN or Infinity values"
        )
    return row


def _decoded(encoded: str, index: int) -> Sequence[float]:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        complaint = f"{error}."
        if strange := _STRANGE.search(encoded):
            complaint = f"Invalid symbol {ord(strange[0])}, offset {strange.start()}."
        raise invalid(f"Invalid base64 string: {complaint}") from None
    if len(raw) % 4:
        raise invalid(
            f"Invalid byte length: {len(raw)} bytes cannot be converted to f32 values "
            "(must be divisible by 4)"
        )
    row = array("f")
    row.frombytes(raw)
    if not math.isfinite(sum(row)):
        worst = next(value for value in row if not math.isfinite(value))
        named = "NaN" if math.isnan(worst) else "inf" if worst > 0 else "-inf"
        raise invalid(f"Non-finite float value at embedding index {index}: {named}")
    return row


def check_lengths(ids: list[str], columns: list[Any]) -> None:
    """See that every column that is there has a value for each id. Raises Refused."""
    if any(column is not None and len(column) != len(ids) for column in columns):
        raise invalid("Inconsistent number of IDs, embeddings, documents, URIs and metadatas")
    if "" in ids:
        raise invalid("Empty ID, ID must have at least one character")


def check_dimensions(vectors: Vectors | None) -> None:
    """See that vectors are of one dimension. Raises Refused."""
    lengths = set(_lengths(vectors or ()))
    if 0 in lengths:
        raise invalid("Validation error: embeddings: Each embedding must have at least 1 dimension")
    if len(lengths) > 1:
        raise invalid("Inconsistent dimensions in provided embeddings")


def _lengths(vectors: Vectors) -> Iterator[int]:
    return (len(row) for row in vectors if row is not None)


def query_embeddings(body: Body) -> Vectors:
    """Vectors of a query: numbers only. Raises Refused."""
    field = "query_embeddings"
    value = required(body, field)
    if not isinstance(value, list):
        raise mistyped(f"{field}: invalid type: {_named(value)}, expected a sequence")
    for index, one in enumerate(value):
        if not isinstance(one, list):
            raise mistyped(f"{field}[{index}]: invalid type: {_named(one)}, expected a sequence")
        if _NUMBERS.issuperset(map(type, one)):
            continue
        for place, part in enumerate(one):
            if type(part) not in _NUMBERS:
                where = f"{field}[{index}][{place}]"
                raise mistyped(f"{where}: invalid type: {_named(part)}, expected f32")
    return value


def metadata(body: Body, field: str, *, is_update: bool = False) -> dict[str, Any] | None:
    """A collection's metadata. Raises Refused."""
    value = body.get(field)
    if value is None:
        return None
    _check_metadata(value, field, _is_update_value if is_update else _is_value)
    for key, one in value.items():
        if isinstance(one, list | dict):  # upstream's server drops the connection here
            raise invalid(
                f"Validation error: {field}: {key} is a list or a vector, which a collection's "
                "metadata cannot hold"
            )
    return dict(value)


def metadatas(body: Body, *, is_update: bool = False) -> list[dict[str, Any] | None] | None:
    """Metadata of records; in updates a null value removes its key. Raises Refused.

    All that the bindings would refuse is refused here, for they get a long write in slices.
    """
    value = body.get("metadatas")
    if value is None:
        return None
    if not isinstance(value, list):
        raise mistyped(f"metadatas: invalid type: {_named(value)}, expected a sequence")
    fits = _is_update_value if is_update else _is_value
    for index, one in enumerate(value):
        if one is not None:
            _check_metadata(one, f"metadatas[{index}]", fits)
    for index, one in enumerate(value):
        if one is not None and not all(map(_may_hold, one, one.values())):
            raise invalid(f"Validation error: metadatas: Invalid metadata at index {index}")
    for key in (key for one in value if one for key, part in one.items() if type(part) is dict):
        raise unsupported(f"Unimplemented: Sparse vector is not supported for local chroma: {key}")
    # Upstream takes an empty list and stores nothing of it; the bindings refuse it.
    return [one and {key: part for key, part in one.items() if part != []} for one in value]


def _check_metadata(value: Any, where: str, fits: Callable[[Any], bool]) -> None:
    if not isinstance(value, dict):
        raise mistyped(f"{where}: invalid type: {_named(value)}, expected a map")
    for key, one in value.items():
        if not fits(one):
            enum = "UpdateMetadataValue" if fits is _is_update_value else "MetadataValue"
            raise mistyped(f"{where}.{key}: data did not match any variant of untagged enum {enum}")


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        kinds = {type(one) for one in value}
        return kinds <= _NUMBERS or (len(kinds) == 1 and kinds <= set(_SCALARS))
    return isinstance(value, _SCALARS) or _is_sparse(value)


def _is_update_value(value: Any) -> bool:
    return value is None or _is_value(value)


def _is_sparse(value: Any) -> bool:
    """Whether it is a sparse vector, of which a local Chroma says that it cannot keep it."""
    if not isinstance(value, dict) or value.get("#type") != "sparse_vector":
        return False
    places, numbers = value.get("indices"), value.get("values")
    return (
        isinstance(places, list)
        and isinstance(numbers, list)
        and all(type(one) is int and 0 <= one <= _U32 for one in places)
        and _NUMBERS.issuperset(map(type, numbers))
    )


def _may_hold(key: str, value: Any) -> bool:
    """What upstream asks of metadata beyond its types."""
    if not key or key.startswith(("#", "$")):
        return False
    if isinstance(value, dict):
        places = value["indices"]
        rises = all(first < second for first, second in itertools.pairwise(places))
        return rises and len(places) == len(value["values"])
    return True


def _named(value: Any) -> str:
    """A JSON value as Chroma's server names it in its complaints."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {orjson.dumps(value[:100]).decode()}"
    return "sequence" if isinstance(value, list) else "map"
