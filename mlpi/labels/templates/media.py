"""Templates for pictures, sounds and tables."""

from __future__ import annotations

from typing import Any

from mlpi.labels.templates.samples import HEIGHT, WIDTH, picture, sound
from mlpi.labels.templates.template import Template, said

_PICTURES, _SOUNDS, _TABLES = "Pictures", "Sounds", "Tables"
_LABELS = """    <Label value="House" background="#d97757" hotkey="1"/>
    <Label value="Sun" background="#e0a800" hotkey="2"/>
    <Label value="Meadow" background="#7a9e3f" hotkey="3"/>
"""
_SIZE: dict[str, Any] = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}


def _shaped(title: str, words: str, tag: str, value: dict[str, Any]) -> Template:
    """One of the templates that draw one kind of shape."""
    kind = f"{tag.lower()}labels"
    return Template(
        f"image-{tag.lower()}s",
        title,
        _PICTURES,
        words,
        f"""<View>
  <{tag}Labels name="shape" toName="image">
{_LABELS}  </{tag}Labels>
  <Image name="image" value="$image" zoom="true"/>
</View>""",
        {"image": picture()},
        [said("shape", "image", kind, {**value, kind: ["House"]}, **_SIZE)],
    )


MEDIA = (
    Template(
        "image-classification",
        "Picture classification",
        _PICTURES,
        "One class for each picture.",
        """<View>
  <Image name="image" value="$image"/>
  <Choices name="class" toName="image" choice="single" showInline="true" required="true">
    <Choice value="Indoors" hotkey="1"/>
    <Choice value="Outdoors" hotkey="2"/>
  </Choices>
</View>""",
        {"image": picture()},
        [said("class", "image", "choices", {"choices": ["Outdoors"]})],
    ),
    _shaped(
        "Boxes",
        "Objects in pictures, by rectangles.",
        "Rectangle",
        {"x": 27.5, "y": 30, "width": 30, "height": 48, "rotation": 0},
    ),
    _shaped(
        "Polygons",
        "The outline of objects.",
        "Polygon",
        {"points": [[42, 30], [58, 49], [57, 78], [28, 78], [27, 49]], "closed": True},
    ),
    _shaped("Key points", "Places in pictures.", "KeyPoint", {"x": 42, "y": 30, "width": 1}),
    _shaped(
        "Ellipses",
        "Round objects.",
        "Ellipse",
        {"x": 42, "y": 54, "radiusX": 15, "radiusY": 24, "rotation": 0},
    ),
    Template(
        "image-captioning",
        "Captions",
        _PICTURES,
        "A picture in words.",
        """<View>
  <Image name="image" value="$image"/>
  <TextArea name="caption" toName="image" rows="2" maxSubmissions="1" required="true"
            placeholder="What is to be seen?"/>
</View>""",
        {"image": picture()},
        [said("caption", "image", "textarea", {"text": ["A house in a meadow."]})],
    ),
    Template(
        "ocr",
        "Text in pictures",
        _PICTURES,
        "Boxes, and what is written in each.",
        """<View>
  <RectangleLabels name="box" toName="image">
    <Label value="Line" background="#4a90d9" hotkey="1"/>
    <Label value="Stamp" background="#d97757" hotkey="2"/>
  </RectangleLabels>
  <Image name="image" value="$image" zoom="true"/>
  <TextArea name="written" toName="image" perRegion="true" required="true" editable="true"
            placeholder="What is written there"/>
</View>""",
        {"image": picture()},
        [
            said(
                "box",
                "image",
                "rectanglelabels",
                {
                    "x": 10,
                    "y": 80,
                    "width": 60,
                    "height": 10,
                    "rotation": 0,
                    "rectanglelabels": ["Line"],
                },
                "r",
                **_SIZE,
            ),
            said(
                "written",
                "image",
                "textarea",
                {"x": 10, "y": 80, "width": 60, "height": 10, "text": ["Home"]},
                "r",
                **_SIZE,
            ),
        ],
    ),
    Template(
        "audio-regions",
        "Regions of sounds",
        _SOUNDS,
        "Who speaks, or what is heard, and when.",
        """<View>
  <Labels name="label" toName="audio">
    <Label value="Speech" background="#4a90d9" hotkey="1"/>
    <Label value="Music" background="#9b7fc4" hotkey="2"/>
    <Label value="Noise" background="#a0a0a0" hotkey="3"/>
  </Labels>
  <Audio name="audio" value="$audio"/>
</View>""",
        {"audio": sound()},
        [
            said(
                "label",
                "audio",
                "labels",
                {"start": 0, "end": 0.5, "channel": 0, "labels": ["Music"]},
                original_length=1,
            )
        ],
    ),
    Template(
        "transcription",
        "Transcription",
        _SOUNDS,
        "What is said, in writing.",
        """<View>
  <Audio name="audio" value="$audio"/>
  <TextArea name="text" toName="audio" rows="4" maxSubmissions="1" required="true"
            placeholder="What is said"/>
</View>""",
        {"audio": sound()},
        [said("text", "audio", "textarea", {"text": ["(two tones)"]})],
    ),
    Template(
        "table-check",
        "Rows of tables",
        _TABLES,
        "Whether a record is right, and what is wrong with it.",
        """<View>
  <Table name="row" value="$row"/>
  <Choices name="verdict" toName="row" choice="single" showInline="true" required="true">
    <Choice value="Right" hotkey="1"/>
    <Choice value="Wrong" hotkey="2"/>
  </Choices>
  <Choices name="what" toName="row" choice="multiple" visibleWhen="choice-selected"
           whenTagName="verdict" whenChoiceValue="Wrong">
    <Choice value="Price"/>
    <Choice value="Name"/>
    <Choice value="Date"/>
  </Choices>
  <Number name="price" toName="row" min="0" step="0.01"/>
</View>""",
        {"row": {"Name": "Kettle", "Price": 1899, "Date": "2026-03-02"}},
        [
            said("verdict", "row", "choices", {"choices": ["Wrong"]}),
            said("what", "row", "choices", {"choices": ["Price"]}),
            said("price", "row", "number", {"number": 18.99}),
        ],
    ),
)
