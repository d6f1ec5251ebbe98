"""Times, durations, sizes and metrics for people, and parsing of times that people type."""

from __future__ import annotations

import datetime as dt
import re

from swarmhub.errors import BadInput
from swarmhub.types import MICRO

UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))
AGO = re.compile(r"([0-9]{1,6})\s*(d|h|min|s)")
LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


def say_duration(ms: int) -> str:
    """Return the two largest units of a duration in milliseconds: `2 h 5 min`, `30 s`, `400 ms`."""
    if ms < 1000:
        return f"{ms} ms"
    words: list[str] = []
    for name, unit in UNITS_MS:
        if ms >= unit and len(words) < 2:
            words.append(f"{ms // unit} {name}")
        elif words:
            break
        ms %= unit
    return " ".join(words)


def say_age(ms: int) -> str:
    """Return a duration in one unit, rounded down: `45 s`, `14 min`, `3 h`, `12 days`."""
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86_400} days"


def say_time(ms: int) -> str:
    """Return a time in milliseconds since 1970 as text: `2026-03-01 14:05:09 UTC`."""
    moment = dt.datetime.fromtimestamp(min(ms, LAST_MS) / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def say_bytes(count: int) -> str:
    """Return a size as text: `512 bytes`, `3.2 kB`, `4 GB` (powers of 1000)."""
    if count < 1000:
        return f"{count} bytes"
    size, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while size >= 999.95 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.1f}".removesuffix(".0") + f" {units[0]}"


def say_metric(micro: int) -> str:
    """Return a metric of the ledger (millionths) in its unit, to four places: `0.8712`."""
    return f"{micro / MICRO:.4f}"


def read_since(text: str, now_ms: int) -> int:
    """Return the time, in milliseconds since 1970, of a text such as `2h`, `7d`, `30min` (so long
    before now) or a date or time in ISO form (UTC if it names no zone). Raises BadInput
    otherwise."""
    ago = AGO.fullmatch(text.strip())
    if ago:
        return now_ms - int(ago[1]) * dict(UNITS_MS)[ago[2]]
    try:
        moment = dt.datetime.fromisoformat(text.strip().removesuffix(" UTC"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadInput(
            f"Expected a duration such as 30min, 2h or 7d, or a date such as 2026-03-01 or "
            f"2026-03-01T14:05, got {text[:40]!r}."
        ) from None
