"""How numbers and times read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def ago(at: datetime | None, now: datetime | None = None) -> str:
    """'just now', '4 min ago', '3 h ago', '12 days ago', or the date."""
    if at is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    if seconds < _MINUTE:
        return "just now" if seconds > -_MINUTE else "in the future"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h ago"
    days = int(seconds // _DAY)
    if days < 60:
        return f"{days} day{'s' if days > 1 else ''} ago"
    return at.strftime("%-d %b %Y")


def until(at: datetime | None, now: datetime | None = None) -> str:
    """'in 12 days', 'in 3 h', 'in 4 min'; 'never' for no end, and 'over' once it has passed."""
    if at is None:
        return "never"
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    if seconds <= 0:
        return "over"
    if seconds < _HOUR:
        return f"in {int(seconds // _MINUTE) + 1} min"
    if seconds < 2 * _DAY:
        return f"in {int(seconds // _HOUR)} h"
    return f"in {round(seconds / _DAY)} days"


def stamp(at: datetime | None) -> str:
    """A full UTC time, for titles and tables."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def wall(at: datetime, timezone: str) -> str:
    """A time as the clock on the wall of a time zone shows it: 'Sun 22 Nov 2026, 02:00'."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%a %-d %b %Y, %H:%M")


def size(size_bytes: float | None) -> str:
    """'812 B', '4.1 kB', '1.8 GB': powers of 1000, as disks are sold."""
    if size_bytes is None:
        return "–"
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(number: int | None) -> str:
    """Thousands with commas."""
    return "–" if number is None else f"{number:,}"


def figure(value: Any) -> str:
    """A metric: four significant digits, without noise; NaN and infinities by name."""
    if value is None:
        return "–"
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number):,}"
    return f"{number:.4g}"


def cell(value: Any) -> str:
    """A value of somebody's data: numbers with at most six digits, the rest as it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        is_odd = math.isnan(value) or math.isinf(value)
        return figure(value) if is_odd else f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def heat(value: float | None) -> str:
    """The CSS class of a correlation, -1 to 1: how strong, and its sign."""
    if value is None or abs(value) < 0.1:
        return ""
    return f"{'hot' if value > 0 else 'cold'}-{min(4, int(abs(value) * 5))}"


def duration(seconds: float | None) -> str:
    """'40 ms', '0.4 s', '2 m 13 s', '3 h 05 m', '2 d 4 h'."""
    if seconds is None:
        return "–"
    if 0 <= seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} m"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


ALL: dict[str, Callable[..., str]] = {
    "ago": ago,
    "until": until,
    "wall": wall,
    "stamp": stamp,
    "size": size,
    "count": count,
    "figure": figure,
    "cell": cell,
    "heat": heat,
    "duration": duration,
}
