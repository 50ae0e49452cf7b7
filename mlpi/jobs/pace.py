"""How long jobs of a function usually take, learned from those that ended."""

from __future__ import annotations

# Jobs shorter than this are handed to a worker several at a time: one synced commit then ends and
# claims them together. A longer one would make those behind it wait beside idle workers.
QUICK_S = 0.02
_MEMORY = 0.3  # how much the newest job counts


class Paces:
    """Usual times by function, in seconds."""

    def __init__(self) -> None:
        self._usual_s: dict[str, float] = {}

    def learn(self, function: str, took_s: float) -> None:
        usual_s = self._usual_s.get(function, took_s)
        self._usual_s[function] = usual_s + _MEMORY * (took_s - usual_s)

    def is_quick(self, function: str) -> bool:
        """Whether they end in no time; what has never run counts as slow."""
        return self._usual_s.get(function, QUICK_S) < QUICK_S
