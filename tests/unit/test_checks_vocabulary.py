"""The vocabulary is the library's own, and costs the service next to nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mlpi.checks.suites import gx_json, vocabulary
from mlpi.checks.suites.rules import checked
from mlpi.checks.suites.sentences import _PHRASES, phrase
from tests.gx_child import ask, fields


def test_it_has_every_core_expectation_that_a_suite_can_name() -> None:
    assert set(vocabulary.load()) == set(fields())


def test_every_argument_is_a_field_of_the_class_with_its_default() -> None:
    for kind, theirs in fields().items():
        ours = {one.name: one for one in vocabulary.load()[kind].arguments}
        assert set(ours) == set(theirs) - vocabulary.COMMON, kind
        for name, argument in ours.items():
            assert argument.is_required == theirs[name]["required"], (kind, name)
            assert argument.default == theirs[name]["default"], (kind, name)


def test_a_condition_is_taken_where_the_class_has_one() -> None:
    for kind, theirs in fields().items():
        assert vocabulary.load()[kind].takes_condition == ("row_condition" in theirs), kind


def test_each_has_words_for_people() -> None:
    for one in vocabulary.load().values():
        assert one.title, one.type
        assert one.description, one.type
        assert one.details, one.type
        assert one.issues, one.type
        assert one.domain in ("column", "column_pair", "multicolumn", "table"), one.type
        assert all(argument.kinds for argument in one.arguments), one.type


@pytest.mark.parametrize(
    ("kind", "name", "kinds"),
    [
        ("expect_column_values_to_be_between", "min_value", ("number", "date")),
        ("expect_column_values_to_be_between", "strict_min", ("boolean",)),
        ("expect_column_values_to_be_increasing", "strictly", ("boolean",)),
        ("expect_column_values_to_match_json_schema", "json_schema", ("object",)),
        ("expect_column_kl_divergence_to_be_less_than", "partition_object", ("object",)),
        ("expect_column_values_to_be_in_set", "value_set", ("array",)),
        ("expect_table_row_count_to_equal", "value", ("integer",)),
    ],
)
def test_arguments_have_their_kinds(kind: str, name: str, kinds: tuple[str, ...]) -> None:
    argument = vocabulary.load()[kind].argument(name)
    assert argument is not None
    assert argument.kinds == kinds


def test_words_find_expectations_by_name_description_and_issue() -> None:
    found = {one.type for one in vocabulary.search("unique")}
    assert "expect_column_values_to_be_unique" in found
    assert "expect_table_row_count_to_equal" not in found
    assert {one.type for one in vocabulary.search("volume")} >= {"expect_table_row_count_to_equal"}
    assert vocabulary.search("to_be_in_set column")
    assert vocabulary.search("nothing like it") == []


def test_reading_it_imports_no_heavy_package() -> None:
    code = (
        "import sys; from mlpi.checks.suites import vocabulary; vocabulary.load();"
        "print([m for m in ('great_expectations', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _some(argument: vocabulary.Argument) -> Any:
    """A value that the argument may have."""
    if argument.name == "quantile_ranges":
        return {"quantiles": [0.5], "value_ranges": [[1, 2]]}
    if argument.name == "strftime_format":
        return "%Y-%m-%d"
    if argument.choices:
        return argument.choices[0]
    return {
        "array": [["a", "b"]] if argument.items == ("array",) else ["a", "b"],
        "boolean": True,
        "date": "2026-05-01",
        "integer": 3,
        "number": 0.5,
        "object": {"type": "object"},
        "string": "b" if argument.name == "column_B" else "a",
    }[argument.kinds[0]]


@pytest.mark.parametrize("kind", sorted(vocabulary.load()))
def test_each_can_be_asked_for_and_said(kind: str) -> None:
    arguments = vocabulary.load()[kind].arguments
    kwargs = {one.name: _some(one) for one in arguments}
    kwargs |= {"mostly": 0.95} if "mostly" in kwargs else {}
    asked = checked({"type": kind, "kwargs": kwargs})
    assert asked["type"] == kind
    assert kind in _PHRASES, "it has a sentence of its own"
    said = phrase(asked)
    assert said
    assert "None" not in said
    if "mostly" in kwargs:
        assert said.endswith("in at least 95 % of rows")


def test_the_library_takes_each_as_it_was_checked() -> None:
    asked = [
        checked({"type": kind, "kwargs": {one.name: _some(one) for one in known.arguments}})
        for kind, known in vocabulary.load().items()
    ]
    exported = gx_json.written("all", asked, {"great_expectations_version": "1.24.1"})
    (answer,) = ask("suites", [exported])
    for ours, theirs in zip(asked, answer["read"]["expectations"], strict=True):
        assert ours == theirs
