"""How credits move: which grants a spending takes from, what a refund takes back, what expires.

No database, no settings, no clock: values in, entries of a double-entry ledger out. Every movement
takes from one bucket of a grant what it puts into another, so the buckets of a grant, ``issued``
among them, always sum to zero and credits come from nowhere else. The rules stand as tables in
``docs/credits.md``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

MAX_CREDITS = 10**12
"""How many can be given or spent at once: sums of thousands still fit every reader of JSON."""


class Bucket(StrEnum):
    """Where credits of a grant are. What is ``issued`` is negative: they came out of there."""

    ISSUED = "issued"
    AVAILABLE = "available"
    RESERVED = "reserved"
    WITHHELD = "withheld"
    SPENT = "spent"
    EXPIRED = "expired"


class Movement(StrEnum):
    """What can happen to credits; the list is closed."""

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
class Lot:
    """The credits of one grant, by where they are. Live over ``[granted_at, expires_at)``."""

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
class Leg:
    """One entry: so much into a bucket of a grant, or out of it."""

    grant: str
    bucket: Bucket
    amount: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one grant gives to a movement."""

    grant: str
    amount: int


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction to be: what happens, and its entries."""

    movement: Movement
    legs: tuple[Leg, ...]

    @property
    def amount(self) -> int:
        return sum(leg.amount for leg in self.legs if leg.amount > 0)


def balance(lots: Iterable[Lot], *, at: datetime) -> int:
    """What can be spent at that moment."""
    return sum(lot.available for lot in lots if lot.is_live(at))


def in_order(lots: Iterable[Lot]) -> list[Lot]:
    """Lowest priority number first, then what expires earliest, then the oldest."""
    return sorted(lots, key=_rank)


def _rank(lot: Lot) -> tuple[int, bool, datetime, datetime, str]:
    expiry = lot.expires_at
    return lot.priority, expiry is None, expiry or lot.granted_at, lot.granted_at, lot.grant


def allocate(lots: Iterable[Lot], amount: int, *, at: datetime) -> list[Share] | None:
    """Which grants give how much to a spending of ``amount``; None when there is not enough."""
    live = [lot for lot in lots if lot.is_live(at) and lot.available > 0]
    return _take([Share(lot.grant, lot.available) for lot in in_order(live)], amount)


def divide(held: Sequence[Share], amount: int) -> tuple[list[Share], list[Share]]:
    """Of what was reserved, in the order in which it was: what is used, and what goes back."""
    used = _take(held, amount)
    if used is None:
        raise ValueError("More is to be used than was reserved.")
    taken = {share.grant: share.amount for share in used}
    rest = [Share(each.grant, each.amount - taken.get(each.grant, 0)) for each in held]
    return used, [share for share in rest if share.amount]


def _take(offers: Iterable[Share], amount: int) -> list[Share] | None:
    shares = []
    for offer in offers:
        if not amount:
            break
        share = Share(offer.grant, min(offer.amount, amount))
        shares.append(share)
        amount -= share.amount
    return None if amount else shares


def moved(shares: Iterable[Share], source: Bucket, target: Bucket) -> tuple[Leg, ...]:
    """The entries that take these shares out of one bucket and put them into another."""
    return tuple(
        leg
        for share in shares
        if share.amount
        for leg in (
            Leg(share.grant, source, -share.amount),
            Leg(share.grant, target, share.amount),
        )
    )


def come_to(lot: Lot, *, due: int, is_withheld: bool, at: datetime) -> list[Step]:
    """What has to happen for a grant to come to what is due, as far as it can.

    What was spent or is reserved is never taken back. An expired grant gets nothing any more:
    what is left of it expires.
    """
    if not lot.is_live(at):
        return _steps((Movement.EXPIRE, _out(lot, lot.available + lot.withheld, Bucket.EXPIRED)))
    missing = due - lot.given
    added = moved([Share(lot.grant, max(missing, 0))], Bucket.ISSUED, Bucket.AVAILABLE)
    taken = _out(lot, max(-missing, 0), Bucket.ISSUED)
    then = apply(lot, [*added, *taken])
    held = moved(
        [Share(lot.grant, then.available if is_withheld else 0)], Bucket.AVAILABLE, Bucket.WITHHELD
    )
    freed = moved(
        [Share(lot.grant, 0 if is_withheld else then.withheld)], Bucket.WITHHELD, Bucket.AVAILABLE
    )
    return _steps(
        (Movement.GRANT, added),
        (Movement.TAKE_BACK, taken),
        (Movement.WITHHOLD, held),
        (Movement.RESTORE, freed),
    )


def _out(lot: Lot, amount: int, target: Bucket) -> tuple[Leg, ...]:
    """Up to ``amount`` of what is neither spent nor reserved, from what is withheld last."""
    first = min(amount, lot.available)
    second = min(amount - first, lot.withheld)
    return (
        *moved([Share(lot.grant, first)], Bucket.AVAILABLE, target),
        *moved([Share(lot.grant, second)], Bucket.WITHHELD, target),
    )


def _steps(*found: tuple[Movement, tuple[Leg, ...]]) -> list[Step]:
    return [Step(movement, legs) for movement, legs in found if legs]


def apply(lot: Lot, legs: Iterable[Leg]) -> Lot:
    """The grant after these entries; those of other grants do not count."""
    sums = dict.fromkeys(Bucket, 0)
    for leg in legs:
        if leg.grant == lot.grant:
            sums[leg.bucket] += leg.amount
    return replace(
        lot,
        given=lot.given - sums[Bucket.ISSUED],
        available=lot.available + sums[Bucket.AVAILABLE],
        reserved=lot.reserved + sums[Bucket.RESERVED],
        withheld=lot.withheld + sums[Bucket.WITHHELD],
        spent=lot.spent + sums[Bucket.SPENT],
        expired=lot.expired + sums[Bucket.EXPIRED],
    )


def apply_all(lots: Mapping[str, Lot], legs: Sequence[Leg]) -> dict[str, Lot]:
    """All grants after these entries."""
    touched = {leg.grant for leg in legs}
    return {grant: apply(lot, legs) if grant in touched else lot for grant, lot in lots.items()}
