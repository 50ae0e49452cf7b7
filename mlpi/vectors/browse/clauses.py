"""Chroma's two filters as JSON: read, and judged before Chroma says no more than "invalid"."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mlpi.errors import Invalid

COMPARISONS = ("$gt", "$gte", "$lt", "$lte")
SETS = ("$in", "$nin")
WHERE_OPERATORS = ("$eq", "$ne", *COMPARISONS, *SETS, "$contains", "$not_contains")
TEXT_OPERATORS = ("$contains", "$not_contains", "$regex", "$not_regex")
JOINS = ("$and", "$or")
DOCUMENT = "#document"  # Chroma's word for the document inside of where
_DEEPEST = 40
_AROUND = 60  # characters that are shown on either side of a wrong spot


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of a mistake in one line of text."""

    before: str
    wrong: str
    after: str


class FilterWrong(Invalid):
    """The filter cannot be read."""

    spot: Spot | None = None


def read(text: str, field: str) -> dict[str, Any] | None:
    """A filter from its JSON; None of an empty text. field: where or document.

    Raises FilterWrong, with the spot where the text is no JSON.
    """
    if not text.strip():
        return None
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        wrong = FilterWrong(
            f"This is no JSON: {_plain(error.msg)} at line {error.lineno}, column {error.colno}.",
            field=field,
        )
        wrong.spot = _spot(text, error.pos)
        raise wrong from None
    except _Doubled as error:
        raise FilterWrong(
            f"{error.key!r} stands twice in one object.",
            advice='Join conditions as {"$and": [{…}, {…}]}.',
            field=field,
        ) from None
    except RecursionError:
        raise FilterWrong("The filter is nested too deeply.", field=field) from None
    except ValueError as error:
        raise FilterWrong(f"{error}", field=field) from None
    check = check_where if field == "where" else check_document
    check(value, field, field)
    assert isinstance(value, dict)
    return value


def check_where(value: Any, at: str = "where", field: str = "where", deep: int = 0) -> None:
    """Raises FilterWrong when Chroma would not take a filter of metadata. at: its path."""
    key, part = _only(value, at, field, deep)
    if key in JOINS:
        _each(part, f"{at}.{key}", field, deep, check_where)
    elif key.startswith("$"):
        raise _unknown(
            key,
            at,
            field,
            JOINS,
            advice='A condition names its field first: {"year": {"$gte": 2020}}.',
        )
    elif isinstance(part, dict):
        _check_condition(key, part, f"{at}.{key}", field)
    elif isinstance(part, list):
        raise _wrong(
            f"{at}.{key}",
            "a list needs an operator",
            field,
            '{"$in": […]} finds any of its values.',
        )
    elif part is None:
        raise _wrong(f"{at}.{key}", "nothing is ever null", field, "Metadata has no nulls.")


def check_document(
    value: Any, at: str = "document", field: str = "document", deep: int = 0
) -> None:
    """Raises FilterWrong when Chroma would not take a filter of documents."""
    key, part = _only(value, at, field, deep)
    if key in JOINS:
        _each(part, f"{at}.{key}", field, deep, check_document)
        return
    if key not in TEXT_OPERATORS:
        raise _unknown(key, at, field, (*TEXT_OPERATORS, *JOINS))
    if not isinstance(part, str) or not part:
        raise _wrong(f"{at}.{key}", f"a text is expected, not {named(part)}", field)


def _check_condition(key: str, condition: Mapping[str, Any], at: str, field: str) -> None:
    operator, value = _only(condition, at, field, 0)
    if key == DOCUMENT:
        check_document(condition, at, field)
        return
    if operator not in WHERE_OPERATORS:
        raise _unknown(operator, at, field, WHERE_OPERATORS)
    at = f"{at}.{operator}"
    if operator in COMPARISONS and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _wrong(at, f"a number is expected, not {named(value)}", field)
    if operator in SETS:
        _check_set(value, at, field)
    elif not isinstance(value, str | int | float):
        raise _wrong(at, f"one value is expected, not {named(value)}", field)


def _check_set(value: Any, at: str, field: str) -> None:
    if not isinstance(value, list) or not value:
        what = "an empty list" if value == [] else named(value)
        raise _wrong(at, f"a list of values is expected, not {what}", field)
    kinds = {type(one) for one in value}
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        raise _wrong(
            at,
            "a list holds values of one kind",
            field,
            "All texts, all numbers or all true/false.",
        )


def _only(value: Any, at: str, field: str, deep: int) -> tuple[str, Any]:
    """The one key of an object and what stands under it."""
    if deep > _DEEPEST:
        raise FilterWrong("The filter is nested too deeply.", field=field)
    if not isinstance(value, dict):
        raise _wrong(at, f"an object is expected, not {named(value)}", field)
    if not value:
        raise _wrong(at, "the object is empty", field, "For no filter leave the field empty.")
    if len(value) > 1:
        keys = ", ".join(repr(key) for key in list(value)[:4])
        advice = (
            'Join conditions as {"$and": [{…}, {…}]}.'
            if not all(key.startswith("$") for key in value)
            else 'One operator a condition: {"$and": [{"year": {"$gt": 1}}, {"year": {"$lt": 9}}]}.'
        )
        raise _wrong(at, f"one key is expected, not {len(value)} ({keys})", field, advice)
    return next(iter(value.items()))


def _each(part: Any, at: str, field: str, deep: int, check: Any) -> None:
    if not isinstance(part, list) or not part:
        what = "an empty list" if part == [] else named(part)
        raise _wrong(at, f"a list of conditions is expected, not {what}", field)
    for index, one in enumerate(part):
        check(one, f"{at}[{index}]", field, deep + 1)


def named(value: Any) -> str:
    """A JSON value in words: "the text 'abc'"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value[:40]!r}" if value else "an empty text"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "an object"


def joined(parts: Sequence[dict[str, Any]], join: str) -> dict[str, Any] | None:
    """Conditions as one filter; a single one stands alone, as Chroma's clients demand."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else {join: list(parts)}


def simplified(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The same filter without joins of a single condition, which Chroma's clients refuse."""
    if not value:
        return None
    key, part = next(iter(value.items()))
    if key not in JOINS:
        return dict(value)
    parts = [one for one in map(simplified, part) if one]
    return joined(parts, key)


def _unknown(word: str, at: str, field: str, known: Sequence[str], advice: str = "") -> FilterWrong:
    near = get_close_matches(word, known, 1)
    if near and not advice:
        advice = f"Did you mean {near[0]}?"
    advice = advice or f"Known are {', '.join(known)}."
    return _wrong(at, f"{word!r} is no operator that can stand here", field, advice)


def _wrong(at: str, what: str, field: str, advice: str | None = None) -> FilterWrong:
    return FilterWrong(f"{at}: {what}.", advice=advice, field=field)


class _Doubled(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Doubled(next(key for key in keys if keys.count(key) > 1))
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number that JSON knows.")


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]


def _spot(text: str, at: int) -> Spot:
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line_end = len(text) if end < 0 else end
    return Spot(
        text[max(begin, at - _AROUND) : at],
        text[at : min(at + 1, line_end)],
        text[at + 1 : min(line_end, at + _AROUND)],
    )
