"""Text as hashed character n-grams: likeness of spelling, not of meaning.

Two texts are near each other when they share words and parts of words; a synonym is as far away
as any other word. It needs no model, no network and no other package, and works in any language.

A text is brought to one Unicode form (NFKC, without case) and cut into words. Each word stands
for itself and for the 3- to 5-grams of its letters, with marks at its beginning and end; in
scripts written without spaces also for single letters and pairs. Every one of these is hashed
(CRC-32, then mixed) to one of 384 places and a sign. A word that occurs n times counts
1 + ⌊log₂ n⌋ times. The sum is brought to length 1.

Until then all is done in whole numbers, and a square root and a division are rounded alike
everywhere: the same text gives the same bits on every machine. What a change here would do to
stored vectors is why a test holds some of them.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from zlib import crc32

DIMENSION = 384
_SIZES = (3, 4, 5)
_OWN_WEIGHT = 2  # a whole word counts as much as so many of its n-grams
_SHORT_SIZES = (1, 2)
_UNSPACED = "\u2e80"  # from here on come Chinese, Japanese and Korean
_CACHED_WORDS = 8192  # 1.5 MB; a word in a hundred of a long text is not among them
_LONGEST_CACHED = 32
_MIX = 2654435761  # Knuth's: CRC-32 alone is linear, and similar n-grams would meet again and again
_BLANK = "".join(map(chr, range(1, 32)))  # what stands for no word at all; nothing in a text does


class _Letters(dict[int, int]):
    """What becomes of a character, filled as they come: all but letters, marks and digits part."""

    def __missing__(self, code: int) -> int:
        kept = code if unicodedata.category(chr(code))[0] in "LMN" else 32
        self[code] = kept
        return kept


_LETTERS = _Letters()


def vector(text: str) -> array[float]:
    """(384,) float32 of length 1.

    A text without any letter or digit has the vector of the empty text: of length 1 too, near
    all others of its kind and to nothing else.
    """
    places = [0] * DIMENSION
    for word, count in Counter(_words(text) or [_BLANK]).items():
        weight = count.bit_length()
        for place in _cached(word) if len(word) <= _LONGEST_CACHED else _places(word):
            if place >= 0:
                places[place] += weight
            else:
                places[~place] -= weight
    length = math.sqrt(sum(value * value for value in places))
    if not length:  # everything met its opposite: as good as impossible, but not quite
        return vector("")
    return array("f", [value / length for value in places])


def vectors(texts: Sequence[str]) -> list[array[float]]:
    """One vector for each text."""
    return [vector(text) for text in texts]


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS).split()


def _grams(word: str) -> Iterator[str]:
    for _ in range(_OWN_WEIGHT):
        yield f"<<{word}"
    marked = f"<{word}>"
    for size in _SIZES:
        for start in range(len(marked) - size + 1):
            yield marked[start : start + size]
    if max(word) >= _UNSPACED:
        for size in _SHORT_SIZES:
            for start in range(len(word) - size + 1):
                yield word[start : start + size]


def _places(word: str) -> array[int]:
    """Where a word's n-grams count: place n, or ~n where they count against."""
    found = array("h")
    for gram in _grams(word):
        mixed = crc32(gram.encode()) * _MIX & 0xFFFFFFFF
        mixed ^= mixed >> 15
        place = mixed * DIMENSION >> 32
        found.append(place if mixed & 1 else ~place)
    return found


_cached = lru_cache(_CACHED_WORDS)(_places)
