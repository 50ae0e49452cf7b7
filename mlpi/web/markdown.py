"""Markdown that users wrote, as HTML that is safe inside our pages.

HTML in the text is shown as text. Links lead to http, https, mailto or relative addresses. A
picture is shown only where the caller says which address it has; elsewhere its words stand for it,
for a page must ask no other host for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# The address of a picture from what the text says, or None when it is not to be shown.
Picture = Callable[[str], str | None]
MAX_CHARS = 200_000  # a longer text is shown as it was written
_SCHEMES = frozenset({"", "http", "https", "mailto"})


def rendered(text: str, picture: Picture | None = None) -> Markup:
    """The text as HTML, in a div of class "markdown"; its headings begin at h3."""
    if len(text) > MAX_CHARS:
        return Markup('<pre class="plain-text">{}</pre>').format(text)
    parser = _parser()
    try:
        tokens = parser.parse(text)
        for token in tokens:
            _adjust(token, picture)
        html = parser.renderer.render(tokens, parser.options, {})
    except RecursionError:
        return Markup('<pre class="plain-text">{}</pre>').format(text)
    # Markup: the parser escapes all text and knows no HTML.
    return Markup('<div class="markdown">{}</div>').format(Markup(html))  # noqa: S704


@cache
def _parser() -> MarkdownIt:
    # Late: 35 ms that only pages with a text need.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe  # type: ignore[method-assign]
    return parser


def _is_safe(url: str) -> bool:
    # Browsers drop these inside a scheme.
    bare = "".join(char for char in url if char > " ")
    try:
        return urlsplit(bare).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _adjust(token: Token, picture: Picture | None) -> None:
    """What our pages do otherwise than the parser: headings, alignment, links, pictures."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    elif token.type in ("th_open", "td_open") and "style" in token.attrs:
        # The policy of our pages lets no style attribute in.
        is_right = "right" in str(token.attrs.pop("style"))
        if is_right:
            token.attrs["class"] = "num"
    elif token.type == "link_open":
        token.attrs["rel"] = "noopener noreferrer nofollow"
    elif token.type == "image":
        source = picture(str(token.attrs.get("src", ""))) if picture else None
        words = token.content or "picture"
        if source is None:
            token.type, token.tag, token.children = "text", "", None
            token.content = f"[{words}]"
        else:
            token.attrs["src"] = source
            token.attrs["loading"] = "lazy"
    for child in token.children or ():
        _adjust(child, picture)
