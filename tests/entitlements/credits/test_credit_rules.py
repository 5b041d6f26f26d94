"""Pure rules move credits between grants, without a database."""

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from entitlements.resolution.credit_allocation import (
    CreditBucket,
    CreditLeg,
    CreditLot,
    CreditMovement,
    CreditShare,
    allocate,
    apply_legs,
    plan_due_transactions,
    sort_lots,
    split_reserved,
)
from tests.entitlements.credits.credit_histories import Values, history
from tests.factories.entitlements import NOW

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
HISTORIES = 10_000


def lot(name, available=10, priority=50, days=None, age=0, **sums):
    """Credits that were given ``age`` days ago and expire in ``days``."""
    expires_at = None if days is None else NOW + days * DAY
    amount = available + sum(sums.values())
    return CreditLot(name, priority, NOW - age * DAY, expires_at, amount, available, **sums)


def test_the_order_of_spending() -> None:
    cases = [
        ("the lowest number first", ["b", "a"], lot("a", priority=60), lot("b", priority=10)),
        ("before the expiry", ["b", "a"], lot("a", days=1), lot("b", priority=0)),
        ("then what expires first", ["b", "a"], lot("a", days=9), lot("b", days=2)),
        ("what never expires last", ["b", "a"], lot("a", age=9), lot("b", days=300)),
        ("then the oldest", ["b", "a"], lot("a", days=5, age=1), lot("b", days=5, age=2)),
        ("of those that never expire too", ["b", "a"], lot("a", age=1), lot("b", age=2)),
        ("then by name", ["a", "b"], lot("b"), lot("a")),
    ]
    for why, names, *lots in cases:
        assert [each.grant for each in sort_lots(lots)] == names, why
        assert [each.grant for each in sort_lots(reversed(lots))] == names, why


def test_a_spending_takes_from_grants_in_order() -> None:
    lots = [lot("bought", 100), lot("month", 30, days=9), lot("gift", 5, priority=0)]
    cases = [
        (1, [CreditShare("gift", 1)]),
        (5, [CreditShare("gift", 5)]),
        (6, [CreditShare("gift", 5), CreditShare("month", 1)]),
        (36, [CreditShare("gift", 5), CreditShare("month", 30), CreditShare("bought", 1)]),
        (135, [CreditShare("gift", 5), CreditShare("month", 30), CreditShare("bought", 100)]),
        (136, None),
    ]
    for amount, shares in cases:
        assert allocate(lots, amount, at=NOW) == shares, amount
        assert allocate(lots[::-1], amount, at=NOW) == shares, amount


def test_a_grant_can_be_spent_until_just_before_its_expiry() -> None:
    expiring = lot("a", 10, days=1)
    for at, there in ((NOW + DAY - TICK, 10), (NOW + DAY, 0), (NOW + DAY + TICK, 0)):
        assert (expiring.available if expiring.is_live(at) else 0) == there
        assert (allocate([expiring], 10, at=at) is not None) is (there > 0)
        steps = plan_due_transactions(expiring, due=10, is_withheld=False, at=at)
        assert [step.movement for step in steps] == ([] if there else [CreditMovement.EXPIRE])


def test_a_reservation_is_posted_in_its_order() -> None:
    held = [CreditShare("a", 5), CreditShare("b", 3)]
    assert split_reserved(held, 0) == ([], held)
    assert split_reserved(held, 6) == (
        [CreditShare("a", 5), CreditShare("b", 1)],
        [CreditShare("b", 2)],
    )
    assert split_reserved(held, 8) == (held, [])
    with pytest.raises(ValueError, match="More is to be used"):
        split_reserved(held, 9)


def test_movements_bring_a_grant_to_the_amount_due() -> None:
    give, take, withhold, restore, expire = (
        CreditMovement.GRANT,
        CreditMovement.TAKE_BACK,
        CreditMovement.WITHHOLD,
        CreditMovement.RESTORE,
        CreditMovement.EXPIRE,
    )
    new, full = lot("a", 0), lot("a", 100)
    worn = lot("a", 30, spent=60, reserved=10)
    held = lot("a", 0, withheld=30, spent=70)
    cases = [
        (new, 100, False, [(give, 100)], (100, 100, 0, 0, 0)),
        (new, 100, True, [(give, 100), (withhold, 100)], (100, 0, 0, 100, 0)),
        (new, 0, True, [], (0, 0, 0, 0, 0)),
        (full, 100, False, [], (100, 100, 0, 0, 0)),
        (full, 40, False, [(take, 60)], (40, 40, 0, 0, 0)),
        (full, 150, False, [(give, 50)], (150, 150, 0, 0, 0)),
        (worn, 80, False, [(take, 20)], (80, 10, 10, 0, 60)),
        (worn, 0, False, [(take, 30)], (70, 0, 10, 0, 60)),
        (worn, 0, True, [(take, 30)], (70, 0, 10, 0, 60)),
        (worn, 90, True, [(take, 10), (withhold, 20)], (90, 0, 10, 20, 60)),
        (held, 100, False, [(restore, 30)], (100, 30, 0, 0, 70)),
        (held, 100, True, [], (100, 0, 0, 30, 70)),
        (held, 0, True, [(take, 30)], (70, 0, 0, 0, 70)),
        (held, 120, False, [(give, 20), (restore, 30)], (120, 50, 0, 0, 70)),
    ]
    for before, due, is_withheld, steps, sums in cases:
        transactions = plan_due_transactions(before, due=due, is_withheld=is_withheld, at=NOW)
        case = (before, due, is_withheld)
        assert [(step.movement, step.amount) for step in transactions] == steps, case
        after = apply_legs(before, [leg for step in transactions for leg in step.legs])
        assert (after.given, after.available, after.reserved, after.withheld, after.spent) == sums
        assert plan_due_transactions(after, due=due, is_withheld=is_withheld, at=NOW) == [], case
    over = lot("a", 20, days=-1, withheld=5, reserved=3)
    (step,) = plan_due_transactions(over, due=500, is_withheld=False, at=NOW)
    assert (step.movement, step.amount) == (expire, 25)
    assert apply_legs(over, step.legs).reserved == 3


def test_ten_thousand_histories_conserve_credits() -> None:
    """Nothing comes from nowhere and nothing is lost; the ledger alone gives the same state."""
    random, moves = Random(20), Counter[str]()
    for number in range(HISTORIES):
        book = Values()
        for move, at, fields in history(random, 10):
            before = book.balance(at)
            done = book.play(move, at, fields)
            moves[move] += done
            if move in ("spend", "hold"):
                assert done is (fields["amount"] <= before), number
                assert book.balance(at) == before - (fields["amount"] if done else 0), number
        for _, legs in book.posted:
            assert sum(leg.amount for leg in legs) == 0, number
        replayed = _replay([leg for _, legs in book.posted for leg in legs])
        for name, each in book.lots.items():
            inside = (each.available, each.reserved, each.withheld, each.spent, each.expired)
            assert (min(inside) >= 0, sum(inside)) == (True, each.given), number
            assert tuple(replayed[name, bucket] for bucket in CreditBucket) == (
                -each.given,
                *inside,
            )
    assert min(moves.values()) > HISTORIES / 10, moves


def _replay(legs: list[CreditLeg]) -> Counter[tuple[str, CreditBucket]]:
    sums: Counter[tuple[str, CreditBucket]] = Counter()
    for leg in legs:
        sums[leg.grant, leg.bucket] += leg.amount
    return sums
