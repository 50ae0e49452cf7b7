"""Agreement beyond chance: Cohen's kappa of two people, Fleiss' of many; 1 always, 0 as chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two people's answers to the same questions, in the same order.

    (p_o - p_e) / (1 - p_e), with p_o the share of equal answers and p_e the sum over the categories
    of the products of both people's shares of them (J. Cohen, A coefficient of agreement for
    nominal scales, Educational and Psychological Measurement 20(1), 37-46, 1960). None where it is
    not defined: nobody answered, or both gave one and the same answer to everything.
    """
    count = len(first)
    if not count:
        return None
    equal = sum(one == other for one, other in zip(first, second, strict=True)) / count
    ones, others = Counter(first), Counter(second)
    chance = sum(number * others[one] for one, number in ones.items()) / count**2
    return (equal - chance) / (1 - chance) if chance < 1 else None


def fleiss(questions: Sequence[Mapping[Any, int]]) -> float | None:
    """Fleiss' kappa; each question: how many people gave each answer.

    (P - P_e) / (1 - P_e). P is the mean over the questions of the share of their pairs of answers
    that are equal, P_e the sum of the squared mean shares of the answers (J. L. Fleiss, Measuring
    nominal scale agreement among many raters, Psychological Bulletin 76(5), 378-382, 1971,
    doi:10.1037/h0031619). Not everybody has to answer everything: as K. L. Gwet puts it (Handbook
    of Inter-Rater Reliability, 4th ed., Advanced Analytics, 2014), P takes questions with two
    answers or more, and shares are of a question's own answers. None where it is not defined.
    """
    equal = []
    shares: Counter[Hashable] = Counter()
    answered = 0
    for question in questions:
        people = sum(question.values())
        if not people:
            continue
        answered += 1
        for answer, number in question.items():
            shares[answer] += number / people  # type: ignore[assignment]
        if people > 1:
            same = sum(number * (number - 1) for number in question.values())
            equal.append(same / (people * (people - 1)))
    if not equal:
        return None
    seen = sum(equal) / len(equal)
    chance = sum((share / answered) ** 2 for share in shares.values())
    return (seen - chance) / (1 - chance) if chance < 1 - 1e-12 else None


def words(kappa: float) -> str:
    """As J. R. Landis and G. G. Koch name it (The measurement of observer agreement for categorical
    data, Biometrics 33(1), 159-174, 1977)."""
    for bound, word in ((0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate")):
        if kappa < bound or (bound and kappa <= bound):
            return word
    return "substantial" if kappa <= 0.8 else "almost perfect"
