"""XML of a labeling configuration, read without ever resolving anything.

Straight on expat: a DTD, and with it every entity, is refused before it is read. Nodes keep the
line they stand on, so that whatever is wrong with them can say where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from mlpi.errors import MlpiError

MOST_BYTES = 1 << 20
MOST_NODES = 20_000
DEEPEST = 60
LONGEST_VALUE = 100_000  # characters of an attribute


class ConfigInvalid(MlpiError):
    """The labeling configuration is not usable."""

    status = 400
    code = "LABEL_CONFIG_INVALID"

    def __init__(self, message: str, *, line: int | None = None, advice: str = "") -> None:
        where = f"Line {line}: " if line else ""
        super().__init__(f"{where}{message}", advice=advice, field="label_config")
        self.at_line = line


@dataclass
class Node:
    """An element. attributes as written; text is what stands between its tags, without children."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def parse(text: str) -> Node:
    """The root element. Raises ConfigInvalid."""
    data = text.strip().encode("utf-8", "surrogatepass")
    if not data:
        raise ConfigInvalid("There is no configuration.", advice="Choose a template.")
    if len(data) > MOST_BYTES:
        raise ConfigInvalid(f"It has {len(data):,} bytes, more than {MOST_BYTES:,}.")
    return _Builder().build(data)


class _Builder:
    def __init__(self) -> None:
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[Node] = []
        self._root: Node | None = None
        self._count = 0

    def build(self, data: bytes) -> Node:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ConfigInvalid(
                f"This is no well-formed XML: {expat.ErrorString(error.code)} "
                f"at column {error.offset + 1}.",
                line=error.lineno,
            ) from None
        assert self._root is not None  # expat refuses a document without an element
        return self._root

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _doctype(self, *_: object) -> None:
        raise ConfigInvalid(
            "A document type (<!DOCTYPE …>) and entities are not allowed.",
            line=self._line,
            advice="Remove it; the five entities of XML itself, such as &amp;, still work.",
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_NODES:
            raise ConfigInvalid(f"There are more than {MOST_NODES:,} tags.", line=self._line)
        if len(self._open) >= DEEPEST:
            raise ConfigInvalid(f"Tags lie more than {DEEPEST} deep.", line=self._line)
        for name, value in attributes.items():
            if len(value) > LONGEST_VALUE:
                raise ConfigInvalid(
                    f"{name} of <{tag}> has {len(value):,} characters, more than "
                    f"{LONGEST_VALUE:,}.",
                    line=self._line,
                )
        node = Node(tag, dict(attributes), self._line)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text
