"""HTML of task data made harmless: only what shows text and its order stays.

An allow-list: no script, no handler, no style, no address outside of mlpi. What is not on the list
loses its tags and keeps its text; what holds no text for people (a script, a style) goes whole. The
order of what stays is the document's, so that places in it (XPath) are those that Label Studio has.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

_TEXT = (
    *("a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br"),
    *("caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div"),
    *("dl", "dt", "em", "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "header", "hr", "i", "img", "ins", "kbd", "li", "main", "mark", "nav", "ol", "p"),
    *("pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike"),
    *("strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time"),
    *("tr", "tt", "u", "ul", "var", "wbr"),
)
KEPT = frozenset(_TEXT)
EMPTY = frozenset(("br", "col", "hr", "img", "wbr"))
# Gone with all that is in them: what they hold is no text for people, or another language.
GONE = frozenset(
    (
        *("script", "style", "head", "title", "template", "noscript", "iframe", "object", "embed"),
        *("applet", "svg", "math", "video", "audio", "canvas", "textarea", "select", "noframes"),
        *("xmp", "plaintext", "noembed", "frameset"),
    )
)
ATTRIBUTES = {
    "*": frozenset(("title", "lang", "dir")),
    "td": frozenset(("colspan", "rowspan", "headers")),
    "th": frozenset(("colspan", "rowspan", "headers", "scope")),
    "col": frozenset(("span",)),
    "colgroup": frozenset(("span",)),
    "ol": frozenset(("start", "reversed", "type")),
    "li": frozenset(("value",)),
    "img": frozenset(("src", "alt", "width", "height")),
    "time": frozenset(("datetime",)),
    "details": frozenset(("open",)),
}
# Pictures that were uploaded here, or that are written out in the data; SVG can run scripts.
_PICTURES = ("data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;")
_OWN = "/data/"


def clean(html: str) -> str:
    """Well-formed HTML with what is on the list alone."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return cleaner.result()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._gone: list[str] = []

    def result(self) -> str:
        closing = "".join(f"</{tag}>" for tag in reversed(self._open))
        return "".join(self._parts) + closing

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._gone:
            if tag == self._gone[0]:
                self._gone.append(tag)
            return
        if tag in GONE:
            if tag != "embed":  # which has no end
                self._gone.append(tag)
            return
        if tag not in KEPT:
            return
        kept = "".join(
            f' {name}="{escape(value or "", quote=True)}"'
            for name, value in attrs
            if _is_kept(tag, name, value or "")
        )
        self._parts.append(f"<{tag}{kept}>")
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # In HTML a slash closes nothing: <div/> is <div>. Only SVG and the like would be closed.
        if tag in GONE:
            return
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._gone:
            if tag == self._gone[0]:
                self._gone.pop()
            return
        if tag in EMPTY or tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self._parts.append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._gone:
            self._parts.append(escape(data, quote=False))


def _is_kept(tag: str, name: str, value: str) -> bool:
    if name not in ATTRIBUTES["*"] and name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "src":
        source = value.strip().lower()
        return source.startswith(_PICTURES) or (source.startswith(_OWN) and ".." not in source)
    return True
