"""Slows guessing: after failures, an account and an address must wait."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from mlpi.errors import TooManyAttempts

FREE_TRIES = 5
LONGEST_WAIT_S = 60
FORGET_AFTER_S = 900
MAX_KEYS = 10_000


class Throttle:
    """After FREE_TRIES failures each further one doubles the wait, up to LONGEST_WAIT_S.

    Kept in memory: an attacker must not be able to cause writes to flash, and a restart costs
    an attacker more than it gains. Bounded, so that many addresses cannot fill the memory.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, *keys: str) -> None:
        """Raises TooManyAttempts while one of the keys has to wait."""
        with self._lock:
            wait_s = max((self._wait_s(key) for key in keys), default=0.0)
        if wait_s > 0:
            raise TooManyAttempts(math.ceil(wait_s))

    def failed(self, *keys: str) -> None:
        """Count a failure against each key."""
        with self._lock:
            for key in keys:
                count, at = self._failures.pop(key, (0, 0.0))
                if self._now() - at > FORGET_AFTER_S:
                    count = 0
                self._failures[key] = (count + 1, self._now())
            while len(self._failures) > MAX_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of these keys."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _wait_s(self, key: str) -> float:
        count, at = self._failures.get(key, (0, 0.0))
        if count < FREE_TRIES:
            return 0.0
        penalty_s = min(2.0 ** (count - FREE_TRIES), LONGEST_WAIT_S)
        return penalty_s - (self._now() - at)
