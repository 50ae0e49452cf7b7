"""What somebody typed for a new version, and what MLflow is to be sent for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.errors import Invalid
from mlpi.tracking.prompts.records import (
    IS_PROMPT,
    MODEL_CONFIG,
    RESPONSE_FORMAT,
    TEXT,
    TYPE,
    Message,
    Version,
)

ROLES = ("system", "user", "assistant", "developer", "tool")
MAX_TEMPLATE = 100_000  # characters; MLflow's own limit
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,250}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before it is one; every field as it was typed."""

    kind: str = "text"
    text: str = ""
    messages: tuple[Message, ...] = ()
    message: str = ""
    model_config: str = ""
    response_format: str = ""

    @classmethod
    def of(cls, version: Version) -> Draft:
        """To begin a new version with what this one has."""
        chat = version.messages
        settings = version.settings
        return cls(
            "text" if chat is None else "chat",
            version.text if chat is None else "",
            tuple(chat or ()),
            "",
            settings.get("Model", ""),
            settings.get("Response format", ""),
        )

    def tags(self) -> list[dict[str, str]]:
        """The tags MLflow's client sends for such a version. Raises Invalid."""
        template = self._chat() if self.kind == "chat" else _plain(self.text)
        if len(template) > MAX_TEMPLATE:
            raise Invalid(
                f"The template has {len(template)} characters; MLflow keeps {MAX_TEMPLATE}.",
                field="template",
            )
        found = {IS_PROMPT: "true", TYPE: self.kind, TEXT: template}
        for key, text, field in (
            (RESPONSE_FORMAT, self.response_format, "response_format"),
            (MODEL_CONFIG, self.model_config, "model"),
        ):
            if text.strip():
                found[key] = json.dumps(_object(text, field))
        return [{"key": key, "value": value} for key, value in found.items()]

    def _chat(self) -> str:
        given = [one for one in self.messages if one.content.strip()]
        if not given:
            raise Invalid(
                "A chat prompt needs a message.",
                advice="Write one, or choose text.",
                field="template",
            )
        return json.dumps(
            [{"role": one.role or "user", "content": _lines(one.content)} for one in given]
        )


def messages_of(roles: Sequence[str], contents: Sequence[str]) -> tuple[Message, ...]:
    """Messages out of a form's repeated fields. Raises Invalid for a strange role."""
    for role in roles:
        if role not in ROLES:
            raise Invalid(
                f"{role[:40]!r} is not a role.",
                advice=f"Use {', '.join(ROLES)}.",
                field="template",
            )
    return tuple(Message(*pair) for pair in zip(roles, contents, strict=False) if pair[1].strip())


def checked_name(name: str) -> str:
    """A name for a new prompt. Raises Invalid."""
    name = name.strip()
    if not _NAME.fullmatch(name) or not name.strip("."):
        raise Invalid(
            "A prompt's name has 1 to 250 letters, digits, hyphens, underscores and dots.",
            advice="For example support-answer.",
            field="name",
        )
    return name


def _plain(text: str) -> str:
    if not text.strip():
        raise Invalid("A prompt needs a template.", field="template")
    return _lines(text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")  # browsers send the former


def _object(text: str, field: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Invalid(
            f"This is not JSON{where}.", advice='Write an object, as {"a": 1}.', field=field
        ) from None
    if not isinstance(found, dict):
        raise Invalid("This must be an object.", advice='Write it as {"a": 1}.', field=field)
    return found
