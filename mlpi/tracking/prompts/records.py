"""How MLflow keeps prompts: registered models with a mark, templates in tags of their versions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

IS_PROMPT = "mlflow.prompt.is_prompt"
TEXT = "mlflow.prompt.text"
TYPE = "_mlflow_prompt_type"
RESPONSE_FORMAT = "_mlflow_prompt_response_format"
MODEL_CONFIG = "_mlflow_prompt_model_config"
DELETED = "Deleted_Internal"  # the stage of versions that MLflow has deleted, but keeps


def is_own(key: str) -> bool:
    """Whether a tag is people's, as opposed to what MLflow and mlpi keep in tags."""
    return not key.startswith(("mlflow.", "_mlflow_", "mlpi."))


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a list, or the head of its page."""

    name: str
    latest: int | None = None
    version_count: int = 0
    updated_at: datetime | None = None
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def aliases_of(self, version: int) -> list[str]:
        return sorted(alias for alias, number in self.aliases.items() if number == version)


@dataclass(frozen=True, slots=True)
class Version:
    """One version; raw_tags holds the template too, unless it was read for a list."""

    number: int
    message: str = ""
    user: str = ""
    created_at: datetime | None = None
    raw_tags: dict[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        return {key: value for key, value in sorted(self.raw_tags.items()) if is_own(key)}

    @property
    def text(self) -> str:
        return self.raw_tags.get(TEXT, "")

    @property
    def messages(self) -> list[Message] | None:
        """The messages of a chat template; None for a text, or for what cannot be read as chat."""
        if self.raw_tags.get(TYPE) != "chat":
            return None
        found = as_json(self.text)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            return None
        return [Message(str(one.get("role", "")), _content(one.get("content"))) for one in found]

    @property
    def lines(self) -> list[str]:
        """The template as lines, for a comparison; each chat message begins with its role."""
        if self.messages is None:
            return self.text.splitlines()
        return [
            line
            for message in self.messages
            for line in (f"[{message.role}]", *message.content.splitlines())
        ]

    @property
    def settings(self) -> dict[str, str]:
        """Response format and model config, indented; those that are set."""
        given = {"Model": MODEL_CONFIG, "Response format": RESPONSE_FORMAT}
        return {
            label: indented(self.raw_tags[key])
            for label, key in given.items()
            if self.raw_tags.get(key)
        }


def as_json(text: str) -> Any:
    """What a text holds as JSON, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def indented(text: str) -> str:
    """JSON made readable; any other text as it is."""
    found = as_json(text)
    return text if found is None else json.dumps(found, indent=2, ensure_ascii=False)


def _content(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
