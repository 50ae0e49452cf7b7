"""Proposals: what a data engineer would keep, with the figures it rests on, and nothing twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlpi.checks.suites.proposing import Proposal, propose, regex_of
from mlpi.checks.suites.sentences import sentence, subject

ROWS = 178


def number(**more: Any) -> dict[str, Any]:
    return {
        "name": "alcohol",
        "type": "DOUBLE",
        "kind": "number",
        "missing": 0,
        "distinct": 126,
        "min": 11.03,
        "max": 14.83,
        "mean": 13.0006,
        "stdev": 0.8118,
        "quantiles": {"0.05": 11.66, "0.25": 12.36, "0.5": 13.05, "0.75": 13.68, "0.95": 14.22},
        "top": [[13.05, 6], [12.37, 6]],
    } | more


def whole(**more: Any) -> dict[str, Any]:
    return number(name="count", type="BIGINT", kind="integer", min=3, max=41) | more


def text(**more: Any) -> dict[str, Any]:
    return {
        "name": "title",
        "type": "VARCHAR",
        "kind": "text",
        "missing": 0,
        "distinct": ROWS,
        "top": [["a", 1], ["b", 1]],
        "length": {"min": 3, "max": 40, "mean": 12.5},
        "patterns": [["AAA AAAA", 0.1]],
        "samples": ["red wine", "white wine", "rosé"],
    } | more


def found(*columns: dict[str, Any], rows: int = ROWS) -> dict[str, Proposal]:
    """Proposals by their sentence, without those of the table."""
    proposals = propose({"row_count": rows, "columns": list(columns)})
    return {sentence(p.expectation): p for p in proposals if subject(p.expectation) != "table"}


def types(*columns: dict[str, Any], rows: int = ROWS) -> set[str]:
    return {one.expectation["type"] for one in found(*columns, rows=rows).values()}


def test_of_the_table() -> None:
    columns = [["alcohol", "DOUBLE"], ["colour", "VARCHAR"]]
    said = {sentence(p.expectation): p for p in propose({"row_count": ROWS}, columns)}
    assert set(said) == {
        "table: has the columns alcohol, colour, in this order",
        "table: has between 89 and 267 rows",
    }
    assert said["table: has between 89 and 267 rows"].evidence.startswith("178 rows;")


def test_of_a_measure() -> None:
    said = found(number())
    assert list(said) == [
        "alcohol: not missing",
        "alcohol: between 10.65 and 15.21",
        "alcohol: mean between 12.594 and 13.407",
        "alcohol: of one of the types DOUBLE, FLOAT, float64, Float64, float32",
    ]
    bounds = said["alcohol: between 10.65 and 15.21"]
    assert bounds.evidence == (
        "178 rows; smallest 11.03, largest 14.83; bounds widened by 10 % of the range."
    )
    assert bounds.expectation["severity"] == "critical"
    assert said["alcohol: mean between 12.594 and 13.407"].expectation["severity"] == "warning"
    assert said["alcohol: not missing"].evidence == "178 of 178 rows have a value."


def test_the_surest_come_first() -> None:
    profile = {"row_count": ROWS, "columns": [number(), text(), whole()]}
    order = [one.confidence for one in propose(profile, [["alcohol", "DOUBLE"]])]
    assert order == sorted(order, reverse=True)
    assert all(0 < one <= 1 for one in order)


@pytest.mark.parametrize(
    ("column", "bounds"),
    [
        (whole(min=3, max=41), "between 0 and 45"),  # -0.8 rounds out, but not below zero
        (whole(min=-5, max=41), "between -10 and 46"),
        (number(min=0.001, max=0.009), "between 0.0002 and 0.0098"),
        (number(min=5, max=5), "between 4.5 and 5.5"),
        (number(min=1e9, max=3e9), "between 800000000 and 3200000000"),
        (number(min=-3.5, max=-1.5), "between -3.7 and -1.3"),
    ],
)
def test_bounds_hold_what_was_seen(column: dict[str, Any], bounds: str) -> None:
    assert f"{column['name']}: {bounds}" in found(column)


def test_whole_numbers_have_whole_bounds() -> None:
    kwargs = [
        one.expectation["kwargs"]
        for one in found(whole()).values()
        if one.expectation["type"].endswith("values_to_be_between")
    ]
    assert [type(one["max_value"]) for one in kwargs] == [int]


def test_a_skewed_column_is_known_by_its_median() -> None:
    said = found(number(mean=40.0, stdev=50.0, max=900.0))
    assert any("median between 12.36 and 13.68" in one for one in said)
    assert not any("mean" in one for one in said)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (0, "alcohol: not missing"),
        (6, "alcohol: not missing in at least 95 % of rows"),
        (30, "alcohol: not missing in at least 82 % of rows"),
    ],
)
def test_what_is_missing_is_allowed_for(missing: int, said: str) -> None:
    assert said in found(number(missing=missing))


def test_mostly_missing_and_wholly_missing_columns_are_left_alone() -> None:
    assert not any("not missing" in one for one in found(number(missing=100)))
    assert found(number(missing=ROWS)) == {}


def test_a_few_values_are_a_set() -> None:
    colours = text(name="colour", distinct=2, top=[["red", 100], ["white", 78]])
    said = found(colours)
    assert said["colour: one of red, white"].evidence == "178 rows of only 2 values: red, white."
    # Not when some are seen once, when the profile has not all of them, or when they were cut.
    many = [["red", 177], ["white", 1]]
    assert "expect_column_values_to_be_in_set" in types(text(top=many))
    scarce = [[f"v{n}", 1] for n in range(9)] + [["red", 40 - 9]]
    assert "expect_column_values_to_be_in_set" not in types(text(top=scarce), rows=40)
    assert "expect_column_values_to_be_in_set" not in types(text(top=[["red", 100]]))
    assert "expect_column_values_to_be_in_set" not in types(text(top=[["x" * 200, ROWS]]))


def test_a_flag_of_numbers_is_a_set_and_has_no_bounds() -> None:
    flag = whole(distinct=2, top=[[1, 100], [0, 78]], min=0, max=1)
    assert "count: one of 0, 1" in found(flag)
    assert "expect_column_values_to_be_between" not in types(flag)


def test_a_key_is_unique_and_has_no_bounds() -> None:
    key = whole(name="order_id", is_unique=True, distinct=ROWS, min=1, max=ROWS)
    said = found(key)
    assert said["order_id: unique"].confidence > 0.8
    assert "its name is a key's" in said["order_id: unique"].evidence
    assert "expect_column_values_to_be_between" not in types(key)
    assert found(whole(is_unique=True))["count: unique"].confidence < 0.5
    assert "alcohol: unique" not in found(number(is_unique=True))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (["a@b.org", "c.d@e.net", "x@y.de"], r"matches ^[^@\s]+@[^@\s]+\.[^@\s]+$"),
        (["https://a.org", "http://b.net/x", "https://c.de"], r"matches ^https?://\S+$"),
        (["2026-05-01", "2025-12-31", "1999-01-10"], "dates as %Y-%m-%d"),
        (
            [f"7c9e667{n}-7425-40de-944b-e07fc1f90ae7" for n in "abc"],
            "matches ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        ),
    ],
)
def test_known_things_are_known_by_their_samples(samples: list[str], said: str) -> None:
    assert f"title: {said}" in found(text(samples=samples))


def test_a_dominant_shape_is_a_regular_expression() -> None:
    codes = text(patterns=[["AA-999", 1.0]], samples=["ab-123", "CD-456", "EF-789"])
    said = found(codes)
    one = said["title: matches ^[A-Za-z]{2}\\-[0-9]{3}$"]
    assert "100 % of the rows looked at have the shape AA-999" in one.evidence
    nearly = found(text(patterns=[["AA-999", 0.97]], samples=["ab-123", "CD-456", "EF-789"]))
    assert "title: matches ^[A-Za-z]{2}\\-[0-9]{3}$ in at least 96 % of rows" in nearly
    # Not when it is one of several shapes, or when its letters are not those of the pattern.
    others: list[dict[str, Any]] = [
        {"patterns": [["AA-999", 0.6]]},
        {"samples": ["äö-123", "éè-456", "ñç-789"]},
        {"length": {"min": 6, "max": 41, "mean": 7.0}},
    ]
    for other in others:
        assert "expect_column_values_to_match_regex" not in types(codes | other)


@pytest.mark.parametrize(
    ("shape", "regex"),
    [
        ("AA-999", r"^[A-Za-z]{2}\-[0-9]{3}$"),
        ("9.99", r"^[0-9]\.[0-9]{2}$"),
        ("A9A", "^[A-Za-z][0-9][A-Za-z]$"),
        ("AAAA", ""),
        ("AAA AAA", ""),
        ("", ""),
    ],
)
def test_a_shape_as_a_regular_expression(shape: str, regex: str) -> None:
    assert regex_of(shape) == regex
    assert regex == "" or re.fullmatch(regex, shape.replace("9", "7"))


def test_text_without_a_shape_has_lengths() -> None:
    assert "title: between 1 and 60" not in found(text())
    assert "title: length between 1 and 60" in found(text())
    assert "title: length exactly 8" in found(text(length={"min": 8, "max": 8, "mean": 8.0}))


def test_dates_have_a_beginning_and_may_be_in_order() -> None:
    day = {
        "name": "day",
        "type": "DATE",
        "kind": "date",
        "missing": 0,
        "min": "2026-01-01",
        "max": "2026-05-01",
        "is_sorted": "increasing",
    }
    assert set(found(day)) == {"day: not missing", "day: at least 2026-01-01", "day: increasing"}


def test_types_are_offered_and_not_urged() -> None:
    """Great Expectations alone judges them, on the whole table in memory."""
    (flag,) = (
        one
        for one in found({"name": "f", "type": "BOOLEAN", "kind": "boolean"}).values()
        if "type" in one.expectation["type"]
    )
    assert flag.expectation["kwargs"]["type_list"] == ["BOOLEAN", "bool", "boolean"]
    assert flag.confidence < 0.5
    # pandas makes whole numbers with missing ones among them another type.
    assert "expect_column_values_to_be_in_type_list" not in types(whole(missing=3))


def test_few_rows_make_nobody_sure() -> None:
    for one in found(number(), text(), rows=5).values():
        assert one.confidence <= 0.65


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"row_count": None, "columns": None},
        {"row_count": 0, "columns": [number()]},
        {"row_count": ROWS, "columns": [{}, {"name": "a"}, {"name": "b", "kind": "number"}, 3]},
        {"row_count": ROWS, "columns": [number(min=None, max=float("nan"), quantiles=None)]},
        {"row_count": ROWS, "columns": [text(top=None, samples=None, patterns=None)]},
    ],
)
def test_a_profile_may_lack_anything(profile: dict[str, Any]) -> None:
    for one in propose(profile):
        assert one.evidence.endswith(".")


def test_no_question_is_asked_twice() -> None:
    columns = [number(), whole(), text(), text(name="colour", top=[["red", ROWS]])]
    asked = [
        (p.expectation["type"], subject(p.expectation))
        for p in propose({"row_count": ROWS, "columns": columns})
    ]
    assert len(asked) == len(set(asked))
