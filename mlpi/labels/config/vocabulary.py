"""The tags that mlpi knows, and what each takes: Label Studio's names and meanings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a tag is for."""

    LAYOUT = "layout"
    OBJECT = "object"  # shows a field of the task
    CONTROL = "control"  # makes results about an object
    PART = "part"  # belongs to a control: a label, a choice


@dataclass(frozen=True, slots=True)
class Tag:
    """objects: which a control may be about, empty for any. parts: which tags may lie in it.

    value_key: where a control's results keep their labels or answer. is_region: whether a result is
    a place in the object, not an answer about all of it.
    """

    name: str
    role: Role
    attributes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    value_key: str = ""
    is_region: bool = False


_WHEN = ("visibleWhen", "whenTagName", "whenLabelValue", "whenChoiceValue")
_SHOWN = (*_WHEN, "style", "className", "idAttr")
_CONTROL = ("name", "toName", "required", "requiredMessage", "perRegion", "perItem", *_WHEN)
_LABELED = (
    *_CONTROL,
    *("choice", "maxUsages", "showInline", "opacity", "fillColor", "strokeColor"),
    *("strokeWidth", "fillOpacity", "canRotate", "smart", "smartOnly", "pointSize", "pointStyle"),
    *("allowEmpty", "groupDepth"),
)
_IMAGE = ("Image",)


def _objects(names: dict[str, tuple[str, ...]]) -> list[Tag]:
    common = ("name", "value", "valueType", *_SHOWN)
    return [Tag(name, Role.OBJECT, (*common, *more)) for name, more in names.items()]


_TAGS = [
    Tag("View", Role.LAYOUT, ("display", "tag", *_SHOWN)),
    Tag("Header", Role.LAYOUT, ("value", "size", "underline", *_SHOWN)),
    Tag("Style", Role.LAYOUT, ()),
    *_objects(
        {
            "Text": ("granularity", "highlightColor", "showLabels", "saveTextResult", "encoding"),
            "HyperText": ("inline", "clickableLinks", "saveTextResult", "showLabels", "encoding"),
            "Image": (
                *("zoom", "zoomBy", "zoomControl", "negativeZoom", "brightnessControl"),
                *("contrastControl", "gammaControl", "rotateControl", "grid", "gridSize"),
                *("gridColor", "maxWidth", "width", "height", "smoothing", "crosshair"),
                *("selectionControl", "defaultZoom", "horizontalAlignment", "verticalAlignment"),
            ),
            "Audio": (
                *("defaultspeed", "defaultscale", "defaultzoom", "defaultvolume", "volume"),
                *("speed", "zoom", "hotkey", "height", "waveHeight", "cursorwidth", "decoder"),
                "splitchannels",
            ),
            "Table": (),
            "Paragraphs": (
                *("layout", "nameKey", "textKey", "audioUrl", "showPlayer", "sync"),
                *("highlightColor", "showLabels", "saveTextResult", "granularity"),
            ),
            "List": ("title",),
        }
    ),
    Tag(
        "Choices",
        Role.CONTROL,
        (*_CONTROL, "choice", "showInline", "layout", "allowNested", "value", "title"),
        parts=("Choice",),
        value_key="choices",
    ),
    Tag(
        "Labels",
        Role.CONTROL,
        (*_LABELED, "value"),
        objects=("Text", "HyperText", "Audio", "Paragraphs"),
        parts=("Label",),
        value_key="labels",
        is_region=True,
    ),
    Tag(
        "HyperTextLabels",
        Role.CONTROL,
        _LABELED,
        objects=("HyperText",),
        parts=("Label",),
        value_key="hypertextlabels",
        is_region=True,
    ),
    Tag(
        "ParagraphLabels",
        Role.CONTROL,
        _LABELED,
        objects=("Paragraphs",),
        parts=("Label",),
        value_key="paragraphlabels",
        is_region=True,
    ),
    *(
        Tag(
            f"{shape}Labels",
            Role.CONTROL,
            _LABELED,
            objects=_IMAGE,
            parts=("Label",),
            value_key=f"{shape.lower()}labels",
            is_region=True,
        )
        for shape in ("Rectangle", "Polygon", "KeyPoint", "Ellipse")
    ),
    *(
        Tag(shape, Role.CONTROL, _LABELED, objects=_IMAGE, is_region=True)
        for shape in ("Rectangle", "Polygon", "KeyPoint", "Ellipse")
    ),
    Tag(
        "TextArea",
        Role.CONTROL,
        (
            *_CONTROL,
            *("value", "label", "placeholder", "maxSubmissions", "editable", "transcription"),
            *("displayMode", "rows", "showSubmitButton", "skipDuplicates", "focus"),
        ),
        value_key="text",
    ),
    Tag(
        "Rating",
        Role.CONTROL,
        (*_CONTROL, "maxRating", "defaultValue", "size", "icon", "hotkey"),
        value_key="rating",
    ),
    Tag(
        "Number",
        Role.CONTROL,
        (*_CONTROL, "min", "max", "step", "defaultValue", "hotkey", "slider"),
        value_key="number",
    ),
    Tag(
        "Pairwise",
        Role.CONTROL,
        (*_CONTROL, "selectionStyle", "leftClass", "rightClass"),
        value_key="selected",
    ),
    Tag(
        "Ranker",
        Role.CONTROL,
        _CONTROL,
        objects=("List",),
        parts=("Bucket",),
        value_key="ranker",
    ),
    Tag(
        "Taxonomy",
        Role.CONTROL,
        (
            *_CONTROL,
            *("value", "leafsOnly", "showFullPath", "pathSeparator", "maxUsages", "maxWidth"),
            *("minWidth", "placeholder", "legacy", "labeling"),
        ),
        parts=("Choice",),
        value_key="taxonomy",
    ),
    Tag("Relations", Role.CONTROL, ("name", "toName", "choice"), parts=("Relation",)),
    Tag(
        "Label",
        Role.PART,
        (
            *("value", "alias", "hotkey", "background", "selectedColor", "selected", "maxUsages"),
            *("size", "showalias", "hint", "html", "category", "granularity", "audio"),
        ),
    ),
    Tag(
        "Choice",
        Role.PART,
        (
            *("value", "alias", "hotkey", "selected", "hint", "html", "style", "color"),
            "showalias",
        ),
        parts=("Choice",),
    ),
    Tag("Relation", Role.PART, ("value", "background")),
    Tag("Bucket", Role.PART, ("name", "title", "default")),
]
TAGS: dict[str, Tag] = {tag.name: tag for tag in _TAGS}
_BY_LOWER = {name.lower(): tag for name, tag in TAGS.items()}


def tag_named(name: str) -> Tag | None:
    """Upper and lower case do not count, as in Label Studio's editor."""
    return _BY_LOWER.get(name.lower())


def known() -> str:
    """All tags, for a message."""
    return ", ".join(sorted(TAGS))
