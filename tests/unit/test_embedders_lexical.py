"""The lexical embedder: spelling as vectors, the same bits everywhere."""

from __future__ import annotations

import hashlib
import math
import random
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from mlpi.vectors.embedders import lexical


def likeness(one: str, other: str) -> float:
    pairs = zip(lexical.vector(one), lexical.vector(other), strict=True)
    return sum(a * b for a, b in pairs)


def paragraphs() -> list[str]:
    """What scikit-learn says of the data it brings, paragraphs of twelve words and more."""
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "descr"
    texts = [
        " ".join(part.split())
        for file in sorted(folder.glob("*.rst"))
        for part in file.read_text("utf-8").split("\n\n")
    ]
    return [text for text in dict.fromkeys(texts) if len(text.split()) >= 12]


def nearest(texts: list[str], asked: list[str]) -> list[int]:
    import numpy as np

    known = np.array([lexical.vector(text) for text in texts])
    return [int(np.argmax(known @ np.array(lexical.vector(text)))) for text in asked]


def test_stored_vectors_stay_comparable() -> None:
    """A change of these bits makes every collection that is embedded so worthless."""
    texts = ["", "The cat sat on the mat.", "Grüße aus Köln", "東京都の天気", "x " * 100]
    together = b"".join(lexical.vector(text).tobytes() for text in texts)
    assert hashlib.sha256(together).hexdigest() == GOLDEN


GOLDEN = "3f115cd02bef1e52cc4f9159fe911e870939106afb5b817210069f66264fda62"


def test_another_process_gives_the_same_bits() -> None:
    text = "Hash seeds differ between processes; vectors must not."
    code = (
        "import sys; from mlpi.vectors.embedders import lexical; "
        f"sys.stdout.write(lexical.vector({text!r}).tobytes().hex()); "
        "assert 'numpy' not in sys.modules"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {lexical.vector(text).tobytes().hex()}


@pytest.mark.parametrize(
    "text", ["", " \n", "…!?", "\ud800", "\x00", "a", "é" * 5000, "漢字", "🎉"]
)
def test_every_text_has_a_vector_of_length_one(text: str) -> None:
    found = lexical.vector(text)
    assert isinstance(found, array)
    assert found.typecode == "f"
    assert len(found) == lexical.DIMENSION
    assert math.sqrt(sum(value * value for value in found)) == pytest.approx(1, abs=1e-6)


def test_texts_without_words_are_like_each_other_and_like_nothing_else() -> None:
    assert lexical.vector("") == lexical.vector(" … ")
    assert max(abs(likeness("", text)) for text in paragraphs()) < 0.25


def test_how_a_letter_is_encoded_and_its_case_do_not_matter() -> None:
    assert lexical.vector("Café ﬁn") == lexical.vector("CAFE\u0301 fin")
    assert lexical.vector("Straße") == lexical.vector("STRASSE")
    assert lexical.vector("a,b;c") == lexical.vector("c b a")


def test_a_word_that_is_spelled_alike_is_nearer() -> None:
    assert likeness("classification", "classifications") > 0.7
    assert likeness("classification", "clasification") > 0.5
    assert likeness("東京都", "東京") > 0.25
    assert abs(likeness("classification", "umbrella")) < 0.2


def test_a_paragraph_with_other_words_in_it_still_finds_itself() -> None:
    texts, dice = paragraphs(), random.Random(7)
    assert len(texts) > 100
    changed = []
    for text in texts:
        words = text.split()
        for index in dice.sample(range(len(words)), k=max(3, len(words) // 5)):
            words[index] = dice.choice(dice.choice(texts).split())
        changed.append(" ".join(words))
    assert nearest(texts, changed) == list(range(len(texts)))


def test_a_few_words_of_a_paragraph_find_it() -> None:
    texts, dice = paragraphs(), random.Random(7)
    asked = []
    for text in texts:
        words = text.split()
        start = dice.randrange(len(words) - 7)
        asked.append(" ".join(words[start : start + 8]))
    found = nearest(texts, asked)
    assert sum(index == number for number, index in enumerate(found)) > 0.9 * len(texts)
