"""How stored files are served: by their endings alone, and so that nothing in them runs."""

from __future__ import annotations

from pathlib import PurePath

TYPES = {
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
}
# What a browser would render as a document is downloaded; <img> shows an SVG all the same.
_SHOWN = ("image/", "audio/", "video/", "text/plain")
UNKNOWN = "application/octet-stream"


def type_of(name: str) -> tuple[str, bool]:
    """(content type, whether it may be shown in place). HTML and XML are bytes to download."""
    found = TYPES.get(PurePath(name).suffix.lower(), UNKNOWN)
    return found, found.startswith(_SHOWN) and found != "image/svg+xml"
