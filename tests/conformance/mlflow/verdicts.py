"""What two runs of the same tests say about each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PASSED = "passed"


@dataclass(frozen=True)
class Outcome:
    """How one test ended: passed, failed, error, skipped or xfailed, and why."""

    word: str
    reason: str = ""


@dataclass
class Verdict:
    """Two runs compared, and the list of known differences held against them."""

    both: int = 0
    differences: dict[str, Outcome] = field(default_factory=dict)
    unlisted: dict[str, Outcome] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    better: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.unlisted and not self.outdated


def read(*paths: Path) -> dict[str, Outcome]:
    """The outcomes of a peer's runs by test id, from the plugin's JSON lines.

    A test whose call passed and whose teardown failed counts as an error. Repeated tests count
    by their last line.
    """
    outcomes: dict[str, Outcome] = {}
    for line in (line for path in paths for line in path.read_text().splitlines()):
        one = json.loads(line)
        word = one["outcome"]
        if word == "failed" and one["when"] != "call":
            word = "error"
        if word == "skipped" and one["when"] == "call":
            word = "xfailed"
        outcomes[one["id"]] = Outcome(word, one["reason"])
    return outcomes


def compared(
    stock: Mapping[str, Outcome], ours: Mapping[str, Outcome], known: Mapping[str, str]
) -> Verdict:
    """What passes on stock and not on ours, against the list of what is known to.

    known: test id -> reason. An id that did not run on stock is not judged: one may run a part.
    """
    verdict = Verdict()
    for test, theirs in stock.items():
        mine = ours.get(test, Outcome("missing", "it did not run"))
        if theirs.word != PASSED:
            if mine.word == PASSED:
                verdict.better.append(test)
        elif mine.word == PASSED:
            verdict.both += 1
            if test in known:
                verdict.outdated.append(test)
        else:
            verdict.differences[test] = mine
            if test not in known:
                verdict.unlisted[test] = mine
    return verdict


def known_differences(path: Path) -> dict[str, str]:
    """The list of accepted differences: `test id | reason`, one a line, # for comments.

    Raises ValueError at a line without a reason, or an id that stands there twice.
    """
    known: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        test, _, reason = (part.strip() for part in line.partition(" | "))
        if not reason:
            raise ValueError(f"{path.name}, line {number}: no reason; write `test id | reason`")
        if test in known:
            raise ValueError(f"{path.name}, line {number}: {test} stands there twice")
        known[test] = reason
    return known


def summary(verdict: Verdict, stock: Iterable[Outcome]) -> str:
    """The figures, in a few lines."""
    words = Counter(outcome.word for outcome in stock)
    total = sum(words.values())
    lines = [
        f"{total} tests; on stock: " + ", ".join(f"{n} {w}" for w, n in sorted(words.items())),
        f"passed on both: {verdict.both}",
        f"passed on stock only: {len(verdict.differences)}, unlisted: {len(verdict.unlisted)}",
        f"passed on ours only: {len(verdict.better)}",
    ]
    lines += [f"UNLISTED {test}\n    {o.word}: {o.reason}" for test, o in verdict.unlisted.items()]
    lines += [f"LISTED BUT PASSES {test}" for test in verdict.outdated]
    return "\n".join(lines)
