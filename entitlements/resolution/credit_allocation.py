"""Credit arithmetic: which grants pay for a spending, what a refund takes back, what expires.

Pure: values in, entries of a double-entry ledger out. Every entry pair takes credits from one
bucket of a grant and puts them into another bucket of the same grant, so the buckets of a grant,
``issued`` included, always sum to zero. The rules stand as tables in ``docs/credits.md``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

MAX_CREDITS = 10**12
"""Credits that one grant or one spending may have: sums of thousands still fit a JSON number."""


class CreditBucket(StrEnum):
    """Where credits of a grant are. ``issued`` is negative: credits come out of it."""

    ISSUED = "issued"
    AVAILABLE = "available"
    RESERVED = "reserved"
    WITHHELD = "withheld"
    SPENT = "spent"
    EXPIRED = "expired"


class CreditMovement(StrEnum):
    """What can happen to credits. The list is closed; the values are part of the API."""

    GRANT = "grant"
    SPEND = "spend"
    HOLD = "hold"
    SETTLE = "settle"
    RELEASE = "release"
    EXPIRE = "expire"
    TAKE_BACK = "take_back"
    WITHHOLD = "withhold"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class CreditLot:
    """The credits of one grant by bucket. Live over ``[granted_at, expires_at)``."""

    grant: str
    priority: int
    granted_at: datetime
    expires_at: datetime | None = None
    given: int = 0
    available: int = 0
    reserved: int = 0
    withheld: int = 0
    spent: int = 0
    expired: int = 0

    def is_live(self, at: datetime) -> bool:
        return self.expires_at is None or at < self.expires_at


@dataclass(frozen=True, slots=True)
class CreditLeg:
    """One ledger entry: an amount into a bucket of a grant (positive) or out of it (negative)."""

    grant: str
    bucket: CreditBucket
    amount: int


@dataclass(frozen=True, slots=True)
class CreditShare:
    """The amount that one grant contributes to a movement."""

    grant: str
    amount: int


@dataclass(frozen=True, slots=True)
class PlannedTransaction:
    """A ledger transaction that is not written yet: its movement and its entries."""

    movement: CreditMovement
    legs: tuple[CreditLeg, ...]

    @property
    def amount(self) -> int:
        return sum(leg.amount for leg in self.legs if leg.amount > 0)


def sort_lots(lots: Iterable[CreditLot]) -> list[CreditLot]:
    """Order of spending: lowest priority number, then earliest expiry, then oldest grant."""
    return sorted(lots, key=_rank)


def _rank(lot: CreditLot) -> tuple[int, bool, datetime, datetime, str]:
    expiry = lot.expires_at
    return lot.priority, expiry is None, expiry or lot.granted_at, lot.granted_at, lot.grant


def allocate(lots: Iterable[CreditLot], amount: int, *, at: datetime) -> list[CreditShare] | None:
    """The shares that pay ``amount``, in the order of spending; None when the credits do not
    suffice."""
    live = [lot for lot in lots if lot.is_live(at) and lot.available > 0]
    return _take_shares([CreditShare(lot.grant, lot.available) for lot in sort_lots(live)], amount)


def split_reserved(
    reserved_shares: Sequence[CreditShare], amount: int
) -> tuple[list[CreditShare], list[CreditShare]]:
    """Split reserved shares into those that are used (``amount`` in all) and those that return.
    Raises ValueError when ``amount`` is more than was reserved."""
    used = _take_shares(reserved_shares, amount)
    if used is None:
        raise ValueError("More is to be used than was reserved.")
    used_by_grant = {share.grant: share.amount for share in used}
    rest = [
        CreditShare(share.grant, share.amount - used_by_grant.get(share.grant, 0))
        for share in reserved_shares
    ]
    return used, [share for share in rest if share.amount]


def _take_shares(available_shares: Iterable[CreditShare], amount: int) -> list[CreditShare] | None:
    shares = []
    for available in available_shares:
        if not amount:
            break
        share = CreditShare(available.grant, min(available.amount, amount))
        shares.append(share)
        amount -= share.amount
    return None if amount else shares


def build_transfer(
    shares: Iterable[CreditShare], source: CreditBucket, target: CreditBucket
) -> tuple[CreditLeg, ...]:
    """The entries that move these shares from one bucket to another."""
    return tuple(
        leg
        for share in shares
        if share.amount
        for leg in (
            CreditLeg(share.grant, source, -share.amount),
            CreditLeg(share.grant, target, share.amount),
        )
    )


def plan_due_transactions(
    lot: CreditLot, *, due: int, is_withheld: bool, at: datetime
) -> list[PlannedTransaction]:
    """The transactions that bring a grant to the amount that is due of it, as far as possible.

    Spent and reserved credits are never taken back. An expired grant receives nothing: what is left
    of it expires.
    """
    if not lot.is_live(at):
        return _build_transactions(
            (
                CreditMovement.EXPIRE,
                _build_withdrawal(lot, lot.available + lot.withheld, CreditBucket.EXPIRED),
            )
        )
    missing = due - lot.given
    added_legs = build_transfer(
        [CreditShare(lot.grant, max(missing, 0))], CreditBucket.ISSUED, CreditBucket.AVAILABLE
    )
    taken_legs = _build_withdrawal(lot, max(-missing, 0), CreditBucket.ISSUED)
    lot_after = apply_legs(lot, [*added_legs, *taken_legs])
    withheld_legs = build_transfer(
        [CreditShare(lot.grant, lot_after.available if is_withheld else 0)],
        CreditBucket.AVAILABLE,
        CreditBucket.WITHHELD,
    )
    restored_legs = build_transfer(
        [CreditShare(lot.grant, 0 if is_withheld else lot_after.withheld)],
        CreditBucket.WITHHELD,
        CreditBucket.AVAILABLE,
    )
    return _build_transactions(
        (CreditMovement.GRANT, added_legs),
        (CreditMovement.TAKE_BACK, taken_legs),
        (CreditMovement.WITHHOLD, withheld_legs),
        (CreditMovement.RESTORE, restored_legs),
    )


def _build_withdrawal(lot: CreditLot, amount: int, target: CreditBucket) -> tuple[CreditLeg, ...]:
    """Entries that take up to ``amount`` out of the grant: available credits first, then
    withheld ones."""
    first = min(amount, lot.available)
    second = min(amount - first, lot.withheld)
    return (
        *build_transfer([CreditShare(lot.grant, first)], CreditBucket.AVAILABLE, target),
        *build_transfer([CreditShare(lot.grant, second)], CreditBucket.WITHHELD, target),
    )


def _build_transactions(
    *transfers: tuple[CreditMovement, tuple[CreditLeg, ...]],
) -> list[PlannedTransaction]:
    return [PlannedTransaction(movement, legs) for movement, legs in transfers if legs]


def apply_legs(lot: CreditLot, legs: Iterable[CreditLeg]) -> CreditLot:
    """The lot after these entries. Entries of other grants are ignored."""
    sums = dict.fromkeys(CreditBucket, 0)
    for leg in legs:
        if leg.grant == lot.grant:
            sums[leg.bucket] += leg.amount
    return replace(
        lot,
        given=lot.given - sums[CreditBucket.ISSUED],
        available=lot.available + sums[CreditBucket.AVAILABLE],
        reserved=lot.reserved + sums[CreditBucket.RESERVED],
        withheld=lot.withheld + sums[CreditBucket.WITHHELD],
        spent=lot.spent + sums[CreditBucket.SPENT],
        expired=lot.expired + sums[CreditBucket.EXPIRED],
    )
