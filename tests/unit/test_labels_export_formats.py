"""What the formats write, against Label Studio's own converter; their bounds and their order."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mlpi.labels.bringing.finding import Find
from mlpi.labels.config.reading import read_config
from mlpi.labels.exporting.classes import classes
from mlpi.labels.exporting.formats import FORMATS, FormatUnknown, fitting, format_named
from mlpi.labels.exporting.spool import spools
from mlpi.labels.exporting.treebank import tokens
from mlpi.labels.exporting.writing import Writing, written
from tests import label_studio_sdk

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TEXT = """<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PER"/>
<Label value="ORG"/><Label value="Animal" alias="ANI"/></Labels><Choices name="c" toName="t"
choice="multiple"><Choice value="long"/><Choice value="bad"/></Choices>
<TextArea name="note" toName="t"/></View>"""
# Not in alphabetical order, so that a wrong order of classes is seen.
IMAGE = """<View><Image name="i" value="$image"/><RectangleLabels name="box" toName="i">
<Label value="zebra"/><Label value="cat"/><Label value="dog" category="7"/></RectangleLabels>
<PolygonLabels name="shape" toName="i"><Label value="lake"/></PolygonLabels></View>"""
POINTS = """<View><Image name="i" value="$image"/><RectangleLabels name="box" toName="i">
<Label value="face"/></RectangleLabels><KeyPointLabels name="p" toName="i">
<Label value="nose" model_index="1"/><Label value="eye" model_index="0"/></KeyPointLabels></View>"""
SIZE = {"original_width": 640, "original_height": 480, "image_rotation": 0}


def task(number: int, data: dict[str, Any], *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "data": data, "annotations": list(annotations)}


def said(number: int, *results: dict[str, Any], skipped: bool = False) -> dict[str, Any]:
    moment = f"2026-05-01T12:00:{number:02}.000000Z"
    return {
        "id": number,
        "completed_by": 4,
        "result": list(results),
        "was_cancelled": skipped,
        "created_at": moment,
        "updated_at": moment,
        "lead_time": number / 2,
    }


def result(name: str, to: str, kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": to, "type": kind, "value": value, **more}


def span(start: int, end: int, *labels: str) -> dict[str, Any]:
    return result("l", "t", "labels", {"start": start, "end": end, "labels": list(labels)})


def box(label: str, x: float, y: float, turn: float = 0, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 20.5, "height": 10.25, "rotation": turn}
    named = {**value, "rectanglelabels": [label]}
    return result("box", "i", "rectanglelabels", named, **SIZE, **more)


def polygon(*points: tuple[float, float]) -> dict[str, Any]:
    value = {"points": [list(one) for one in points], "polygonlabels": ["lake"]}
    return result("shape", "i", "polygonlabels", value, **SIZE)


TEXTS = [
    task(
        1,
        {"text": 'Ana Lee works at Acme, Inc. in Lyon (France). "I can\'t," she said.', "n": 3},
        said(1, span(0, 7, "PER"), span(17, 26, "ORG"), span(31, 35)),
        said(2, result("c", "t", "choices", {"choices": ["long", "bad"]}), span(0, 3, "ANI")),
    ),
    task(2, {"text": "Nobody labeled this."}),
    task(3, {"text": "All skipped."}, said(3, skipped=True)),
    task(
        4,
        {"text": "über  alles\tschön's, 3,5 km/h -- gonna $5.99!", "n": 2.5, "more": {"a": [1]}},
        said(
            4,
            span(0, 4, "ORG"),
            span(2, 11, "PER"),
            result("c", "t", "choices", {"choices": ["bad"]}),
            result("note", "t", "textarea", {"text": ["one line"]}),
        ),
    ),
    task(5, {"text": "Two \"texts\" ''here''", "l": "meets"}, said(5)),
    task(6, {"text": "-x"}, said(6, result("note", "t", "textarea", {"text": ["=1", "two"]}))),
]
IMAGES = [
    task(
        1,
        {"image": "https://host/files/one.jpg?x=1"},
        said(1, box("zebra", 10.5, 20), box("cat", 1, 2, 33.5), polygon((1, 2), (50, 3), (20, 44))),
        said(2, box("dog", 50, 60, 350)),
    ),
    task(2, {"image": "https://host/two.tar.png"}),
    task(3, {"image": "three.png"}, said(3, skipped=True)),
    task(4, {"image": "https://host/four.png"}, said(4)),
    task(5, {"image": "https://host/other/one.jpg"}, said(5, polygon((0, 0), (100, 0), (0, 100)))),
]
POINTED = [
    task(
        1,
        {"image": "https://host/face.png"},
        said(
            1,
            box("face", 10, 10, id="b"),
            result(
                "p",
                "i",
                "keypointlabels",
                {"x": 12.5, "y": 14, "width": 1, "keypointlabels": ["nose"]},
                id="k",
                parentID="b",
                **SIZE,
            ),
        ),
    ),
]


# Two that were uploaded, one that is gone, and one of another host that does not answer.
PACKED = [
    task(1, {"image": "/data/upload/3/aa-one.png"}, said(1, box("cat", 1, 2))),
    task(2, {"image": "/data/upload/3/bb-two.png"}),
    task(3, {"image": "/data/upload/3/cc-gone.png"}, said(3, box("dog", 5, 5))),
    task(4, {"image": "http://127.0.0.1:9/far.png"}, said(4, polygon((0, 0), (9, 0), (0, 9)))),
    task(5, {"image": "/data/upload/3/aa-one.png"}, said(5, box("zebra", 3, 3))),
]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uploaded pictures, as <project>/<name>."""
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "3").mkdir()
    for name, size in (("aa-one.png", (640, 480)), ("bb-two.png", (30, 20))):
        Image.new("RGB", size, "teal").save(folder / "3" / name)
    return folder


def ours(
    folder: Path,
    config: str,
    tasks: list[dict[str, Any]],
    name: str,
    *,
    is_raw: bool = True,
    find: Find = lambda _: None,
) -> bytes:
    how = Writing(read_config(config), spools(folder / "spool"), NOW, find, is_raw)
    return b"".join(written(FORMATS[name], how, iter([tasks[:2], tasks[2:]])))


def files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the real converter wrote, under <set>/<format>/."""
    folder = tmp_path_factory.mktemp("converter")
    text = ("JSON_MIN", "CSV", "TSV", "CONLL2003")
    label_studio_sdk.convert(folder / "text", TEXT, TEXTS, *text)
    image = ("JSON_MIN", "CSV", "COCO", "YOLO", "YOLO_OBB", "VOC")
    label_studio_sdk.convert(folder / "image", IMAGE, IMAGES, *image)
    label_studio_sdk.convert(folder / "points", POINTS, POINTED, "COCO", "YOLO")
    return folder


def table(text: str, delimiter: str) -> list[dict[str, Any]]:
    """Rows in which lists and objects are read, for the writers space them otherwise."""
    return [
        {name: json.loads(cell) if cell[:1] in ("[", "{") else cell for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
    ]


# --- against the real converter


def test_json_min_is_as_the_real_converter_writes_it(theirs: Path, tmp_path: Path) -> None:
    for name, config, tasks in (("text", TEXT, TEXTS), ("image", IMAGE, IMAGES)):
        real = json.loads((theirs / name / "JSON_MIN" / "result.json").read_text())
        assert json.loads(ours(tmp_path, config, tasks, "JSON_MIN")) == real


@pytest.mark.parametrize(("name", "delimiter"), [("CSV", ","), ("TSV", "\t")])
def test_tables_are_as_the_real_converter_writes_them(
    theirs: Path, tmp_path: Path, name: str, delimiter: str
) -> None:
    real = (theirs / "text" / name / "result.csv").read_text()
    mine = ours(tmp_path, TEXT, TEXTS, name).decode()
    assert mine.splitlines()[0] == real.splitlines()[0]
    assert table(mine, delimiter) == table(real, delimiter)
    assert "_data_l" in mine.splitlines()[0]


def test_conll_is_byte_by_byte_as_the_real_converter_writes_it(
    theirs: Path, tmp_path: Path
) -> None:
    real = (theirs / "text" / "CONLL2003" / "result.conll").read_bytes()
    assert ours(tmp_path, TEXT, TEXTS, "CONLL2003") == real


def renamed(found: dict[str, Any]) -> dict[str, Any]:
    """A COCO file whose annotations name their classes, whatever their numbers."""
    names = {one["id"]: one["name"] for one in found["categories"]}
    found["annotations"] = [
        {**one, "category_id": names[one["category_id"]]} for one in found["annotations"]
    ]
    found["categories"] = sorted(names.values())
    del found["info"]
    return found


@pytest.mark.parametrize(
    ("name", "config", "tasks"), [("image", IMAGE, IMAGES), ("points", POINTS, POINTED)]
)
def test_coco_is_as_the_real_converter_writes_it_but_for_the_order_of_classes(
    theirs: Path, tmp_path: Path, name: str, config: str, tasks: list[dict[str, Any]]
) -> None:
    real = renamed(json.loads((theirs / name / "COCO" / "result.json").read_text()))
    mine = renamed(json.loads(files(ours(tmp_path, config, tasks, "COCO"))["result.json"]))
    assert mine["images"] == real["images"]
    assert mine["categories"] == real["categories"]
    assert len(mine["annotations"]) == len(real["annotations"]) > 0
    for one, other in zip(mine["annotations"], real["annotations"], strict=True):
        assert one == {
            key: pytest.approx(value) if isinstance(value, float) else _near(value)
            for key, value in other.items()
        }


def _near(value: Any) -> Any:
    """Numbers in lists but for the last digit."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [pytest.approx(one) for one in value]
    return pytest.approx(value) if isinstance(value, list) and value else value


@pytest.mark.parametrize("name", ["YOLO", "YOLO_OBB"])
def test_yolo_is_as_the_real_converter_writes_it_but_for_the_order_of_classes(
    theirs: Path, tmp_path: Path, name: str
) -> None:
    mine, real = files(ours(tmp_path, IMAGE, IMAGES, name)), theirs / "image" / name
    order = mine["classes.txt"].decode().split()
    real_order = (real / "classes.txt").read_text().split()
    assert sorted(order) == sorted(real_order)
    labels = {one.name for one in (real / "labels").iterdir()}
    assert {one.removeprefix("labels/") for one in mine if one.startswith("labels/")} == labels
    ids = {one["name"]: one["id"] for one in json.loads(mine["notes.json"])["categories"]}
    real_notes = json.loads((real / "notes.json").read_text())["categories"]
    real_names = {str(one["id"]): one["name"] for one in real_notes}
    for label in labels:
        there = (real / "labels" / label).read_text().splitlines()
        here = mine[f"labels/{label}"].decode().splitlines()
        assert here == [
            " ".join([str(ids[real_names[first]]), *rest])
            for first, *rest in (line.split(" ") for line in there)
        ]


def test_yolo_with_key_points_is_as_the_real_converter_writes_it(
    theirs: Path, tmp_path: Path
) -> None:
    mine, real = files(ours(tmp_path, POINTS, POINTED, "YOLO")), theirs / "points" / "YOLO"
    (label,) = (real / "labels").iterdir()
    assert mine[f"labels/{label.name}"] == label.read_bytes() != b""
    assert mine["classes.txt"] == (real / "classes.txt").read_bytes()


def test_voc_is_as_the_real_converter_writes_it(theirs: Path, tmp_path: Path) -> None:
    mine, real = files(ours(tmp_path, IMAGE, IMAGES, "VOC")), theirs / "image" / "VOC"
    written_there = {one.name: one.read_text() for one in (real / "Annotations").iterdir()}
    assert {name.removeprefix("Annotations/") for name in mine} == set(written_there)
    for name, text in written_there.items():
        folder = text.split("<folder>")[1].split("</folder>")[0]
        assert folder == "images"
        assert _tight(mine[f"Annotations/{name}"].decode()) == _tight(text)


def _tight(xml: str) -> str:
    return "".join(line.strip() for line in xml.splitlines())


def finds(uploads: Path) -> Find:
    return lambda address: uploads / address.removeprefix("/data/upload/")


@pytest.fixture(scope="module")
def packed_by_them(tmp_path_factory: pytest.TempPathFactory, uploads: Path) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    names = [one for one in FORMATS if FORMATS[one].has_images]
    label_studio_sdk.convert(folder, IMAGE, PACKED, *names, uploads=uploads)
    return folder


def unmarked(name: str) -> str:
    """Without the digits that tell images of the web apart: theirs has them once it has fetched
    the image, and here it could not."""
    return re.sub("^[0-9a-f]{8}__", "", name)


@pytest.mark.parametrize("name", ["YOLO", "YOLO_OBB", "COCO"])
def test_images_are_packed_as_the_real_converter_packs_them(
    packed_by_them: Path, uploads: Path, tmp_path: Path, name: str
) -> None:
    real = packed_by_them / f"{name}_WITH_IMAGES"
    mine = files(ours(tmp_path, IMAGE, PACKED, f"{name}_WITH_IMAGES", find=finds(uploads)))
    there = {one.name: one.read_bytes() for one in (real / "images").iterdir()}
    assert sorted(there) == ["aa-one.png", "bb-two.png"]
    here = {
        path.removeprefix("images/"): raw for path, raw in mine.items() if path[:7] == "images/"
    }
    assert here == there
    left_out = mine["images-left-out.txt"].decode().split("\n\n")[1].splitlines()
    assert left_out == ["/data/upload/3/cc-gone.png", "http://127.0.0.1:9/far.png"]
    if name == "COCO":
        ours_of = renamed(json.loads(mine["result.json"]))
        theirs_of = renamed(json.loads((real / "result.json").read_text()))
        assert [(one["width"], one["height"], one["id"]) for one in ours_of["images"]] == [
            (one["width"], one["height"], one["id"]) for one in theirs_of["images"]
        ]
        for one, other in zip(ours_of["images"], theirs_of["images"], strict=True):
            assert unmarked(Path(one["file_name"]).name) == Path(other["file_name"]).name
            if one["file_name"].removeprefix("images/") in here:
                assert one["file_name"] in mine
        assert [one["image_id"] for one in ours_of["annotations"]] == [
            one["image_id"] for one in theirs_of["annotations"]
        ]
        return
    labels = {one.name: len(one.read_text().split()) for one in (real / "labels").iterdir()}
    assert labels == {
        unmarked(path.removeprefix("labels/")): len(raw.split())
        for path, raw in mine.items()
        if path.startswith("labels/")
    }
    assert labels["bb-two.txt"] == 0 < labels["aa-one.txt"]


# --- of our own


def test_images_of_allowed_folders_with_one_name_are_kept_apart(tmp_path: Path) -> None:
    tasks, found = [], {}
    for number, place in enumerate(("left", "right")):
        path = tmp_path / place / "same.png"
        path.parent.mkdir()
        Image.new("RGB", (10 + number, 8)).save(path)
        address = f"/data/local-files/?d={place}/same.png"
        tasks.append(task(number, {"image": address}, said(number, box("cat", 1, 1))))
        found[address] = path
    inner = files(ours(tmp_path, IMAGE, tasks, "YOLO_WITH_IMAGES", find=found.get))
    images = sorted(one for one in inner if one.startswith("images/"))
    assert len(images) == 2
    assert all(one.endswith("__same.png") for one in images)
    assert {f"labels/{Path(one).stem}.txt" for one in images} <= set(inner)
    assert "images-left-out.txt" not in inner
    coco = json.loads(
        files(ours(tmp_path, IMAGE, tasks, "COCO_WITH_IMAGES", find=found.get))["result.json"]
    )
    assert sorted((one["file_name"], one["width"]) for one in coco["images"]) == sorted(
        (path, 10 if inner[path] == found[tasks[0]["data"]["image"]].read_bytes() else 11)
        for path in images
    )


def test_a_lying_image_is_as_wide_as_it_is_shown_and_what_is_no_image_has_no_size(
    tmp_path: Path,
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=turned)
    (tmp_path / "text.jpg").write_text("no image")
    tasks = [
        task(n, {"image": f"/data/upload/3/{one}.jpg"}) for n, one in enumerate(("turned", "text"))
    ]
    find = {one["data"]["image"]: tmp_path / Path(one["data"]["image"]).name for one in tasks}.get
    inner = files(ours(tmp_path, IMAGE, tasks, "COCO_WITH_IMAGES", find=find))
    sizes = [(one["width"], one["height"]) for one in json.loads(inner["result.json"])["images"]]
    assert sizes == [(30, 40), (None, None)]
    assert {"images/turned.jpg", "images/text.jpg"} <= set(inner)


def test_large_images_go_out_in_parts_and_are_not_read_before(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    tasks = [task(1, {"image": "/data/upload/3/large.png"}, said(1, box("cat", 1, 1)))]
    how = Writing(read_config(IMAGE), spools(tmp_path), NOW, lambda _: path)
    tracemalloc.start()
    sizes = [len(one) for one in written(FORMATS["YOLO_WITH_IMAGES"], how, iter([tasks]))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) > 64 << 20
    assert max(sizes) <= 1 << 20
    assert peak < 8 << 20


def test_an_image_that_goes_meanwhile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (4, 4)).save(path)
    tasks = [task(1, {"image": "/data/upload/3/one.png"}, said(1, box("cat", 1, 1)))]

    def batches() -> Iterator[list[dict[str, Any]]]:
        yield tasks
        path.unlink()

    how = Writing(read_config(IMAGE), spools(tmp_path), NOW, lambda _: path)
    inner = files(b"".join(written(FORMATS["YOLO_WITH_IMAGES"], how, batches())))
    assert "images/one.png" not in inner
    assert "images/one.png: No such file" in inner["images-left-out.txt"].decode()


def test_classes_keep_the_order_of_the_configuration() -> None:
    found = classes(read_config(IMAGE))
    assert found.ids == {"zebra": 0, "cat": 1, "dog": 7, "lake": 2}


def test_spacy_lines_hold_spans_and_categories(tmp_path: Path) -> None:
    lines = [json.loads(one) for one in ours(tmp_path, TEXT, TEXTS, "SPACY").splitlines()]
    first = next(one for one in lines if one["meta"] == {"task": 1, "annotation": 1})
    assert first["spans"] == [
        {"start": 0, "end": 7, "label": "PER"},
        {"start": 17, "end": 26, "label": "ORG"},
    ]
    other = next(one for one in lines if one["meta"] == {"task": 1, "annotation": 2})
    assert other["cats"] == {"long": 1.0, "bad": 1.0}
    assert first["cats"] == {"long": 0.0, "bad": 0.0}


def test_cells_that_look_like_formulas_are_defused_unless_raw(tmp_path: Path) -> None:
    tasks = [
        task(1, {"text": "=HYPERLINK(1)", "-k": "\tx", "n": -3}),
        task(2, {"text": "@SUM", "-k": "plain"}),
    ]
    safe = table(ours(tmp_path, TEXT, tasks, "CSV", is_raw=False).decode(), ",")
    assert [row["text"] for row in safe] == ["'=HYPERLINK(1)", "'@SUM"]
    assert [row["'-k"] for row in safe] == ["'\tx", "plain"]
    assert safe[0]["n"] == "-3"
    raw = table(ours(tmp_path, TEXT, tasks, "CSV").decode(), ",")
    assert [row["text"] for row in raw] == ["=HYPERLINK(1)", "@SUM"]


def test_parquet_has_the_columns_of_csv_with_their_types(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    found = pq.read_table(io.BytesIO(ours(tmp_path, TEXT, TEXTS, "PARQUET")))
    header = ours(tmp_path, TEXT, TEXTS, "CSV").decode().splitlines()[0]
    assert found.column_names == next(csv.reader([header]))
    types = {field.name: str(field.type) for field in found.schema}
    assert types["id"] == "int64"
    assert types["n"] == "double"
    assert types["text"] == "string"
    assert found.column("more").to_pylist()[-3:] == ['{"a":[1]}', None, None]


def test_names_of_images_cannot_lead_out_of_an_archive(tmp_path: Path) -> None:
    strange = ("https://h/..", "https://h/a\\..\\evil.png", "/data/upload/3/../../etc/x.png")
    tasks = [task(n, {"image": one}, said(n, box("cat", 1, 1))) for n, one in enumerate(strange)]
    for name in ("YOLO", "VOC", "YOLO_WITH_IMAGES"):
        for inner in files(ours(tmp_path, IMAGE, tasks, name)):
            assert "\\" not in inner
            assert ".." not in inner.split("/")
            assert inner.count("/") <= 1


def test_formats_that_do_not_fit_are_not_offered() -> None:
    names = [one.name for one in fitting(read_config(IMAGE))]
    assert names == [
        *("JSON", "JSON_MIN", "CSV", "TSV", "PARQUET"),
        *("COCO", "COCO_WITH_IMAGES", "YOLO", "YOLO_WITH_IMAGES"),
        *("YOLO_OBB", "YOLO_OBB_WITH_IMAGES", "VOC"),
    ]
    with pytest.raises(FormatUnknown, match="'NOPE'") as wrong:
        format_named("NOPE")
    assert "JSON_MIN" in (wrong.value.advice or "")


def test_tokens_know_their_places() -> None:
    text = 'He said "wanna go?" (can\'t).'
    assert all(text[at : at + len(token)] == token for token, at in tokens(text))
    assert [token for token, _ in tokens(text)] == [
        *("He", "said", '"', "wan", "na", "go", "?", '"', "(", "ca", "n't", ")", "."),
    ]


def test_no_tasks_is_a_file_too(tmp_path: Path) -> None:
    assert json.loads(ours(tmp_path, TEXT, [], "JSON")) == []
    assert json.loads(ours(tmp_path, TEXT, [], "JSON_MIN")) == []
    assert len(ours(tmp_path, TEXT, [], "CSV").splitlines()) == 1
    assert json.loads(files(ours(tmp_path, IMAGE, [], "COCO"))["result.json"])["images"] == []
