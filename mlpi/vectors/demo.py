"""The demo's part in vectors: handwritten digits as pictures, and what scikit-learn says of itself.

Both are filled by an ordinary Chroma client. Each collection's metadata says how many records it
is to have: with fewer it was left unfinished.
"""

from __future__ import annotations

import ast
import base64
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlpi.db import Database
from mlpi.demo import WORKSPACE, State
from mlpi.settings import Settings
from mlpi.vectors.alone import reached
from mlpi.vectors.embedders import store as embedders
from mlpi.vectors.records import Collection
from mlpi.vectors.store import CollectionStore

MARK = "mlpi.demo"  # in a collection's metadata: how many records it is to have
DIGITS, TEXTS = "digits", "scikit-learn-says"
TEXT_COUNT = 1_500
BATCH = 300
SIDE = 8  # pixels of a digit
SHORTEST, LONGEST = 80, 800  # characters of a paragraph


def state(settings: Settings) -> State:
    """How much of it is there, read from Chroma's database without an engine."""
    found = {one.name: one for one in _marked(settings)}
    if not found:
        return State.ABSENT
    is_whole = all(one.count >= int(one.metadata[MARK]) for one in found.values())
    return State.COMPLETE if is_whole and {DIGITS, TEXTS} <= found.keys() else State.PARTIAL


def remove(settings: Settings) -> list[str]:
    """Take it away for good; what else the workspace holds."""
    marked = _marked(settings)
    if marked:
        with reached(settings.home, WORKSPACE) as shelf:
            for one in marked:
                shelf.remove(one.name)
        with _opened(settings) as db, db.write() as session:
            for one in marked:
                embedders.remove(session, WORKSPACE, one.id)
    left = len(_store(settings).page(WORKSPACE))
    return [f"{left} collection{'s' if left != 1 else ''}"] if left else []


def fill(base_url: str, token: str, say: Callable[[str], None]) -> None:
    """Add both collections. Called in a process of its own; takes some seconds."""
    import chromadb  # noqa: PLC0415 - a second, and only the child process needs it
    import httpx  # noqa: PLC0415
    from chromadb.config import Settings as ChromaSettings  # noqa: PLC0415

    address = urlsplit(base_url)
    client = chromadb.HttpClient(
        address.hostname or "127.0.0.1",
        address.port or 80,
        headers={"X-Chroma-Token": token},
        settings=ChromaSettings(anonymized_telemetry=False),
    )
    say("vectors: 1,797 handwritten digits as vectors of their pixels")
    pictures = list(digits())
    _add(client, DIGITS, pictures, "Handwritten digits, 8 × 8 pixels each")
    say("vectors: what scikit-learn's own documentation says")
    passages = list(islice(texts(), TEXT_COUNT))
    made = _add(
        client, TEXTS, passages, "Paragraphs of scikit-learn's docstrings, by their wording"
    )
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}) as own:
        answer = own.post(f"/vectors/{made}/embedder", data={"embedder": "lexical"})
    if answer.status_code != 303:
        raise RuntimeError(f"the embedder could not be chosen: {answer.text[:300]}")


Entry = tuple[str, "array[float]", str | None, dict[str, Any]]


def digits() -> Iterator[Entry]:
    """Id, pixels (64,) in 0–1, no text, and metadata with the picture itself, of each digit."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    found = load_digits()
    for number, (pixels, digit) in enumerate(zip(found.data, found.target, strict=True)):
        metadata = {
            "digit": int(digit),
            "ink": round(float(pixels.mean()), 2),
            "image": picture(pixels.astype(int).tolist()),
        }
        yield f"digit-{number:04}", array("f", (pixels / 16).tolist()), None, metadata


def texts() -> Iterator[Entry]:
    """Id, lexical vector (384,), paragraph and where it stands, of scikit-learn's docstrings."""
    from mlpi.vectors.embedders.lexical import vector  # noqa: PLC0415

    for place, kind, paragraph in paragraphs():
        yield (
            f"{zlib.crc32(paragraph.encode()):08x}-{len(paragraph)}",
            vector(paragraph),
            paragraph,
            {"module": place, "of": kind, "words": len(paragraph.split())},
        )


def paragraphs() -> Iterator[tuple[str, str, str]]:
    """Module, kind and text of each paragraph in scikit-learn's docstrings, each text once."""
    import sklearn  # noqa: PLC0415

    root, seen = Path(sklearn.__file__).parent, set()
    kinds = {ast.Module: "module", ast.ClassDef: "class", ast.FunctionDef: "function"}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root).with_suffix("")
        if {"tests", "externals"} & set(inside.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            for part in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                text = " ".join(part.split())
                if SHORTEST <= len(text) <= LONGEST and text not in seen and ">>>" not in text:
                    seen.add(text)
                    yield "sklearn." + ".".join(inside.parts), kinds[type(node)], text


def picture(pixels: Iterable[int], scale: int = 4) -> str:
    """A data URI of a PNG: SIDE × SIDE grey pixels of 0–16, dark on light, enlarged."""
    rows = [list(pixels)[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE)]
    lines = []
    for row in rows:
        line = bytes(255 - min(255, value * 16) for value in row for _ in range(scale))
        lines += [b"\0" + line] * scale
    head = struct.pack(">IIBBBBB", SIDE * scale, SIDE * scale, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _add(client: Any, name: str, entries: list[Entry], description: str) -> str:
    collection = client.create_collection(
        name,
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine"}},
        metadata={"description": description, MARK: len(entries)},
    )
    for start in range(0, len(entries), BATCH):
        ids, vectors, documents, metadata = zip(*entries[start : start + BATCH], strict=True)
        collection.add(
            ids=list(ids),
            embeddings=[vector.tolist() for vector in vectors],
            documents=None if documents[0] is None else list(documents),
            metadatas=list(metadata),
        )
    return str(collection.id)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    db = Database(settings.database)
    try:
        yield db
    finally:
        db.close()


def _store(settings: Settings) -> CollectionStore:
    return CollectionStore(settings.home / "chroma")


def _marked(settings: Settings) -> list[Collection]:
    return [one for one in _store(settings).page(WORKSPACE) if MARK in one.metadata]
