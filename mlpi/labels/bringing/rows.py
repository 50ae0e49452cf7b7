"""Files of tasks, row by row: JSON, JSON Lines, CSV, TSV, TXT, Parquet.

A row may be bad by itself.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

from mlpi.errors import Invalid
from mlpi.labels.bringing import parquet
from mlpi.labels.bringing.json_items import FileBroken, items
from mlpi.labels.config.config import LabelConfig

LONGEST_LINE = 16 << 20  # characters
UNDEFINED = "$undefined$"  # Label Studio's name of the only field, while it is not known
LISTS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".parquet": "parquet",
}
TEXTS = (".html", ".htm", ".xml")  # whose content is the task's data
# Objects that show a file of an ending.
MEDIA = {
    **dict.fromkeys((".bmp", ".gif", ".jpg", ".jpeg", ".png", ".svg", ".webp"), ("Image",)),
    **dict.fromkeys((".flac", ".m4a", ".mp3", ".ogg", ".wav", ".webm", ".mp4"), ("Audio",)),
    ".pdf": (),
}


@dataclass(frozen=True, slots=True)
class Row:
    """number: from 1, of the file's tasks; line: from 1. wrong: why it cannot be read, or ""."""

    number: int
    line: int | None
    task: object
    wrong: str = ""


class ExtensionRefused(Invalid):
    """Files of this kind cannot be imported."""

    status = 400


def ending_of(name: str) -> str:
    """Its last part, in lower case. Raises ExtensionRefused when it is none that is known."""
    ending = PurePath(name).suffix.lower()
    if ending not in LISTS and ending not in TEXTS and ending not in MEDIA:
        raise ExtensionRefused(
            f"{ending} extension is not supported.",
            advice=f"These are: {', '.join(sorted([*LISTS, *TEXTS, *MEDIA]))}.",
        )
    return ending


def rows(file: BinaryIO, ending: str, config: LabelConfig) -> Iterator[Row]:
    """A file's tasks. Raises FileBroken, also for one without any, and ExtensionRefused."""
    kind = LISTS[ending]
    if kind == "json":
        found: Iterable[Row] = (Row(number, None, one) for number, one in enumerate(items(file), 1))
    elif kind == "jsonl":
        found = _json_lines(file)
    elif kind == "parquet":
        found = _parquet(file)
    elif kind == "txt":
        found = _text_lines(file, single_field(config))
    else:
        found = _table(file, "\t" if kind == "tsv" else "")
    count = 0
    for row in found:
        count += 1
        yield row
    if not count:
        raise FileBroken("The file holds no tasks.")


def single_field(config: LabelConfig, objects: tuple[str, ...] = ()) -> str:
    """The field that one bare value is for; objects: of those that show such a value.

    Raises ExtensionRefused when the configuration leaves that open.
    """
    fields = config.fields
    if len(fields) > 1 and objects:
        fields = {
            name: shown
            for name, shown in fields.items()
            if any(one.tag.name in objects for one in shown)
        }
    if len(fields) != 1:
        has = ", ".join(config.fields) or "none"
        raise ExtensionRefused(
            "A bare text or file is a task of one field, and the configuration's fields are "
            f"{has}.",
            advice="Send JSON or CSV, which name the fields.",
        )
    return next(iter(fields))


def _text_of(file: BinaryIO) -> io.TextIOWrapper:
    """Lines as they are; what is no UTF-8 is found row by row."""
    begin = file.read(2)
    file.seek(0)
    is_utf16 = begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if is_utf16 else "utf-8-sig"
    return io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Raises FileBroken for one that does not end."""
    number = 0
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise FileBroken(
                    f"Line {number:,} is longer than {LONGEST_LINE:,} characters.",
                    advice="Is this the file that was meant?",
                )
            yield line
    except UnicodeError as error:
        raise FileBroken(f"After line {number:,} the file is no text ({error}).") from None


def _wrong_text(text: str) -> str:
    """Why it is no text, or ""."""
    if "\0" in text:
        return "it holds a NUL, as binary files do"
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it is no UTF-8 text; save the file as UTF-8"
    return ""


def _json_lines(file: BinaryIO) -> Iterator[Row]:
    text = _text_of(file)
    number = 0
    for line, content in enumerate(_lines(text), 1):
        if not content.strip():
            continue
        number += 1
        wrong = _wrong_text(content)
        task: object = None
        if not wrong:
            try:
                task = json.loads(content)
            except (ValueError, RecursionError) as error:
                wrong = f"it is no JSON: {error}"
        yield Row(number, line, task, wrong)
    text.detach()


def _text_lines(file: BinaryIO, field: str) -> Iterator[Row]:
    text = _text_of(file)
    number = 0
    for line, whole in enumerate(_lines(text), 1):
        content = whole.rstrip("\r\n")
        if content.strip():
            number += 1
            yield Row(number, line, {"data": {field: content}}, _wrong_text(content))
    text.detach()


def _table(file: BinaryIO, separator: str) -> Iterator[Row]:
    """separator: "" takes the semicolon when the first line has more of them than commas."""
    csv.field_size_limit(LONGEST_LINE)
    text = _text_of(file)
    lines = _lines(text)
    first = next((line for line in lines if line.strip()), "")
    if not separator:
        separator = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(_again(first, lines), delimiter=separator)
    try:
        names = _names(next(reader, []))
        number = 0
        for cells in reader:
            if not cells:
                continue
            number += 1
            if len(cells) != len(names):
                plural = "s" if len(cells) != 1 else ""
                wrong = f"it has {len(cells)} cell{plural}, not {len(names)} as the first line"
            else:
                wrong = _wrong_text("".join(cells))
            task = None if wrong else {"data": dict(zip(names, cells, strict=True))}
            yield Row(number, reader.line_num, task, wrong)
    except csv.Error as error:
        raise FileBroken(
            f"Line {reader.line_num:,}: {error}.", advice="Is a quotation mark not closed?"
        ) from None
    text.detach()


def _parquet(file: BinaryIO) -> Iterator[Row]:
    with closing(parquet.read(file)) as found:
        for number, (data, wrong) in enumerate(found, 1):
            yield Row(number, None, None if wrong else {"data": data}, wrong)


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _names(cells: list[str]) -> list[str]:
    """Of the columns; one without gets the name that pandas gives it, as in Label Studio."""
    if not cells:
        raise FileBroken("The file is empty.", advice="Its first line names the columns.")
    wrong = _wrong_text("".join(cells))
    if wrong:
        raise FileBroken(f"Line 1 names the columns, and {wrong}.")
    names = [cell.strip() or f"Unnamed: {at}" for at, cell in enumerate(cells)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FileBroken(f"The column {twice[:80]!r} is there twice.", advice="Rename one.")
    return names
