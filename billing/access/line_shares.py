"""How money is divided over the lines of a purchase, fairly and to the last minor unit.

No database, no settings, no clock: values in, values out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from billing.access.policies import Receipts


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Money of one payment that goes back: ``amount`` in all, of which ``lines`` name some."""

    amount: int
    lines: Mapping[str, int]


def divide(amount: int, weights: Mapping[str, int], *, step: int = 1) -> dict[str, int]:
    """``amount`` in proportion to the weights, in multiples of ``step``; the shares add up to it.

    What rounding leaves goes to the largest remainders, the first of equals first. Where all
    weights are zero the shares are too.
    """
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, 0)
    if amount == total:
        return dict(weights)
    parts, rest = divmod(amount, step)
    shares = {key: parts * weight // total for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: -(parts * weights[key] % total))
    for key in by_remainder[: parts - sum(shares.values())]:
        shares[key] += 1
    found = {key: share * step for key, share in shares.items()}
    found[by_remainder[0]] += rest
    return found


def of_part(whole: Receipts, *, cost: int, named: int, named_in_all: int) -> Receipts:
    """What became of the money for a part of what was paid for, which cost so much.

    ``named`` is what refunds gave back of this part, ``named_in_all`` what they gave back of any
    part: that touches no other. Money that went back without naming a part, and money that a bank
    took, is borne by all parts, in proportion to what is left of them. A part that cost nothing
    goes with the last of that money.
    """
    named, pool = min(named, cost), whole.received - named_in_all
    unnamed = max(whole.refunded - named_in_all, 0)
    if not cost:
        return replace(whole, received=pool, refunded=unnamed)
    refunded = _share(unnamed, pool, cost - named)
    gone = _share(unnamed + whole.lost, pool, cost - named)
    return replace(whole, received=cost, refunded=named + refunded, lost=gone - refunded)


def _share(amount: int, pool: int, left: int) -> int:
    """Of ``amount`` of the pool, what a part bears of which so much is left; rounded down."""
    return left * min(amount, pool) // pool if pool > 0 else 0
