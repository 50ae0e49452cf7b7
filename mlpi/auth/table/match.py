"""Rows of the decision table, and finding the one for a method and a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from mlpi.auth.roles import Role

REMEMBERED = 1024  # addresses
REMEMBERED_LENGTH = 256  # characters; longer ones would be memory for strangers to fill


class Need(Enum):
    """What a row asks of a request when it is not a role in the workspace."""

    NOTHING = "nothing"
    LOGIN = "login"
    SESSION = "session"  # a browser: a token must not be able to make itself immortal
    ADMIN = "admin"
    OFF = "off"


# The words rows are written in.
NEEDS: Mapping[str, Need | Role] = {
    "public": Need.NOTHING,
    "login": Need.LOGIN,
    "session": Need.SESSION,
    "viewer": Role.VIEWER,
    "editor": Role.EDITOR,
    "owner": Role.OWNER,
    "admin": Need.ADMIN,
    "off": Need.OFF,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a method, a path pattern, what it needs, and whose room it is.

    Patterns are written as in FastAPI: {name} is one segment, {name:path} any number of them.
    """

    method: str
    pattern: str
    need: Need | Role
    room: str

    def sample(self) -> str:
        """A path that this row matches, for tests."""
        return re.sub(r"\{\w+(:path)?\}", "x", self.pattern)


@dataclass(frozen=True, slots=True)
class Match:
    """The row for a request and what its pattern captured."""

    row: Row
    params: Mapping[str, str]


def rows(room: str, text: str) -> list[Row]:
    """Rows from lines of "need METHOD[,METHOD] pattern"; # begins a comment.

    {api} in a pattern stands for both /api and /ajax-api, as MLflow serves them.
    """
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        need, methods, pattern = words
        for method in methods.split(","):
            for prefix in ("/api", "/ajax-api") if "{api}" in pattern else ("",):
                path = pattern.replace("{api}", prefix)
                found.append(Row(method, path, NEEDS[need], room))
    return found


class RouteTable:
    """Finds the row of a request: exact paths by dict, patterns by their literal beginnings."""

    def __init__(self, all_rows: Iterable[Row]) -> None:
        self.rows = tuple(all_rows)
        self.methods = sorted({row.method for row in self.rows})
        self._exact: dict[tuple[str, str], Match] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Row]]] = {}
        for row in self.rows:
            if "{" not in row.pattern:
                if self._exact.setdefault((row.method, row.pattern), Match(row, {})).row != row:
                    raise ValueError(f"two rows for {row.method} {row.pattern}")
            else:
                found = self._patterns.setdefault(row.method, [])
                found.append((_compiled(row.pattern), row))
        # Clients ask the same few addresses again and again, and there are a hundred patterns.
        self._remembered = lru_cache(REMEMBERED)(self._search)

    def find(self, method: str, path: str) -> Match | None:
        """The row of this method and path, first match first; HEAD counts as GET."""
        method = "GET" if method == "HEAD" else method
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        if len(path) > REMEMBERED_LENGTH:
            return self._search(method, path)
        return self._remembered(method, path)

    def _search(self, method: str, path: str) -> Match | None:
        for pattern, row in self._patterns.get(method, ()):
            match = pattern.fullmatch(path)
            if match:
                return Match(row, match.groupdict())
        return None


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?::path)?\})", pattern)
    regex = ""
    for part in parts:
        if part.startswith("{"):
            name, _, kind = part[1:-1].partition(":")
            regex += f"(?P<{name}>{'.+' if kind else '[^/]+'})"
        else:
            regex += re.escape(part)
    return re.compile(regex, re.DOTALL)
