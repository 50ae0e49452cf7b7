"""The values of a JSON array, read from a file piece by piece: it may be larger than memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from mlpi.errors import Invalid

CHUNK_BYTES = 1 << 18
MOST_ITEM = 32 << 20  # characters of one value
# An error this far from the end of what was read is none of a value that was cut.
CUT = 64
_SPACE = " \t\n\r"
_decode = json.JSONDecoder().raw_decode


class FileBroken(Invalid):
    """The file cannot be read on."""

    status = 400
    code = "FILE_BROKEN"


def items(file: BinaryIO) -> Iterator[object]:
    """The values of an array; of a file of objects, one after the other, each of them.

    Raises FileBroken, naming the item, counted from 0.
    """
    window = _Window(file)
    first = window.next_character()
    if not first:
        raise FileBroken("The file is empty.", advice="Send a JSON list of tasks.")
    if first == "{":
        while window.next_character():
            yield window.value()
        return
    if first != "[":
        raise FileBroken(
            f"The JSON begins with {first!r}.", advice="Send a list of tasks, or one task."
        )
    window.at += 1
    if window.next_character() == "]":
        window.at += 1
    else:
        while True:
            yield window.value()
            after = window.next_character()
            window.at += 1
            if after == "]":
                break
            if after != ",":
                what = f"{after!r} follows" if after else "the file ends after"
                raise FileBroken(f"JSON parse error - {what} item {window.count - 1}.")
    rest = window.next_character()
    if rest:
        raise FileBroken(f"JSON parse error - {rest!r} follows the list.")


class _Window:
    """The part of a file that is being read. at: where in it; count: values so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._is_whole = False
        self.at = 0
        self.count = 0

    def next_character(self) -> str:
        """The next one that is no space, not taken; "" at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in _SPACE:
                    return self._text[self.at]
                self.at += 1
            if self._is_whole:
                return ""
            self._read_on()

    def value(self) -> object:
        """The value that begins at the next character. Raises FileBroken."""
        self.next_character()
        while True:
            try:
                found, end = _decode(self._text, self.at)
            except RecursionError:
                raise self._broken("is nested too deeply") from None
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or (
                    len(self._text) - error.pos <= CUT
                )
                if self._is_whole or not is_cut:
                    raise self._broken(f"is no JSON: {error.msg}") from None
                if len(self._text) - self.at > MOST_ITEM:
                    raise self._broken(f"has more than {MOST_ITEM:,} characters") from None
            except ValueError as error:  # a number of thousands of digits
                raise self._broken(f"is no JSON: {error}") from None
            else:
                # A number near the edge may go on beyond it.
                is_far = len(self._text) - end > CUT
                if is_far or self._is_whole or self._text[end - 1] in '}]"':
                    self.at = end
                    self.count += 1
                    return found
            self._read_on()

    def _read_on(self) -> None:
        """As much again as there is, so that a long value is not read too many times."""
        left = self._text[self.at :]
        raw = self._file.read(max(CHUNK_BYTES, len(left)))
        self._is_whole = not raw
        try:
            self._text = left + self._decoder.decode(raw, final=self._is_whole)
        except UnicodeDecodeError:
            raise self._broken("is no UTF-8 text", advice="Save the file as UTF-8.") from None
        self.at = 0

    def _broken(self, what: str, *, advice: str | None = None) -> FileBroken:
        return FileBroken(f"JSON parse error - item {self.count} {what}.", advice=advice)
