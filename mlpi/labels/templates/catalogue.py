"""All ready configurations, by group and by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlpi.errors import NotFound
from mlpi.labels.templates.media import MEDIA
from mlpi.labels.templates.template import Template
from mlpi.labels.templates.texts import TEXTS

TEMPLATES: Sequence[Template] = (*TEXTS, *MEDIA)
GROUPS: Sequence[str] = tuple(dict.fromkeys(one.group for one in TEMPLATES))
_BY_KEY: Mapping[str, Template] = {one.key: one for one in TEMPLATES}


def template(key: str) -> Template:
    """Raises NotFound."""
    try:
        return _BY_KEY[key]
    except KeyError:
        raise NotFound(f"There is no template {key[:60]!r}.") from None


def found(words: str = "") -> Mapping[str, Sequence[Template]]:
    """Templates by group, those whose title, words or tags hold every word; without empty ones."""
    wanted = words.casefold().split()
    by_group: dict[str, list[Template]] = {}
    for one in TEMPLATES:
        text = f"{one.title} {one.words} {one.group} {one.config}".casefold()
        if all(word in text for word in wanted):
            by_group.setdefault(one.group, []).append(one)
    return by_group
