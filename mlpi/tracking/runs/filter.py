"""MLflow's filter language for runs: which texts it takes, what they mean, where one is wrong.

The tokens are cut by sqlparse, as MLflow 3.17 cuts them (mlflow/utils/search_utils.py), so that
what MLflow takes is taken here and nothing else; the rules after that are MLflow's too, written
anew because its own errors do not say where. MLflow itself need not be imported yet.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import sqlparse
from sqlparse.sql import Comparison, Identifier, Parenthesis
from sqlparse.tokens import Keyword, Literal

from mlpi.errors import Invalid

KINDS = {
    "metrics": ("metric", "metrics"),
    "params": ("parameter", "parameters", "param", "params"),
    "tags": ("tag", "tags"),
    "attributes": ("attribute", "attr", "attributes", "run"),
    "datasets": ("dataset", "datasets"),
}
_KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
_ALIASES = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}
NUMERIC_ATTRIBUTES = ("start_time", "end_time")
TEXT_ATTRIBUTES = ("run_name", "status", "user_id", "run_id", "artifact_uri")
DATASET_KEYS = ("name", "digest", "context")
_NUMBERS = ("=", "!=", ">", ">=", "<", "<=")
_TEXTS = ("=", "!=", "LIKE", "ILIKE")
_NULLS = ("IS NULL", "IS NOT NULL")
_LISTS = ("IN", "NOT IN")
COMPARATORS = {
    "metrics": _NUMBERS,
    "params": (*_TEXTS, *_NULLS),
    "tags": (*_TEXTS, *_NULLS),
    "attributes": (*_TEXTS, *_LISTS),
    "datasets": (*_TEXTS, *_LISTS),
}
_NUMBER_TOKENS = (Literal.Number.Integer, Literal.Number.Float)
# What tells a filter from the words of somebody who looks for a name.
_OPERATOR = re.compile(
    r"[=<>]|\b(?:i?like)\s*['\"]|\bin\s*\(|\bis\s+(?:not\s+)?null\b"
    rf"|^\s*(?:{'|'.join(_KIND_OF)})\s*\.\s*\S",
    re.IGNORECASE,
)
MAX_CHARS = 6000  # MLflow's own limit of a filter

Token = Any  # sqlparse's; its methods have no types
Placed = tuple[Token, int]  # a token, and where it begins


class FilterWrong(Invalid):
    """A filter that MLflow would not take, and the characters it fails at."""

    def __init__(self, message: str, start: int, end: int, advice: str | None = None) -> None:
        super().__init__(message, advice=advice, field="q")
        self.start, self.end = start, max(end, start + 1)


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison. kind is a key of KINDS; value is None for IS NULL, a tuple for lists."""

    kind: str
    key: str
    comparator: str
    value: float | int | str | tuple[str, ...] | None = None


def is_filter(text: str) -> bool:
    """Whether a text of the search box is meant as a filter, rather than as words of a name."""
    return _OPERATOR.search(text) is not None


def parse(text: str) -> list[Clause]:
    """The comparisons of a filter, joined by AND. Raises FilterWrong."""
    if not text.strip():
        return []
    if "\0" in text:
        raise FilterWrong("This character cannot be searched for.", text.index("\0"), len(text))
    if len(text) > MAX_CHARS:
        raise FilterWrong(f"A filter has at most {MAX_CHARS} characters.", MAX_CHARS, len(text))
    try:
        statements = sqlparse.parse(text)
    except sqlparse.exceptions.SQLParseError:
        raise FilterWrong("This is nested too deeply to be a filter.", 0, len(text)) from None
    if len(statements) != 1:
        end = len(str(statements[0])) if statements else 0
        raise FilterWrong(
            "There is more after the semicolon.", end - 1, end, "Join comparisons with AND."
        )
    parts = _joined(_placed(statements[0].tokens, 0))
    for part in parts:
        if isinstance(part, list):
            continue
        token, start = part
        if not isinstance(token, Comparison) and not token.match(Keyword, ["AND"]):
            _explain(token, start, text)
    return [
        _clause(part if isinstance(part, list) else _placed(part[0].tokens, part[1]))
        for part in parts
        if isinstance(part, list) or isinstance(part[0], Comparison)
    ]


def _placed(tokens: Sequence[Token], start: int) -> list[Placed]:
    """The tokens that are not white space, each with its place in the whole text."""
    found = []
    for token in tokens:
        if not token.is_whitespace:
            found.append((token, start))
        start += len(str(token))
    return found


def _joined(tokens: list[Placed]) -> list[Placed | list[Placed]]:
    """The tokens with those of IN, NOT IN, IS NULL and IS NOT NULL put together.

    It steps as MLflow's own function does: what it skips over is not looked at again.
    """
    found: list[Placed | list[Placed]] = []
    at = 0
    while at < len(tokens):
        window = [token for token, _ in tokens[at : at + 4]]
        if len(tokens) - at < 3:
            found += tokens[at:]
            break
        if not isinstance(window[0], Identifier):
            found.append(tokens[at])
            at += 1
            continue
        if window[1].match(Keyword, ["IN"]) and isinstance(window[2], Parenthesis):
            found.append(tokens[at : at + 3])
            at += 3
        elif window[1].match(Keyword, ["IS"]) and _null_word(window[2]):
            word = _word(f"IS {_null_word(window[2])}")
            found.append([tokens[at], (word, tokens[at + 1][1])])
            at += 3
        elif len(window) < 4:
            found += tokens[at:]
            break
        elif (
            window[1].match(Keyword, ["NOT"])
            and window[2].match(Keyword, ["IN"])
            and isinstance(window[3], Parenthesis)
        ):
            word = _word("NOT IN")
            found.append([tokens[at], (word, tokens[at + 1][1]), tokens[at + 3]])
            at += 4
        else:
            found += tokens[at : at + 4]
            at += 4
    return found


def _word(text: str) -> Token:
    return sqlparse.sql.Token(Keyword, text)  # type: ignore[no-untyped-call]


def _null_word(token: Token) -> str:
    if token.match(Keyword, ["NULL"]):
        return "NULL"
    is_not = token.ttype == Keyword and token.value.upper() == "NOT NULL"
    return "NOT NULL" if is_not else ""


def _clause(parts: list[Placed]) -> Clause:
    (left, left_at), (comparator, comparator_at) = parts[0], parts[1]
    end = parts[-1][1] + len(str(parts[-1][0]))
    if not isinstance(left, Identifier):
        raise FilterWrong(
            f"{left} is not the name of anything a run has.",
            left_at,
            left_at + len(str(left)),
            "Begin a comparison with metrics., params., tags., attributes. or datasets.",
        )
    kind, key = _identifier(left, left_at)
    word = comparator.value.upper()
    comparator_end = min(end, comparator_at + len(comparator.value))
    if len(parts) == 2:
        if word not in _NULLS:
            raise FilterWrong("This comparison has no value.", left_at, end)
        if kind not in ("params", "tags"):
            raise FilterWrong(
                f"Only params and tags can be compared with {word}.", comparator_at, comparator_end
            )
        return Clause(kind, key, word)
    if len(parts) != 3:
        raise FilterWrong("This is not one comparison with one value.", left_at, end)
    known = COMPARATORS[kind]
    if kind == "attributes":
        key = _ALIASES.get(key, key)
        known = _NUMBERS if key in NUMERIC_ATTRIBUTES else known
    if word not in known:
        what = f"attributes.{key}" if kind == "attributes" else kind
        raise FilterWrong(
            f"{comparator.value} does not compare {what}.",
            comparator_at,
            comparator_end,
            f"Use {', '.join(known[:-1])} or {known[-1]}.",
        )
    value = _value(kind, key, *parts[2])
    if isinstance(value, tuple) and word not in _LISTS:
        raise FilterWrong(f"{word} does not take a list.", comparator_at, end, "Use IN or NOT IN.")
    return Clause(kind, key, word, value)


def _identifier(token: Token, start: int) -> tuple[str, str]:
    text = token.value
    end = start + len(text)
    word, dot, key = text.partition(".")
    if not dot:
        word, key = "attribute", word
    kind = _KIND_OF.get(_bare(word, "`"))
    if kind is None:
        raise FilterWrong(
            f"{word} is none of metrics, params, tags, attributes, datasets.",
            start,
            start + len(word),
            _did_you_mean(word, list(_KIND_OF)),
        )
    key_start = start + len(word) + 1 if dot else start
    key = _bare(_bare(_bare(key, "'", '"'), "`"))
    if kind == "attributes" and key not in (*NUMERIC_ATTRIBUTES, *TEXT_ATTRIBUTES, *_ALIASES):
        known = [*TEXT_ATTRIBUTES, *NUMERIC_ATTRIBUTES]
        advice = f"There are {', '.join(known)}."
        if not dot:
            advice = f"Write metrics.{text}, params.{text} or tags.{text}, or an attribute."
        raise FilterWrong(f"{key} is not an attribute of a run.", key_start, end, advice)
    if kind == "datasets" and key not in DATASET_KEYS:
        raise FilterWrong(
            f"A dataset has no {key} to filter by.", key_start, end, "Use name, digest or context."
        )
    return kind, key


def _value(kind: str, key: str, token: Token, start: int) -> Any:
    end = start + len(str(token))
    is_time = kind == "attributes" and key in NUMERIC_ATTRIBUTES
    if kind == "metrics" or is_time:
        return _number(kind, key, token, start)
    if token.ttype == Literal.String.Single or isinstance(token, Identifier):
        text = str(token.value)
        if _bare(text, "'", '"') == text:
            raise FilterWrong(f"{text} has no quotes around it.", start, end, f"Write '{text}'.")
        return text[1:-1]
    if isinstance(token, Parenthesis) and (kind == "datasets" or key == "run_id"):
        return _list(token, start)
    if isinstance(token, Parenthesis):
        raise FilterWrong("Only run_id and datasets can be compared with a list.", start, end)
    text = str(token.value).strip()
    is_plain = not set(text) & set("'\"`()")
    raise FilterWrong(
        "This is not one text in quotes.", start, end, f"Write '{text}'." if is_plain else None
    )


def _number(kind: str, key: str, token: Token, start: int) -> float | int:
    end = start + len(str(token))
    what = "A metric" if kind == "metrics" else key
    if token.ttype not in _NUMBER_TOKENS:
        raise FilterWrong(f"{what} is compared with a number; this is none.", start, end)
    if kind == "metrics":
        return float(token.value)
    number = int(token.value) if token.ttype == Literal.Number.Integer else float(token.value)
    if abs(number) >= 2**63:
        raise FilterWrong("No time is as large as this.", start, end, "Times are in milliseconds.")
    return number


def _list(token: Token, start: int) -> tuple[str, ...]:
    end = start + len(str(token))
    try:
        found = ast.literal_eval(token.value)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise FilterWrong("This is not a list of texts in quotes.", start, end) from None
    found = found if isinstance(found, tuple) else (found,)
    if not found or not all(isinstance(item, str) for item in found):
        raise FilterWrong("This list must hold texts in quotes, at least one.", start, end)
    return found


def _bare(text: str, *quotes: str) -> str:
    """The text without the quotes around it, if there are any."""
    for quote in quotes or ("`",):
        if len(text) >= 2 and text.startswith(quote) and text.endswith(quote):
            return text[1:-1]
    return text


def _did_you_mean(word: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    close = get_close_matches(word.lower(), known, 1, 0.6)
    return f"Did you mean {close[0]}?" if close else None


def _explain(token: Token, start: int, text: str) -> NoReturn:
    """Say what is wrong with a token that is no comparison."""
    quote = _open_quote(text)
    if quote is not None:
        raise FilterWrong("This quote is never closed.", quote, len(text))
    said = str(token)
    end = start + len(said)
    if said.upper() == "OR":
        raise FilterWrong("MLflow's filters know AND, but not OR.", start, end)
    if said.upper() == "NOT":
        raise FilterWrong("NOT stands only before IN and NULL.", start, end, "Use != instead.")
    if isinstance(token, Parenthesis):
        raise FilterWrong("Comparisons cannot be put in parentheses.", start, end)
    if isinstance(token, Identifier):
        _explain_rest(said, start, end, text)
    raise FilterWrong(
        f"{said} does not belong here.",
        start,
        end,
        "Write comparisons joined by AND, as in metrics.loss < 0.1 and params.kind = 'a'.",
    )


def _explain_rest(name: str, start: int, end: int, text: str) -> None:
    """Say what is wrong behind a name, if that is where it is."""
    rest = text[end:]
    if not rest.strip():
        raise FilterWrong(
            f"{name} is compared with nothing.", start, end, "Add an operator and a value."
        )
    sign = re.match(r"\s*([=<>!~]+|(?:not\s+)?[a-z]+)\s*", rest, re.IGNORECASE)
    if sign is None or sign[1].upper() == "AND":
        return
    place = end + sign.start(1), end + sign.end(1)
    if not rest[sign.end() :]:
        raise FilterWrong("Here a value is missing.", *place, "Add a number, or text in quotes.")
    raise FilterWrong(
        f"{sign[1]} does not compare {name} with what follows.",
        *place,
        "Use =, !=, <, <=, >, >=, LIKE, ILIKE, IN ('…') or IS NULL.",
    )


def _open_quote(text: str) -> int | None:
    """Where a quote begins that nothing closes."""
    opened: int | None = None
    for at, letter in enumerate(text):
        if opened is None and letter in "'\"`":
            opened = at
        elif opened is not None and letter == text[opened]:
            opened = None
    return opened
