"""Addresses of pages of kinds: read, written again the same, and rubbish in them does no harm."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpi.boards.kinds.sessions import Column, Row, Table
from mlpi.boards.pages.hparams import _safe
from mlpi.boards.pages.table_view import Condition, TableView
from mlpi.boards.pages.view import Spot, View
from mlpi.errors import Invalid


def again(query: dict[str, Any]) -> dict[str, list[str]]:
    return parse_qs(urlencode(query, doseq=True))


def test_a_view_is_the_same_after_its_address() -> None:
    view = View(
        tags="a|b", step=-3, spots={"0a1b": Spot(5, 2), "ff": Spot(None, 1)}, page=3, size="actual"
    )
    assert View.of(again(view.query()), sizes=("", "actual")) == view
    assert View.of({}).query() == {}
    assert View.of(again(view.query(page=1)), sizes=("", "actual")).page == 1


@given(
    st.dictionaries(
        st.sampled_from(["tags", "step", "at", "page", "mode", "size"]), st.lists(st.text())
    )
)
def test_no_address_breaks_a_view(query: dict[str, list[str]]) -> None:
    view = View.of(query, modes=("", "heat"), sizes=("", "actual"))
    assert view.page >= 1
    assert view.mode in ("", "heat")
    assert View.of(again(view.query()), modes=("", "heat"), sizes=("", "actual")).step == view.step


def test_a_card_stays_where_it_was_put() -> None:
    view = View.of({"step": ["7"], "at": ["ab:3:1", "cd::2", "<:1:1", "x"]})
    assert view.spot("ab") == Spot(3, 1)
    assert view.spot("cd") == Spot(None, 2)
    assert view.spot("other") == Spot(7, 0)


@pytest.mark.parametrize(
    ("given_", "inside", "outside"),
    [
        ("0.1..0.5", [0.1, 0.3, 0.5], [0.09, 0.51, "0.3", True, None]),
        ("..3", [-1e9, 3.0], [3.1, None]),
        ("1e-3..", [0.001, 9e9], [0.0009]),
        ("-5..-1", [-3.0], [0.0]),
        (" 2 .. 4 ", [3.0], [5.0]),
        (".5...9", [0.7], [0.4, 1.0]),
        ("adam", ["adam"], ["Adam", "sgd", 1.0, None]),
        ("true", [True], [False, "x"]),
        ("0.10", [0.1], [0.2]),
    ],
)
def test_a_condition_is_a_range_or_a_value(
    given_: str, inside: list[Any], outside: list[Any]
) -> None:
    condition = Condition.of("hparam.a:b=c", given_)
    assert [value for value in inside if not condition.holds(value)] == []
    assert [value for value in outside if condition.holds(value)] == []


@pytest.mark.parametrize(
    "condition",
    [
        Condition.of("hparam.lr", "0.1..0.5"),
        Condition.of("hparam.x:y", "..3"),
        Condition.of("hparam.opt", "a:b"),
        Condition.of("metric.a/b", "adam"),
    ],
)
def test_a_condition_is_the_same_after_its_address(condition: Condition) -> None:
    assert Condition.read(condition.text) == condition


@pytest.mark.parametrize(("field", "given_"), [("", "1"), ("a", " "), ("a", "x..y"), ("a", "1..z")])
def test_a_condition_that_is_none_is_refused(field: str, given_: str) -> None:
    with pytest.raises(Invalid):
        Condition.of(field, given_)


def column(field: str) -> Column:
    return Column(field, field.split(".")[1], field.startswith("metric"), True, True)


def test_missing_values_come_last_whichever_way_rows_are_sorted() -> None:
    cells: list[dict[str, Any]] = [{"hparam.a": 2.0}, {}, {"hparam.a": "text"}, {"hparam.a": 1.0}]
    rows = [Row(f"r{number}", one, "", "", 0.0) for number, one in enumerate(cells)]
    table = Table([column("hparam.a")], rows, [])

    def order(**query: str) -> list[str]:
        view = TableView.of({name: [value] for name, value in query.items()})
        return [row.run for row in view.rows(table)]

    assert order() == ["r0", "r1", "r2", "r3"]
    assert order(dir="desc") == ["r3", "r2", "r1", "r0"]
    assert order(sort="hparam.a") == ["r3", "r0", "r2", "r1"]
    assert order(sort="hparam.a", dir="desc") == ["r2", "r0", "r3", "r1"]
    assert order(find="text") == ["r2"]
    assert order(find="^r[13]$") == ["r1", "r3"]


def test_few_of_many_columns_are_shown_until_some_are_picked() -> None:
    columns = [column(f"hparam.h{n}") for n in range(30)] + [
        column(f"metric.m{n}") for n in range(30)
    ]
    table = Table(columns, [], [])
    shown = TableView.of({}).columns(table)
    assert len([one for one in shown if one.is_metric]) == len(shown) / 2 == 8
    view = TableView.of({"pick": ["1"], "col": ["metric.m29", "hparam.h1", "hparam.none"]})
    assert [one.field for one in view.columns(table)] == ["hparam.h1", "metric.m29"]
    assert TableView.of({"pick": ["1"]}).columns(table) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_marked(text: str) -> None:
    assert _safe(text) == f"'{text}"
    assert _safe(-1.5) == -1.5
    assert _safe("plain") == "plain"
