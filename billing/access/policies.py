"""Apply refund and dispute policies: how much access remains after money went back.

Pure: no database, no settings, no clock. ``docs/refunds.md`` has the rules as tables. Money has
gone back when it was refunded or lost in a dispute.
"""

from dataclasses import dataclass
from datetime import datetime

REVOKE, PROPORTIONAL, PERIOD_END, KEEP = "revoke", "proportional", "period_end", "keep"

ScalableValue = bool | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """The money for one purchase, in minor units of one currency, over all its payments.

    ``until``: end of the paid period; None without a period. ``contested_since``: when the oldest
    open dispute was opened. ``received`` is 0 if nothing was due or no payment is mirrored yet.
    """

    received: int = 0
    refunded: int = 0
    lost: int = 0
    until: datetime | None = None
    contested_since: datetime | None = None

    @property
    def kept(self) -> int:
        """Money that did not go back; not negative even if refunded money was lost in a dispute
        as well."""
        return max(self.received - self.refunded - self.lost, 0)

    @property
    def is_gone(self) -> bool:
        """Whether there was money and all of it went back."""
        return self.received > 0 and self.kept == 0


@dataclass(frozen=True, slots=True)
class RemainingAccess:
    """The access that remains: ``share[0]`` of ``share[1]`` parts, ending at ``ends_at`` if that is
    before its usual end, and withheld since ``held_since`` while a dispute is open."""

    share: tuple[int, int] = (1, 1)
    ends_at: datetime | None = None
    held_since: datetime | None = None

    def scale(self, value: ScalableValue) -> ScalableValue:
        """A feature's value times the share: a limit is rounded down, booleans and unlimited
        (None) stay."""
        if value is None or isinstance(value, bool):
            return value
        numerator, denominator = self.share
        return value * numerator // denominator


def find_remaining_access(
    receipts: Receipts, *, refund_policy: str, dispute_policy: str
) -> RemainingAccess | None:
    """The access that the policies leave after these receipts; None for no access.

    Without a period ``period_end`` means ``revoke``. An unknown refund policy means ``revoke``, an
    unknown dispute policy ``hold``.
    """
    held_since = None if dispute_policy == KEEP else receipts.contested_since
    if not receipts.is_gone or refund_policy == KEEP:
        is_shrinking = refund_policy == PROPORTIONAL and receipts.received > 0
        share = (receipts.kept, receipts.received) if is_shrinking else (1, 1)
        return RemainingAccess(share=share, held_since=held_since)
    if refund_policy == PERIOD_END and receipts.until is not None:
        return RemainingAccess(ends_at=receipts.until, held_since=held_since)
    return None
