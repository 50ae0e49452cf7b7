"""Tokens as the Penn Treebank has them, with their places in the text.

The rules are those of its tokenizer.sed (R. MacIntyre, 1995), with the small changes that Label
Studio's exports make: "/" stands alone too, and a final stop is set apart from quotes after it.
"""

from __future__ import annotations

import re

_OPENING = (
    (re.compile(r'^"'), "``"),
    (re.compile(r"(``)"), r" \1 "),
    (re.compile(r"([ (\[{<])(\"|'{2})"), r"\1 `` "),
)
_MARKS = (
    (re.compile(r"([:,])(\D)"), r" \1 \2"),
    (re.compile(r"([:,])$"), r" \1 "),
    (re.compile(r"\.{3}"), " ... "),
    (re.compile(r"[;@#$/%&]"), r" \g<0> "),
    (re.compile(r"([^.])(\.)([\])}>\"']*)\s*$"), r"\1 \2\3 "),
    (re.compile(r"[?!]"), r" \g<0> "),
    (re.compile(r"([^'])' "), r"\1 ' "),
    (re.compile(r"[\]\[(){}<>]"), r" \g<0> "),
    (re.compile(r"--"), " -- "),
)
_CLOSING = (
    (re.compile(r"''"), " '' "),
    (re.compile(r'"'), " '' "),
    (re.compile(r"([^' ])('[sSmMdD]|') "), r"\1 \2 "),
    (re.compile(r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r"\1 \2 "),
)
_JOINED = (
    re.compile(r"\b(can)(not)\b", re.IGNORECASE),
    re.compile(r"\b(d)('ye)\b", re.IGNORECASE),
    re.compile(r"\b(gim)(me)\b", re.IGNORECASE),
    re.compile(r"\b(gon)(na)\b", re.IGNORECASE),
    re.compile(r"\b(got)(ta)\b", re.IGNORECASE),
    re.compile(r"\b(lem)(me)\b", re.IGNORECASE),
    re.compile(r"\b(more)('n)\b", re.IGNORECASE),
    re.compile(r"\b(wan)(na)(?=\s)", re.IGNORECASE),
    re.compile(r" ('t)(is)\b", re.IGNORECASE),
    re.compile(r" ('t)(was)\b", re.IGNORECASE),
)
_QUOTES = re.compile(r"``|'{2}|\"")


def tokens(text: str) -> list[tuple[str, int]]:
    """Tokens with where each begins, in characters."""
    spaced = text
    for rule, instead in (*_OPENING, *_MARKS):
        spaced = rule.sub(instead, spaced)
    spaced = f" {spaced} "
    for rule, instead in _CLOSING:
        spaced = rule.sub(instead, spaced)
    for rule in _JOINED:
        spaced = rule.sub(r" \1 \2 ", spaced)
    words = spaced.split()
    if '"' in text or "''" in text:  # quotes were rewritten: put back those of the text
        quotes = _QUOTES.finditer(text)
        words = [next(quotes)[0] if one in ('"', "``", "''") else one for one in words]
    found, at = [], 0
    for word in words:
        begin = text.index(word, at)
        at = begin + len(word)
        found.append((word, begin))
    return found
