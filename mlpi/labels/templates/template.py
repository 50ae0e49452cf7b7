"""What a ready configuration is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Template:
    """config: XML; data: of a sample task; result: what a person might say of it.

    key: its name in addresses; group: under which it is listed; words: what it is for.
    """

    key: str
    title: str
    group: str
    words: str
    config: str
    data: Mapping[str, Any]
    result: Sequence[Mapping[str, Any]]


def said(
    name: str, to: str, kind: str, value: Mapping[str, Any], mark: str = "", **more: Any
) -> dict[str, Any]:
    """A result in Label Studio's JSON. mark: its id, when others name it."""
    found = {"from_name": name, "to_name": to, "type": kind, "value": dict(value), **more}
    return {"id": mark or f"{name}1", **found}
