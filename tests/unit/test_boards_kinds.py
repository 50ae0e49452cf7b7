"""Kinds of content are decoded as TensorBoard decodes them, and rubbish ends in an error."""

from __future__ import annotations

import contextlib
import math
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat
from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.distribution import compressor
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.util import tensor_util

from mlpi.boards.folders import look
from mlpi.boards.kinds import hparams, media, texts
from mlpi.boards.kinds.errors import ContentBroken, ContentError
from mlpi.boards.kinds.histograms import distribution, histogram, rebinned, span
from mlpi.boards.kinds.media import clips, image, images, sound
from mlpi.boards.kinds.tensors import MOST_NUMBERS, MOST_STRINGS, numbers, strings
from mlpi.boards.kinds.texts import text
from mlpi.boards.kinds.timeline import Timeline, tags_of
from mlpi.boards.library import Run
from mlpi.boards.reader.run import RunReader
from mlpi.boards.reader.wire import WireError
from mlpi.errors import NotFound
from tests.board_files import PNG, gif, old_histogram, old_image, png, tensor_value
from tests.event_files import event, header, write

TYPES = [
    "float32",
    "float64",
    "float16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "bool",
]
SHAPES: list[tuple[int, ...]] = [(), (1,), (0,), (3,), (2, 3), (4, 1, 2)]


def theirs(proto: Any) -> Any:
    return tensor_util.make_ndarray(proto)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_of_every_type_and_shape_equal_tensorboards(kind: str, shape: Any) -> None:
    values = (np.arange(math.prod(shape)) * 1.5 - 2).astype(kind).reshape(shape)
    proto = tensor_util.make_tensor_proto(values)
    found = numbers(proto.SerializeToString())
    assert found.shape == values.shape
    assert found.tolist() == theirs(proto).astype(float).tolist()


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64", "bool", "float16"])
def test_numbers_listed_one_by_one_equal_tensorboards(kind: str) -> None:
    """As TensorFlow writes short tensors: in a repeated field, one value standing for all."""
    listed: dict[str, tuple[str, list[Any]]] = {
        "float32": ("float_val", [1.5, -2.0]),
        "float64": ("double_val", [1e300, -0.1]),
        "int32": ("int_val", [-7, 2**31 - 1]),
        "int64": ("int64_val", [-(2**40), 5]),
        "bool": ("bool_val", [True, False]),
        "float16": ("half_val", [0x3C00, 0xC100]),
    }
    name, values = listed[kind]
    number = types_pb2.DataType.Value(
        {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "float16": "DT_HALF"}.get(
            kind, f"DT_{kind.upper()}"
        )
    )
    for some, size in ((values, 2), (values[:1], 3)):
        proto = tensor_pb2.TensorProto(dtype=number)
        proto.tensor_shape.dim.add(size=size)
        getattr(proto, name).extend(some)
        assert numbers(proto.SerializeToString()).tolist() == theirs(proto).astype(float).tolist()


def test_strings_of_every_shape_equal_tensorboards() -> None:
    for value in ("", "one", ["a", "ü", ""], [["a", "b"], ["c", "d"]], [[["x"]]]):
        proto = tensor_util.make_tensor_proto(value)
        found = strings(proto.SerializeToString())
        expected = theirs(proto)
        assert found.shape == expected.shape
        assert found.values == expected.ravel().tolist()


def test_one_string_stands_for_all_and_no_shape_makes_it_grow_without_bound() -> None:
    proto = tensor_util.make_tensor_proto("a")
    proto.tensor_shape.dim.add(size=3)
    assert strings(proto.SerializeToString()) == ((3,), [b"a"] * 3)
    proto.tensor_shape.dim[0].size = MOST_STRINGS + 1
    with pytest.raises(ContentError, match="more than"):
        strings(proto.SerializeToString())
    one = tensor_util.make_tensor_proto(1.0)
    one.tensor_shape.dim.add(size=MOST_NUMBERS + 1)
    with pytest.raises(ContentError, match="more than"):
        numbers(one.SerializeToString())


def test_a_shape_that_its_values_do_not_fill_is_an_error() -> None:
    proto = tensor_util.make_tensor_proto([1.0, 2.0, 3.0])
    proto.tensor_shape.dim[0].size = 5
    with pytest.raises(ContentError, match="for 5 numbers, and it holds 3"):
        numbers(proto.SerializeToString())
    proto.tensor_shape.dim[0].size = -1
    with pytest.raises(ContentError, match="not known"):
        numbers(proto.SerializeToString())


finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, max_size=60), st.integers(1, 40))
def test_tensor_histograms_and_distributions_equal_tensorboards(
    data: list[float], buckets: int
) -> None:
    value = histogram_pb("h", data, buckets).value[0]
    rows = histogram(value.tensor.SerializeToString(), "tensor")
    assert rows.tolist() == theirs(value.tensor).tolist()
    expected = [at for _, at in compressor.compress_histogram(rows.tolist())]
    assert distribution(rows) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(
    st.lists(st.tuples(finite, st.integers(0, 50)), max_size=30),
    st.booleans(),
)
def test_old_histograms_equal_tensorboards(pairs: list[tuple[float, int]], is_wide: bool) -> None:
    limits = sorted({limit for limit, _ in pairs}) + ([1.7976931348623157e308] if is_wide else [])
    counts = [float(count) for _, count in pairs][: len(limits)]
    counts += [0.0] * (len(limits) - len(counts))
    proto = old_histogram("h", limits, counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # TensorBoard's cast of the widest limit
        expected = theirs(data_compat.migrate_value(proto).tensor)
    rows = histogram(proto.histo.SerializeToString(), "histogram")
    assert rows.tolist() == expected.reshape(-1, 3).tolist()
    theirs_ = [at for _, at in compressor.compress_histogram(expected.tolist())]
    assert distribution(rows) == pytest.approx(theirs_, rel=1e-6, abs=1e-6, nan_ok=True)


def test_other_buckets_keep_every_count() -> None:
    rows = np.array([[0, 1, 4], [1, 3, 8], [2, 2, 5], [3, 3, 1]], float)
    counts = rebinned(rows, np.array([0, 0.5, 2, 3.0]))
    assert counts.tolist() == [2, 6, 10]
    assert span([rows, np.zeros((0, 3))]) == (0, 3)
    assert span([np.zeros((0, 3))]) is None


def test_histograms_of_nothing_finite_count_nothing() -> None:
    rows = np.array([[np.nan, 1, 3], [0, np.inf, 2], [0, 1, np.nan]])
    assert rebinned(rows, np.array([0.0, 1.0])).tolist() == [0]
    assert span([rows]) is None
    assert len(distribution(rows)) == 9


def test_pictures_are_given_as_they_were_written() -> None:
    value = old_image("i", png(3, 2))
    assert images(value.image.SerializeToString(), "image") == [png(3, 2)]
    two = tensor_value("i", [b"3", b"2", png(3, 2), gif(3, 2)], "images")
    assert images(two.tensor.SerializeToString(), "tensor") == [png(3, 2), gif(3, 2)]
    migrated = data_compat.migrate_value(value)
    assert theirs(migrated.tensor).tolist()[2:] == images(
        migrated.tensor.SerializeToString(), "tensor"
    )


def test_a_picture_is_what_its_first_bytes_say() -> None:
    assert image(PNG).content_type == "image/png"
    assert image(gif(5, 4)).content_type == "image/gif"
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 20, 30) + b"\3"
    assert image(jpeg).content_type == "image/jpeg"


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + b"\xff" * 40,
        b"\xff\xd8\xff\xe0\x00\x00" * 9,
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError, match="no PNG, JPEG or GIF"):
        image(content)


def test_a_picture_of_giant_dimensions_is_refused() -> None:
    with pytest.raises(ContentError, match=r"100,000 × 100,000 pixels"):
        image(png(100_000, 100_000, is_whole=False))
    with pytest.raises(ContentError, match="pixels"):
        image(png(media.LONGEST_SIDE + 1, 1, is_whole=False))


def test_sounds_are_the_first_column_of_their_tensor() -> None:
    wav = b"RIFF\x24\0\0\0WAVEfmt "
    old = summary_pb2.Summary.Value(tag="a")
    old.audio.encoded_audio_string = wav
    assert clips(old.audio.SerializeToString(), "audio") == [wav]
    labelled = tensor_util.make_tensor_proto([[wav, b"one"], [b"fLaC", b"two"]])
    assert clips(labelled.SerializeToString(), "tensor") == [wav, b"fLaC"]
    bare = tensor_util.make_tensor_proto([wav, b"fLaC"])
    assert clips(bare.SerializeToString(), "tensor") == [wav, b"fLaC"]
    migrated = data_compat.migrate_value(old)
    assert clips(migrated.tensor.SerializeToString(), "tensor") == [wav]
    assert (sound(wav).content_type, sound(b"fLaC").content_type) == ("audio/wav", "audio/flac")
    with pytest.raises(ContentError, match="no WAV"):
        sound(b"<html>")


def test_texts_are_markdown_and_html_in_them_is_text() -> None:
    def decoded(value: object) -> texts.Text:
        return text(tensor_util.make_tensor_proto(value).SerializeToString(), "tensor")

    one = decoded("**bold** <script>alert(1)</script> [x](javascript:alert(1))")
    html = str(one.html())
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    table = decoded([["a", "*b*"], ["<i>", "d"]])
    assert str(table.html()).count("<td>") == 4
    assert "<em>b</em>" in str(table.html())
    assert "<i>" not in str(table.html())
    assert decoded(["a", "b"]).rows == [["a"], ["b"]]
    deep = decoded([[["a", "b"]], [["c", "d"]]])
    assert deep.rows == [["a", "b"]]
    assert "3 dimensions" in deep.note
    long = decoded("x" * (texts.LONGEST + 5))
    assert long.length == texts.LONGEST
    assert "first" in long.note
    many = decoded([[str(n)] for n in range(texts.MOST_ROWS + 9)])
    assert len(many.rows) == texts.MOST_ROWS
    assert "rows" in many.note


Decode = Callable[[bytes], object]
DECODERS: list[Decode] = [
    strings,
    numbers,
    lambda data: [distribution(histogram(data, "histogram")), span([histogram(data, "histogram")])],
    lambda data: rebinned(histogram(data, "tensor"), np.linspace(0, 1, 5)),
    lambda data: images(data, "image"),
    lambda data: images(data, "tensor"),
    lambda data: clips(data, "audio"),
    lambda data: clips(data, "tensor"),
    image,
    sound,
    lambda data: text(data, "tensor").html(),
    hparams.session,
    hparams.ending,
    hparams.experiment,
]
WHOLE = [
    tensor_util.make_tensor_proto(np.arange(12.0).reshape(4, 3)).SerializeToString(),
    tensor_util.make_tensor_proto([["a", "b"], ["c", "d"]]).SerializeToString(),
    old_histogram("h", [1.0, 2.0, 3.0], [1.0, 0.0, 2.0]).histo.SerializeToString(),
    old_image("i", PNG).image.SerializeToString(),
    PNG,
    gif(2, 2),
]


@pytest.mark.parametrize("decode", DECODERS)
@settings(max_examples=80)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.sampled_from(WHOLE), st.integers(0, 300), st.binary(max_size=6)).map(
            lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
        ),
    )
)
def test_rubbish_ends_in_an_error_that_is_ours(decode: Decode, data: bytes) -> None:
    with contextlib.suppress(ContentError, WireError):
        decode(data)


@pytest.mark.parametrize("decode", [one for one in DECODERS if one not in (image, sound)])
def test_a_message_of_a_million_fields_is_given_up_soon(decode: Decode) -> None:
    with pytest.raises(ContentError, match="fields"):
        decode(b"\x42\x00" * 1_000_000)


def opened(folder: Path, *values: tuple[int, Any]) -> Run:
    write(folder / "lab" / "a", [header(), *(event(step, value) for step, value in values)])
    reader = RunReader(folder / "lab" / "a")
    reader.refresh()
    found = look(folder, "lab", "a")
    assert found is not None
    return Run("lab", "a", reader, found)


def test_a_timeline_finds_values_by_step(tmp_path: Path) -> None:
    run = opened(tmp_path, *((step, old_image("i", png(2, step + 1))) for step in (0, 5, 9)))
    assert tags_of(run, "images") == ["i"]
    assert tags_of(run, "text") == []
    line = Timeline(run, "i", "images")
    assert [line.nearest(step) for step in (-3, 0, 4, 5, 8, 99, None)] == [0, 0, 0, 1, 1, 2, 2]
    assert line.read(1, images) == [png(2, 6)]
    assert len({line.key(index) for index in range(3)}) == 3
    assert [line.thinned(most) for most in (2, 3, 9)] == [[0, 2], [0, 1, 2], [0, 1, 2]]
    with pytest.raises(NotFound):
        line.entry(3)
    with pytest.raises(NotFound):
        Timeline(run, "i", "text")
    with pytest.raises(NotFound):
        Timeline(run, "x", "images")


def test_a_broken_value_names_run_tag_step_file_and_byte(tmp_path: Path) -> None:
    bad = tensor_value("t", np.zeros((2, 2)), "histograms")
    good = tensor_value("t", np.array([[0.0, 1.0, 2.0]]), "histograms")
    run = opened(tmp_path, (3, bad), (4, good))
    line = Timeline(run, "t", "histograms")
    with pytest.raises(ContentBroken) as caught:
        line.read(0, histogram)
    entry = line.entry(0)
    for part in ("'t'", "'a'", "step 3", entry.file, f"byte {entry.offset}", "[2, 2]"):
        assert part in caught.value.message
    assert line.read(1, histogram).tolist() == [[0.0, 1.0, 2.0]]


def test_a_value_whose_file_was_cut_or_went_is_an_error(tmp_path: Path) -> None:
    run = opened(tmp_path, (1, old_image("i", PNG)))
    line = Timeline(run, "i", "images")
    path = tmp_path / "lab" / "a" / line.entry(0).file
    path.write_bytes(path.read_bytes()[: line.entry(0).offset + 4])
    with pytest.raises(ContentBroken, match="ends within"):
        line.read(0, images)
    path.unlink()
    with pytest.raises(ContentBroken, match="No such file"):
        line.read(0, images)
