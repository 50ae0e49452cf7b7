"""Files of tasks read row by row; pictures made small and upright; files of allowed folders."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mlpi.errors import NotFound
from mlpi.labels.bringing import pictures as making
from mlpi.labels.bringing.json_items import CHUNK_BYTES, FileBroken, items
from mlpi.labels.bringing.local import LocalFiles
from mlpi.labels.bringing.pictures import Pictures, PictureUnusable
from mlpi.labels.bringing.rows import (
    LISTS,
    LONGEST_LINE,
    MEDIA,
    TEXTS,
    ExtensionRefused,
    Row,
    ending_of,
    rows,
    single_field,
)
from mlpi.labels.bringing.types import type_of
from mlpi.labels.config.reading import read_config

TEXT = read_config('<View><Text name="t" value="$text"/></View>')
TWO = read_config('<View><Text name="t" value="$text"/><Image name="i" value="$image"/></View>')


def read(raw: bytes, ending: str, config: Any = TEXT) -> list[Row]:
    return list(rows(io.BytesIO(raw), ending, config))


def data(raw: bytes, ending: str) -> list[Any]:
    return [row.task["data"] for row in read(raw, ending)]  # type: ignore[index]


# --- JSON


class Dribble(io.RawIOBase):
    """Bytes that come a few at a time, whatever was asked for."""

    def __init__(self, raw: bytes, size: int) -> None:
        self._raw, self._size = io.BytesIO(raw), size

    def read(self, _size: int = -1) -> bytes:
        return self._raw.read(self._size)


VALUES: list[Any] = [
    {"text": 'ä€😀 \\ " ]}', "n": [1, [2.5e3, {"x": None}]]},
    "a string, with [ and ,",
    12345,
    -0.5,
    True,
    None,
    [],
    {},
    {"text": "x" * 5000},
    7,
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("indent", [None, 3])
def test_values_are_the_same_wherever_the_pieces_end(size: int, indent: int | None) -> None:
    for escaped in (True, False):
        raw = json.dumps(VALUES, indent=indent, ensure_ascii=escaped).encode()
        assert list(items(Dribble(raw, size))) == VALUES  # type: ignore[arg-type]


def test_objects_one_after_the_other_are_tasks_too() -> None:
    assert list(items(io.BytesIO(b'\xef\xbb\xbf {"a": 1}\n{"a": 2} {"a": 3}'))) == [
        {"a": 1},
        {"a": 2},
        {"a": 3},
    ]
    assert list(items(io.BytesIO(b" [ ] "))) == []


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"7", "begins with '7'"),
        (b'[{"a": 1}', "the file ends after item 0"),
        (b'[{"a": 1} {"a": 2}]', "'{' follows item 0"),
        (b'[{"a": 1}, {"a": ]', "item 1 is no JSON"),
        (b'[{"a": 1}, {"a": "never ends', "item 1 is no JSON: Unterminated"),
        (b'[{"a": 1},]', "item 1 is no JSON"),
        (b"[1] x", "'x' follows the list"),
        (b'[{"a": "\xff"}]', "item 0 is no UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "item 0 is no JSON"),
    ],
)
def test_broken_json_names_the_item(raw: bytes, words: str) -> None:
    with pytest.raises(FileBroken, match=words.replace("[", r"\[")):
        list(items(io.BytesIO(raw)))


def test_a_mistake_is_found_without_reading_the_rest() -> None:
    file = io.BytesIO(b'[{"a": 1}, {"a": oops}, ' + b'{"a": 1}, ' * 500_000)
    with pytest.raises(FileBroken, match="item 1"):
        list(items(file))
    assert file.tell() <= 2 * CHUNK_BYTES


def test_a_long_array_does_not_sit_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(40_000):
            file.write(f'{"," if number else ""}{{"text": "{"x" * 500} {number}"}}')
        file.write("]")
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(1 for _ in items(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 4_000_000


# --- tables and lines


def test_tables_name_their_columns() -> None:
    expected = [{"text": "a, b", "n": "007"}, {"text": "two\nlines", "n": ""}]
    for raw, ending in (
        (b'text,n\n"a, b",007\n\n"two\nlines",\n', ".csv"),
        (b'\xef\xbb\xbftext,n\r\n"a, b",007\r\n"two\nlines",\r\n', ".csv"),
        (b'text;n\n"a, b";007\n"two\nlines";\n', ".csv"),
        (b'text\tn\na, b\t007\n"two\nlines"\t\n', ".tsv"),
        ('text\tn\na, b\t007\n"two\nlines"\t\n'.encode("utf-16"), ".tsv"),
    ):
        assert data(raw, ending) == expected
    # The index that pandas writes has no name.
    assert data(b",text\n0,a\n", ".csv") == [{"Unnamed: 0": "0", "text": "a"}]


def test_bad_rows_say_where_and_why_and_the_rest_is_read() -> None:
    raw = b'text,n\na,1\nb\n\xff,2\n"c\nc",3,3\nd\0,4\ne,5\n'
    found = read(raw, ".csv")
    assert [(row.number, row.line, bool(row.wrong)) for row in found] == [
        (1, 2, False),
        (2, 3, True),
        (3, 4, True),
        (4, 6, True),
        (5, 7, True),
        (6, 8, False),
    ]
    assert "1 cell," in found[1].wrong
    assert "UTF-8" in found[2].wrong
    assert "3 cells" in found[3].wrong
    assert "NUL" in found[4].wrong


def test_json_lines_are_judged_one_by_one() -> None:
    found = read(b'{"text": "a"}\n\n{"text": \n\xff\n{"text": "b"}', ".jsonl")
    assert [(row.number, row.line, bool(row.wrong)) for row in found] == [
        (1, 1, False),
        (2, 3, True),
        (3, 4, True),
        (4, 5, False),
    ]


def test_a_line_of_text_is_a_task_of_the_only_field() -> None:
    assert data(b"\xef\xbb\xbfone\r\n\r\n two \nthree", ".txt") == [
        {"text": "one"},
        {"text": " two "},
        {"text": "three"},
    ]
    with pytest.raises(ExtensionRefused, match="fields are text, image"):
        read(b"one", ".txt", TWO)
    with pytest.raises(ExtensionRefused, match="fields are none"):
        read(b"one", ".txt", read_config("<View></View>"))


@pytest.mark.parametrize(
    ("raw", "ending", "words"),
    [
        (b"", ".csv", "empty"),
        (b"\n\n", ".tsv", "empty"),
        (b"text,n\n", ".csv", "no tasks"),
        (b"", ".txt", "no tasks"),
        (b"\n", ".jsonl", "no tasks"),
        (b"[]", ".json", "no tasks"),
        (b"a,b,a\n1,2,3\n", ".csv", "'a' is there twice"),
        (b"\x89PNG\0\0\n1\n", ".csv", "Line 1"),
        (b'text\n"' + b"x\n" * (LONGEST_LINE // 2 + 2), ".csv", "quotation mark"),
        (b"x" * (LONGEST_LINE + 1), ".txt", "Line 1 is longer"),
    ],
)
def test_files_that_cannot_be_read_at_all(raw: bytes, ending: str, words: str) -> None:
    with pytest.raises(FileBroken) as caught:
        read(raw, ending)
    assert words in caught.value.line()


def test_only_known_endings_are_taken() -> None:
    for name in ("a.JSON", "b.csv", "x.y.png", "c.html"):
        assert ending_of(name) in {*LISTS, *MEDIA, *TEXTS}
    for name in ("a.exe", "a.zip", "a", ".csv", "a.csv.gz"):
        with pytest.raises(ExtensionRefused, match="extension is not supported"):
            ending_of(name)


def test_the_field_of_a_file_is_the_only_one_that_shows_such_files() -> None:
    assert single_field(TWO, ("Image",)) == "image"
    assert single_field(TEXT, ("Image",)) == "text"
    with pytest.raises(ExtensionRefused):
        single_field(TWO, ("Audio",))


def test_what_could_run_in_a_browser_is_downloaded() -> None:
    assert type_of("a.png") == ("image/png", True)
    assert type_of("a.wav") == ("audio/wav", True)
    assert type_of("a.svg") == ("image/svg+xml", False)
    for name in ("a.html", "a.htm", "a.xml", "a.xhtml", "a.js", "a"):
        assert type_of(name) == ("application/octet-stream", False)


# --- pictures


def picture(path: Path, size: tuple[int, int], turn: int | None = None, **how: Any) -> Path:
    made = Image.new(how.pop("mode", "RGB"), size, how.pop("colour", "red"))
    if turn is not None:
        exif = Image.Exif()
        exif[0x0112] = turn
        how["exif"] = exif
    made.save(path, **how)
    return path


def test_small_copies_are_small_upright_and_kept(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "home")
    path = picture(tmp_path / "a.jpg", (1000, 400), turn=6)
    small = pictures.small(3, path)
    with Image.open(small) as made:
        assert (made.format, made.size) == ("WEBP", (102, 256))
    before = small.stat().st_mtime_ns
    assert pictures.small(3, path) == small
    assert small.stat().st_mtime_ns == before
    picture(path, (300, 300))
    assert pictures.small(3, path) != small
    pictures.drop_project(3)
    assert not small.exists()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1"])
def test_small_copies_of_every_mode(tmp_path: Path, mode: str) -> None:
    ending, colour = ("jpg", 0) if mode == "CMYK" else ("png", 1)
    path = picture(tmp_path / f"a.{ending}", (20, 10), mode=mode, colour=colour)
    with Image.open(Pictures(tmp_path / "home").small(1, path)) as made:
        assert made.size == (20, 10)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_an_upright_copy_is_made_where_the_file_says_that_it_lies(
    tmp_path: Path, ending: str
) -> None:
    pictures = Pictures(tmp_path / "home")
    lying = picture(tmp_path / f"lying.{ending}", (40, 20), turn=8)
    with Image.open(pictures.upright(1, lying)) as made:
        assert made.size == (20, 40)
        assert made.getexif().get(0x0112, 1) == 1
    for turn in (None, 1, 99):
        upright = picture(tmp_path / f"up{turn}.{ending}", (40, 20), turn=turn)
        assert pictures.upright(1, upright) == upright


def test_pictures_that_are_none_or_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = Pictures(tmp_path / "home")
    (tmp_path / "a.png").write_bytes(b"no picture")
    picture(tmp_path / "b.png", (10, 10))
    (tmp_path / "b.png").rename(tmp_path / "b.jpg")  # what it says it is counts
    (tmp_path / "c.svg").write_text("<svg/>")
    cut = picture(tmp_path / "d.jpg", (500, 500))
    cut.write_bytes(cut.read_bytes()[:300])
    for name in ("a.png", "b.jpg", "c.svg", "d.jpg"):
        with pytest.raises(PictureUnusable):
            pictures.small(1, tmp_path / name)
    monkeypatch.setattr(making, "MOST_PIXELS", 99)
    with pytest.raises(PictureUnusable, match="10 × 10"):
        pictures.small(1, picture(tmp_path / "e.png", (10, 10)))
    assert not list((tmp_path / "home").rglob("*.part"))


# --- local files


def test_files_are_found_inside_the_folders_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
    (inside / "deep" / "a.png").write_bytes(b"a")
    (outside / "secret.png").write_bytes(b"s")
    (inside / "link.png").symlink_to(inside / "deep" / "a.png")
    (inside / "escape.png").symlink_to(outside / "secret.png")
    (inside / "away").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    os.mkfifo(inside / "pipe")
    local = LocalFiles([tmp_path / "gone", inside])
    found = (inside / "deep" / "a.png").resolve()
    for asked in ("deep/a.png", "/deep/a.png", str(inside / "deep/a.png"), "link.png"):
        assert local.find(asked) == found
    for asked in (
        "",
        "deep",
        "pipe",
        "loop",
        "nothing.png",
        "escape.png",
        "away/secret.png",
        "../out/secret.png",
        "deep/../../out/secret.png",
        str(outside / "secret.png"),
        "/etc/passwd",
        "/dev/zero",
        "a\0b",
        "x" * 5000,
    ):
        with pytest.raises(NotFound):
            local.find(asked)
    with pytest.raises(NotFound):
        LocalFiles([]).find("/etc/passwd")
