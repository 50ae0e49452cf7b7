"""What one span holds, made readable within bounds: messages, documents, JSON that folds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_TEXT = 20_000  # characters of one value that a page shows
MAX_NODES = 600  # values of one JSON that a page shows
MAX_DEPTH = 12
MAX_MESSAGES = 100
INPUTS, OUTPUTS = "mlflow.spanInputs", "mlflow.spanOutputs"
_HIDDEN = {INPUTS, OUTPUTS, "mlflow.traceRequestId", "mlflow.spanType", "mlflow.experimentId"}


@dataclass(slots=True)
class Node:
    """A value in JSON. children is None for what does not fold."""

    name: str | None
    text: str
    kind: str = "other"  # text, or other
    children: list[Node] | None = None
    is_small: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a retriever found."""

    content: str
    about: str


@dataclass(frozen=True, slots=True)
class Value:
    """One thing to show, in the best way there is: the first of these that is not None."""

    messages: list[Message] | None = None
    documents: list[Document] | None = None
    text: str | None = None
    node: Node | None = None
    raw: Node | None = None  # behind messages and documents, to look the rest up


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    message: str = ""
    stacktrace: str = ""
    values: Node | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A span for its pane; cut is the beginning of one that cannot be read as JSON."""

    inputs: Value | None = None
    outputs: Value | None = None
    status_message: str = ""
    events: list[Event] = field(default_factory=list)
    attributes: Node | None = None
    links: Node | None = None
    cut: str = ""
    size: int = 0


def read(content: str, size: int) -> Body:
    """A span's stored JSON; size is the length of all of it, if content is only its beginning."""
    given: Any = None
    if size <= len(content):
        try:
            given = json.loads(content)
        except (ValueError, RecursionError):
            given = None
    if not isinstance(given, dict):
        return Body(cut=content[:MAX_TEXT], size=size)
    return of(given, size)


def of(given: Mapping[str, Any], size: int = 0) -> Body:
    """A span as MLflow writes it, in today's form or that of older files."""
    held = given.get("attributes")
    # Values are JSON inside JSON.
    attributes = {k: _decoded(v) for k, v in held.items()} if isinstance(held, dict) else {}
    status = given.get("status")
    told = status.get("message") if isinstance(status, dict) else given.get("status_message")
    others = {key: value for key, value in sorted(attributes.items()) if key not in _HIDDEN}
    raw_events = given.get("events")
    events = [_event(one) for one in raw_events[:50]] if isinstance(raw_events, list) else []
    linked = given.get("links")
    return Body(
        value(attributes[INPUTS]) if INPUTS in attributes else None,
        value(attributes[OUTPUTS]) if OUTPUTS in attributes else None,
        _cut(str(told)) if told else "",
        events,
        folded(others) if others else None,
        folded(linked) if linked else None,
        size=size,
    )


def value(given: Any) -> Value:
    """The best way to show something."""
    if isinstance(given, str):
        return Value(text=_cut(given))
    raw = folded(given)
    if messages := _messages(given):
        return Value(messages=messages[:MAX_MESSAGES], raw=raw)
    if documents := _documents(given):
        return Value(documents=documents[:MAX_MESSAGES], raw=raw)
    return Value(node=raw)


def folded(given: Any) -> Node:
    """JSON as nodes, at most MAX_NODES of them; what is left out is said."""
    left = [MAX_NODES]
    return _folded(None, given, left, 0)


def _folded(name: str | None, given: Any, left: list[int], depth: int) -> Node:
    left[0] -= 1
    if isinstance(given, dict | list) and given:
        noun = "entry" if isinstance(given, list) else "key"
        count = len(given)
        plural = {"entry": "entries", "key": "keys"}[noun]
        text = f"{count} {noun if count == 1 else plural}"
        if depth >= MAX_DEPTH:
            return Node(name, f"{text}, too deep to show")
        pairs = given.items() if isinstance(given, dict) else enumerate(given)
        children: list[Node] = []
        for key, one in pairs:
            if left[0] <= 0:
                children.append(Node(None, f"… and {count - len(children)} more, left out"))
                break
            children.append(_folded(_cut(str(key), 200), one, left, depth + 1))
        is_small = len(children) <= 20 and depth < 3
        return Node(name, text, children=children, is_small=is_small)
    if isinstance(given, str):
        return Node(name, _cut(given), "text")
    return Node(name, _cut(json.dumps(given, ensure_ascii=False)))


def _messages(given: Any) -> list[Message]:
    """The chat messages in what a model was given or answered; [] when it is nothing of the kind.

    OpenAI's and Anthropic's forms, LangChain's, and a plain list.
    """
    if isinstance(given, dict):
        if isinstance(given.get("choices"), list):
            chosen = [one.get("message") for one in given["choices"] if isinstance(one, dict)]
            return _all_messages(chosen)
        for key in ("messages", "input"):
            if isinstance(given.get(key), list):
                inner = given[key]
                if len(inner) == 1 and isinstance(inner[0], list):
                    inner = inner[0]
                return _all_messages(inner)
        if _role(given):
            return _all_messages([given])
        return []
    return _all_messages(given) if isinstance(given, list) else []


def _all_messages(given: Sequence[Any]) -> list[Message]:
    if not given or not all(isinstance(one, dict) and _role(one) for one in given):
        return []
    return [Message(_role(one), _content(one)) for one in given]


def _role(given: Mapping[str, Any]) -> str:
    if "content" not in given and "tool_calls" not in given:
        return ""
    role = given.get("role") or given.get("type")
    return {"human": "user", "ai": "assistant"}.get(role, role) if isinstance(role, str) else ""


def _content(given: Mapping[str, Any]) -> str:
    content = given.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part is not None:
            texts.append(_cut(json.dumps(part, ensure_ascii=False, indent=2), 2000))
    calls = given.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        asked = call.get("function", call) if isinstance(call, dict) else {}
        if isinstance(asked, dict):
            texts.append(f"calls {asked.get('name', '?')}({asked.get('arguments', '')})")
    return _cut("\n".join(texts))


def _documents(given: Any) -> list[Document]:
    if not isinstance(given, list) or not given:
        return []
    if not all(isinstance(one, dict) and isinstance(one.get("page_content"), str) for one in given):
        return []
    return [
        Document(
            _cut(one["page_content"]),
            _cut(
                ", ".join(f"{key}: {value}" for key, value in one["metadata"].items())
                if isinstance(one.get("metadata"), dict)
                else "",
                500,
            ),
        )
        for one in given
    ]


def _event(given: Any) -> Event:
    if not isinstance(given, dict):
        return Event(_cut(str(given), 200))
    held = given.get("attributes")
    attributes = dict(held) if isinstance(held, dict) else {}
    kind = str(attributes.pop("exception.type", ""))
    message = str(attributes.pop("exception.message", ""))
    return Event(
        str(given.get("name", "event")),
        _cut(f"{kind}: {message}" if kind else message, 4000),
        _cut(str(attributes.pop("exception.stacktrace", ""))),
        folded(attributes) if attributes else None,
    )


def _decoded(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


def _cut(text: str, limit: int = MAX_TEXT) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit:,} more characters, left out"
