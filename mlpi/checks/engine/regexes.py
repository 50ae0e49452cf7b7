"""Python's regular expressions in RE2, which DuckDB runs and which can not backtrack.

Great Expectations means Python's `re`. A pattern is compiled only where both agree on every text,
or on every text of a sort that a count over the column can confirm: ASCII only, no line breaks.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.literals import NotExact, text

if TYPE_CHECKING:
    import duckdb

# What Python's \s is in ASCII; RE2's lacks the vertical tab and the four separators.
_SPACE = r"\t\n\x0b\x0c\r\x1c-\x1f "
_SHARED_FLAGS = re.IGNORECASE | re.DOTALL | re.MULTILINE | re.UNICODE
_SHARED = {
    *("LITERAL", "NOT_LITERAL", "ANY", "IN", "RANGE", "NEGATE", "CATEGORY"),
    *("BRANCH", "SUBPATTERN", "MAX_REPEAT", "MIN_REPEAT", "AT"),
}


@dataclass(frozen=True, slots=True)
class Translated:
    """A pattern as an SQL string, and what the column's texts must be for it to mean the same."""

    sql: str
    needs_ascii: bool
    needs_one_line: bool

    def doubts(self, column: object) -> tuple[str, ...]:
        """SQL conditions of values on which the engines may differ."""
        return tuple(
            condition
            for needed, condition in (
                (self.needs_ascii, f"strlen({column}) <> length({column})"),
                (self.needs_one_line, f"contains({column}, chr(10))"),
            )
            if needed
        )


def translate(pattern: Any, connection: duckdb.DuckDBPyConnection) -> Translated:
    """Raises NotExact for what RE2 lacks or means otherwise."""
    if not isinstance(pattern, str) or "{," in pattern or "[:" in pattern:
        raise NotExact
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            flags = re.compile(pattern).flags
            tree = importlib.import_module("re._parser").parse(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise NotExact from error
    seen = set(_nodes(tree))
    if flags & ~_SHARED_FLAGS or {name for name, _ in seen} - _SHARED:
        raise NotExact
    folds = bool(flags & re.IGNORECASE) or "(?i" in pattern or bool(_SCOPED.search(pattern))
    if folds and not pattern.isascii():
        raise NotExact
    sql = text(_rewritten(pattern))
    _try_out(sql, connection)
    ends = ("AT", "AT_END") in seen or bool(flags & re.MULTILINE) or "(?m" in pattern
    words = {argument for name, argument in seen if name in ("CATEGORY", "AT")}
    return Translated(
        sql,
        needs_ascii=folds or any("CATEGORY" in word or "BOUNDARY" in word for word in words),
        needs_one_line=ends,
    )


_SCOPED = re.compile(r"\(\?[a-z]*[im]")  # flags of a group, such as (?si:…)


def _nodes(tree: Any) -> Iterator[tuple[str, str]]:
    """Operations of a parsed pattern, with their argument where that is a name."""
    if isinstance(tree, list | tuple) or type(tree).__name__ == "SubPattern":
        parts = list(tree)
        if len(parts) == 2 and type(parts[0]).__name__ == "_NamedIntConstant":
            yield str(parts[0]), str(parts[1]) if type(parts[1]) is type(parts[0]) else ""
        for part in parts:
            yield from _nodes(part)


def _rewritten(pattern: str) -> str:
    r"""With \s, \S and \Z spelt as RE2 needs them."""
    out: list[str] = []
    in_set = False
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            escape = pattern[at : at + 2]
            out.append(_escape(escape, in_set=in_set))
            at += 2
            continue
        if in_set and character == "]":
            in_set = False
        elif not in_set and character == "[":
            in_set = True
            # A closing bracket right after the opening one, or after its ^, is a member.
            opening = re.match(r"\[\^?\]?", pattern[at:])
            assert opening
            out.append(opening.group().replace("]", r"\]"))
            at += opening.end()
            continue
        out.append(character)
        at += 1
    return "".join(out)


def _escape(escape: str, *, in_set: bool) -> str:
    if escape == r"\s":
        return _SPACE if in_set else f"[{_SPACE}]"
    if escape == r"\S":
        if in_set:
            raise NotExact
        return f"[^{_SPACE}]"
    if escape == r"\Z" and not in_set:
        return r"\z"
    if escape in (r"\u", r"\U", r"\N"):
        raise NotExact
    return escape


def _try_out(sql: str, connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb  # noqa: PLC0415 - only workers may load it

    try:
        connection.execute(f"SELECT regexp_matches('', {sql})").fetchall()
    except duckdb.Error as error:
        raise NotExact from error
