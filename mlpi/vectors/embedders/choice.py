"""What may embed a collection's texts, and how a choice is written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlpi.errors import Invalid

NONE, LEXICAL, ONNX, MODEL = "none", "lexical", "onnx", "model"
WORDS = (NONE, LEXICAL, ONNX, MODEL)


class EmbedderUnusable(Invalid):
    """This embedder cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """An embedder. options by word: onnx: folder; model: name, and version (int) or alias."""

    word: str = NONE
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> str:
        """The choice as one word of a form: lexical, onnx:FOLDER, model:NAME:3, model:NAME@ALIAS.

        Neither a folder nor a model's name can hold a colon.
        """
        if self.word == ONNX:
            return f"{ONNX}:{self.options['folder']}"
        if self.word == MODEL:
            alias = self.options.get("alias")
            end = f"@{alias}" if alias else f":{self.options['version']}"
            return f"{MODEL}:{self.options['name']}{end}"
        return self.word

    @property
    def label(self) -> str:
        """The choice in a few words."""
        match self.word:
            case "lexical":
                return "lexical"
            case "onnx":
                return f"ONNX model {self.options['folder']}"
            case "model":
                alias = self.options.get("alias")
                end = f"@{alias}" if alias else f"version {self.options['version']}"
                return f"registered model {self.options['name']} {end}"
        return "none"

    @property
    def detail(self) -> str:
        """What the choice means, in a sentence."""
        return DETAILS[self.word]


DETAILS = {
    NONE: "Clients bring vectors; texts cannot be searched for.",
    LEXICAL: "Likeness of spelling (hashed character n-grams, 384 dimensions), not of meaning; "
    "built in, offline.",
    ONNX: "A sentence model in Chroma's layout, from the models folder of this server.",
    MODEL: "A registered model of this workspace that turns texts into vectors.",
}
_KEYS = {
    NONE: frozenset[str](),
    LEXICAL: frozenset[str](),
    ONNX: frozenset({"folder"}),
    MODEL: frozenset({"name", "version", "alias"}),
}


def read_value(value: str) -> EmbedderChoice:
    """The choice that a form's word stands for. Raises Invalid."""
    word, _, rest = value.partition(":")
    if word == ONNX:
        return checked(ONNX, {"folder": rest})
    if word == MODEL:
        name, parting, version = rest.rpartition(":")
        if parting:
            return checked(MODEL, {"name": name, "version": version})
        name, _, alias = rest.rpartition("@")
        return checked(MODEL, {"name": name, "alias": alias})
    return checked(value, {})


def checked(word: str, options: Mapping[str, Any]) -> EmbedderChoice:
    """A choice that is complete and well formed; empty options count as not given.

    Raises Invalid naming the option that is wrong as its field.
    """
    if word not in WORDS:
        known = ", ".join(WORDS)
        raise Invalid(
            f"There is no embedder {word!r}.", advice=f"Known are: {known}.", field="embedder"
        )
    given = {key: one for key, one in options.items() if one not in (None, "")}
    strange = sorted(set(given) - _KEYS[word])
    if strange:
        raise Invalid(f"The embedder {word} has no option {strange[0]!r}.", field=strange[0])
    if word == ONNX:
        return EmbedderChoice(ONNX, {"folder": _text(given, "folder", "a folder")})
    if word == MODEL:
        return EmbedderChoice(MODEL, _model(given))
    return EmbedderChoice(word)


def _model(given: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(given, "name", "the name of a registered model")
    if ("version" in given) == ("alias" in given):
        raise Invalid(
            f"Of the model {name}, which version?",
            advice="Give a version's number or an alias, one of the two.",
            field="version",
        )
    if "alias" in given:
        return {"name": name, "alias": _text(given, "alias", "an alias")}
    version = str(given["version"])
    if not (re.fullmatch(r"[0-9]{1,10}", version) and 0 < int(version) < 2**31):
        raise Invalid(f"{version[:50]!r} is not the number of a version.", field="version")
    return {"name": name, "version": int(version)}


def _text(given: Mapping[str, Any], key: str, what: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or len(value) > 256 or not value.isprintable():
        raise Invalid(f"This embedder needs {what}.", field=key)
    return value
