"""What a file is shown as. A file is read up to a limit, whatever its size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mlpi.tracking.run_page import notebooks
from mlpi.tracking.run_page.colours import coloured
from mlpi.tracking.run_page.tables import csv_page, encoding_of

TEXT_BYTES = 1_000_000
HEAD_BYTES = 8192
HEX_BYTES = 256
SMALL_BYTES = 5_000_000  # notebooks carry their pictures inside

IMAGES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".ico": "image/x-icon",
    ".svg": "image/svg+xml",
}
AUDIO: Mapping[str, str] = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
}
VIDEO: Mapping[str, str] = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".webm": "video/webm",
    ".ogv": "video/ogg",
    ".mov": "video/quicktime",
}
HTML: Mapping[str, str] = {".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8"}
# What the raw address answers with; everything else is bytes to be saved.
SHOWN_TYPES: Mapping[str, str] = {**IMAGES, **AUDIO, **VIDEO, **HTML}
# The browser asks for these by themselves; parquet is read by a worker.
BY_ADDRESS = frozenset({"image", "audio", "video", "html", "parquet"})
_BY_SUFFIX: Mapping[str, str] = {
    **dict.fromkeys(IMAGES, "image"),
    **dict.fromkeys(AUDIO, "audio"),
    **dict.fromkeys(VIDEO, "video"),
    **dict.fromkeys(HTML, "html"),
    ".pdf": "pdf",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ipynb": "notebook",
    ".json": "json",
    ".geojson": "json",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as the page shows it: the template of this kind, and what it needs.

    notice: why it is shown otherwise than its name promises, or not all of it.
    """

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    notice: str = ""


def kind_of(name: str) -> str:
    """What a file of this name should be shown as; "text" when the name says nothing."""
    if name == "MLmodel":
        return "mlmodel"
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower(), "text")


def shown(path: Path, name: str, size_bytes: int, *, at: int = 0, row: int = 1) -> Shown:
    """A file for the page. at and row: where a page of a CSV file begins."""
    kind = kind_of(name)
    if size_bytes == 0:
        return Shown("empty")
    if kind == "pdf":
        return Shown("pdf") if is_pdf(path) else _text(path, "This is no PDF, whatever its name.")
    if kind in BY_ADDRESS:
        return Shown(kind)
    if kind == "csv":
        return _csv(path, name, at, row)
    if kind in ("notebook", "json", "mlmodel"):
        found = _structured(path, kind, size_bytes)
    else:
        found = _text(path)
    is_whole_text = found.kind == "text" and not found.data["is_cut"]
    if kind == "markdown" and is_whole_text:
        return Shown("markdown", {"text": found.data["text"]}, found.notice)
    if is_whole_text:
        html = coloured(found.data["text"], PurePosixPath(name).name)
        return Shown("text", {**found.data, "html": html}, found.notice)
    return found


def is_pdf(path: Path) -> bool:
    """Whether it begins as a PDF does; browsers look into the first kilobyte as well."""
    with path.open("rb") as file:
        return b"%PDF-" in file.read(1024)


def _csv(path: Path, name: str, at: int, row: int) -> Shown:
    with path.open("rb") as file:
        if _is_binary(file.read(HEAD_BYTES)):
            return _text(path)
    try:
        page = csv_page(path, max(0, at), max(1, row), is_tabs=name.lower().endswith(".tsv"))
    except ValueError as error:
        return _text(path, f"It cannot be shown as a table: {error}.")
    return Shown("table", {"page": page}, page.notice)


def _structured(path: Path, kind: str, size_bytes: int) -> Shown:
    if size_bytes > SMALL_BYTES or (kind != "notebook" and size_bytes > TEXT_BYTES):
        return _text(path)
    raw = path.read_bytes()
    encoding, skip = encoding_of(raw)
    try:
        text = raw[skip:].decode(encoding)
        if kind == "mlmodel":
            return Shown("mlmodel", {**notebooks.mlmodel(text), "text": text})
        found = json.loads(text)
        if kind == "notebook":
            return Shown("notebook", {"cells": notebooks.cells(found)})
        pretty = _indented(found)
        if pretty is None:
            return _text(path)
        pretty.encode()  # half of a surrogate pair cannot be written into a page
    except RecursionError:
        return _text(path, "It is nested too deeply to be taken apart.")
    except ValueError as error:
        return _text(path, f"It does not read as its name promises: {error}.")
    return Shown("text", _lines(pretty, is_cut=False))


def _indented(value: Any) -> str | None:
    """JSON for reading; None when indenting blows it up, as deep nesting does."""
    pieces, size = [], 0
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        pieces.append(piece)
        size += len(piece)
        if size > 3 * TEXT_BYTES:
            return None
    return "".join(pieces)


def _text(path: Path, notice: str = "") -> Shown:
    """The first megabyte as text, or the first bytes of what is none."""
    with path.open("rb") as file:
        raw = file.read(TEXT_BYTES + 1)
    is_cut = len(raw) > TEXT_BYTES
    raw = raw[:TEXT_BYTES]
    encoding, skip = encoding_of(raw)
    if encoding == "utf-8" and _is_binary(raw[:HEAD_BYTES]):
        return Shown("binary", {"hex": _hex(raw[:HEX_BYTES])}, notice)
    try:
        text = raw[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        text = raw[skip:].decode(encoding, "replace")
        # The cut may lie inside of a character.
        if not (is_cut and error.start > len(raw) - skip - 4):
            odd = f"Not all of it is {encoding.upper()}; what could not be read is shown as �."
            notice = f"{notice} {odd}".strip()
    return Shown("text", _lines(text, is_cut=is_cut), notice)


def _lines(text: str, *, is_cut: bool) -> dict[str, Any]:
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    count = text.count("\n") + 1
    return {
        "text": text,
        "numbers": "\n".join(map(str, range(1, count + 1))),
        "line_count": count,
        "is_cut": is_cut,
        "html": None,
    }


def _is_binary(head: bytes) -> bool:
    """A NUL, or many control characters, in what does not say that it is UTF-16."""
    if encoding_of(head)[0] != "utf-8":
        return False
    if b"\x00" in head:
        return True
    odd = sum(byte < 32 and byte not in b"\t\n\r\x0c\x1b\x08" for byte in head)
    return odd > len(head) * 0.05


def _hex(raw: bytes) -> str:
    """Offset, sixteen bytes, and what of them is ASCII, a line each."""
    lines = []
    for start in range(0, len(raw), 16):
        part = raw[start : start + 16]
        words = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {words}")
    return "\n".join(lines)
