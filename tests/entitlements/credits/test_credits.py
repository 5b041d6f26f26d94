"""Credit services grant, spend, reserve, revoke and record events."""

import pytest

from entitlements.credits import credit_expiry, credit_grants
from entitlements.credits import service as credits
from entitlements.errors import CreditsKeyReused, NotEnoughCredits
from entitlements.models import CreditTransaction
from entitlements.resolution.credit_allocation import CreditMovement, CreditShare
from tests.entitlements.credits.credit_calls import (
    DAY,
    TICK,
    balance,
    balance_events,
    customer_arguments,
    give,
    ledger,
    spend,
)
from tests.factories.entitlements import NOW
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


def test_a_spending_takes_from_several_grants_and_is_written_down(customer):
    credit_grant = give(customer, 100)
    soon = give(customer, 30, expires_at=NOW + DAY)
    first = give(customer, 5, priority=0)

    spent = spend(customer, 50, feature="renders", reason="A film.", actor="key:k")

    assert spent.balance == balance(customer) == 85
    assert spent.shares == [
        CreditShare(first.pk, 5),
        CreditShare(soon.pk, 30),
        CreditShare(credit_grant.pk, 15),
    ]
    row = CreditTransaction.objects.for_project(customer.project).get(pk=spent.transaction_id)
    assert (row.movement, row.amount, row.balance) == (CreditMovement.SPEND, 50, 85)
    assert (row.feature, row.reason, row.actor) == ("renders", "A film.", "key:k")
    assert [(each.grant_id, each.bucket, each.amount) for each in row.entries.all()] == [
        (first.pk, "available", -5),
        (first.pk, "spent", 5),
        (soon.pk, "available", -30),
        (soon.pk, "spent", 30),
        (credit_grant.pk, "available", -15),
        (credit_grant.pk, "spent", 15),
    ]
    assert ledger(customer)[:3] == [("grant", 100, 100), ("grant", 30, 130), ("grant", 5, 135)]


def test_a_spending_that_is_too_large_changes_nothing(customer):
    give(customer, 10)
    before = ledger(customer)
    with pytest.raises(NotEnoughCredits) as refused:
        spend(customer, 11)
    assert refused.value.extra == {"balance": 10, "needed": 11}
    assert (ledger(customer), balance(customer), balance_events(customer)) == (before, 10, [])
    with pytest.raises(NotEnoughCredits):
        spend(CustomerFactory.create(project=customer.project), 1)


def test_a_key_is_spent_once(customer):
    give(customer, 100)
    once = spend(customer, 30, key="order-1", feature="renders")
    spend(customer, 20, key="order-2")
    again = spend(customer, 30, key="order-1", feature="renders")

    assert (again.is_repeat, again.transaction_id) == (True, once.transaction_id)
    assert (again.amount, again.balance, again.shares) == (30, 70, once.shares)
    assert balance(customer) == 50
    other = CustomerFactory.create(project=customer.project)
    give(other, 100)
    for of, amount, feature in (
        (customer, 31, "renders"),
        (customer, 30, ""),
        (other, 30, "renders"),
    ):
        with pytest.raises(CreditsKeyReused):
            spend(of, amount, key="order-1", feature=feature)
    assert (balance(customer), balance(other)) == (50, 100)


def test_two_hundred_keys_twice(project):
    for number in range(8):
        customer = CustomerFactory.create(project=project)
        give(customer, 200)
        keys = [f"order-{number}-{each}" for each in range(25)]
        first, second = ([spend(customer, 7, key=key) for key in keys] for _ in range(2))
        assert [each.transaction_id for each in second] == [each.transaction_id for each in first]
        assert balance(customer) == 25


def test_credits_can_be_spent_until_they_expire(customer):
    credit_grant = give(customer, 10, expires_at=NOW + DAY)
    assert balance(customer, NOW + DAY - TICK) == 10
    assert balance(customer, NOW + DAY) == 0
    with pytest.raises(NotEnoughCredits):
        spend(customer, 1, at=NOW + DAY)
    spend(customer, 1, at=NOW + DAY - TICK)

    assert credit_expiry.expire_due(at=NOW + DAY - TICK, limit=10) == 0
    assert credit_expiry.expire_due(at=NOW + DAY, limit=10) == 1
    assert credit_expiry.expire_due(at=NOW + DAY, limit=10) == 0
    credit_grant.refresh_from_db()
    assert (credit_grant.available, credit_grant.spent, credit_grant.expired) == (0, 1, 9)
    assert ledger(customer)[-1] == ("expire", 9, 0)


def test_reserved_credits_are_posted_or_released(customer):
    give(customer, 10, priority=0, expires_at=NOW + DAY)
    give(customer, 100)
    later = NOW + 2 * DAY
    credits.hold(
        **customer_arguments(customer), amount=30, at=NOW, reference="res_1", feature="renders"
    )
    assert balance(customer) == 80
    with pytest.raises(NotEnoughCredits):
        spend(customer, 81)
    with pytest.raises(ValueError, match="More is to be used"):
        credits.post_reserved(**customer_arguments(customer), reference="res_1", amount=31, at=NOW)

    assert (
        credits.post_reserved(
            **customer_arguments(customer), reference="res_1", amount=15, at=later
        )
        == 95
    )
    assert (
        credits.post_reserved(
            **customer_arguments(customer), reference="res_1", amount=15, at=later
        )
        == 95
    )
    assert credits.release(**customer_arguments(customer), reference="res_2", at=later) == 95
    assert ledger(customer)[2:] == [("hold", 30, 80), ("settle", 15, 80), ("release", 15, 95)]

    credits.hold(**customer_arguments(customer), amount=95, at=NOW, reference="res_3")
    assert credits.release(**customer_arguments(customer), reference="res_3", at=later) == 95


def test_credits_released_to_an_ended_grant_expire(customer):
    soon = give(customer, 10, expires_at=NOW + DAY)
    revoked = give(customer, 10)
    credits.hold(**customer_arguments(customer), amount=20, at=NOW, reference="res_1")
    credit_grants.revoke(grant=revoked, reason="Mistake.", actor="operator:ada", at=NOW)

    assert (
        credits.post_reserved(
            **customer_arguments(customer), reference="res_1", amount=3, at=NOW + DAY
        )
        == 0
    )
    soon.refresh_from_db()
    revoked.refresh_from_db()
    assert (soon.spent, soon.expired) == (3, 7)
    assert (revoked.given, revoked.available, revoked.reserved) == (0, 0, 0)
    assert ledger(customer)[-4:] == [
        ("settle", 3, 0),
        ("release", 17, 10),
        ("expire", 7, 10),
        ("take_back", 10, 0),
    ]
