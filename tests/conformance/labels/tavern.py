"""Label Studio's tests of its API as they are written: stages in YAML, in Tavern's words.

Enough of Tavern for them: values that are formatted, what an answer must hold, what is kept of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_NAMED = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.\[\]]*)\}")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")
KINDS = {"anyint": int, "anystr": str, "anylist": list, "anydict": dict, "anything": object}


class StageFailed(Exception):
    """A stage's answer is not what upstream expects."""


@dataclass(frozen=True)
class Tagged:
    """A value with a tag of Tavern, as in `!int '{task}'`."""

    tag: str
    text: str


class _Loader(yaml.SafeLoader):
    """Reads tags as what they are. Anchors hold for all documents of a file, as in Tavern."""

    def compose_document(self) -> yaml.Node | None:
        self.get_event()
        node = self.compose_node(None, None)
        self.get_event()
        return node


def _tagged(_: _Loader, tag: str, node: yaml.Node) -> Tagged:
    return Tagged(tag, str(node.value))


_Loader.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class Test:
    """name: file, and test in it, as in `drafts.tavern.yml::test_draft`."""

    name: str
    stages: Sequence[Mapping[str, Any]]
    fixtures: frozenset[str]


def read(folder: Path) -> Iterator[Test]:
    """All tests under a folder `tests` of Label Studio, by name of file."""
    shared = {
        stage["id"]: stage
        for document in _documents(folder / "shared_stages.yml")
        for stage in document["stages"]
    }
    for path in sorted(folder.rglob("*.tavern.yml")):
        file, seen = path.relative_to(folder).as_posix(), dict[str, int]()
        for document in _documents(path):
            title = str(document["test_name"])
            seen[title] = seen.get(title, 0) + 1
            name = title if seen[title] == 1 else f"{title}#{seen[title]}"
            given = document["stages"]
            own = {one["id"]: one for one in given if "id" in one and "request" in one}
            known = {**shared, **own}
            stages = [known[one["id"]] if one.get("type") == "ref" else one for one in given]
            yield Test(f"{file}::{name}", stages, _fixtures(document))


def _documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.load_all(path.read_text(), _Loader) if one]


def _fixtures(document: Mapping[str, Any]) -> frozenset[str]:
    marks = document.get("marks") or []
    named = [mark.get("usefixtures", []) for mark in marks if isinstance(mark, dict)]
    return frozenset(one for each in named for one in each)


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """A value with what is known put in. Raises StageFailed for a name that was not kept."""
    if isinstance(value, dict):
        return {filled(key, known): filled(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    if isinstance(value, str):
        return _put(value, known)
    if isinstance(value, Tagged):
        return _untagged(value, known)
    return value


def _untagged(value: Tagged, known: Mapping[str, Any]) -> Any:
    match value.tag:
        case "int":
            return int(_put(value.text, known))
        case "float":
            return float(_put(value.text, known))
        case "raw":
            return value.text
        case "force_format_include":
            return found(known, value.text.strip("{}"))
        case "re_match" | "re_search" | "re_fullmatch":
            return Tagged(value.tag, _put(value.text, known, is_pattern=True))
    return value


def _put(text: str, known: Mapping[str, Any], *, is_pattern: bool = False) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0] if is_pattern else match[0][0]
        return str(found(known, match[1]))

    return _NAMED.sub(one, text)


def found(where: Any, path: str) -> Any:
    """What stands at a path, as in `tasks[0].id`; `@` is all. Raises StageFailed."""
    if path == "@":
        return where
    for step in _STEP.finditer(path):
        try:
            where = where[int(step[2])] if step[2] is not None else where[step[1]]
        except (KeyError, IndexError, TypeError):
            raise StageFailed(f"there is no {path}") from None
    return where


def check(expected: Any, actual: Any, *, is_strict: bool = False, where: str = "json") -> None:
    """Raises StageFailed where the answer lacks what is expected."""
    match expected:
        case Tagged():
            _check_tagged(expected, actual, where)
        case dict():
            if not isinstance(actual, dict):
                raise StageFailed(f"{where} is {_short(actual)}, not an object")
            if is_strict and expected.keys() != actual.keys():
                raise StageFailed(f"{where} has {sorted(actual)}, not {sorted(expected)}")
            for key, one in expected.items():
                if key not in actual:
                    raise StageFailed(f"{where} has no {key}: {_short(actual)}")
                check(one, actual[key], is_strict=is_strict, where=f"{where}.{key}")
        case list():
            _check_list(expected, actual, is_strict, where)
        case _:
            if expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
                raise StageFailed(f"{where} is {_short(actual)}, not {_short(expected)}")


def _check_list(expected: list[Any], actual: Any, is_strict: bool, where: str) -> None:
    """Not strict: the expected ones, in their order, with others between."""
    if not isinstance(actual, list):
        raise StageFailed(f"{where} is {_short(actual)}, not a list")
    if is_strict:
        if len(expected) != len(actual):
            raise StageFailed(f"{where} has {len(actual)} items, not {len(expected)}")
        for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
            check(one, other, is_strict=True, where=f"{where}[{number}]")
        return
    left = list(actual)
    for number, one in enumerate(expected):
        why: StageFailed | None = None
        while left:
            try:
                check(one, left.pop(0), where=f"{where}[{number}]")
            except StageFailed as error:
                why = why or error  # of the one that stands where it should
            else:
                break
        else:
            raise why or StageFailed(f"{where}[{number}] is missing: {_short(one)}")


def _check_tagged(expected: Tagged, actual: Any, where: str) -> None:
    if expected.tag in KINDS:
        if not isinstance(actual, KINDS[expected.tag]) or isinstance(actual, bool):
            raise StageFailed(f"{where} is {_short(actual)}, not !{expected.tag}")
        return
    how = {"re_match": re.match, "re_search": re.search, "re_fullmatch": re.fullmatch}
    if not isinstance(actual, str) or not how[expected.tag](expected.text, actual):
        raise StageFailed(f"{where} is {_short(actual)}, not like {expected.text!r}")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) < 300 else f"{text[:300]}…"
