"""Divide money over the lines of a purchase, in proportion and to the last minor unit.

Pure: no database, no settings, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from billing.access.policies import Receipts


@dataclass(frozen=True, slots=True)
class RefundedMoney:
    """A refund of one payment in minor units: ``amount`` in all, ``lines`` by line where named."""

    amount: int
    lines: Mapping[str, int]


def divide(amount: int, weights: Mapping[str, int], *, step: int = 1) -> dict[str, int]:
    """Divide ``amount`` in proportion to the weights, in multiples of ``step``, without a rest.

    The rest of the rounding goes to the largest remainders, and of equal ones to the first. If all
    weights are zero, so are all shares.
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
    amounts = {key: share * step for key, share in shares.items()}
    amounts[by_remainder[0]] += rest
    return amounts


def divide_receipts(
    whole: Receipts, *, cost: int, named_refunds: int, all_named_refunds: int
) -> Receipts:
    """The receipts of one part of a purchase, from those of the ``whole``; ``cost`` is its price.

    ``named_refunds`` were refunded for this part, ``all_named_refunds`` for any named part; a named
    refund touches no other part. Refunds that name no part, and lost disputes, are divided over all
    parts in proportion to their remaining money. A part that cost nothing is gone once all of
    that remaining money is.
    """
    named_refunds, pool = min(named_refunds, cost), whole.received - all_named_refunds
    unnamed = max(whole.refunded - all_named_refunds, 0)
    if not cost:
        return replace(whole, received=pool, refunded=unnamed)
    refunded = _share(unnamed, pool, cost - named_refunds)
    gone = _share(unnamed + whole.lost, pool, cost - named_refunds)
    return replace(whole, received=cost, refunded=named_refunds + refunded, lost=gone - refunded)


def _share(amount: int, pool: int, left: int) -> int:
    """The share of ``amount`` that a part with ``left`` of the pool bears, rounded down."""
    return left * min(amount, pool) // pool if pool > 0 else 0
