"""The picture that a record's metadata points at: in the metadata itself, or on this host.

Pictures of other hosts are never shown: that would tell them who looks at what, and a Pi may be
offline.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from mlpi.vectors.records import Record

KEYS = (
    *("image", "image_url", "image_uri", "image_path", "img"),
    *("thumbnail", "thumb", "picture", "photo", "uri", "url"),
)
PAGE_BYTES = 4_000_000  # of pictures within one page
_DATA = re.compile(
    r"data:image/(png|jpe?g|gif|webp|avif|bmp|svg\+xml)(;[-\w=.]+)*(;base64)?,", re.I
)
_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)", re.DOTALL)
_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".svg")


@dataclass(frozen=True, slots=True)
class Picture:
    """src: for an img, None when too large for this page. href: where the original is, if known."""

    src: str | None
    key: str
    size_bytes: int = 0
    href: str | None = None


class Pictures:
    """The pictures of one page, which stays below a size in all."""

    def __init__(self, workspace: str, most_bytes: int = PAGE_BYTES) -> None:
        self._workspace = workspace
        self._left = most_bytes

    def of(self, record: Record) -> Picture | None:
        """The first picture that the record points at."""
        for key, value in _candidates(record):
            found = self._picture(key, value)
            if found:
                return found
        return None

    def _picture(self, key: str, value: str) -> Picture | None:
        if _DATA.match(value):
            if len(value) > self._left:
                return Picture(None, key, len(value) * 3 // 4)
            self._left -= len(value)
            return Picture(value, key, len(value) * 3 // 4)
        if is_local(value):
            return Picture(value, key)
        run = _RUN.fullmatch(value)
        if run and ".." not in run[2].split("/"):
            return self._of_run(key, run[1], run[2])
        return None

    def _of_run(self, key: str, run_id: str, path: str) -> Picture:
        query = urlencode({"path": path, "workspace": self._workspace})
        at = f"/tracking/runs/{quote(run_id)}"
        is_shown = posixpath.splitext(path)[1].lower() in _SUFFIXES
        return Picture(
            f"{at}/artifact?{query}" if is_shown else None, key, href=f"{at}/files?{query}"
        )


def is_local(value: str) -> bool:
    """Whether this is a path of a picture on this very host, however a browser reads it."""
    if not value.startswith("/") or value.startswith(("//", "/\\")) or not value.isprintable():
        return False
    return any(suffix in value.lower() for suffix in _SUFFIXES)


def _candidates(record: Record) -> Iterator[tuple[str, str]]:
    named = {key.lower(): key for key in record.metadata}
    for key in KEYS:
        value = record.metadata.get(named.get(key, key))
        if isinstance(value, str):
            yield named[key], value.strip()
    if record.uri:
        yield "uri", record.uri.strip()
