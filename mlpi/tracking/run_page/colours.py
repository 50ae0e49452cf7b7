"""Code and data with their syntax in colour, by Pygments; the colours themselves are in run.css."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

log = logging.getLogger(__name__)

MOST_BYTES = 512 * 1024
# What is left when one of these is used up stays plain: a page has to come, and to be scrolled.
MOST_S = 0.4
MOST_SPANS = 40_000
_BY_SUFFIX: Mapping[str, str] = {
    ".bash": "bash",
    ".c": "c",
    ".cfg": "ini",
    ".cpp": "cpp",
    ".css": "css",
    ".cu": "cuda",
    ".diff": "diff",
    ".geojson": "json",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".ini": "ini",
    ".java": "java",
    ".jl": "julia",
    ".js": "javascript",
    ".json": "json",
    ".jsonl": "json",
    ".mjs": "javascript",
    ".patch": "diff",
    ".proto": "protobuf",
    ".py": "python",
    ".pyi": "python",
    ".r": "r",
    ".rs": "rust",
    ".sh": "bash",
    ".sql": "sql",
    ".toml": "toml",
    ".ts": "typescript",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
_BY_NAME: Mapping[str, str] = {"Dockerfile": "docker", "MLproject": "yaml", "Makefile": "make"}


def coloured(
    text: str, name: str, monotonic: Callable[[], float] = time.monotonic
) -> Markup | None:
    """The text as HTML with spans of class k, s, n, c and f; None when it is best left plain.

    k: keywords, s: strings, n: numbers and constants, c: comments, f: names that are given.
    """
    alias = _BY_NAME.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())
    if alias is None or len(text) > MOST_BYTES:
        return None
    # Late: 40 ms that only pages of code need.
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415

    try:
        html = "".join(_spans(get_lexer_by_name(alias), text, monotonic() + MOST_S, monotonic))
    except Exception:  # a fault of a lexer costs the colours, not the page
        log.warning("text not coloured", exc_info=True, extra={"action": "not_coloured"})
        return None
    return Markup(html)  # noqa: S704 - every piece is escaped


def _spans(
    lexer: Lexer, text: str, deadline: float, monotonic: Callable[[], float]
) -> Iterator[str]:
    """The text in pieces, each escaped; neighbours of one class are one span."""
    at = count = 0
    held, held_class = "", ""
    for begins, token, value in lexer.get_tokens_unprocessed(text):
        if begins != at:
            break  # a lexer that leaves something out
        at += len(value)
        its = held_class if not value.strip() else _class_of(token)
        if its == held_class:
            held += value
            continue
        yield _span(held, held_class)
        held, held_class = value, its
        count += 1
        if count >= MOST_SPANS or monotonic() > deadline:
            break
    yield _span(held, held_class)
    yield str(escape(text[at:]))


def _span(value: str, its: str) -> str:
    words = str(escape(value))
    return f'<span class="{its}">{words}</span>' if its and value else words


def _class_of(token: Any) -> str:
    from pygments import token as kinds  # noqa: PLC0415

    for kind, its in (
        (kinds.Comment.Preproc, "k"),
        (kinds.Comment, "c"),
        (kinds.Keyword.Constant, "n"),
        (kinds.Keyword, "k"),
        (kinds.Operator.Word, "k"),
        (kinds.String, "s"),
        (kinds.Generic.Inserted, "s"),
        (kinds.Number, "n"),
        (kinds.Generic.Deleted, "n"),
        (kinds.Generic.Heading, "f"),
        (kinds.Generic.Subheading, "f"),
        (kinds.Name.Tag, "f"),
        (kinds.Name.Attribute, "f"),
        (kinds.Name.Function, "f"),
        (kinds.Name.Class, "f"),
        (kinds.Name.Decorator, "f"),
    ):
        if token in kind:
            return its
    return ""
