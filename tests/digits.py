"""The digits that scikit-learn brings, as a collection: real vectors with pictures."""

from __future__ import annotations

import base64
import struct
import zlib
from functools import cache
from typing import Any

import chromadb
from chromadb.config import Settings
from sklearn.datasets import load_digits

from tests.service import Service

COPIES = ("copy-of-0", "copy-of-0-again", "copy-of-7")
ODD = "odd-one"


@cache
def _digits() -> Any:
    return load_digits()


def identity(place: int) -> str:
    return f"digit-{place:04d}"


def add_digits(service: Service, name: str, count: int = 1500, user: str = "ana") -> str:
    """Make a collection of count digits, three copies and one that is none; its id."""
    found = _digits()
    settings = Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(
        "127.0.0.1",
        service.port,
        headers={"X-Chroma-Token": service.token(user, "lab")},
        settings=settings,
    )
    try:
        made = client.create_collection(name, embedding_function=None)
        places = [*range(count), 0, 0, 7]
        made.add(
            ids=[*map(identity, range(count)), *COPIES],
            embeddings=found.data[places].astype("float32"),
            documents=[f"a handwritten {found.target[place]}" for place in places],
            metadatas=[
                {
                    "label": int(found.target[place]),
                    "ink": float(found.data[place].sum()),
                    "image": _picture(found.images[place]),
                }
                for place in places
            ],
        )
        made.add(ids=[ODD], embeddings=[[60.0] * 64], documents=["not a digit"])
        return str(made.id)
    finally:
        for one in (client._server, client._admin_client._server):
            one._session.close()
        client.close()


def _picture(pixels: Any) -> str:
    """(8, 8) of 0–16 as a PNG in a data URL."""
    rows = b"".join(b"\0" + bytes(255 - int(value * 15) for value in row) for row in pixels)
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    raw = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in parts
    )
    return "data:image/png;base64," + base64.b64encode(raw).decode()
