"""Waiting for an engine that starts anew, in workers; what is asked must bear being asked again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mlpi.errors import NotReady

PATIENCE_S = 120.0
PAUSE_S = 2.0
Answer = TypeVar("Answer")


def patiently(call: Callable[[], Answer], *, rest: Callable[[float], None] = time.sleep) -> Answer:
    """A call's answer. Raises NotReady when the engine does not come back."""
    begun = time.monotonic()
    while True:
        try:
            return call()
        except NotReady:
            if time.monotonic() - begun > PATIENCE_S:
                raise
            rest(PAUSE_S)


def at_once(call: Callable[[], Answer]) -> Answer:
    """A call's answer, for whoever has a person waiting."""
    return call()
