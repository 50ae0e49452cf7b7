"""Text in any encoding becomes UTF-8, as a stream; wrong bytes are named by place."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from mlpi.checks.engine.unreadable import SourceUnreadable, beginning

CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_KINDS = (
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it"),
    (b"PK\x03\x04", "a zip archive or an Excel file: unpack it, or choose the format Excel"),
    (b"PAR1", "a Parquet file: choose the format Parquet"),
    (b"SQLite format 3\0", "an SQLite database: add it by its URL, sqlite:///…"),
)


def utf8_file(path: Path, encoding: str, scratch: Path) -> tuple[Path, str | None]:
    """The file itself where it is UTF-8, else a copy in UTF-8; and a note where that was guessed.

    encoding: any name that Python knows; "" for UTF-8 or what a byte order mark says.
    """
    head = _head(path)
    for magic, kind in _OTHER_KINDS:
        if head.startswith(magic):
            raise SourceUnreadable(f"{path.name} is {kind}.")
    note = None
    if encoding:
        name = _known(encoding)
    else:
        name = next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")
        if name != "utf-8":
            note = f"read as {name.upper()}, as its byte order mark says"
        elif wide := _wide(head):
            raise SourceUnreadable(
                f"{path.name} holds NUL bytes from line 1 on, as {wide.upper()} does: "
                f"set the encoding to {wide}."
            )
    if name in ("utf-8", "utf-8-sig", "ascii"):
        return path, note
    copy = scratch / "utf8.txt"
    with copy.open("w", encoding="utf-8", newline="") as out:
        for text in decoded(path, name):
            out.write(text)
    return copy, note


def decoded(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, in pieces. Raises SourceUnreadable at a byte that does not fit."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, line = 0, 1
    with path.open("rb") as file:
        while True:
            raw = file.read(CHUNK)
            # Bytes that the decoder still holds from before count too.
            held = decoder.getstate()[0]
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                start = error.start
                place = position - len(held) + start
                data = bytes(error.object)
                line += data[:start].decode(encoding, "replace").count("\n")
                raise SourceUnreadable(
                    f"{path.name} is not {encoding.upper()}: byte {place + 1} (line {line}) is "
                    f"0x{data[start]:02X}. {_advice(path, encoding, place)}"
                ) from None
            line += text.count("\n")
            position += len(raw)
            yield text
            if not raw:
                return


def refuse_if_not_utf8(path: Path) -> None:
    """Raise SourceUnreadable with the place of the first byte that is not UTF-8."""
    for _ in decoded(path, "utf-8"):
        pass


def with_one_line_end(path: Path, scratch: Path) -> Path:
    r"""A copy whose lines all end in \n."""
    copy = scratch / "lines.txt"
    with path.open("rb") as file, copy.open("wb") as out:
        is_split = False
        while raw := file.read(CHUNK):
            if is_split and raw.startswith(b"\n"):
                raw = raw[1:]
            is_split = raw.endswith(b"\r")
            out.write(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return copy


def place_of(path: Path, position: int) -> tuple[int, str]:
    """The number, from 1, of the line at a byte position of a UTF-8 file, and the line's start.

    Empty lines at the position are passed over: DuckDB counts them to the line that follows.
    """
    newlines = returns = 0
    with path.open("rb") as file:
        left = position
        while left and (raw := file.read(min(CHUNK, left))):
            newlines += raw.count(b"\n")
            returns += raw.count(b"\r")
            left -= len(raw)
        rest = file.read(CHUNK)
    text = rest.lstrip(b"\r\n")
    passed = rest[: len(rest) - len(text)]
    newlines += passed.count(b"\n")
    returns += passed.count(b"\r")
    # Only old Macintosh files end their lines in \r alone.
    end = b"\n" if newlines or b"\n" in text else b"\r"
    line = 1 + (newlines if end == b"\n" else returns)
    first = text.split(end, 1)[0]
    return line, beginning(first.decode("utf-8", "replace"))


def is_blank(path: Path) -> bool:
    """Whether a file holds nothing but white space."""
    with path.open("rb") as file:
        raw = file.read(CHUNK).removeprefix(codecs.BOM_UTF8)
        while raw:
            if raw.strip():
                return False
            raw = file.read(CHUNK)
    return True


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _known(encoding: str) -> str:
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        info = None
    # Python's registry also holds base64, rot13 and other things that are no encodings of text.
    if info is None or not getattr(info, "_is_text_encoding", True):
        raise SourceUnreadable(
            f"the encoding {encoding!r} is not known; utf-8, utf-16, cp1252 and latin-1 are."
        )
    return info.name


def _wide(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: every other byte of plain text is NUL."""
    if len(head) < 4 or b"\0" not in head:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    return None


def _advice(path: Path, encoding: str, position: int) -> str:
    """What encoding would read the bytes about this position."""
    with path.open("rb") as file:
        file.seek(max(0, position - 512))
        around = file.read(1024)
    for name in ("cp1252", "latin-1"):
        if name != encoding and _fits(around, name):
            return f"Set the encoding to what the file was written in, perhaps {name}."
    return "Set the encoding to what the file was written in."


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
