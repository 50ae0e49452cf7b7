"""Bytes of a log as an answer: cached for as long as they cannot change, in parts when asked."""

from __future__ import annotations

import re

from fastapi import Request, Response

from mlpi.boards.kinds.media import Sample

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
FOR_EVER = "private, max-age=31536000, immutable"


def served(request: Request, sample: Sample, key: str, asked_key: str) -> Response:
    """A sample whose key names what it is; with the right key in its address it stays the same."""
    tag = f'"{key}"'
    headers = {
        "ETag": tag,
        "Cache-Control": FOR_EVER if key == asked_key else "private, no-cache",
        "Accept-Ranges": "bytes",
        "Content-Disposition": "inline",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    data = sample.data
    part = _part(request, len(data), tag)
    if part is None:
        return Response(data, media_type=sample.content_type, headers=headers)
    begin, end = part
    if begin >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], 206, media_type=sample.content_type, headers=headers)


def _part(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """The one range that is asked for, from where to before where; None: the whole."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    return int(first), min(size, int(last) + 1) if last else size
