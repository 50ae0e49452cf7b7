"""Suites: what is refused and how, versions that lose nothing, and a file the library takes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from mlpi.auth.audit import Actor
from mlpi.checks.models import Checkpoint, Dataset, SuiteVersion
from mlpi.checks.suites import gx_json
from mlpi.checks.suites.diff import diff, in_words
from mlpi.checks.suites.forms import controls, expectation_of, texts_of
from mlpi.checks.suites.rules import checked
from mlpi.checks.suites.sentences import sentence
from mlpi.checks.suites.service import Suites
from mlpi.checks.suites.vocabulary import load
from mlpi.errors import Conflict, Invalid, NotFound
from mlpi.house import House
from tests.conftest import TurnedClock
from tests.gx_child import ask

ANA, BEN = Actor("ana", "test"), Actor("ben", "test")
BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
CONDITION = {
    "column": {"name": "origin"},
    "operator": "IN",
    "parameter": ["north", "south"],
    "type": "comparison",
}


def expectation(kind: str, /, **kwargs: Any) -> dict[str, Any]:
    return checked({"type": kind, "kwargs": kwargs})


def between(low: float = 11, high: float = 15, column: str = "alcohol") -> dict[str, Any]:
    return expectation(BETWEEN, column=column, min_value=low, max_value=high)


@pytest.fixture
def suites(house: House, clock: TurnedClock) -> Suites:
    return Suites(house.db, house.audit, clock)


# --- what an expectation must be -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "kwargs", "field", "said"),
    [
        (BETWEEN, {"min_value": 1}, "column", "It needs column."),
        (BETWEEN, {"column": "a"}, "min_value", "smallest or a largest"),
        (BETWEEN, {"column": "a", "min_value": 5, "max_value": 1}, "max_value", "at most 1"),
        (BETWEEN, {"column": "a", "min_value": "x"}, "min_value", "a number or an ISO date"),
        (BETWEEN, {"column": "a", "min_value": True}, "min_value", "not True"),
        (
            BETWEEN,
            {"column": "a", "min_value": 1, "max_value": "2026-05-01"},
            "max_value",
            "two numbers or two dates",
        ),
        (BETWEEN, {"column": "a", "min_value": 1, "mostly": 1.5}, "mostly", "from 0 to 1"),
        (BETWEEN, {"column": "a", "minvalue": 1}, "minvalue", "no argument 'minvalue'"),
        (BETWEEN, {"column": "", "min_value": 1}, "column", "needs column"),
        (BETWEEN, {"column": 3, "min_value": 1}, "column", "needs text as column"),
        (IN_SET, {"column": "a", "value_set": []}, "value_set", "at least one item"),
        (IN_SET, {"column": "a", "value_set": "red"}, "value_set", "a list"),
        (
            "expect_column_values_to_match_regex",
            {"column": "a", "regex": "(["},
            "regex",
            "no regular expression",
        ),
        (
            "expect_column_values_to_match_strftime_format",
            {"column": "a", "strftime_format": "%Q"},
            "strftime_format",
            "no date format",
        ),
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": ["a"]},
            "column_list",
            "two columns or more",
        ),
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": ["a", "a"]},
            "column_list",
            "twice",
        ),
        (
            "expect_column_pair_values_to_be_equal",
            {"column_A": "a", "column_B": "a"},
            "column_B",
            "with itself",
        ),
        ("expect_table_row_count_to_equal", {"value": 1.5}, "value", "a whole number"),
        (
            "expect_column_values_to_not_be_outliers",
            {"column": "a", "method": "magic"},
            "method",
            "cannot have 'magic'",
        ),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "a", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[2, 1]]}},
            "quantile_ranges",
            "wrong way round",
        ),
        (
            "expect_table_column_count_to_equal",
            {"value": 1, "row_condition": CONDITION},
            "row_condition",
            "no argument 'row_condition'",
        ),
        (
            NOT_NULL,
            {"column": "a", "row_condition": CONDITION | {"parameter": ["x", 1]}},
            "row_condition",
            "all text or all numbers",
        ),
        (
            NOT_NULL,
            {"column": "a", "row_condition": {"type": "and", "conditions": []}},
            "row_condition",
            "joins nothing",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_argument(
    kind: str, kwargs: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(Invalid) as refused:
        checked({"type": kind, "kwargs": kwargs})
    assert refused.value.field == field
    assert said in refused.value.message


def test_advice_names_what_is_near() -> None:
    with pytest.raises(Invalid) as refused:
        checked({"type": "expect_column_values_to_be_betwen", "kwargs": {}})
    assert BETWEEN in (refused.value.advice or "")
    with pytest.raises(Invalid) as refused:
        checked({"type": BETWEEN, "kwargs": {"column": "a", "min_val": 1}})
    assert "min_value" in (refused.value.advice or "")


def test_in_a_list_the_error_names_index_type_and_path() -> None:
    wrong = {"type": BETWEEN, "kwargs": {"column": "a", "min_value": "x"}}
    with pytest.raises(Invalid) as refused:
        gx_json.of_object({"name": "s", "expectations": [between(), wrong]})
    assert refused.value.field == "expectations[1].min_value"
    assert refused.value.message.startswith(f"Expectation 2 ({BETWEEN})")


def test_defaults_are_left_out_and_an_id_is_given() -> None:
    found = expectation(BETWEEN, column="a", min_value=1, mostly=1.0, strict_min=False)
    assert found["kwargs"] == {"column": "a", "min_value": 1}
    assert found["severity"] == "critical"
    assert UUID(found["id"]).version == 4


def test_a_run_time_parameter_stands_for_a_value() -> None:
    found = expectation(BETWEEN, column="a", min_value={"$PARAMETER": "least"})
    assert found["kwargs"]["min_value"] == {"$PARAMETER": "least"}
    assert sentence(found) == "a: at least $least"


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (between(), "alcohol: between 11 and 15"),
        (expectation(BETWEEN, column="a", min_value=1, strict_min=True), "a: more than 1"),
        (expectation(NOT_NULL, column="a", mostly=0.975), "a: not missing in at least 97.5 %"),
        (expectation(IN_SET, column="a", value_set=list(range(9))), "5 and 3 more"),
        (
            expectation(NOT_NULL, column="a", row_condition=CONDITION),
            "a: not missing, where origin in north, south",
        ),
        (expectation("expect_table_row_count_to_equal", value=3), "table: has exactly 3 rows"),
        (
            expectation("expect_compound_columns_to_be_unique", column_list=["a", "b"]),
            "a, b: unique together",
        ),
    ],
)
def test_sentences(found: dict[str, Any], said: str) -> None:
    assert said in sentence(found)


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        between(11.5, 15),
        expectation(BETWEEN, column="when", min_value="2026-05-01"),
        expectation(BETWEEN, column="a", max_value={"$PARAMETER": "most"}, mostly=0.9),
        expectation(IN_SET, column="a", value_set=["red", "7", 7, 1.5, True, " x ", "[1]", "a\nb"]),
        expectation(NOT_NULL, column="a", row_condition=CONDITION),
        expectation(NOT_NULL, column="a", row_condition={"type": "or", "conditions": [CONDITION]}),
        expectation(
            "expect_column_values_to_match_regex_list", column="a", regex_list=["[1]", "b"]
        ),
        expectation(
            "expect_column_quantile_values_to_be_between",
            column="a",
            quantile_ranges={"quantiles": [0.5], "value_ranges": [[1, None]]},
        ),
        expectation(
            "expect_column_pair_values_to_be_in_set",
            column_A="a",
            column_B="b",
            value_pairs_set=[["x", 1], ["y", None]],
        ),
        expectation(
            "expect_column_kl_divergence_to_be_less_than",
            column="a",
            partition_object={"values": ["x"], "weights": [1]},
            threshold=0.1,
            bucketize_data=False,
        ),
        expectation(
            "expect_column_value_z_scores_to_be_less_than",
            column="a",
            threshold=3,
            double_sided=False,
        ),
    ],
)
def test_a_form_that_is_sent_as_it_came_changes_nothing(found: dict[str, Any]) -> None:
    kind = load()[found["type"]]
    texts = texts_of(kind, found)
    shown = {one.name: one.text for one in controls(kind, texts)}
    assert expectation_of(kind, texts | shown, found) == found


def test_a_form_keeps_what_it_does_not_show() -> None:
    before = between() | {"meta": {"by": "us"}}
    before["kwargs"]["result_format"] = "COMPLETE"
    texts = texts_of(load()[BETWEEN], before) | {"arg.max_value": "16", "notes": "as agreed"}
    after = expectation_of(load()[BETWEEN], texts, before)
    assert after["id"] == before["id"]
    assert after["meta"] == {"by": "us"}
    assert after["kwargs"] == before["kwargs"] | {"max_value": 16}
    assert after["notes"] == "as agreed"


# --- files ---------------------------------------------------------------------------------------


def whole() -> list[dict[str, Any]]:
    """One of each kind of value that JSON may carry."""
    return [
        between() | {"notes": "why", "severity": "warning", "meta": {"k": 1}},
        expectation(BETWEEN, column="when", min_value="2026-05-01", mostly=0.95),
        expectation(IN_SET, column="a", value_set=[1, "x", True]),
        expectation(NOT_NULL, column="a", row_condition=CONDITION) | {"notes": ["a", "b"]},
        expectation("expect_table_row_count_to_be_between", min_value={"$PARAMETER": "least"}),
        expectation("expect_table_columns_to_match_ordered_list", column_list=["a", "when"]),
        expectation(
            "expect_column_quantile_values_to_be_between",
            column="a",
            quantile_ranges={"quantiles": [0.25, 0.5], "value_ranges": [[1, 2], [None, 4]]},
        ),
        expectation(
            "expect_column_values_to_match_json_schema", column="j", json_schema={"type": "object"}
        ),
        expectation("unexpected_rows_expectation", unexpected_rows_query="SELECT * FROM {batch}")
        | {"description": "no duplicates"},
    ]


def test_the_library_reads_what_is_exported_and_writes_the_same(house: House) -> None:
    suites = Suites(house.db, house.audit, house.clock)
    made = suites.add(
        "default",
        "wine",
        actor=ANA,
        expectations=whole(),
        meta={
            "great_expectations_version": "1.24.1",
            "mlpi": {"suite_parameters": {"least": 3}, "notes": "of the cellar"},
        },
    )
    exported = suites.export_json("default", made.id)
    (answer,) = ask("suites", [exported])
    assert answer["read"] == exported
    # A context gives every expectation an id of its own; nothing else is different.
    assert diff(exported["expectations"], answer["kept"]["expectations"]).is_empty
    again = suites.import_json("default", json.dumps(answer["kept"]), name="wine 2", actor=ANA)
    first, second = (suites.version("default", one.id) for one in (made, again))
    assert diff(first.expectations, second.expectations).is_empty
    assert second.meta == first.meta
    assert second.origin == "imported"


OLD = {
    "expectation_suite_name": "taxi.demo",
    "data_asset_type": None,
    "ge_cloud_id": None,
    "evaluation_parameters": {"least": 1},
    "expectations": [
        {
            "expectation_type": NOT_NULL,
            "kwargs": {"column": "vendor", "mostly": 0.9, "include_config": True},
            "meta": {"notes": {"format": "markdown", "content": ["always there"]}, "by": "us"},
        }
    ],
    "meta": {"great_expectations_version": "0.18.8"},
}


def test_a_suite_of_the_old_library_is_converted(suites: Suites) -> None:
    made = suites.import_json("default", json.dumps(OLD), actor=ANA)
    assert made.name == "taxi.demo"
    (found,) = suites.version("default", made.id).expectations
    assert found["type"] == NOT_NULL
    assert found["kwargs"] == {"column": "vendor", "mostly": 0.9}
    assert found["notes"] == ["always there"]
    assert found["meta"] == {"by": "us"}
    assert suites.export_json("default", made.id)["suite_parameters"] == {"least": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[1]", "not an expectation suite"),
        ('{"name": "s", "expectations": 3}', "must be a list"),
        ('{"name": "s", "expectations": [3]}', "Expectation 1 is not an object"),
        ('{"name": "s", "expectations": [], "expectation": []}', "no key 'expectation'"),
        ('{"name": "s", "expectations": [], "meta": 1}', "meta must be an object"),
        ('{"name": "<b>", "expectations": []}', "cannot be the name"),
        ('{"expectations": []}', "names no suite"),
        ('{"name": "s", "expectations": [], "meta": {"a": NaN}}', "NaN is no JSON number"),
        ('{"name": "s", "expectations": [], "meta": {"a": "\\u0000"}}', "NUL"),
        ('{"name": "s", "expectations": [], "meta": {"a": "\\ud800"}}', "half of a character"),
        ("[" * 100_000, "nested too deeply"),
        (
            '{"name": "s", "expectations": [{"type": "expect_the_best", "kwargs": {}}]}',
            "'expect_the_best', which is no core expectation",
        ),
    ],
)
def test_a_file_that_is_no_suite_is_refused(suites: Suites, text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        suites.import_json("default", text, actor=ANA)
    assert said in refused.value.message
    assert suites.page("default") == []


def test_two_expectations_of_one_id_get_two(suites: Suites) -> None:
    one = between()
    made = suites.add("default", "wine", actor=ANA, expectations=[one, dict(one)])
    found = suites.version("default", made.id).expectations
    assert found[0]["id"] == one["id"]
    assert len({each["id"] for each in found}) == 2


# --- versions ------------------------------------------------------------------------------------


def test_each_change_is_a_version_with_a_note_in_words(suites: Suites) -> None:
    made = suites.add("default", "wine", "of the cellar", actor=ANA)
    first = between()
    suites.put("default", made.id, [first], base_version=1, actor=ANA)
    later = first | {"kwargs": first["kwargs"] | {"max_value": 16}}
    suites.put("default", made.id, [later], base_version=2, actor=BEN)
    suites.put("default", made.id, [later | {"severity": "info"}], base_version=3, actor=BEN)
    suites.drop("default", made.id, first["id"], base_version=4, actor=BEN)
    suites.restore("default", made.id, 2, actor=ANA)
    lines = suites.versions("default", made.id)
    assert [(one.number, one.expectation_count, one.actor, one.note) for one in lines] == [
        (6, 1, "ana", "version 2 restored"),
        (5, 0, "ben", "alcohol: between 11 and 16 removed"),
        (4, 1, "ben", "alcohol: between 11 and 16 is now of severity info"),
        (3, 1, "ben", "alcohol: between 11 and 15 is now between 11 and 16"),
        (2, 1, "ana", "alcohol: between 11 and 15 added"),
        (1, 0, "ana", "made, empty"),
    ]
    assert suites.version("default", made.id).expectations == [first]
    assert lines[0].origin == "restored"
    (row,) = suites.page("default")
    assert row.newest == lines[0]


def test_a_save_that_changes_nothing_makes_no_version(suites: Suites) -> None:
    made = suites.add("default", "wine", actor=ANA, expectations=[between()])
    newest = suites.version("default", made.id)
    saved = suites.save("default", made.id, newest.expectations, base_version=1, actor=BEN)
    assert saved.number == 1
    assert len(suites.versions("default", made.id)) == 1


def test_who_saves_on_an_older_version_is_told_and_loses_nothing(suites: Suites) -> None:
    made = suites.add("default", "wine", actor=ANA)
    suites.put("default", made.id, [between()], base_version=1, actor=ANA)
    with pytest.raises(Conflict) as refused:
        suites.save("default", made.id, [], base_version=1, actor=BEN)
    assert "Version 2 was saved meanwhile, by ana." in refused.value.message
    assert suites.version("default", made.id).number == 2


def test_two_saves_at_the_same_moment_make_one_version(house: House, suites: Suites) -> None:
    made = suites.add("default", "wine", actor=ANA)
    if house.db.is_sqlite:
        # Its writers queue: the second sees the first's version.
        suites.put("default", made.id, [between()], base_version=1, actor=ANA)
    else:
        # PostgreSQL lets both read version 1; the unique number refuses the second.
        original = suites._insert

        def overtaken(*args: Any) -> SuiteVersion:
            suites._insert = original  # type: ignore[method-assign]
            suites.put("default", made.id, [between()], base_version=1, actor=ANA)
            return original(*args)

        suites._insert = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        suites.put("default", made.id, [between(1, 2)], base_version=1, actor=BEN)
    (found,) = suites.version("default", made.id).expectations
    assert found["kwargs"]["max_value"] == 15
    assert [line.number for line in suites.versions("default", made.id)] == [2, 1]


def test_a_name_is_taken_once_in_a_workspace(suites: Suites) -> None:
    suites.add("default", "wine", actor=ANA)
    other = suites.add("default", "beer", actor=ANA)
    with pytest.raises(Conflict, match="already a suite 'wine'"):
        suites.add("default", "wine", actor=ANA)
    with pytest.raises(Conflict):
        suites.describe("default", other.id, "wine", "", actor=ANA)
    assert suites.describe("default", other.id, "ale", "dark", actor=ANA).name == "ale"


def test_another_workspace_sees_nothing(suites: Suites) -> None:
    made = suites.add("default", "wine", actor=ANA, expectations=[between()])
    assert suites.page("other") == []
    for look in (suites.get, suites.version, suites.versions, suites.export_json):
        with pytest.raises(NotFound):
            look("other", made.id)
    with pytest.raises(NotFound):
        suites.save("other", made.id, [], base_version=1, actor=BEN)
    with pytest.raises(NotFound):
        suites.get("default", 2**70)
    with pytest.raises(NotFound):
        suites.version("default", made.id, 2**70)


def test_words_find_suites(suites: Suites) -> None:
    suites.add("default", "wine", "of the cellar", actor=ANA)
    suites.add("default", "Beer", actor=ANA)
    assert [row.suite.name for row in suites.page("default")] == ["Beer", "wine"]
    assert [row.suite.name for row in suites.page("default", "CELLAR")] == ["wine"]
    assert suites.page("default", "%") == []


def test_a_suite_in_use_stays(house: House, suites: Suites, clock: TurnedClock) -> None:
    made = suites.add("default", "wine", actor=ANA, expectations=[between()])
    with house.db.write() as session:
        data = Dataset(
            workspace="default",
            name="wine",
            kind="file",
            options={},
            location={},
            actor="ana",
            created_at=clock(),
        )
        session.add(data)
        session.flush()
        check = Checkpoint(
            workspace="default",
            name="nightly",
            dataset_id=data.id,
            suite_id=made.id,
            actions=[],
            actor="ana",
            created_at=clock(),
        )
        session.add(check)
    with pytest.raises(Conflict, match="used by the checkpoint nightly"):
        suites.remove("default", made.id, actor=ANA)
    assert suites.used_by("default", made.id) == ["nightly"]
    assert suites.page("default")[0].checkpoint_count == 1
    with house.db.write() as session:
        session.delete(check)
    suites.remove("default", made.id, actor=ANA)
    assert suites.page("default") == []
    with house.db.read() as session:
        assert session.query(SuiteVersion).count() == 0


def test_deeds_are_in_the_audit_trail(house: House, suites: Suites) -> None:
    made = suites.add("default", "wine", actor=ANA)
    suites.put("default", made.id, [between()], base_version=1, actor=BEN)
    suites.remove("default", made.id, actor=ANA)
    trail = [(one.actor, one.action, one.target) for one in house.audit.page()][:3]
    assert trail == [
        ("ana", "suite_removed", "wine"),
        ("ben", "suite_saved", "wine, version 2"),
        ("ana", "suite_added", "wine"),
    ]


# --- differences ---------------------------------------------------------------------------------


def test_a_difference_names_each_argument_that_changed() -> None:
    one, other = between(), expectation(NOT_NULL, column="a")
    changed = one | {"kwargs": {"column": "alcohol", "min_value": 12, "mostly": 0.9}, "notes": "x"}
    found = diff([one, other], [changed])
    assert [one["type"] for one in found.removed] == [NOT_NULL]
    assert found.added == []
    (change,) = found.changed
    assert [(one.name, one.before, one.after) for one in change.fields] == [
        ("min_value", 11, 12),
        ("max_value", 15, None),
        ("mostly", None, 0.9),
        ("notes", None, "x"),
    ]


def test_expectations_that_lost_their_ids_are_still_known() -> None:
    before = [between(), expectation(NOT_NULL, column="a"), expectation(NOT_NULL, column="b")]
    after = [one | {"id": str(uuid4())} for one in before]
    assert diff(before, after).is_empty
    after[0] = after[0] | {"kwargs": after[0]["kwargs"] | {"max_value": 20}}
    assert in_words(diff(before, after)) == "alcohol: between 11 and 15 is now between 11 and 20"


def test_one_is_not_true_and_an_order_is_a_difference() -> None:
    one = expectation(IN_SET, column="a", value_set=[1])
    found = diff([one], [one | {"kwargs": one["kwargs"] | {"value_set": [2]}}])
    assert len(found.changed) == 1
    a, b = between(), between(column="b")
    assert diff([a, b], [b, a]).is_reordered
    assert in_words(diff([a, b], [b, a])) == "order changed"
