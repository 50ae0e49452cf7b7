"""An expectation as a form's fields, and back. All of it works without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mlpi.checks.suites import conditions
from mlpi.checks.suites.rules import SEVERITIES, Expectation, checked, is_parameter
from mlpi.checks.suites.vocabulary import Argument, ExpectationType
from mlpi.errors import Invalid

PREFIX = "arg."  # before an argument's name in its field's name
_LONG = ("query", "schema", "object", "ranges")
_CONDITION_KINDS = ("comparison", "nullity")


@dataclass(frozen=True, slots=True)
class Control:
    """One field: how it looks, and the text in it."""

    argument: Argument
    look: str  # "line", "number", "choice", "column", "lines", "area"
    text: str
    options: Sequence[tuple[str, str]] = ()

    @property
    def name(self) -> str:
        return PREFIX + self.argument.name

    @property
    def label(self) -> str:
        return self.argument.title.strip()

    @property
    def hint(self) -> str:
        """What to write, where the look of it does not say."""
        if self.look == "lines":
            return (
                "One a line." if "array" not in self.argument.items else "A pair a line, as JSON."
            )
        if "object" in self.argument.kinds:
            return "As JSON."
        if "date" in self.argument.kinds:
            return "A number or a date."
        return ""


def controls(kind: ExpectationType, values: Mapping[str, str]) -> list[Control]:
    """The fields of an expectation's arguments with these texts in them; mostly comes last."""
    return [_control(one, values.get(PREFIX + one.name, "")) for one in kind.arguments]


def blank(kind: ExpectationType, column: str = "") -> dict[str, str]:
    """The texts of a form for a new expectation; column: what it is probably about."""
    first = next((one for one in kind.arguments if one.is_column), None)
    found = {PREFIX + first.name: column} if first and column else {}
    return {"severity": SEVERITIES[0], **found}


def texts_of(kind: ExpectationType, expectation: Expectation) -> dict[str, str]:
    """The texts of a form for an expectation that is there."""
    kwargs = expectation["kwargs"]
    found = {
        PREFIX + one.name: _text_of(one, kwargs[one.name])
        for one in kind.arguments
        if one.name in kwargs
    }
    notes = expectation.get("notes", "")
    found["notes"] = "\n".join(notes) if isinstance(notes, list) else notes
    found["severity"] = expectation["severity"]
    found["description"] = expectation.get("description", "")
    return found | _condition_texts(kwargs.get("row_condition"))


def expectation_of(
    kind: ExpectationType, form: Mapping[str, str], before: Expectation | None = None
) -> Expectation:
    """What a form asks for. before: what it changes, whose id and other facts stay.

    Raises Invalid, whose field is the argument's name.
    """
    kwargs = {
        name: one
        for name, one in (before["kwargs"] if before else {}).items()
        if name in ("result_format", "catch_exceptions", "batch_id", "condition_parser")
    }
    for argument in kind.arguments:
        value = _value_of(argument, form.get(PREFIX + argument.name, ""))
        if value is not None:
            kwargs[argument.name] = value
    condition = _condition_of(form) if kind.takes_condition else None
    if condition is not None:
        kwargs["row_condition"] = condition
    if not isinstance(condition, str):
        kwargs.pop("condition_parser", None)
    return checked(
        {
            "type": kind.type,
            "kwargs": kwargs,
            "severity": form.get("severity") or None,
            "notes": form.get("notes", "").replace("\r\n", "\n").strip(),
            "description": form.get("description", "").strip(),
            "id": before["id"] if before else None,
            "meta": before["meta"] if before else {},
        }
    )


def scalar(text: str) -> Any:
    """A number, true, false, null or "quoted text" as JSON has it; everything else is text."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, list | dict) else value


def _control(argument: Argument, text: str) -> Control:
    if _parameter(text) is not None:
        return Control(argument, "line", text)
    if argument.choices:
        words = [(one, one.replace("_", " ")) for one in argument.choices]
        chosen = text or str(argument.default or "")
        return Control(argument, "choice", chosen, words)
    if argument.kinds == ("boolean",):
        options = [("true", "yes"), ("false", "no")]
        if argument.default is None:
            options.insert(0, ("", "not said"))
        chosen = text or ("" if argument.default is None else json.dumps(argument.default))
        return Control(argument, "choice", chosen, options)
    if "array" in argument.kinds:
        return Control(argument, "lines", text)
    if "object" in argument.kinds or argument.name.endswith(_LONG):
        return Control(argument, "area", text)
    if argument.is_column:
        return Control(argument, "column", text)
    is_number = set(argument.kinds) <= {"number", "integer"}
    return Control(argument, "number" if is_number else "line", text)


def _text_of(argument: Argument, value: Any) -> str:
    if isinstance(value, list) and "array" in argument.kinds:
        return _lines_of(argument, value)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _lines_of(argument: Argument, items: Sequence[Any]) -> str:
    if _is_all_text(argument):
        is_odd = any(one != one.strip() or "\n" in one or not one for one in items)
        if is_odd or (items and items[0].startswith("[")):
            return json.dumps(items, ensure_ascii=False)
        return "\n".join(items)
    return "\n".join(_line_of(one) for one in items)


def _line_of(item: Any) -> str:
    if isinstance(item, str):
        is_plain = scalar(item) == item and item == item.strip() and item.isprintable()
        if is_plain and item and not item.startswith(("[", '"')):
            return item
    return json.dumps(item, ensure_ascii=False)


def _value_of(argument: Argument, text: str) -> Any:
    """The text as the argument's value; what is no such value is left for the rules to refuse."""
    if not text.strip():
        return None
    parameter = _parameter(text)
    if parameter is not None:
        return parameter
    kinds = argument.kinds
    if "array" in kinds:
        return _items_of(argument, text)
    if "object" in kinds:
        return _json(argument.name, text)
    if "boolean" in kinds and text.strip() in ("true", "false"):
        return text.strip() == "true"
    if "number" in kinds or "integer" in kinds:
        value = scalar(text.strip())
        return value if isinstance(value, int | float) else text.strip()
    return text.replace("\r\n", "\n")


def _items_of(argument: Argument, text: str) -> list[Any]:
    is_text = _is_all_text(argument)
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            found = None
        # A regular expression may look like a list, such as [1].
        if isinstance(found, list) and not (is_text and any(not isinstance(x, str) for x in found)):
            is_one_pair = argument.items == ("array",) and not all(
                isinstance(one, list) for one in found
            )
            return [found] if is_one_pair else found
    lines = [line.rstrip("\r") for line in text.split("\n")]
    lines = [line for line in lines if line.strip()]
    if is_text:
        return lines
    if argument.items == ("array",):
        return [_json(argument.name, line) for line in lines]
    return [scalar(line.strip()) for line in lines]


def _is_all_text(argument: Argument) -> bool:
    return argument.items == ("string",) or argument.is_column


def _parameter(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if is_parameter(value) else None


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{name} is not JSON: {error}.", field=name) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _condition_texts(condition: Any) -> dict[str, str]:
    if condition is None:
        return {}
    if isinstance(condition, str):
        return {"where_other": condition}
    if condition["type"] not in _CONDITION_KINDS:
        return {"where_other": json.dumps(condition, ensure_ascii=False)}
    column = condition["column"]["name"]
    if condition["type"] == "nullity":
        said = next(k for k, v in conditions.NULLITY.items() if v == condition["is_null"])
        return {"where_column": column, "where_operator": said, "where_value": ""}
    parameter = condition["parameter"]
    items = parameter if isinstance(parameter, list) else [parameter]
    return {
        "where_column": column,
        "where_operator": condition["operator"],
        "where_value": "\n".join(_line_of(one) for one in items),
    }


def _condition_of(form: Mapping[str, str]) -> Any:
    column, operator = form.get("where_column", ""), form.get("where_operator", "")
    text, other = form.get("where_value", "").strip(), form.get("where_other", "").strip()
    if not column.strip():
        if text:
            raise Invalid("Name the column that the condition is about.", field="row_condition")
        return _json("row_condition", other) if other.startswith("{") else other or None
    if operator not in conditions.OPERATORS and operator not in conditions.NULLITY:
        raise Invalid("Choose how the column is compared.", field="row_condition")
    if operator in conditions.NULLITY:
        return conditions.comparison(column, operator, None)
    values = [scalar(line.strip()) for line in text.splitlines() if line.strip()]
    if not values:
        raise Invalid("Give the value that the column is compared with.", field="row_condition")
    if operator in ("IN", "NOT_IN"):
        return conditions.comparison(column, operator, values)
    return conditions.comparison(column, operator, values[0] if len(values) == 1 else text)
