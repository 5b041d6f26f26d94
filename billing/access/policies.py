"""What is left of something that was paid for, when the money goes back or may have to.

No database, no settings, no clock: values in, values out. ``docs/refunds.md`` has the rules as
tables. Money counts as gone back when it was refunded, or lost in a dispute.
"""

from dataclasses import dataclass
from datetime import datetime

REVOKE, PROPORTIONAL, PERIOD_END, KEEP = "revoke", "proportional", "period_end", "keep"

Value = bool | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """What became of the money for one thing: minor units of one currency, over all payments.

    ``until`` is when the period is over that it was paid for; None for what has no period.
    ``contested_since`` is when the oldest dispute was opened that nobody has decided yet.
    Nothing ``received`` means that it was free, or that we have not heard of the payment yet.
    """

    received: int = 0
    refunded: int = 0
    lost: int = 0
    until: datetime | None = None
    contested_since: datetime | None = None

    @property
    def kept(self) -> int:
        """What did not go back: never less than nothing, also when a bank took what was already
        refunded."""
        return max(self.received - self.refunded - self.lost, 0)

    @property
    def is_gone(self) -> bool:
        """Whether there was money and all of it went back."""
        return self.received > 0 and self.kept == 0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left: ``share[0]`` of ``share[1]`` parts, until ``ends_at`` if that is sooner than
    it would end anyway, and withheld since ``held_since``."""

    share: tuple[int, int] = (1, 1)
    ends_at: datetime | None = None
    held_since: datetime | None = None

    def of(self, value: Value) -> Value:
        """A feature's value, shrunk: limits to the next whole number below; on stays on, and no
        limit stays none."""
        if value is None or isinstance(value, bool):
            return value
        kept, of = self.share
        return value * kept // of


def left(receipts: Receipts, *, refund_policy: str, dispute_policy: str) -> Left | None:
    """What the policies leave of a thing with these receipts; None when that is nothing.

    Where there is no period ``period_end`` means ``revoke``. A policy that is not known means
    ``revoke``, or ``hold``.
    """
    held_since = None if dispute_policy == KEEP else receipts.contested_since
    if not receipts.is_gone or refund_policy == KEEP:
        is_shrinking = refund_policy == PROPORTIONAL and receipts.received > 0
        share = (receipts.kept, receipts.received) if is_shrinking else (1, 1)
        return Left(share=share, held_since=held_since)
    if refund_policy == PERIOD_END and receipts.until is not None:
        return Left(ends_at=receipts.until, held_since=held_since)
    return None
