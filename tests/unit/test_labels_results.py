"""Results are taken as Label Studio writes them, and refused where they fit no configuration."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpi.labels.config.reading import read_config
from mlpi.labels.results import ResultInvalid, check_results

CONFIG = read_config("""<View>
  <Image name="img" value="$image"/>
  <Text name="txt" value="$text"/>
  <Audio name="snd" value="$audio"/>
  <Paragraphs name="par" value="$talk" nameKey="who" textKey="said"/>
  <HyperText name="html" value="$html"/>
  <List name="lst" value="$items"/>
  <RectangleLabels name="rect" toName="img"><Label value="cat"/><Label value="dog"/>
  </RectangleLabels>
  <PolygonLabels name="poly" toName="img"><Label value="cat"/></PolygonLabels>
  <KeyPointLabels name="key" toName="img"><Label value="nose"/></KeyPointLabels>
  <EllipseLabels name="ell" toName="img"><Label value="eye"/></EllipseLabels>
  <Labels name="ner" toName="txt" choice="single"><Label value="PER" alias="P"/>
  <Label value="LOC"/></Labels>
  <Labels name="tone" toName="snd"><Label value="speech"/></Labels>
  <ParagraphLabels name="said" toName="par"><Label value="joke"/></ParagraphLabels>
  <HyperTextLabels name="link" toName="html"><Label value="a"/></HyperTextLabels>
  <Choices name="one" toName="txt"><Choice value="yes"/><Choice value="no"/></Choices>
  <Choices name="many" toName="txt" choice="multiple"><Choice value="x"/><Choice value="y"/>
  </Choices>
  <Choices name="nest" toName="txt" allowNested="true"><Choice value="A"><Choice value="B"/>
  </Choice></Choices>
  <Choices name="dyn" toName="txt" value="$opts"/>
  <TextArea name="note" toName="txt" maxSubmissions="2"/>
  <Rating name="stars" toName="txt" maxRating="4"/>
  <Number name="num" toName="txt" min="-1" max="7.5"/>
  <Pairwise name="pair" toName="txt,html"/>
  <Ranker name="rank" toName="lst"><Bucket name="good"/></Ranker>
  <Taxonomy name="tax" toName="txt"><Choice value="r"><Choice value="s"/></Choice></Taxonomy>
  <Relations><Relation value="is"/></Relations>
</View>""")
DATA = {
    "text": "Ada was here",
    "opts": [{"value": "red", "children": [{"value": "wine"}]}, "blue"],
    "items": [{"id": "a", "title": "A"}, {"id": 2, "title": "B"}],
}
BOX = {"x": 10.0, "y": 20, "width": 30, "height": 40.5, "rotation": 0}


def result(name: str, value: Any, **more: Any) -> dict[str, Any]:
    control = CONFIG.controls[name]
    made = {"id": name, "from_name": name, "to_name": control.to_names[0], "type": control.type}
    return {**made, "value": value, **more}


GOOD: list[dict[str, Any]] = [
    result("rect", {**BOX, "rectanglelabels": ["cat"]}, original_width=600, image_rotation=0),
    result(
        "poly", {"points": [[0, 0], [50, 0], [50, 100]], "closed": True, "polygonlabels": ["cat"]}
    ),
    result("key", {"x": 1, "y": 2, "width": 0.4, "keypointlabels": ["nose"]}),
    result(
        "ell",
        {"x": 50, "y": 50, "radiusX": 5, "radiusY": 6, "rotation": 12, "ellipselabels": ["eye"]},
    ),
    result("ner", {"start": 0, "end": 3, "text": "Ada", "labels": ["P"]}),
    result("tone", {"start": 0.5, "end": 1.25, "channel": 0, "labels": ["speech"]}),
    result(
        "said",
        {"start": "0", "end": "1", "startOffset": 2, "endOffset": 5, "paragraphlabels": ["joke"]},
    ),
    result(
        "link",
        {
            "start": "/p[1]/text()[1]",
            "end": "/p[1]/text()[1]",
            "startOffset": 0,
            "endOffset": 4,
            "hypertextlabels": ["a"],
        },
    ),
    result("one", {"choices": ["yes"]}),
    result("many", {"choices": ["y", "x"]}),
    result("nest", {"choices": [["A", "B"]]}),
    result("dyn", {"choices": ["wine"]}),
    result("note", {"text": ["first", "second"]}),
    result("stars", {"rating": 4}),
    result("num", {"number": -0.5}),
    result("pair", {"selected": "left"}),
    result("rank", {"ranker": {"good": ["a"], "_": ["2"]}}),
    result("tax", {"taxonomy": [["r", "s"], ["r"]]}),
    {"type": "relation", "from_id": "ner", "to_id": "rect", "direction": "right", "labels": ["is"]},
]


def test_everything_label_studio_writes_is_taken() -> None:
    check_results(CONFIG, GOOD, DATA)
    check_results(CONFIG, GOOD)  # without the task's data
    check_results(CONFIG, [])


def test_one_region_may_have_several_results() -> None:
    about = result("one", {**BOX, "choices": ["yes"]})
    about["id"] = "rect"
    check_results(CONFIG, [GOOD[0], about], DATA)


def broken(name: str, **value: Any) -> dict[str, Any]:
    made = copy.deepcopy(next(one for one in GOOD if one.get("from_name") == name))
    made["value"].update(value)
    return made


@pytest.mark.parametrize(
    ("one", "path"),
    [
        ("no list", "result"),
        ([3], "result[0]"),
        ([{**GOOD[0], "from_name": "nobody"}], "result[0].from_name"),
        ([{**GOOD[0], "from_name": None}], "result[0].from_name"),
        ([{**GOOD[0], "to_name": "txt"}], "result[0].to_name"),
        ([{**GOOD[0], "type": "choices"}], "result[0].type"),
        ([{**GOOD[0], "value": []}], "result[0].value"),
        ([GOOD[0], GOOD[0]], "result[1].id"),
        ([broken("rect", rectanglelabels=["cow"])], "result[0].value.rectanglelabels"),
        ([broken("rect", rectanglelabels="cat")], "result[0].value.rectanglelabels"),
        ([broken("rect", rectanglelabels=[])], "result[0].value.rectanglelabels"),
        ([broken("rect", x="10")], "result[0].value.x"),
        ([broken("rect", x=math.nan)], "result[0].value.x"),
        ([broken("rect", x=True)], "result[0].value.x"),
        ([broken("rect", y=101)], "result[0].value.y"),
        ([broken("rect", width=95)], "result[0].value.width"),
        ([broken("rect", width=-1)], "result[0].value.width"),
        ([broken("poly", points=[[0, 0], [1, 1]])], "result[0].value.points"),
        ([broken("poly", points=[[0, 0], [1, 1], [2]])], "result[0].value.points[2]"),
        ([broken("poly", points=[[0, 0], [1, 1], [2, 300]])], "result[0].value.points[2].y"),
        ([broken("ell", radiusX=None)], "result[0].value.radiusX"),
        ([broken("ner", end=13)], "result[0].value.end"),
        ([broken("ner", start=4)], "result[0].value.end"),
        ([broken("ner", labels=["P", "LOC"])], "result[0].value.labels"),
        ([broken("ner", labels=["PER"])], "result[0].value.labels"),
        ([broken("tone", end=0.25)], "result[0].value.end"),
        ([broken("said", startOffset=-1)], "result[0].value.startOffset"),
        ([broken("one", choices=["yes", "no"])], "result[0].value.choices"),
        ([broken("one", choices=["maybe"])], "result[0].value.choices"),
        ([broken("nest", choices=[["B", "A"]])], "result[0].value.choices"),
        ([broken("dyn", choices=["green"])], "result[0].value.choices"),
        ([broken("note", text=["a", "b", "c"])], "result[0].value.text"),
        ([broken("note", text=7)], "result[0].value.text"),
        ([broken("stars", rating=5)], "result[0].value.rating"),
        ([broken("stars", rating=1.5)], "result[0].value.rating"),
        ([broken("num", number=8)], "result[0].value.number"),
        ([broken("pair", selected="both")], "result[0].value.selected"),
        ([broken("rank", ranker={"bad": []})], "result[0].value.ranker"),
        ([broken("rank", ranker={"good": ["a", "a"]})], "result[0].value.ranker.good"),
        ([broken("rank", ranker={"good": ["z"]})], "result[0].value.ranker.good"),
        ([broken("tax", taxonomy=[["s"]])], "result[0].value.taxonomy"),
        ([GOOD[0], {**GOOD[-1], "to_id": "gone", "from_id": "rect"}], "result[1].to_id"),
        ([*GOOD[:-1], {**GOOD[-1], "labels": ["was"]}], "result[18].labels"),
        ([*GOOD[:-1], {**GOOD[-1], "direction": "up"}], "result[18].direction"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_path_to_it(one: Any, path: str) -> None:
    with pytest.raises(ResultInvalid) as told:
        check_results(CONFIG, one, DATA)
    assert told.value.path == path
    assert told.value.message.startswith(path)


def test_a_turned_box_may_begin_outside_of_the_image() -> None:
    check_results(CONFIG, [broken("rect", x=-5, y=40, width=60, height=60, rotation=45)])


def test_a_span_may_count_utf_16_units() -> None:
    data = {"text": "🦉🦉"}
    check_results(CONFIG, [broken("ner", end=4, text="🦉🦉")], data)
    with pytest.raises(ResultInvalid):
        check_results(CONFIG, [broken("ner", end=5, text="🦉🦉")], data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(name=st.sampled_from(sorted(CONFIG.controls)), junk=st.data())
def test_no_nonsense_raises_anything_else(name: str, junk: st.DataObject) -> None:
    one = copy.deepcopy(next(good for good in GOOD if good.get("from_name") == name))
    key = junk.draw(st.sampled_from(sorted(one["value"])))
    one["value"][key] = junk.draw(JSON)
    try:
        check_results(CONFIG, [one], DATA)
    except ResultInvalid as told:
        assert told.path.startswith("result[0].value")  # noqa: PT017 - it may also be taken
