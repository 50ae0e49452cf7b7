"""One request to the engine, and what its address asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from mlpi.vectors.engine.refusals import invalid

READS = frozenset({"GET", "HEALTH"})
READING = frozenset({"get", "query", "search"})  # by POST, but they change nothing
_U32 = 2**32 - 1
_READ_LEVELS = ("index_and_wal", "index_only", "index_and_bounded_wal")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. database is its name as the client wrote it, workspace what that means."""

    method: str
    path: str  # below /api/v2, decoded
    query: str
    content_type: str
    body: bytes
    workspace: str
    database: str = ""
    workspaces: Sequence[str] = ()  # of the user; when databases are listed

    @property
    def segments(self) -> list[str]:
        return self.path.strip("/").split("/")

    @property
    def is_read(self) -> bool:
        return self.method in READS or self.segments[-1] in READING or self.segments[0] == "mlpi"

    def page(self) -> tuple[int | None, int | None]:
        """Limit and offset of a list. Raises Refused."""
        return self._whole("limit"), self._whole("offset")

    def check_read_level(self) -> None:
        """See that a count asks for a level there is; all are the same here. Raises Refused."""
        level = parse_qs(self.query).get("read_level", [_READ_LEVELS[0]])[0]
        if level not in _READ_LEVELS:
            known = ", ".join(f"`{one}`" for one in _READ_LEVELS)
            raise invalid(
                "Failed to deserialize query string: read_level: "
                f"unknown variant `{level}`, expected one of {known}"
            )

    def _whole(self, name: str) -> int | None:
        query = parse_qs(self.query, keep_blank_values=True)
        if name not in query:
            return None
        value = query[name][0]
        if not value:
            complaint = "cannot parse integer from empty string"
        elif not re.fullmatch(r"\d+", value, re.ASCII):
            complaint = "invalid digit found in string"
        elif len(value) > 10 or int(value) > _U32:
            complaint = "number too large to fit in target type"
        else:
            return int(value)
        raise invalid(f"Failed to deserialize query string: {name}: {complaint}")
