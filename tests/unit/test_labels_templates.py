"""Ready configurations: each is read, and takes its own sample and what was said of it."""

from __future__ import annotations

import json

import pytest

from mlpi.errors import NotFound
from mlpi.labels.config.reading import read_config
from mlpi.labels.given import as_json, check_data
from mlpi.labels.results import check_results
from mlpi.labels.templates.catalogue import GROUPS, TEMPLATES, found, template
from mlpi.labels.templates.template import Template


@pytest.mark.parametrize("one", TEMPLATES, ids=lambda one: one.key)
def test_a_template_takes_its_own_sample(one: Template) -> None:
    config = read_config(one.config)
    assert config.warnings == ()
    assert config.controls
    check_data(config, one.data)
    results = json.loads(as_json(list(one.result)))
    check_results(config, results, one.data)
    answered = {each["from_name"] for each in results if each["type"] != "relation"}
    required = {name for name, each in config.controls.items() if each.is_required}
    assert required <= answered


def test_there_are_twenty_with_names_of_their_own() -> None:
    assert len(TEMPLATES) >= 20
    assert len({one.key for one in TEMPLATES}) == len(TEMPLATES)
    assert len({one.title for one in TEMPLATES}) == len(TEMPLATES)
    names = {node.tag for one in TEMPLATES for node in read_config(one.config).root.walk()}
    assert {"Relations", "Taxonomy", "Ranker", "Pairwise", "Table", "Paragraphs"} <= names


def test_templates_are_found_by_words() -> None:
    assert list(found()) == list(GROUPS)
    by_words = found("picture outline")
    assert [one.key for group in by_words.values() for one in group] == ["image-polygons"]
    assert found("nothing of this kind") == {}
    assert template("sentiment").title == "Sentiment"
    with pytest.raises(NotFound):
        template("absent")
