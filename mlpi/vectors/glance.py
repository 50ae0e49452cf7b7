"""A record at a glance: its first words, and the picture its metadata points at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.vectors.records import Record

_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


@dataclass(frozen=True, slots=True)
class Glance:
    """What a card of a record shows. picture: for an img's src, of this page or this host alone."""

    id: str
    document: str
    metadata: Mapping[str, Any]
    picture: str | None


def glance(record: Record) -> Glance:
    """A record for a card: its picture is not said again as text."""
    at = next((key for key, value in record.metadata.items() if _is_picture(value)), None)
    metadata = {key: value for key, value in sorted(record.metadata.items()) if key != at}
    picture = None if at is None else str(record.metadata[at])
    return Glance(record.id, record.document or "", metadata, picture)


def _is_picture(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if value.startswith("data:image/"):
        return True
    is_here = value.startswith("/") and not value.startswith(("//", "/\\"))
    return is_here and value.isprintable() and value.lower().endswith(_SUFFIXES)
