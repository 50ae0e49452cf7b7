"""Labeling configurations: what is read from them, and how what is wrong is told."""

from __future__ import annotations

import pytest

from mlpi.labels.config.reading import EMPTY, read_config
from mlpi.labels.config.xml import DEEPEST, MOST_NODES, ConfigInvalid

BOXES = """<View>
  <Header value="Mark every digit"/>
  <Image name="image" value="$image" zoom="true"/>
  <RectangleLabels name="box" toName="image">
    <Label value="zero" hotkey="0" background="tomato"/>
    <Label value="one" alias="1" background="#00f"/>
  </RectangleLabels>
  <Choices name="quality" toName="image" choice="single" required="true">
    <Choice value="good"/><Choice value="bad"/>
  </Choices>
</View>"""


def config(inner: str) -> str:
    return f"<View>\n{inner}\n</View>"


TEXT = '<Text name="t" value="$text"/>\n'


def refusal(text: str) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as told:
        read_config(text)
    return told.value


def test_objects_controls_and_labels_keep_their_order_and_their_lines() -> None:
    found = read_config(BOXES)
    assert list(found.objects) == ["image"]
    assert found.objects["image"].field == "image"
    assert list(found.controls) == ["box", "quality"]
    box = found.controls["box"]
    assert box.type == "rectanglelabels"
    assert [(label.value, label.key, label.line) for label in box.labels] == [
        ("zero", "zero", 5),
        ("one", "1", 6),
    ]
    assert found.controls["quality"].is_required
    assert not found.controls["quality"].is_multiple
    assert {name: [one.tag.name for one in shown] for name, shown in found.fields.items()} == {
        "image": ["Image"]
    }
    assert not found.warnings


def test_it_is_told_as_label_studio_tells_it() -> None:
    parsed = read_config(BOXES).parsed()
    assert parsed["box"] == {
        "type": "RectangleLabels",
        "to_name": ["image"],
        "inputs": [{"type": "Image", "valueType": None, "value": "image"}],
        "labels": ["zero", "1"],
        "labels_attrs": {
            "zero": {"value": "zero", "hotkey": "0", "background": "tomato"},
            "1": {"value": "one", "alias": "1", "background": "#00f"},
        },
    }


def test_what_a_project_begins_with_is_a_configuration() -> None:
    found = read_config(EMPTY)
    assert not found.objects
    assert found.parsed() == {}


def test_tags_and_attributes_are_known_in_any_case() -> None:
    found = read_config(
        '<view><TEXT NAME="t" Value="$x"/><choices name="c" toname="t">'
        '<CHOICE value="a"/></choices></view>'
    )
    assert found.controls["c"].tag.name == "Choices"
    assert found.controls["c"].to_names == ("t",)


def test_nested_choices_have_paths() -> None:
    found = read_config(
        config(
            TEXT + '<Taxonomy name="x" toName="t"><Choice value="Eukarya">'
            '<Choice value="Human"/><Choice value="Oppossum" alias="opo"/>'
            '</Choice><Choice value="Human"/></Taxonomy>'
        )
    )
    assert found.controls["x"].paths == {
        ("Eukarya",),
        ("Eukarya", "Human"),
        ("Eukarya", "opo"),
        ("Human",),
    }


def test_labels_may_come_from_the_task() -> None:
    found = read_config(config(TEXT + '<Labels name="l" toName="t" value="$kinds"/>'))
    assert found.controls["l"].dynamic_field == "kinds"
    assert found.parsed()["l"]["dynamic_labels"]


def test_a_style_and_a_strange_attribute_are_left_aside_and_told() -> None:
    found = read_config(
        config(
            '<Style>.x { color: red }</Style>\n<Text name="t" value="$text" onclick="alert(1)"/>'
        )
    )
    assert "Line 2: <Style>" in found.warnings[0]
    assert "Line 3: onclick of <Text>" in found.warnings[1]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "no configuration"),
        ("<View>\n<Text></View>", 2, "mismatched tag"),
        ("<Text name='t' value='$x'/>", 1, "outermost tag"),
        (config('<Video name="v" value="$v"/>'), 2, "<Video>"),
        (config('<Text value="$x"/>'), 2, "no name"),
        (config('<Text name="t"/>'), 2, "no value"),
        (config('<Image name="i" valueList="$many"/>'), 2, "one image, not a valueList"),
        (config(TEXT + TEXT), 3, "twice"),
        (config(TEXT + '<Choices name="c"><Choice value="a"/></Choices>'), 3, "no toName"),
        (config(TEXT + '<Choices name="c" toName="u"><Choice value="a"/></Choices>'), 3, "'u'"),
        (config(TEXT + '<Choices name="c" toName="t"/>'), 3, "no <Choice>"),
        (config(TEXT + '<Choices name="c" toName="t">\n<Choice/></Choices>'), 4, "no value"),
        (
            config(
                TEXT + '<Choices name="c" toName="t"><Choice value="a"/>\n<Choice value="a"/>'
                "</Choices>"
            ),
            4,
            "twice",
        ),
        (
            config(
                TEXT + '<RectangleLabels name="r" toName="t"><Label value="a"/></RectangleLabels>'
            ),
            3,
            "not for <Text>",
        ),
        (config(TEXT + '<Label value="a"/>'), 3, "outside of any control"),
        (
            config(TEXT + '<Choices name="c" toName="t"><Label value="a"/></Choices>'),
            3,
            "lies in <Choices>",
        ),
        (
            config(
                TEXT + '<Labels name="l" toName="t"><Label value="a"/>'
                '<Text name="u" value="$u"/></Labels>'
            ),
            3,
            "cannot lie in",
        ),
        (
            config(
                TEXT + '<Labels name="l" toName="t"><Label value="a" '
                'background="url(//evil)"/></Labels>'
            ),
            3,
            "background",
        ),
        (config(TEXT + '<Rating name="r" toName="t" maxRating="many"/>'), 3, "maxRating"),
        (config(TEXT + '<Number name="n" toName="t" min="5" max="1"/>'), 3, "above its max"),
        (config(TEXT + '<Number name="n" toName="t" min="inf"/>'), 3, "not a number"),
        (config(TEXT + '<Pairwise name="p" toName="t"/>'), 3, "two objects"),
        (config(TEXT + '<View visibleWhen="always"/>'), 3, "visibleWhen"),
        (config(TEXT + '<View visibleWhen="choice-selected" whenTagName="nobody"/>'), 3, "nobody"),
    ],
)
def test_what_is_wrong_names_its_line(text: str, line: int | None, words: str) -> None:
    told = refusal(text)
    assert told.at_line == line
    assert words in told.line()
    if line:
        assert told.message.startswith(f"Line {line}: ")


def test_an_unknown_tag_is_answered_with_those_there_are() -> None:
    told = refusal(config('<Video name="v" value="$v"/>'))
    assert told.advice is not None
    for name in ("RectangleLabels", "Paragraphs", "Pairwise", "Taxonomy"):
        assert name in told.advice


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY a{n} "{("&a" + (str(n - 1) if n > 1 else "") + ";") * 10}">'
        for n in range(1, 10)
    )
    + "]><View><Header value='&a9;'/></View>"
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><View><Header value="&e;"/></View>',
        "<!DOCTYPE View><View/>",
    ],
)
def test_document_types_and_entities_are_refused_unread(text: str) -> None:
    assert "DOCTYPE" in refusal(text).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<View>" * (DEEPEST + 1) + "</View>" * (DEEPEST + 1), "deep"),
        ("<View>" + "<View/>" * MOST_NODES + "</View>", "tags"),
        ("<View>" + " " * (1 << 20) + "</View>", "bytes"),
        (f"<View><Header value='{'x' * 100_001}'/></View>", "characters"),
        ("<View>&nope;</View>", "undefined entity"),
    ],
)
def test_sizes_have_limits(text: str, words: str) -> None:
    assert words in refusal(text).message
