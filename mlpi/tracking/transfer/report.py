"""What a transfer says while it goes, and at its end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

EVERY_S = 10.0  # between lines of progress when nobody watches a terminal
TERMINAL_EVERY_S = 0.2


@dataclass
class Counts:
    """Of one experiment."""

    copied: int = 0
    updated: int = 0
    resumed: int = 0
    already: int = 0
    deleted: int = 0
    deleted_here: int = 0
    points: int = 0
    models: int = 0
    files: int = 0
    size_bytes: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.copied + self.updated + self.already

    def line(self) -> str:
        parts = [f"{plural(self.copied, 'run')} copied"]
        if self.resumed:
            parts.append(f"{self.resumed} of them begun earlier")
        if self.updated:
            parts.append(f"{self.updated} updated")
        if self.already:
            parts.append(f"{self.already} here already")
        if self.deleted:
            parts.append(f"{self.deleted} deleted ones left out")
        if self.deleted_here:
            parts.append(f"{self.deleted_here} left deleted here")
        parts.append(f"{self.points:,} points")
        if self.models:
            parts.append(plural(self.models, "model"))
        parts.append(f"{plural(self.files, 'file')} ({size(self.size_bytes)})")
        return ", ".join(parts)


@dataclass
class Report:
    """Progress to a terminal or a log; troubles and notes for the end.

    say prints one line that stays. A trouble is something that should have been copied and was
    not; a note is something that never is, or went another way than one might think. missing
    counts runs whose files could not be found, by reason; they may never have had any.
    """

    say: Callable[[str], None]
    is_terminal: bool = field(default_factory=sys.stderr.isatty)
    clock: Callable[[], float] = time.monotonic
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)
    _last: float = 0.0
    _width: int = 0

    def __post_init__(self) -> None:
        self._last = self.clock()

    def progress(self, line: str) -> None:
        """Where we are; shown when it was some time ago that we said so."""
        now = self.clock()
        if now - self._last < (TERMINAL_EVERY_S if self.is_terminal else EVERY_S):
            return
        self._last = now
        if self.is_terminal:
            sys.stderr.write("\r" + line[:150].ljust(self._width))
            sys.stderr.flush()
            self._width = min(len(line), 150)
        else:
            self.say(line)

    def line(self, line: str) -> None:
        """A line that stays."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0
        self.say(line)
        self._last = self.clock()

    def trouble(self, what: str, why: object) -> None:
        words = " ".join(str(why).split())[:300].rstrip(".")
        self.troubles.append(f"{what}: {words}.")

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def end(self) -> None:
        """The notes and troubles, last because they matter most."""
        for reason, count in self.missing.items():
            self.notes.append(
                f"files of {plural(count, 'run or model', 'runs or models')}: {reason}."
            )
        for note in self.notes:
            self.line(f"Note: {note}")
        for trouble in self.troubles:
            self.line(f"Not copied: {trouble}")


def plural(count: int, noun: str, nouns: str = "") -> str:
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def size(size_bytes: int) -> str:
    """For people: 12 B, 3.4 kB."""
    amount, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
