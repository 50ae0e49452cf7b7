"""Which rows an expectation is about: Great Expectations' condition objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")
NULLITY = {"is null": True, "is not null": False}
MAX_CONDITIONS = 100

_SAID = {"==": "is", "!=": "is not", "IN": "in", "NOT_IN": "not in"}


def trouble(value: Any) -> str:
    """What is wrong with a row condition, to follow "that"; empty when nothing is.

    Strings are of the library's old notation; it still takes them, and judges them itself.
    """
    if isinstance(value, str):
        return "" if value.strip() else "is empty"
    try:
        if _count(value) > MAX_CONDITIONS:
            return f"has more than {MAX_CONDITIONS} parts"
        return _trouble(value, within="")
    except RecursionError:
        return "is nested too deeply"


def words(value: Any) -> str:
    """A row condition to read, such as 'colour is red and alcohol > 11'."""
    if isinstance(value, str):
        return value
    kind = value.get("type")
    if kind == "pass_through":
        return str(value["pass_through_filter"])
    if kind in ("and", "or"):
        return f" {kind} ".join(words(one) for one in value["conditions"])
    column = value["column"]["name"]
    if kind == "nullity":
        return f"{column} is {'' if value['is_null'] else 'not '}missing"
    parameter = value["parameter"]
    if isinstance(parameter, list):
        parameter = ", ".join(str(one) for one in parameter)
    return f"{column} {_SAID.get(value['operator'], value['operator'])} {parameter}"


def comparison(column: str, operator: str, parameter: Any) -> dict[str, Any]:
    """A condition of one column, as the library writes it; operator may also be of NULLITY."""
    subject = {"name": column}
    if operator in NULLITY:
        return {"column": subject, "is_null": NULLITY[operator], "type": "nullity"}
    return {
        "column": subject,
        "operator": operator,
        "parameter": parameter,
        "type": "comparison",
    }


def _count(value: Any) -> int:
    parts = value.get("conditions") if isinstance(value, Mapping) else None
    return sum(_count(one) for one in parts) if isinstance(parts, list) else 1


def _trouble(value: Any, within: str) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind in ("and", "or"):
        if kind == "or" and within:
            return "has an or inside another condition; only the outermost may be one"
        parts = value.get("conditions")
        if not isinstance(parts, list) or not parts:
            return f"joins nothing by {kind}"
        return next((said for one in parts if (said := _trouble(one, str(kind)))), "")
    if kind == "pass_through":
        return "" if isinstance(value.get("pass_through_filter"), str) else "has no filter text"
    if kind not in ("comparison", "nullity"):
        return "is neither a comparison nor a nullity, and, or, pass_through"
    column = value.get("column")
    if not isinstance(column, Mapping) or not column.get("name"):
        return "names no column"
    if kind == "nullity":
        return "" if isinstance(value.get("is_null"), bool) else "does not say is_null"
    return _trouble_of(value.get("operator"), value.get("parameter"))


def _trouble_of(operator: Any, parameter: Any) -> str:
    if operator not in OPERATORS:
        return f"has an operator other than {', '.join(OPERATORS)}"
    if parameter is None:
        return "compares with nothing; use is null or is not null for missing values"
    if operator in ("IN", "NOT_IN"):
        if not isinstance(parameter, list) or not parameter or None in parameter:
            return f"needs a list of values for {operator}"
        kinds = {_kind(one) for one in parameter}
        return (
            ""
            if len(kinds) == 1 and "" not in kinds
            else f"needs all text or all numbers for {operator}"
        )
    return "" if isinstance(parameter, str | int | float) else "compares with a list or an object"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else ""
