"""How far two annotations of a task say the same: 0 to 1, by control and in all.

Answers about the whole (choices, ratings, numbers, taxonomies, texts, pairs, rankings) are the same
or not. Places (spans, boxes, shapes, points) are matched with the likest one of the other that has
the same labels; the mean likeness of all of both is the agreement, so that what only one of them
saw counts 0. Relations are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import orjson

from mlpi.labels.agreement.regions import Region, effort, likeness, region_of

MOST_COMPARED = 12  # annotations of a task, the newest: 66 pairs
MOST_CHARACTERS = 4_000_000  # of their results
# Comparisons of upright boxes in one task; what is left is compared by the boxes around it, and
# what would be too much even so by equality.
MOST_LOOKS = 20_000
Results = Sequence[Mapping[str, Any]]
Said = Mapping[str, "Answer"]


class Answer:
    """What one annotation says through one control: values about the whole, and places."""

    __slots__ = ("regions", "values")

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.regions: list[Region] = []


class Patience:
    """How many pairs of places may still be looked at."""

    def __init__(self, looks: int = MOST_LOOKS) -> None:
        self.left = looks


def read(results: Results) -> Said:
    """Checked results, ready to compare."""
    found: dict[str, Answer] = {}
    for one in results:
        name = one.get("from_name")
        if name is None or "value" not in one:
            continue
        answer = found.setdefault(name, Answer())
        kind = str(one.get("type"))
        labels = _canonical(kind, one["value"])
        place = region_of(one, frozenset(labels))
        if place is None:
            answer.values.update(labels)
        else:
            answer.regions.append(place)
    return found


def category(results: Results, control: str) -> str | None:
    """What was answered through a control about the whole, as one word to count; None: nothing."""
    values: set[str] = set()
    for one in results:
        if one.get("from_name") == control and "value" in one:
            values.update(_canonical(str(one.get("type")), one["value"]))
    return json.dumps(sorted(values), ensure_ascii=False) if values else None


def by_control(one: Said, other: Said, patience: Patience | None = None) -> dict[str, float]:
    """Agreement of each control that either of them used."""
    patience = patience or Patience()
    return {
        name: _alike(one.get(name) or Answer(), other.get(name) or Answer(), patience)
        for name in sorted({*one, *other})
    }


def pair(one: Said, other: Said, patience: Patience | None = None) -> float:
    """Agreement of two annotations; two that say nothing agree."""
    found = by_control(one, other, patience)
    return sum(found.values()) / len(found) if found else 1.0


def of_task(texts: Sequence[str]) -> float | None:
    """Mean agreement of all pairs of a task's annotations; None: there are fewer than two.

    texts: their results as JSON, oldest first.
    """
    texts = texts[-MOST_COMPARED:]
    while len(texts) > 2 and sum(map(len, texts)) > MOST_CHARACTERS:
        texts = texts[1:]
    if len(texts) < 2:
        return None
    if len(set(texts)) == 1:
        return 1.0
    said = [read(orjson.loads(text)) for text in texts]
    patience = Patience()
    scores = [pair(one, other, patience) for one, other in combinations(said, 2)]
    return sum(scores) / len(scores)


def _alike(one: Answer, other: Answer, patience: Patience) -> float:
    has_values = bool(one.values or other.values)
    same = float(one.values == other.values)
    if not one.regions and not other.regions:
        return same
    if len(one.regions) * len(other.regions) > patience.left:
        places = float(_keys(one.regions) == _keys(other.regions))
    else:
        places = _matched(one.regions, other.regions, patience)
    return (places + same) / 2 if has_values else places


def _matched(first: Sequence[Region], second: Sequence[Region], patience: Patience) -> float:
    """Mean of everybody's likest counterpart."""
    alike: dict[tuple[Any, ...], list[tuple[int, Region]]] = {}
    for number, one in enumerate(second):
        alike.setdefault((one.kind, one.labels), []).append((number, one))
    best_of_second = [0.0] * len(second)
    total = 0.0
    for one in first:
        best = 0.0
        for number, other in alike.get((one.kind, one.labels), ()):
            cost = effort(one, other)
            patience.left -= cost if patience.left > cost else 1
            like = likeness(one, other, is_rough=patience.left <= cost)
            best = max(best, like)
            best_of_second[number] = max(best_of_second[number], like)
        total += best
    return (total + sum(best_of_second)) / (len(first) + len(second))


def _keys(regions: Sequence[Region]) -> list[tuple[Any, ...]]:
    return sorted((one.kind, tuple(sorted(one.labels)), one.frame) for one in regions)


def _canonical(kind: str, value: Mapping[str, Any]) -> list[str]:
    """What is said, as texts whose order does not matter."""
    if kind == "pairwise":
        return [str(value.get("selected"))]
    found = value.get(kind)
    if kind == "textarea":
        found = value.get("text")
        texts = [found] if isinstance(found, str) else found or []
        return [" ".join(str(one).split()) for one in texts]
    if kind == "ranker":
        return [json.dumps(found, sort_keys=True, ensure_ascii=False)]
    if kind in ("rating", "number"):
        return [f"{found:.12g}"] if isinstance(found, int | float) else []
    if isinstance(found, list):
        return [one if isinstance(one, str) else " / ".join(map(str, one)) for one in found]
    return []
