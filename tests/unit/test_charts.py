"""What charts decide: looks, smoothing, addresses; and texts set side by side."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from mlpi.errors import Invalid
from mlpi.tracking.charts.choice import MAX_RUNS, Choice
from mlpi.tracking.charts.looks import looks
from mlpi.tracking.charts.service import smoothed
from mlpi.tracking.compared.lines import CONTEXT, side_by_side
from mlpi.tracking.runs.marks import Marks

IDS = [f"{number:032x}" for number in range(50)]


def test_fifty_runs_look_different() -> None:
    found = looks(IDS, dict.fromkeys(IDS, Marks()))
    assert max(Counter(found.values()).values()) == 1


def test_six_runs_have_six_colours_and_keep_those_somebody_chose() -> None:
    marks = Marks(colours={IDS[3]: 2, IDS[4]: 2})
    found = looks(IDS[:6], dict.fromkeys(IDS, marks))
    assert found[IDS[3]].colour == found[IDS[4]].colour == 2
    assert found[IDS[3]].dash != found[IDS[4]].dash
    assert len({found[id_].colour for id_ in IDS[:6]}) == 5
    plain = looks(IDS[:6], dict.fromkeys(IDS, Marks()))
    assert {(look.colour, look.dash) for look in plain.values()} == {(n, 0) for n in range(1, 7)}


def test_a_run_keeps_the_colour_it_has_in_the_table() -> None:
    found = looks(IDS[:1], dict.fromkeys(IDS, Marks()))
    assert found[IDS[0]].colour == Marks().colour_of(IDS[0])


def test_smoothing_begins_at_the_first_value_and_steps_over_gaps() -> None:
    assert smoothed([4.0, 4.0, 4.0], 0.9) == pytest.approx([4, 4, 4])
    found = smoothed([1.0, math.nan, 3.0], 0.5)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx((0.25 * 1 + 0.5 * 3) / 0.75)
    assert smoothed([1.0, 2.0], 0) == [1.0, 2.0]


def test_an_address_says_it_all() -> None:
    query = {
        "runs": ["a,b"],
        "kind": ["scatter"],
        "key": ["loss", "val/loss"],
        "x": ["relative"],
        "smooth": ["0.6"],
        "log": ["1"],
        "clip": ["1"],
        "sx": ["params.depth"],
        "sy": ["metrics.loss"],
        "axis": ["params.depth", "metrics.loss"],
    }
    choice = Choice.of(query)
    again = {k: v if isinstance(v, list) else [v] for k, v in choice.query().items()}
    assert Choice.of(again) == choice
    assert choice.smoothing == 0.6
    assert [field and field.text for field in choice.point] == [
        "params.depth",
        "metrics.loss",
        None,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pie"},
        {"x": "epoch"},
        {"smooth": "1"},
        {"smooth": "nan"},
        {"smooth": "much"},
        {"sx": "tags.owner"},
        {"axis": "loss"},
        {"runs": ""},
    ],
)
def test_a_wrong_address_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        Choice.of({"runs": ["a"]} | {name: [value] for name, value in wrong.items()})


def test_too_many_runs_are_cut_and_counted() -> None:
    choice = Choice.of({"runs": [",".join(f"r{n}" for n in range(MAX_RUNS + 7))]})
    assert len(choice.ids) == MAX_RUNS
    assert choice.left_out == 7


def test_lines_stand_beside_what_they_replace() -> None:
    rows = side_by_side(["a\nb\nc", "a\nB\nc\nd"])
    assert [row.cells for row in rows] == [("a", "a"), ("b", "B"), ("c", "c"), (None, "d")]
    assert [row.differs for row in rows] == [False, True, False, True]
    assert rows[3].numbers == (None, 4)


def test_three_texts_stand_beside_the_first() -> None:
    rows = side_by_side(["a\nc", "a\nb\nc", "c"])
    assert [row.cells for row in rows] == [("a", "a", None), (None, "b", None), ("c", "c", "c")]


def test_every_line_of_every_text_is_shown_or_skipped_as_equal() -> None:
    texts = ["\n".join(f"line {n}" for n in range(100)) for _ in range(2)]
    texts[1] = texts[1].replace("line 50", "other").replace("line 70\n", "")
    rows = side_by_side(texts)
    assert [row.cells for row in rows if row.differs] == [("line 50", "other"), ("line 70", None)]
    assert sum(row.skipped or 1 for row in rows) == 100
    assert rows[0].skipped == 50 - CONTEXT
    assert [row.skipped for row in side_by_side(["x\ny", "x\ny"])] == [2]
