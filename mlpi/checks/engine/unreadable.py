"""How a source says that it cannot be read."""

from __future__ import annotations

from mlpi.jobs.context import JobFailed

BEGINNING = 120  # characters of a line that an error shows


class SourceUnreadable(JobFailed):
    """A source that cannot be read: one line with what is wrong, where, and what would be right."""


def beginning(text: str) -> str:
    """The start of a line or value, quoted, on one line."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= BEGINNING else flat[:BEGINNING] + "…")
