"""Views as addresses, groups as filters, marks, and the places of errors."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from mlpi.auth.audit import Actor
from mlpi.auth.roles import Principal, Role
from mlpi.errors import Forbidden, Invalid, NotFound
from mlpi.house import House
from mlpi.tracking.runs.filter import FilterWrong, is_filter, parse
from mlpi.tracking.runs.marks import MAX_PINNED, Marks
from mlpi.tracking.runs.saved import MAX_VIEWS, SavedViews
from mlpi.tracking.runs.service import spot
from mlpi.tracking.runs.view import Field, View, inside

# The wrong part stands between [[ and ]].
SPOTS = (
    ("metrics.loss < [['a']]", "number"),
    ("metrics.loss < 1 [[or]] params.a = 'b'", "not OR"),
    ("metrics.loss [[LIKE]] 'a'", "does not compare"),
    ("[[foo]].bar = 'x'", "none of"),
    ("[[metrixs]].loss > 1", "Did you mean metrics?"),
    ("metrics.a > 1 and attributes.[[name]] = 'x'", "not an attribute"),
    ("[[loss]] > 1", "Write metrics.loss"),
    ("params.a = [[adam]]", "quotes"),
    ("params.a = [[10]]", "quotes"),
    ("datasets.[[size]] = '1'", "digest"),
    ("run_name IN [[('a')]]", "list"),
    ("run_id IN [[(1)]]", "texts in quotes"),
    ("run_id [[= ('a')]]", "does not take a list"),
    ("metrics.loss [[IS NULL]]", "params and tags"),
    ("[[(metrics.loss > 1)]]", "parentheses"),
    ("params.a = 'b' and [[metrics.loss]]", "compared with nothing"),
    ("start_time > [[99999999999999999999]]", "milliseconds"),
    ("params.a = [['b]]", "never closed"),
    ("params.b = 'c' and metrics.loss [[>]]", "value is missing"),
    ("params.a [[NOT LIKE]] 'b'", "does not compare"),
    ("metrics.loss [[BETWEEN]] 0 AND 1", "does not compare"),
    ("params.a = [['b' + 'c']]", "not one text"),
)


@pytest.mark.parametrize(("marked", "words"), SPOTS)
def test_an_error_points_at_its_place(marked: str, words: str) -> None:
    start = marked.index("[[")
    end = marked.index("]]") - 2
    text = marked.replace("[[", "").replace("]]", "")
    assert is_filter(text)
    with pytest.raises(FilterWrong) as caught:
        parse(text)
    error = caught.value
    assert text[error.start : error.end] == text[start:end]
    assert words in error.line()


def test_words_are_no_filter() -> None:
    for text in ("cnn deep", "I like it", "one in two", "and or not", ""):
        assert not is_filter(text), text
    for text in ("metrics.loss", "a=b", "x IS NULL", "run_id in ('a')", "tags.a LIKE x"):
        assert is_filter(text), text


def test_a_place_in_a_long_filter_is_cut_out() -> None:
    text = "params.a = 'b' and " * 20 + "metrics.x > 'y'" + " and params.c = 'd'" * 20
    with pytest.raises(FilterWrong) as caught:
        parse(text)
    before, wrong, behind = spot(text, caught.value)
    assert wrong == "'y'"
    assert before.endswith("metrics.x > ")
    assert len(before + wrong + behind) < 80


@pytest.mark.parametrize(
    "query",
    [
        "",
        "q=metrics.loss+%3C+1&col=metrics.a.b&col=params.x+y&sort=params.d&dir=desc",
        "state=FAILED&since=24h&dataset=d&group=tags.team&flat=1&stage=deleted&hidden=1&size=100",
        "sort=metrics.loss&dir=asc&open=a%2Cb&after=abc&view=7",
    ],
)
def test_a_view_is_its_address(query: str) -> None:
    view = View.of(parse_qs(query))
    assert view.query() == parse_qs(query)
    assert View.of(view.query()) == view


@pytest.mark.parametrize(
    "query",
    [
        *("col=loss", "col=metrics.", "sort=attributes.artifact_uri", "group=metrics.a"),
        *("group=attributes.name", "state=odd", "since=2y", "size=51", "sort=x.y"),
    ],
)
def test_a_strange_view_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        View.of(parse_qs(query))


def test_only_how_runs_are_shown_is_remembered() -> None:
    view = View.of(parse_qs("q=x&state=FAILED&col=metrics.a&sort=params.b&after=z&open=a&view=1"))
    assert parse_qs(view.habits()) == {"col": ["metrics.a"], "sort": ["params.b"]}


def test_sorting_twice_turns_round() -> None:
    once = View().sorted_by("params.a")
    assert not once.is_descending
    assert once.sorted_by("params.a").is_descending
    assert View().sorted_by("metrics.a").is_descending


@pytest.mark.parametrize(
    ("view", "value", "text"),
    [
        (View(group=Field("params", "model")), "cnn", "params.model = 'cnn'"),
        (View(group=Field("tags", "git branch")), "it's", 'tags.`git branch` = "it\'s"'),
        (View(group=Field("tags", "a")), None, "tags.a IS NULL"),
        (
            View(q="metrics.b > 1", group=Field("params", "a")),
            "1",
            "metrics.b > 1 and params.a = '1'",
        ),
        (
            View(q="deep net", group=Field("params", "a")),
            "1",
            "run_name ILIKE '%deep%' and run_name ILIKE '%net%' and params.a = '1'",
        ),
    ],
)
def test_a_group_leads_to_its_runs(view: View, value: str | None, text: str) -> None:
    found = inside(view, value)
    assert found is not None
    assert found.q == text
    assert found.group is None


def test_a_group_no_filter_can_say_leads_nowhere() -> None:
    assert inside(View(group=Field("params", "a")), "both ' and \"") is None
    assert inside(View(group=Field("attributes", "status")), None) is None


def test_marks_follow_deeds() -> None:
    marks = Marks().after("pin", ["a", "b"]).after("hide", ["b", "c"]).after("colour", ["a"], 3)
    assert (marks.pinned, marks.hidden) == (("a",), ("b", "c"))
    assert marks.colour_of("a") == 3
    assert 1 <= marks.colour_of("z") <= 6
    assert Marks.of(marks.plain()) == marks
    assert marks.after("colour", ["a"], 0).colours == {}
    assert marks.after("show", ["b", "c"]).hidden == ()
    for wrong in (("colour", 9), ("eat", 0)):
        with pytest.raises(Invalid):
            marks.after(wrong[0], ["a"], wrong[1])
    with pytest.raises(Invalid, match=f"At most {MAX_PINNED}"):
        marks.after("pin", [str(number) for number in range(MAX_PINNED + 1)])


@pytest.fixture
def saved(house: House) -> SavedViews:
    return SavedViews(house.db, house.audit, house.clock)


def principal(house: House, name: str, role: Role = Role.EDITOR) -> Principal:
    user = house.users.add(name, "a long password", actor=Actor("test"))
    return Principal(user.id, name, False, {"lab": role}, "lab")


def test_views_are_seen_by_all_and_removed_by_their_maker(house: House, saved: SavedViews) -> None:
    ana, eve = principal(house, "ana"), principal(house, "eve")
    actor = Actor("ana")
    view = View(q="metrics.loss < 1", columns=(Field("metrics", "loss"),), after="x")
    marks = Marks(pinned=("a",))
    view_id = saved.save(ana, "1", "  best  ones ", view, marks, actor=actor)
    assert saved.save(ana, "1", "best ones", view, marks, actor=actor) == view_id
    ((found, maker),) = saved.page("lab", "1")
    assert (found.name, maker) == ("best ones", "ana")
    assert View.of(parse_qs(found.query)) == view.with_()
    assert Marks.of(found.marks) == marks
    assert saved.page("other", "1") == saved.page("lab", "2") == []
    with pytest.raises(NotFound):
        saved.get("other", "1", view_id)
    with pytest.raises(Forbidden):
        saved.remove(eve, "1", view_id, actor=Actor("eve"))
    saved.remove(ana, "1", view_id, actor=actor)
    assert saved.page("lab", "1") == []


def test_bad_views_are_not_saved(house: House, saved: SavedViews) -> None:
    ana = principal(house, "ana")
    for name, view in (("", View()), ("x" * 101, View()), ("x", View(q="metrics.a >"))):
        with pytest.raises(Invalid):
            saved.save(ana, "1", name, view, Marks(), actor=Actor("ana"))
    for number in range(MAX_VIEWS):
        saved.save(ana, "1", f"v{number}", View(), Marks(), actor=Actor("ana"))
    with pytest.raises(Invalid, match="views of this experiment"):
        saved.save(ana, "1", "one more", View(), Marks(), actor=Actor("ana"))


def test_marks_are_one_s_own(house: House, saved: SavedViews) -> None:
    ana, eve = principal(house, "ana"), principal(house, "eve")
    saved.keep_marks(ana, "1", Marks(hidden=("a",)))
    saved.keep_marks(ana, "1", Marks(hidden=("b",)))
    assert saved.marks(ana, "1").hidden == ("b",)
    assert saved.marks(eve, "1") == saved.marks(ana, "2") == Marks()
