"""A token bucket: ``rate`` requests a second, and ``size`` of them at once.

Each process has a bucket of its own. Once a second it hears what all of them have left and have
taken, and from then on has the part of both that it took of them: so processes that send as fast as
they may share one limit evenly, second by second. Without that each of them would take the whole
limit until it hears of the others, and then nothing for as long.
"""

from typing import NamedTuple

Headers = list[tuple[str, str]]

PORTION = 1 / 200
"""Part of a bucket that very frequent requests take at a time."""
RENEW_SECONDS = 0.5
"""After which a portion is renewed, so that the headers are true to half a second."""


SCARCE = 0.9
"""Part of a limit that all processes together must take for its tokens to be shared out."""
LEAST_PART = 1 / 32
"""Of the limit, for a process that takes hardly any: it may want more in a moment."""
GROWTH = 0.1
"""Part of the limit that a process gets in addition at each exchange while there is enough."""
REPAYMENT = 0.9
"""Part of its rate that a process keeps while all together owe tokens."""


class SharedCount(NamedTuple):
    """What all processes together have left, less than 0 if they owe tokens, and all that they have
    taken since Redis began to count."""

    level: float
    taken: int


class Limit(NamedTuple):
    """What a subject may do. ``name`` stands in the header ``RateLimit-Policy``; ``subject`` is
    unique among all buckets. ``rate``: tokens per second; ``size``: tokens of a full bucket."""

    name: str
    subject: str
    rate: float
    size: float


class TokenBucket:
    """The tokens of one subject in this process. Times are seconds of one monotonic clock."""

    __slots__ = ("_heard", "at", "level", "limit", "rate", "size", "taken")

    def __init__(self, limit: Limit, *, at: float) -> None:
        self.limit = limit
        self.rate, self.size = limit.rate, limit.size
        """``rate``: tokens per second of this process, at most those of the limit."""
        self._heard: tuple[int, float] | None = None
        """What all processes had taken at the last exchange, and when that was."""
        self.level, self.at = limit.size, at
        self.taken = 0
        """Tokens taken since they were last added up with those of other processes."""

    def refill(self, at: float) -> float:
        """Add the tokens of the time that has passed; return the level."""
        level = self.level + (at - self.at) * self.rate
        self.level = level = min(self.size, level)
        self.at = at
        return level

    def adopt(self, shared: SharedCount, *, reported: int, at: float) -> None:
        """Adopt this process's part of what all have left, less what was taken meanwhile.
        ``reported`` tokens of those that all have taken are of this process."""
        part = self._part(shared, reported, at)
        self.level = min(shared.level, self.size) * part - self.taken
        is_repaid = shared.level >= 0 or self._heard is None
        self.rate = self.limit.rate * (part if is_repaid else part * REPAYMENT)
        self._heard, self.at = (shared.taken, at), at

    def count_alone(self) -> None:
        """Have the whole limit, until another exchange says what the others take."""
        self.rate, self._heard = self.limit.rate, None

    def _part(self, shared: SharedCount, reported: int, at: float) -> float:
        """The part of the limit that this process may use from now on."""
        if self._heard is None:
            return 1.0
        taken_before, heard_at = self._heard
        everyone = shared.taken - taken_before
        if everyone > SCARCE * self.limit.rate * (at - heard_at):
            return max(reported / everyone, LEAST_PART)
        return min(self.rate / self.limit.rate + GROWTH, 1.0)


class Quota:
    """The buckets that a caller's requests are counted in: its key's, then its project's.

    ``source`` is what the limits were read from. Very frequent requests take ``portion`` tokens at
    a time: ``prepaid`` are left of them, which go back at ``renew_at``; meanwhile answers carry the
    same ``shown`` headers.
    """

    __slots__ = ("buckets", "policy", "portion", "prepaid", "renew_at", "shown", "source")

    def __init__(self, buckets: tuple[TokenBucket, ...], source: object = None) -> None:
        self.buckets = buckets
        self.source = source
        self.portion = max(1, int(min(bucket.size for bucket in buckets) * PORTION))
        self.prepaid = 0
        self.renew_at = 0.0
        self.shown: Headers = []
        self.policy = ", ".join(
            f'"{limit.name}";q={int(limit.size)};w={limit.size / limit.rate:.0f}'
            for limit in (bucket.limit for bucket in buckets)
        )

    def wait(self, at: float) -> float:
        """The seconds until every bucket has a token; 0.0 if they have."""
        wait = 0.0
        for bucket in self.buckets:
            level = bucket.refill(at)
            if level < 1.0:
                wait = max(wait, (1.0 - level) / bucket.rate)
        return wait

    def take(self, at: float) -> float:
        """Take a token from every bucket and return 0.0; if one is empty take none, and return the
        seconds until every bucket has a token."""
        wait = self.wait(at)
        if not wait:
            self._add(-1)
        return wait

    def renew(self, at: float) -> bool:
        """Give back what is left of the last portion, take another, and spend its first token;
        False if there is none."""
        self._add(self.prepaid)
        self.prepaid = 0
        if self.wait(at):
            return False
        count = min(self.portion, *(int(bucket.level) for bucket in self.buckets))
        self._add(-count)
        self.prepaid = count - 1
        self.renew_at = at + RENEW_SECONDS
        self.shown = self.headers()
        return True

    def _add(self, count: int) -> None:
        for bucket in self.buckets:
            bucket.level += count
            bucket.taken -= count

    def headers(self) -> Headers:
        """``RateLimit-Policy``, and ``RateLimit`` of the bucket with the smallest part left.

        ``q`` tokens in ``w`` seconds; ``r`` are left, and in ``t`` seconds the bucket is full again
        (draft-ietf-httpapi-ratelimit-headers-10).
        """
        bucket = self.buckets[0]
        for other in self.buckets[1:]:
            if other.level * bucket.size < bucket.level * other.size:
                bucket = other
        left = int(bucket.level) if bucket.level > 0 else 0
        until_full = -int((bucket.level - bucket.size) // bucket.limit.rate)
        return [
            ("RateLimit-Policy", self.policy),
            ("RateLimit", f'"{bucket.limit.name}";r={left};t={until_full}'),
        ]
