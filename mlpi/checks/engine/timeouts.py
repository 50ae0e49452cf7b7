"""How long a database may let us wait."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect, without a byte of an answer, and for all of one statement."""

    connect_s: float = 10
    silence_s: float = 120
    total_s: float = 3600
