"""Whether an expectation is one that Great Expectations would take, without asking it.

The same rules hold for what the page's form sends, the API gets and a file brings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from mlpi.checks.suites import conditions, vocabulary
from mlpi.checks.suites.vocabulary import Argument, ExpectationType, nearest
from mlpi.errors import Invalid

SEVERITIES = ("critical", "warning", "info")
PARAMETER = "$PARAMETER"
MAX_EXPECTATIONS = 1000
MAX_NOTES = 4000
MAX_ITEMS = 10_000

Expectation = dict[str, Any]

_KEYS = ("type", "kwargs", "id", "meta", "notes", "description", "severity")
# Written by other tools; nothing a later run depends on.
_IGNORED = ("rendered_content", "expectation_context", "success_on_last_run")
_CONDITION = ("row_condition", "condition_parser")
_FORMATS = ("BOOLEAN_ONLY", "BASIC", "COMPLETE", "SUMMARY")
_PARSERS = ("great_expectations", "great_expectations__experimental__", "pandas", "spark")
# The library refuses these two without a bound; the others it lets pass whatever comes.
_NEED_A_BOUND = ("expect_column_values_to_be_between", "expect_column_value_lengths_to_be_between")
_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "date": "an ISO date or time such as 2026-05-01",
}


def checked_all(raw: Any) -> list[Expectation]:
    """A suite's expectations, each with an id that no other has. Raises Invalid."""
    if not isinstance(raw, list):
        raise Invalid("The expectations must be a list.", field="expectations")
    if len(raw) > MAX_EXPECTATIONS:
        raise Invalid(
            f"{len(raw)} expectations are too many: a suite holds at most {MAX_EXPECTATIONS}.",
            advice="Split it by subject.",
            field="expectations",
        )
    found = [checked(one, at=index) for index, one in enumerate(raw)]
    seen: set[str] = set()
    for one in found:
        if one["id"] in seen:
            one["id"] = str(uuid4())
        seen.add(one["id"])
    return found


def checked(raw: Any, *, at: int | None = None) -> Expectation:
    """An expectation in the shape that the library writes: defaults left out, an id in.

    at: its index in a list, for the error's words. Raises Invalid, whose field is the argument's
    name, or its whole path when at is given.
    """
    complain = _complaints(raw, at)
    if not isinstance(raw, Mapping):
        raise complain("is not an object", "")
    kind = _type_of(raw, complain)
    for key in raw:
        if key not in _KEYS and key not in _IGNORED:
            raise complain(f"has a key {key!r} that is not known", key, nearest(str(key), _KEYS))
    kwargs = raw.get("kwargs")
    if not isinstance(kwargs, Mapping | None):
        raise complain("needs its arguments as an object", "kwargs")
    found: Expectation = {
        "type": kind.type,
        "kwargs": _checked_kwargs(kind, kwargs or {}, complain),
        "meta": _meta(raw, complain),
        "id": _id(raw.get("id"), complain),
        "severity": _severity(raw.get("severity"), complain),
    }
    notes = _notes(raw.get("notes"), complain)
    description = raw.get("description")
    if not isinstance(description, str | None):
        raise complain("needs its description as text", "description")
    return (
        found
        | ({"notes": notes} if notes else {})
        | ({"description": description} if description else {})
    )


def is_parameter(value: Any) -> bool:
    """Whether a value stands for one that is known only at run time."""
    return isinstance(value, Mapping) and set(value) == {PARAMETER}


Complain = Callable[..., Invalid]


def _complaints(raw: Any, at: int | None) -> Complain:
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    subject = "It" if at is None else f"Expectation {at + 1}"
    if at is not None and isinstance(kind, str):
        subject += f" ({kind[:80]})"
    path = "" if at is None else f"expectations[{at}]."

    def complain(what: str, field: str, advice: str = "") -> Invalid:
        return Invalid(f"{subject} {what}.", advice=advice or None, field=(path + field) or None)

    return complain


def _type_of(raw: Mapping[str, Any], complain: Complain) -> ExpectationType:
    name, known = raw.get("type"), vocabulary.load()
    if not isinstance(name, str):
        raise complain("has no type", "type", "Such as expect_column_values_to_not_be_null.")
    if name not in known:
        advice = nearest(name, known) or "The vocabulary lists all there are."
        raise complain(f"is of type {name[:80]!r}, which is no core expectation", "type", advice)
    return known[name]


def _checked_kwargs(
    kind: ExpectationType, kwargs: Mapping[str, Any], complain: Complain
) -> dict[str, Any]:
    names = [one.name for one in kind.arguments]
    found: dict[str, Any] = {}
    for name, value in kwargs.items():
        argument = kind.argument(name)
        if argument is not None:
            if value is not None:
                found[name] = _checked_value(argument, value, complain)
        elif name in _COMMON and (kind.takes_condition or name not in _CONDITION):
            if value is not None:
                found[name] = _COMMON[name](value, complain)
        else:
            known = (*names, *_CONDITION) if kind.takes_condition else names
            advice = nearest(str(name), known) or f"It has {', '.join(known)}."
            raise complain(f"has no argument {name!r}", str(name), advice)
    for argument in kind.arguments:
        if argument.is_required and argument.name not in found:
            raise complain(f"needs {argument.name}", argument.name, _sentence(argument))
    _check_together(kind, found, complain)
    # The library leaves out what is its default; so a suite reads back as it was written.
    for argument in kind.arguments:
        value = found.get(argument.name)
        if value == argument.default and isinstance(value, bool) == isinstance(
            argument.default, bool
        ):
            found.pop(argument.name, None)
    return found


def _check_together(kind: ExpectationType, found: Mapping[str, Any], complain: Complain) -> None:
    least, most = found.get("min_value"), found.get("max_value")
    if kind.type in _NEED_A_BOUND and least is None and most is None:
        raise complain("needs a smallest or a largest value", "min_value")
    if is_parameter(least) or is_parameter(most) or least is None or most is None:
        pass
    elif isinstance(least, str) != isinstance(most, str):
        raise complain("needs two numbers or two dates", "max_value")
    elif _order(least) > _order(most):
        raise complain(f"asks for at least {least} and at most {most}", "max_value")
    if kind.domain == "multicolumn" and len(found["column_list"]) < 2:
        raise complain("needs two columns or more", "column_list")
    pair = found.get("column_A"), found.get("column_B")
    if pair[0] is not None and pair[0] == pair[1]:
        raise complain("compares a column with itself", "column_B")
    if isinstance(found.get("strftime_format"), str):
        _check_strftime(found["strftime_format"], complain)
    if "quantile_ranges" in found and not is_parameter(found["quantile_ranges"]):
        _check_quantiles(found["quantile_ranges"], complain)


def _order(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    at = datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _checked_value(argument: Argument, value: Any, complain: Complain) -> Any:
    name = argument.name
    if argument.takes_parameter and is_parameter(value):
        if not isinstance(value[PARAMETER], str) or not value[PARAMETER]:
            raise complain(f"needs a name for the parameter of {name}", name)
        return dict(value)
    found = next((r for kind in argument.kinds if (r := _as(kind, value)) is not None), None)
    if found is None:
        wanted = " or ".join(_WORDS[kind] for kind in argument.kinds)
        raise complain(f"needs {wanted} as {name}, not {_shown(value)}", name)
    if argument.choices and found not in argument.choices:
        advice = f"Use {', '.join(argument.choices)}."
        raise complain(f"cannot have {_shown(value)} as {name}", name, advice)
    if isinstance(found, int | float) and not isinstance(found, bool):
        low, high = argument.minimum, argument.maximum
        if (low is not None and found < low) or (high is not None and found > high):
            bounds = f"from {low:g}" + (f" to {high:g}" if high is not None else " on")
            raise complain(f"needs {name} {bounds}, not {found:g}", name)
    if isinstance(found, str):
        _check_text(argument, found, complain)
    if isinstance(found, list):
        _check_list(argument, found, complain)
    return found


def _as(kind: str, value: Any) -> Any:
    """The value as one of this kind, or None when it is not."""
    if isinstance(value, bool):
        return value if kind == "boolean" else None
    if kind in ("number", "integer") and isinstance(value, int | float):
        if not math.isfinite(value) or (kind == "integer" and value != int(value)):
            return None
        return int(value) if kind == "integer" else value
    if kind == "date" and isinstance(value, str):
        return _iso(value)
    types: dict[str, type] = {"string": str, "array": list, "object": dict}
    return value if kind in types and isinstance(value, types[kind]) else None


def _iso(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _check_text(argument: Argument, text: str, complain: Complain) -> None:
    name = argument.name
    if not text and (argument.is_required or argument.max_length):
        raise complain(f"needs {name}", name, _sentence(argument))
    if argument.max_length is not None and len(text) > argument.max_length:
        raise complain(f"needs {name} of {argument.max_length} letter", name)
    if name == "regex":
        _check_regex(text, name, complain)


def _check_list(argument: Argument, items: Sequence[Any], complain: Complain) -> None:
    name = argument.name
    needs_one = argument.is_required or argument.least_items
    if needs_one and not items:
        raise complain(f"needs at least one item in {name}", name)
    if len(items) > MAX_ITEMS:
        raise complain(f"has {len(items)} items in {name}; at most {MAX_ITEMS} may be", name)
    is_text = argument.items == ("string",) or argument.is_column
    for position, item in enumerate(items, start=1):
        if is_text and not (isinstance(item, str) and item):
            raise complain(f"needs text as item {position} of {name}, not {_shown(item)}", name)
        if argument.items == ("array",) and not (isinstance(item, list) and len(item) == 2):
            raise complain(f"needs a pair as item {position} of {name}", name, 'Such as ["a", 1].')
        if name == "regex_list":
            _check_regex(item, name, complain)
    if argument.is_column and len(set(items)) != len(items):
        raise complain(f"names a column twice in {name}", name)


def _check_regex(text: str, name: str, complain: Complain) -> None:
    if "[[:" in text:  # a database's own notation, which Python's re warns about
        return
    try:
        re.compile(text)
    except re.error as error:
        raise complain(f"has no regular expression as {name}: {error}", name) from None


def _check_strftime(text: str, complain: Complain) -> None:
    try:
        now = datetime.now(UTC).strftime(text)
        datetime.strptime(now, text)  # noqa: DTZ007 - only whether it can be read
    except ValueError as error:
        raise complain(
            f"has no date format: {error}", "strftime_format", "Such as %Y-%m-%d."
        ) from None


def _check_quantiles(ranges: Mapping[str, Any], complain: Complain) -> None:
    advice = 'Such as {"quantiles": [0.5], "value_ranges": [[10, 20]]}.'
    quantiles, values = ranges.get("quantiles"), ranges.get("value_ranges")
    if set(ranges) != {"quantiles", "value_ranges"} or not (
        isinstance(quantiles, list) and isinstance(values, list)
    ):
        raise complain("needs the lists quantiles and value_ranges", "quantile_ranges", advice)
    if len(quantiles) != len(values):
        raise complain("needs one value range for each quantile", "quantile_ranges", advice)
    for quantile in quantiles:
        if _as("number", quantile) is None or not 0 <= quantile <= 1:
            raise complain("needs quantiles from 0 to 1", "quantile_ranges", advice)
    for pair in values:
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not is_pair or not all(x is None or _as("number", x) is not None for x in pair):
            raise complain("needs [smallest, largest] for each", "quantile_ranges", advice)
        if None not in pair and pair[0] > pair[1]:
            raise complain(f"has a value range the wrong way round: {pair}", "quantile_ranges")


def _format(value: Any, complain: Complain) -> Any:
    name = value.get("result_format") if isinstance(value, Mapping) else value
    if name not in _FORMATS:
        advice = f"Use {', '.join(_FORMATS)}."
        raise complain(f"cannot have {_shown(value)} as result_format", "result_format", advice)
    return value


def _flag(value: Any, complain: Complain) -> bool:
    if not isinstance(value, bool):
        raise complain("needs true or false as catch_exceptions", "catch_exceptions")
    return value


def _parser(value: Any, complain: Complain) -> str:
    if value not in _PARSERS:
        advice = f"Use {', '.join(_PARSERS)}."
        raise complain(f"cannot have {_shown(value)} as condition_parser", "row_condition", advice)
    return str(value)


def _condition(value: Any, complain: Complain) -> Any:
    trouble = conditions.trouble(value)
    if trouble:
        raise complain(f"has a row condition that {trouble}", "row_condition")
    return value


def _unsupported(value: Any, complain: Complain) -> Any:
    raise complain(
        "has windows, which only Great Expectations' cloud evaluates", "windows", "Leave them out."
    )


def _batch(value: Any, complain: Complain) -> str:
    if not isinstance(value, str):
        raise complain("needs text as batch_id", "batch_id")
    return value


_COMMON: dict[str, Callable[[Any, Complain], Any]] = {
    "row_condition": _condition,
    "condition_parser": _parser,
    "result_format": _format,
    "catch_exceptions": _flag,
    "batch_id": _batch,
    "windows": _unsupported,
}


def _meta(raw: Mapping[str, Any], complain: Complain) -> dict[str, Any]:
    meta = raw.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise complain("needs its meta as an object", "meta")
    return dict(meta)


def _id(value: Any, complain: Complain) -> str:
    if value is None or value == "":
        return str(uuid4())
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise complain(f"has {_shown(value)} as id, which is no UUID", "id") from None


def _severity(value: Any, complain: Complain) -> str:
    if value is None:
        return SEVERITIES[0]
    if value not in SEVERITIES:
        advice = f"Use {', '.join(SEVERITIES)}."
        raise complain(f"cannot have {_shown(value)} as severity", "severity", advice)
    return str(value)


def _notes(value: Any, complain: Complain) -> str | list[str]:
    lines = value if isinstance(value, list) else [value or ""]
    if not all(isinstance(line, str) for line in lines):
        raise complain("needs its notes as text", "notes")
    if sum(len(line) for line in lines) > MAX_NOTES:
        raise complain(f"has notes longer than {MAX_NOTES} letters", "notes")
    return value or ""


def _sentence(argument: Argument) -> str:
    text = argument.description.split("\n")[0].strip()
    return text if not text or text.endswith(".") else f"{text}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
