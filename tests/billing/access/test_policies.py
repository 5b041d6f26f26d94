"""Refund and dispute policies decide how much access a payment leaves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.access.policies import Receipts, RemainingAccess, find_remaining_access
from billing.models.product import DisputePolicy, RefundPolicy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDS = NOON + timedelta(days=20)

money = st.integers(0, 10**15)
policy = st.sampled_from(RefundPolicy.values)
receipts = st.builds(
    Receipts,
    received=money,
    refunded=money,
    lost=money,
    contested_since=st.none() | st.just(NOON),
)
limits = st.integers(0, 2**53 - 1)


def remaining_access(
    receipts: Receipts, refunds: str, disputes: str = "hold"
) -> RemainingAccess | None:
    return find_remaining_access(receipts, refund_policy=refunds, dispute_policy=disputes)


@pytest.mark.parametrize(
    ("refunds", "refunded", "lost", "end", "expected"),
    [
        ("revoke", 0, 0, None, RemainingAccess()),
        ("revoke", 99, 0, None, RemainingAccess()),
        ("revoke", 100, 0, ENDS, None),
        ("revoke", 0, 100, None, None),
        ("revoke", 40, 60, None, None),
        ("revoke", 40, 59, None, RemainingAccess()),
        ("revoke", 100, 100, None, None),
        ("proportional", 0, 0, None, RemainingAccess((100, 100))),
        ("proportional", 1, 0, None, RemainingAccess((99, 100))),
        ("proportional", 30, 20, ENDS, RemainingAccess((50, 100))),
        ("proportional", 99, 0, None, RemainingAccess((1, 100))),
        ("proportional", 100, 0, None, None),
        ("period_end", 99, 0, ENDS, RemainingAccess()),
        ("period_end", 100, 0, ENDS, RemainingAccess(ends_at=ENDS)),
        ("period_end", 0, 100, ENDS, RemainingAccess(ends_at=ENDS)),
        ("period_end", 100, 0, None, None),
        ("keep", 100, 0, None, RemainingAccess()),
        ("keep", 0, 100, ENDS, RemainingAccess()),
        ("a new word", 100, 0, ENDS, None),
        ("a new word", 99, 0, ENDS, RemainingAccess()),
    ],
)
def test_returned_money_reduces_access_by_the_refund_policy(
    refunds: str, refunded: int, lost: int, end: datetime | None, expected: RemainingAccess | None
) -> None:
    for disputes in DisputePolicy.values:
        remaining = find_remaining_access(
            Receipts(received=100, refunded=refunded, lost=lost, until=end),
            refund_policy=refunds,
            dispute_policy=disputes,
        )
        assert remaining == expected


def test_a_dispute_suspends_access_from_its_first_day() -> None:
    contested = Receipts(received=100, contested_since=NOON)
    for refunds in RefundPolicy.values:
        held, kept = (
            remaining_access(contested, refunds),
            remaining_access(contested, refunds, "keep"),
        )
        assert held is not None
        assert held.held_since == NOON
        assert kept is not None
        assert kept.held_since is None
    gone = Receipts(received=100, refunded=100, contested_since=NOON)
    assert remaining_access(gone, "revoke") is None
    assert remaining_access(gone, "keep") == RemainingAccess(held_since=NOON)
    assert remaining_access(replace(gone, until=ENDS), "period_end") == RemainingAccess(
        ends_at=ENDS, held_since=NOON
    )


def test_a_purchase_without_receipts_keeps_all_access() -> None:
    for refunds, disputes in product(RefundPolicy.values, DisputePolicy.values):
        assert remaining_access(Receipts(), refunds, disputes) == RemainingAccess()


@pytest.mark.parametrize(
    ("value", "share", "expected"),
    [
        (True, (1, 100), True),
        (None, (1, 100), None),
        (0, (1, 2), 0),
        (1, (99, 100), 0),
        (10, (99, 100), 9),
        (10, (50, 100), 5),
        (3, (1, 3), 1),
        (2**53 - 1, (10**15 - 1, 10**15), (2**53 - 1) * (10**15 - 1) // 10**15),
    ],
)
def test_remaining_shares(
    value: bool | int | None, share: tuple[int, int], expected: bool | int | None
) -> None:
    scaled_value = RemainingAccess(share).scale(value)
    assert (scaled_value, type(scaled_value)) == (expected, type(expected))


@given(receipts, policy, st.sampled_from(DisputePolicy.values), limits)
def test_remaining_access_never_exceeds_the_purchase(
    receipts: Receipts, refunds: str, disputes: str, limit: int
) -> None:
    """Never more than was bought; nothing left only when all the money is gone; ``keep`` keeps."""
    remaining = remaining_access(replace(receipts, until=ENDS), refunds, disputes)
    assert (remaining is None) == (receipts.is_gone and refunds in ("revoke", "proportional"))
    if remaining is not None:
        assert 0 <= remaining.scale(limit) <= limit  # type: ignore[operator]  # a number stays a number
        assert remaining.scale(True) is True
        assert remaining.scale(None) is None
        assert (remaining.held_since is not None) == (
            disputes == "hold" and receipts.contested_since is not None
        )
    if refunds == "keep":
        assert remaining is not None
        assert remaining.scale(limit) == limit
        assert remaining.ends_at is None


@given(receipts, policy, st.integers(0, 10**15), limits)
def test_more_money_back_never_gives_more(
    receipts: Receipts, refunds: str, more: int, limit: int
) -> None:
    after = Receipts(
        received=receipts.received, refunded=receipts.refunded + more, lost=receipts.lost
    )

    def worth(money: Receipts) -> int:
        remaining = remaining_access(money, refunds)
        return 0 if remaining is None else int(remaining.scale(limit) or 0)

    assert worth(after) <= worth(receipts)


@given(st.integers(1, 10**15), st.data())
def test_a_refund_and_a_lost_dispute_count_the_same(received: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, received))
    as_refund = Receipts(received=received, refunded=gone)
    as_loss = Receipts(received=received, lost=gone)
    for refunds in RefundPolicy.values:
        assert remaining_access(as_refund, refunds) == remaining_access(as_loss, refunds)
