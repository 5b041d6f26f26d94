"""When a failed delivery is tried again: ten attempts over 75 hours and 35 minutes.

The schedule is that of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DELAYS = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each attempt, since the one before."""
MAX_ATTEMPTS = len(DELAYS)
JITTER = 0.1
"""Share of a delay that is added or taken away at random, so that retries do not coincide."""
LONGEST = timedelta(seconds=sum(DELAYS) * (1 + JITTER)) + timedelta(hours=1)
"""After its first attempt, no delivery is planned again for longer; an hour is for the attempts
themselves and for waiting in the lane."""
LONGEST_RETRY_AFTER = timedelta(hours=24)


def next_attempt(
    *, attempts: int, first_at: datetime, at: datetime, at_least: timedelta = timedelta()
) -> datetime | None:
    """When a delivery is due again that has failed ``attempts`` times, the last time at ``at``;
    None: never. ``at_least`` is what the receiver demands."""
    if attempts >= MAX_ATTEMPTS:
        return None
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
    delay = timedelta(seconds=DELAYS[attempts] * spread)
    due_at = at + max(delay, at_least)
    return due_at if due_at <= first_at + LONGEST else None


def parse_retry_after(value: str, *, at: datetime) -> timedelta | None:
    """The pause that a ``Retry-After`` header demands (RFC 9110, 10.2.3): seconds or a date, at
    most a day; nothing for a date in the past; None for nonsense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - at, timedelta()), LONGEST_RETRY_AFTER)
