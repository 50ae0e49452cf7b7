"""A configuration as it will look, and sample tasks for any configuration."""

from __future__ import annotations

import pytest

from mlpi.labels.config.reading import read_config
from mlpi.labels.given import check_data
from mlpi.labels.preview import preview
from mlpi.labels.templates.catalogue import TEMPLATES
from mlpi.labels.templates.sampling import sample_data
from mlpi.labels.templates.template import Template


@pytest.mark.parametrize("one", TEMPLATES, ids=lambda one: one.key)
def test_a_template_has_a_preview_and_a_sample_also_when_it_was_changed(one: Template) -> None:
    shown = preview(one.config)
    assert shown.error is None
    config = read_config(one.config)
    names = {block.name for block in shown.blocks if block.name}
    assert names == {*config.objects, *config.controls}
    changed = read_config(one.config.replace("</View>", "<!-- mine --></View>"))
    check_data(changed, sample_data(changed))


def test_what_is_wrong_is_said_with_its_line() -> None:
    shown = preview('<View>\n  <Text name="t" value="$t"/>\n  <Chioces name="c"/>\n</View>')
    assert shown.error is not None
    assert "Line 3: <Chioces> is not a tag" in shown.error.message
    assert shown.line == '<Chioces name="c"/>'
    assert "no well-formed XML" in str(preview("<View>").error)


def test_labels_have_colours_hotkeys_and_depth() -> None:
    shown = preview(
        """<View><Text name="t" value="$a.b"/><Labels name="l" toName="t">
<Label value="x" background="red" hotkey="q"/><Label value="y"/></Labels>
<Taxonomy name="x" toName="t"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>
<Choices name="c" toName="t" value="$offers" perRegion="true" required="true"/></View>"""
    )
    text, labels, tree, choices = shown.blocks
    assert "sample text" in text.value
    assert [(one.text, one.hotkey) for one in labels.labels] == [("x", "q"), ("y", "")]
    assert labels.labels[0].colour == "red"
    assert labels.labels[1].colour.startswith("#")
    assert [one.depth for one in tree.labels] == [0, 1]
    assert [one.text for one in choices.labels] == ["c one", "c two"]
    assert list(choices.notes) == ["required", "for each region", "from the task’s offers"]


def test_html_is_shown_as_text_and_a_strange_picture_as_its_address() -> None:
    config = '<View><HyperText name="h" value="$h"/><Image name="i" value="$i"/></View>'
    data = {"h": "<p>a<script>alert(1)</script></p><b>b", "i": "https://elsewhere.test/a.png"}
    html, picture = preview(config, data).blocks
    assert html.value == "a\nb"
    assert (picture.kind, picture.value) == ("address", "https://elsewhere.test/a.png")
    # A task that does not fit is no reason to show nothing.
    assert preview(config, {"h": 1}).blocks[1].kind == "image"
