"""Zips of pictures, texts and tables: unpacked as they are meant, and refused as bombs are."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from mlpi.labels.bringing import zips
from mlpi.labels.bringing.json_items import FileBroken
from mlpi.labels.bringing.rows import ExtensionRefused
from mlpi.labels.bringing.zips import MOST_ENTRIES, Zip

DEFLATED = zipfile.ZIP_DEFLATED
CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"


def zipped(
    files: dict[str, bytes],
    method: int = DEFLATED,
    change: Callable[[zipfile.ZipInfo], None] = lambda _: None,
) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, raw in files.items():
            about = zipfile.ZipInfo("x")
            about.filename, about.compress_type = name, method
            change(about)
            archive.writestr(about, raw)
    return made.getvalue()


def unpacked(raw: bytes) -> dict[str, bytes]:
    return {name: file.read() for name, file in Zip("sent.zip", io.BytesIO(raw)).files()}


def refused(raw: bytes, words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FileBroken, match=words) as error:
            unpacked(raw)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert error.value.message.startswith("sent.zip: ")


def test_files_come_out_as_they_went_in_and_folders_and_leavings_do_not() -> None:
    files = {
        "pictures/": b"",
        "pictures/ä one.png": b"\x89PNG" * 100,
        "pictures/deep/er/two.JPG": b"\xff\xd8",
        "rows.csv": b"text\none\n",
        "__MACOSX/pictures/._one.png": b"junk",
        "pictures/.DS_Store": b"junk",
        "letters.txt": b"a" * 1_000_000,  # small, however well it packs
    }
    for method in (DEFLATED, zipfile.ZIP_STORED):
        found = unpacked(zipped(files, method))
        assert found == {
            "ä one.png": files["pictures/ä one.png"],
            "two.JPG": b"\xff\xd8",
            "rows.csv": files["rows.csv"],
            "letters.txt": files["letters.txt"],
        }


@pytest.mark.parametrize(
    "name",
    [
        *("../out.png", "a/../../out.png", "/etc/out.png", "C:/out.png", "C:\\out.png"),
        *("a\\..\\out.png", "a//out.png", "./out.png", "new\nline.png", "a/..png/../x.png"),
    ],
)
def test_names_that_lead_out_are_refused(name: str) -> None:
    refused(zipped({"fine.png": b"x", name: b"x"}), "leads out")


def test_a_name_that_ends_early_is_refused() -> None:
    raw = zipped({"evil.sh_x.png": b"x"}).replace(b"evil.sh_x.png", b"evil.sh\0x.png")
    refused(raw, "leads out|no zip")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind: int) -> None:
    def change(about: zipfile.ZipInfo) -> None:
        about.create_system, about.external_attr = 3, (kind | 0o777) << 16

    refused(zipped({"one.png": b"/etc/passwd"}, change=change), "is a link")


def test_archives_within_are_refused_so_that_no_quine_begins() -> None:
    raw = zipped({"r/r.zip": zipped({"x.png": b"x"})})
    refused(raw, "archive within the archive")
    for name in ("a.tar", "a.tar.gz", "a.7z", "A.ZIP"):
        refused(zipped({name: b"x"}), "archive within the archive")
    # One that is called a picture is a picture, and stays packed.
    assert zipfile.is_zipfile(io.BytesIO(unpacked(zipped({"x.png": raw}))["x.png"]))


def test_a_file_that_packs_too_well_is_refused_before_it_is_unpacked() -> None:
    refused(zipped({"zeros.txt": bytes(64 << 20)}), "200 times as many")


def test_more_than_an_archive_may_unpack_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MOST_UNPACKED", 1000)
    refused(zipped({f"{one}.txt": bytes(400) for one in range(3)}), "1,200 bytes; 1,000")


def changed(raw: bytes, at: int, value: int) -> bytes:
    """With another 32-bit number at a place of every entry of the directory."""
    found, begin = bytearray(raw), raw.index(CENTRAL)
    while begin >= 0:
        struct.pack_into("<L", found, begin + at, value)
        begin = raw.find(CENTRAL, begin + 4)
    return bytes(found)


SIZE, PACKED_SIZE, PLACE = 24, 20, 42  # of a directory's entry


@pytest.mark.parametrize("said", [10, 999_999, 1_000_001, 100 << 20])
def test_sizes_that_lie_are_found_out(said: int) -> None:
    raw = zipped({"one.txt": bytes(range(256)) * 4000})  # 1,024,000 bytes
    refused(changed(raw, SIZE, said), "another size|cannot be unpacked|times as many")


def test_an_entry_that_says_it_is_larger_than_the_archive_is_refused() -> None:
    refused(changed(zipped({"one.txt": b"abc" * 99}), PACKED_SIZE, 1 << 30), "overlaps")


def test_entries_that_share_their_bytes_are_refused() -> None:
    raw = zipped({"1.txt": bytes(100), "2.txt": bytes(100), "3.txt": bytes(100)})
    refused(changed(raw, PLACE, 0), "overlaps|no zip")
    # The same entry listed ten times, as small as it is.
    one = zipped({"1.txt": b"text"})
    at, end = one.index(CENTRAL), one.index(END)
    record = one[at:end]
    tail = bytearray(one[end:])
    struct.pack_into("<HHL", tail, 8, 10, 10, 10 * len(record))
    refused(one[:at] + record * 10 + bytes(tail), "overlaps")


@pytest.mark.parametrize("count", [MOST_ENTRIES + 1, 100_000])
def test_too_many_entries_are_refused(count: int) -> None:
    record = zipped({"1.txt": b""})
    at, end = record.index(CENTRAL), record.index(END)
    tail = bytearray(record[end:])
    directory = record[at:end] * count
    struct.pack_into("<HHL", tail, 8, count & 0xFFFF, count & 0xFFFF, len(directory))
    refused(record[:at] + directory + bytes(tail), "more than 10,000 files")


def test_a_directory_as_large_as_it_says_is_not_read() -> None:
    raw = bytearray(zipped({"1.txt": b"x"}))
    struct.pack_into("<L", raw, raw.index(END) + 12, 0xFFFFFF00)
    refused(bytes(raw), "no zip|more than")


def test_what_is_encrypted_or_strangely_packed_is_refused() -> None:
    raw = bytearray(zipped({"1.txt": b"x"}))
    raw[raw.index(CENTRAL) + 8] |= 1
    refused(bytes(raw), "is encrypted")
    refused(zipped({"1.txt": b"x"}, zipfile.ZIP_BZIP2), "packed in a way")


def test_what_is_no_zip_or_is_damaged_is_refused_in_words() -> None:
    whole = zipped({"1.txt": b"some text " * 1000, "2.txt": b"more"})
    refused(b"", "no zip")
    refused(b"no zip at all", "no zip")
    refused(whole[: len(whole) // 2], "no zip")
    refused(zipped({}), "no files")
    refused(zipped({"folder/": b""}), "no files")
    damaged = bytearray(whole)
    damaged[60] ^= 0xFF
    refused(bytes(damaged), "cannot be unpacked|another size")


def test_a_file_of_another_kind_is_named_and_nothing_comes_out() -> None:
    with pytest.raises(ExtensionRefused, match=r"sent.zip: 'b/run.exe': .exe extension"):
        Zip("sent.zip", io.BytesIO(zipped({"a.png": b"x", "b/run.exe": b"MZ"})))
