"""When a schedule is due: cron, interval or once, in its own time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from mlpi.errors import Invalid
from mlpi.jobs.models import Schedule

KINDS = ("cron", "interval", "once")
SHORTEST = timedelta(seconds=10)
_SPAN = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def next_after(schedule: Schedule, after: datetime) -> datetime | None:
    """The first due time later than after, in UTC; None when there is none any more."""
    zone = zone_of(schedule.timezone)
    if schedule.trigger == "cron":
        return _next_by_cron(_cron(schedule.expression), zone, after)
    if schedule.trigger == "interval":
        span = interval_of(schedule.expression)
        turns = max(0, (after - schedule.created_at) // span) + 1
        return schedule.created_at + turns * span
    at = moment_of(schedule.expression, zone)
    return at if at > after else None


def upcoming(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """The next count due times."""
    return [due for _, due in zip(range(count), _walk(schedule, after), strict=False)]


def latest_missed(schedule: Schedule, *, since: datetime, now: datetime) -> datetime | None:
    """The last due time after since and not after now."""
    missed = None
    for due in _walk(schedule, since):
        if due > now:
            break
        missed = due
    return missed


def check(trigger: str, expression: str, timezone: str) -> None:
    """Raises Invalid, saying what is wrong and what would be right."""
    zone = zone_of(timezone)
    if trigger == "cron":
        _cron(expression)
    elif trigger == "interval":
        interval_of(expression)
    elif trigger == "once":
        moment_of(expression, zone)
    else:
        raise Invalid(
            f"{trigger!r} is not a trigger.", advice="Use cron, interval or once.", field="trigger"
        )


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"{name!r} is not a time zone.",
            advice="Use a name such as Europe/Berlin or UTC.",
            field="timezone",
        ) from None


def interval_of(expression: str) -> timedelta:
    """'90s', '15m', '6h', '1d', '2w'. Raises Invalid."""
    match = _SPAN.fullmatch(expression.strip().lower())
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if span < SHORTEST:
        raise Invalid(
            f"{expression!r} is not an interval.",
            advice="Use a number and s, m, h, d or w, such as 15m; 10s at least.",
            field="expression",
        )
    return span


def moment_of(expression: str, zone: ZoneInfo) -> datetime:
    """An ISO date and time, in the schedule's zone unless it names its own. Raises Invalid."""
    try:
        at = datetime.fromisoformat(expression.strip())
    except ValueError:
        raise Invalid(
            f"{expression!r} is not a date and time.",
            advice="Use a form such as 2026-05-01 06:00.",
            field="expression",
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _next_by_cron(cron: CronTrigger, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first due time after, by the rules of cron(8) when clocks change.

    APScheduler's own arithmetic stands still in the hour that comes twice, so it is only asked
    about wall clocks, without a zone, and the wall's times are placed in UTC here: a time that
    does not exist runs an hour later by the wall, one that exists twice runs once; schedules of
    every hour run every hour.
    """
    wall = wall_of(after, zone)
    first = _next_on_wall(cron, wall)
    if first is None:
        return None
    due = _placed(first, zone, fold=0)
    window = timedelta(hours=3)
    if due > after and _offset(after - window, zone) == _offset(due + window, zone):
        return due
    both = _is_every_hour(cron)
    candidates: list[datetime] = []
    at: datetime | None = _next_on_wall(cron, wall - window)
    while at is not None and (not candidates or at <= wall_of(min(candidates), zone) + window):
        folds = (0, 1) if both else (0,)
        candidates += [due for fold in folds if (due := _placed(at, zone, fold)) > after]
        at = _next_on_wall(cron, at)
    return min(candidates, default=None)


def _next_on_wall(cron: CronTrigger, wall: datetime) -> datetime | None:
    """The next time later than wall that the expression names; both without a zone."""
    # It rounds up to whole seconds, so the smallest step makes "at or after" "after".
    start = wall.replace(tzinfo=UTC) + timedelta(microseconds=1)
    found: datetime | None = cron.get_next_fire_time(None, start)
    return found.replace(tzinfo=None) if found else None


def _placed(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def wall_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _is_every_hour(cron: CronTrigger) -> bool:
    return any(field.name == "hour" and str(field).startswith("*") for field in cron.fields)


def _cron(expression: str) -> CronTrigger:
    try:
        return CronTrigger.from_crontab(expression, timezone=UTC)
    except ValueError as error:
        raise Invalid(
            f"{expression!r} is not a cron expression: {error}.",
            advice="Use minute, hour, day, month and weekday, such as 0 6 * * mon-fri.",
            field="expression",
        ) from None


def _walk(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    due = next_after(schedule, after)
    while due is not None:
        yield due
        due = next_after(schedule, due)
