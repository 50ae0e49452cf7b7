"""How much curves are smoothed, as addresses of charts say it."""

from __future__ import annotations

from mlpi.errors import Invalid

MOST_SMOOTHING = 0.99


def smoothing(text: str) -> float:
    """The weight of what came before, as TensorBoard has it: 0 is none. Raises Invalid."""
    try:
        number = float(text or 0)
    except ValueError:
        number = -1
    if not 0 <= number <= MOST_SMOOTHING:
        raise Invalid(
            f"{text[:40]!r} is not a smoothing.",
            advice=f"Use a number from 0 to {MOST_SMOOTHING}.",
            field="smooth",
        )
    return number
