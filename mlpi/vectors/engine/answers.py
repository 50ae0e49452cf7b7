"""Answers in the JSON of Chroma's own server: compact, floats as the shortest float32."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_F32 = struct.Struct("<f")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


def done(value: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def collection(found: Any, shown_database: str, tenant: str) -> dict[str, Any]:
    """A collection of the bindings, in its database as the client named it."""
    return {
        "id": str(found.id),
        "name": found.name,
        "configuration_json": found.configuration,
        "schema": found.schema,
        "metadata": found.metadata,
        "dimension": found.dimension,
        "tenant": tenant,
        "database": shown_database,
        "log_position": 0,
        "version": 0,
    }


def records(found: Any, include: Sequence[str]) -> dict[str, Any]:
    """What get found."""
    return {
        "ids": found.ids,
        "embeddings": _vectors(found.embeddings),
        **{
            field: getattr(found, field) if field in include else None
            for field in ("documents", "uris", "metadatas")
        },
        "include": include,
    }


def neighbours(found: Any, include: Sequence[str]) -> dict[str, Any]:
    """What query found, a list for each vector asked about."""
    vectors, distances = found.embeddings, found.distances
    return {
        "ids": found.ids,
        "embeddings": None if vectors is None else [_vectors(one) for one in vectors],
        **{
            field: getattr(found, field) if field in include else None
            for field in ("documents", "uris", "metadatas")
        },
        "distances": None
        if distances is None
        else [[shortest(one) for one in row] for row in distances],
        "include": include,
    }


def shortest(value: float | None) -> float | None:
    """The float64 with the fewest digits that is this float32."""
    if value is None:
        return None
    shortest = float(f"{value:.9g}")
    for digits in range(8, 0, -1):  # most need 8 or 9
        short = float(f"{value:.{digits}g}")
        if _F32.unpack(_F32.pack(short))[0] != value:
            break
        shortest = short
    return shortest


def _vectors(rows: Any) -> Any:
    """(n, dimension) float32, which orjson writes with the fewest digits."""
    if not rows or any(row is None for row in rows):
        return rows
    import numpy as np  # noqa: PLC0415 - 15 MB, for answers with vectors only

    return list(np.asarray(rows, dtype=np.float32))
