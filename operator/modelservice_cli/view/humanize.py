"""Ages, sizes and quantities as users write them."""

import math
from datetime import UTC, datetime
from decimal import Decimal

from modelservice_operator.apimachinery.text import sanitize

_UNITS = (("y", 365 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_SECOND_UNIT_BELOW = {"y": 8, "d": 8, "h": 8, "m": 10, "s": 0}
"""A second unit is shown below so many of the first, as in kubectl (apimachinery, duration.HumanDuration)."""
_BINARY = (("Ti", 1024**4), ("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024))
_DECIMAL = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def format_age(timestamp: str | None, now: datetime) -> str:
    """Return the time since an RFC 3339 timestamp, such as `5m30s`; `<unknown>` without a valid one."""
    seconds = age_seconds(timestamp, now)
    return "<unknown>" if seconds is None else format_duration(seconds)


def age_seconds(timestamp: str | None, now: datetime) -> float | None:
    """Return the seconds since an RFC 3339 timestamp, at least 0; None without a valid one."""
    try:
        time = datetime.fromisoformat(timestamp or "")
    except ValueError:
        return None
    return max(0.0, (now - (time if time.tzinfo else time.replace(tzinfo=UTC))).total_seconds())


def format_duration(seconds: float) -> str:
    """Return a duration with one or two units: `42s`, `5m30s`, `3h`, `12d`."""
    rest = int(seconds)
    for index, (unit, size) in enumerate(_UNITS):
        count, left = divmod(rest, size)
        if count:
            following = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            second = left // following[1] if following and count < _SECOND_UNIT_BELOW[unit] else 0
            return f"{count}{unit}" + (f"{second}{following[0]}" if following and second else "")
    return "0s"


def format_bytes(count: int) -> str:
    """Return a size of a file: `3.2 GB`."""
    for unit, size in _DECIMAL:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def format_memory(amount: Decimal) -> str:
    """Return a quantity of memory, rounded up to two digits or more: `700Mi`, `2Gi`."""
    for unit, size in _BINARY:
        if amount >= size and (amount % size == 0 or amount >= 10 * size):
            return f"{math.ceil(amount / size)}{unit}"
    for unit, size in reversed(_BINARY):
        if amount <= 10_240 * size:
            return f"{math.ceil(amount / size)}{unit}"
    return f"{math.ceil(amount)}"


def format_cpu(amount: Decimal) -> str:
    """Return a quantity of CPU, rounded up to 1m: `250m`, `2`."""
    millis = math.ceil(amount * 1000)
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def shorten(text: str, limit: int) -> str:
    """Return `text` on one line with at most `limit` characters, without controls of a terminal.

    The author of an image chooses the termination messages of its pods.
    """
    line = " ".join(sanitize(text, len(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def plural(count: int, noun: str) -> str:
    """Return the count and the noun: `1 pod`, `2 pods`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
