"""Curves are thinned, grouped and chosen as their docstrings promise."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpi.boards.choice import Choice
from mlpi.boards.curves.grouping import PLACES, band, groups
from mlpi.boards.curves.service import packed, points_of_curve
from mlpi.boards.curves.thinning import thinned
from mlpi.boards.curves.view import View
from mlpi.boards.looks import COLOURS, DASHES, looks
from mlpi.boards.patterns import compiled, matching
from mlpi.boards.reader.columns import Points
from mlpi.errors import Invalid
from tests.boards_runs import run_of, shown_of

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])


def points_of(values: list[float], steps: list[int] | None = None) -> Points:
    at = np.arange(len(values)) if steps is None else np.array(steps, np.int64)
    return Points(at.astype(np.int64), 1.79e9 + at * 0.5, np.array(values, np.float32))


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@given(st.lists(NUMBERS, min_size=1, max_size=400), st.sampled_from([4, 8, 10, 50]))
@settings(deadline=None)
def test_each_bucket_keeps_its_least_most_and_what_is_not_finite(
    values: list[float], limit: int
) -> None:
    points = points_of(values)
    curve = thinned(points, "step", limit)
    kept = curve.steps.tolist()
    assert kept == sorted(set(kept))
    assert all(same(curve.values[n], points.values[step]) for n, step in enumerate(kept))
    assert curve.total == len(values)
    if len(values) <= limit:
        assert kept == list(range(len(values)))
        assert curve.means is None
        return
    assert {0, len(values) - 1} <= set(kept)
    buckets = limit // 2 - 1
    begins = [n * len(values) // buckets for n in range(buckets)]
    assert curve.means is not None
    for begin, end in zip(begins, [*begins[1:], len(values)], strict=True):
        bucket = points.values[begin:end]
        finite = bucket[np.isfinite(bucket)]
        of_bucket = [n for n, step in enumerate(kept) if begin <= step < end]
        mine = curve.values[of_bucket]
        for test in (np.isnan, np.isposinf, np.isneginf):
            first = np.flatnonzero(test(bucket))
            assert not len(first) or begin + int(first[0]) in kept
        if len(finite):
            assert finite.min() in mine
            assert finite.max() in mine
            mean = finite.astype(np.float64).mean()
            assert np.allclose(curve.means[of_bucket], mean, rtol=1e-6, atol=1e-6)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=3000))
@settings(deadline=None, max_examples=40)
def test_finite_curves_have_no_more_points_than_allowed(values: list[float]) -> None:
    assert len(thinned(points_of(values), "step", 100).steps) <= 100


def test_points_lie_in_the_order_of_their_axis() -> None:
    points = Points(
        np.array([3, 1, 2, 2], np.int64),
        np.array([10.0, 40.0, 20.0, 30.0]),
        np.array([0.3, 0.1, 0.2, 0.25], np.float32),
    )
    assert thinned(points, "step", 1000).steps.tolist() == [1, 2, 2, 3]
    assert thinned(points, "step", 1000).times.tolist() == [40, 20, 30, 10]
    assert thinned(points, "time", 1000).steps.tolist() == [3, 2, 2, 1]
    assert thinned(points, "relative", 1000).start == 10


def test_a_window_shows_what_was_left_out_with_a_neighbour_on_either_side() -> None:
    points = points_of([math.sin(n) for n in range(10_000)])
    whole = thinned(points, "step", 100).steps
    part = thinned(points, "step", 100, (5000, 5050)).steps
    assert ((whole >= 5000) & (whole <= 5050)).sum() < 5
    assert part.tolist() == list(range(4999, 5052))
    seconds = thinned(points, "relative", 100, (2500.0, 2510.0)).steps
    assert seconds.tolist() == list(range(4999, 5022))


def test_a_curve_is_sent_with_what_json_cannot_hold_by_name() -> None:
    curve = thinned(points_of([1.5, math.nan, -math.inf, 0.1]), "step", 1000)
    sent = orjson.loads(packed(curve))
    assert sent["s"] == [0, 1, 2, 3]
    assert sent["v"] == [1.5, None, None, 0.1]  # shortest float32, not 0.10000000149
    assert sent["o"] == [[1, "NaN"], [2, "-Infinity"]]
    assert sent["n"] == 4
    assert "m" not in sent


def test_many_runs_share_the_points_of_a_chart() -> None:
    found = [points_of_curve(runs) for runs in (0, 1, 60, 61, 200, 1000, 10**6)]
    assert found == [1000, 1000, 1000, 500, 250, 50, 50]


def test_curves_of_the_same_places_are_averaged_there() -> None:
    made = band([points_of([1, 2, 3]), points_of([3, 4])], "step")
    assert made is not None
    assert made.at.tolist() == [0, 1, 2]
    assert made.mean.tolist() == [2, 3, 3]
    assert made.low.tolist() == [1, 2, 3]
    assert made.high.tolist() == [3, 4, 3]
    assert made.deviation.tolist() == [1, 1, 0]
    assert made.runs.tolist() == [2, 2, 1]


def test_between_its_points_a_run_is_a_straight_line_and_beyond_them_nothing() -> None:
    made = band([points_of([0, 10], [0, 10]), points_of([5, 5], [5, 20])], "step")
    assert made is not None
    assert made.at.tolist() == [0, 5, 10, 20]
    assert made.mean.tolist() == [0, 5, 7.5, 5]
    assert made.runs.tolist() == [1, 2, 2, 1]


def test_what_is_not_finite_counts_for_nothing_in_a_band() -> None:
    made = band([points_of([1, math.nan, 3]), points_of([3, math.inf, 5])], "step")
    assert made is not None
    assert made.mean.tolist() == [2, 4]
    assert band([points_of([math.nan])], "step") is None


@given(st.integers(600, 4000), st.integers(1, 4), st.integers(0, 100))
@settings(deadline=None, max_examples=20)
def test_a_band_of_long_curves_lies_within_them(count: int, runs: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    curves = [points_of((dice.random(count) + n).tolist()) for n in range(runs)]
    made = band(curves, "step")
    assert made is not None
    assert len(made.at) <= PLACES
    assert (made.low <= made.mean + 1e-9).all()
    assert (made.mean <= made.high + 1e-9).all()
    whole = np.concatenate([one.values for one in curves]).mean()
    assert abs(made.mean.mean() - whole) < 0.1


def test_runs_are_grouped_by_folder_or_by_what_a_regex_captures() -> None:
    names = ["a/lr-1/s1", "a/lr-1/s2", "a/lr-10/s1", "a/lr-2/s1", "top"]
    assert groups("folder", names) == {
        "(workspace)": ["top"],
        "a/lr-1": names[:2],
        "a/lr-2": [names[3]],
        "a/lr-10": [names[2]],
    }
    assert list(groups("top", names)) == ["a", "top"]
    assert groups(r"~/(s\d)", names) == {
        "s1": [names[0], names[2], names[3]],
        "s2": [names[1]],
    }
    assert list(groups("~lr-1", names)) == ["lr-1"]
    with pytest.raises(Invalid, match="not a regular expression"):
        groups("~(", names)


# --- which runs ---------------------------------------------------------------------------------


def test_the_longest_path_decides_whether_a_run_is_shown() -> None:
    choice = Choice.of({"hide": ["/", "a/b/c"], "show": ["a/", "x"]})
    shown = {name: choice.is_ticked(name) for name in ("a/b/c", "a/b/d", "a", "x", "x/y", ".")}
    assert shown == {"a/b/c": False, "a/b/d": True, "a": False, "x": True, "x/y": False, ".": False}


def test_named_runs_alone_are_shown_and_the_address_stays_short() -> None:
    choice = Choice.of({"run": ["a/b", "c"], "ink": ["3:c", "9:c", "x"]})
    assert choice.chosen(["a/b", "a/c", "c"]) == ["a/b", "c"]
    assert choice.text == "hide=%2F&show=a%2Fb&show=c&ink=3%3Ac"
    assert Choice.of({}).text == ""


@given(
    st.lists(st.text("ab/", min_size=1, max_size=6), max_size=6),
    st.lists(st.text("ab/", min_size=1, max_size=6), max_size=6),
    st.text("ab/", min_size=1, max_size=8),
)
def test_any_paths_give_an_answer_that_their_address_repeats(
    hide: list[str], show: list[str], name: str
) -> None:
    choice = Choice.of({"hide": hide, "show": show})
    again = Choice.of(choice.query())
    assert choice.is_ticked(name) is again.is_ticked(name)


def test_filters_find_without_capitals_and_say_what_is_wrong() -> None:
    pattern = compiled(r"LR-0\.1", field="runs")
    assert matching(pattern, ["a/lr-0.1", "a/lr-001"], field="runs") == {"a/lr-0.1"}
    with pytest.raises(Invalid, match="unterminated character set at position 2"):
        compiled("a|[b", field="runs")


@pytest.mark.parametrize(
    "text", ["(a+)+$", "((a*)*)*", "(a?){60}a{60}", "(a|aa)+$", "a*a*a*a*a*b", "(.*,){20}x"]
)
def test_filters_that_could_run_for_minutes_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="very long"):
        compiled(text, field="runs")


@pytest.mark.parametrize(
    "text", [r"^exp/.*seed-(0|1)$", r".*a.*b", r"(?:ab)+c?", r"lr-[\d.]+", r"x{2,50}", r"(?i)a|b"]
)
def test_filters_as_people_write_them_are_not(text: str) -> None:
    compiled(text, field="runs")


def test_a_new_run_changes_no_other_runs_look() -> None:
    old = [run_of(f"r{number}", born=1_790_000_000 + number) for number in range(20)]
    before = looks(old, {})
    after = looks([run_of("a-new-one", born=1_800_000_000), *old], {"r3": 5})
    assert len(set(before.values())) == 20 <= COLOURS * len(DASHES)
    assert {name for name in before if before[name] != after[name]} == {"r3"}
    assert after["r3"].colour == 5


def test_views_are_read_from_addresses_and_written_back() -> None:
    query = {"x": ["relative"], "smooth": ["0.6"], "log": ["1"], "pin": ["b", "a", "b"]}
    view = View.of(query)
    assert view.pins == ("b", "a")
    assert View.of({k: v if isinstance(v, list) else [v] for k, v in view.query().items()}) == view
    for name, text in (("x", "banana"), ("smooth", "1"), ("smooth", "nan"), ("group", "~(")):
        with pytest.raises(Invalid):
            View.of({name: [text]})


def test_the_tree_joins_lonely_folders_and_sorts_as_people_count() -> None:
    root = shown_of(["a/b/run-10", "a/b/run-2", "c", "d/e", "d/f/g"])
    assert [folder.label for folder in root.folders] == ["a/b", "d"]
    assert [leaf.label for leaf in root.folders[0].leaves] == ["run-2", "run-10"]
    assert [leaf.label for leaf in root.leaves] == ["c"]
    assert len(root.every) == 5
