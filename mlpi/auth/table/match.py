"""Rows of the decision table, and finding the one for a method and a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from mlpi.auth.roles import Role

REMEMBERED = 1024  # addresses
SEGMENTS = 2  # of a path's beginning by which patterns are looked up
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
        patterns: list[_Pattern] = []
        for row in self.rows:
            if "{" not in row.pattern:
                if self._exact.setdefault((row.method, row.pattern), Match(row, {})).row != row:
                    raise ValueError(f"two rows for {row.method} {row.pattern}")
            else:
                patterns.append(_Pattern.of(row))
        self._patterns = _by_beginning(patterns)
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
        begin = (method, *_segments(path))
        known = (begin[:size] for size in range(len(begin), 0, -1))
        for pattern in next((self._patterns[one] for one in known if one in self._patterns), ()):
            match = pattern.regex.fullmatch(path)
            if match:
                return Match(pattern.row, match.groupdict())
        return None


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A row, and what every path that it matches begins with: the method, then segments."""

    regex: re.Pattern[str]
    row: Row
    begin: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> _Pattern:
        literal, _, _ = row.pattern.partition("{")
        whole = literal.rpartition("/")[0]  # what stands before the { may be half a segment
        return cls(_compiled(row.pattern), row, (row.method, *_segments(whole)))


def _by_beginning(patterns: list[_Pattern]) -> dict[tuple[str, ...], tuple[_Pattern, ...]]:
    """For each known beginning, in their order, the patterns with it or with a part of it."""
    begins = {one.begin[:size] for one in patterns for size in range(1, len(one.begin) + 1)}
    return {
        begin: tuple(one for one in patterns if one.begin == begin[: len(one.begin)])
        for begin in begins
    }


def _segments(path: str) -> tuple[str, ...]:
    """The first ones of a path, as many as tell patterns apart."""
    return tuple(path.split("/", SEGMENTS + 1)[1 : SEGMENTS + 1])


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
