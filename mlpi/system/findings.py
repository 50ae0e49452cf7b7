"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is: bad keeps mlpi from working, warn will hurt some day."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. advice is what to do, where there is something to do."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""

    def line(self) -> str:
        """Text and advice in one line."""
        return f"{self.text} {self.advice}".strip()


def ok(check: str, text: str) -> Finding:
    return Finding(check, Verdict.OK, text)


def warn(check: str, text: str, advice: str = "") -> Finding:
    return Finding(check, Verdict.WARN, text, advice)


def bad(check: str, text: str, advice: str = "") -> Finding:
    return Finding(check, Verdict.BAD, text, advice)
