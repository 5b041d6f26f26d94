"""Low, exhausted, expired and withheld balances record events; grants are audited."""

import pytest

from common.errors import Invalid
from entitlements.credits import credit_accounts, credit_expiry, credit_grants
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.errors import GrantExpired
from entitlements.models.credit_grant import CreditSource
from events.models import AuditEntry, OutboxEvent
from tests.entitlements.credits.credit_calls import (
    DAY,
    balance,
    balance_events,
    give,
    ledger,
    spend,
)
from tests.factories.entitlements import NOW

pytestmark = pytest.mark.django_db


def test_low_and_exhausted_balances_are_recorded_once_until_a_top_up(customer):
    give(customer, 100)
    spend(customer, 89)
    assert balance_events(customer) == []
    spend(customer, 1)
    spend(customer, 1)
    assert balance_events(customer) == [("credits.low", 10)]
    spend(customer, 9)
    give(customer, 50)
    spend(customer, 50)
    assert balance_events(customer) == [
        ("credits.low", 10),
        ("credits.exhausted", 0),
        ("credits.exhausted", 0),
    ]
    event = OutboxEvent.objects.for_project(customer.project).filter(type="credits.low").get()
    assert (event.subject, event.customer_id) == (customer.pk, customer.pk)
    assert event.data == {
        "user_id": "ada",
        "customer": customer.pk,
        "balance": 10,
        "low_at": 10,
        "topped_up_to": 100,
    }


def test_expiry_and_withholding_are_recorded(customer):
    give(customer, 100, expires_at=NOW + DAY)
    give(customer, 5)
    credit_expiry.expire_due(at=NOW + DAY, limit=10)
    assert balance_events(customer) == [("credits.low", 5)]


def test_a_customer_has_a_threshold_of_their_own(customer):
    body = {"project": customer.project, "user_id": "ada", "at": NOW}
    credit_accounts.set_low_at(**body, low_at=60)
    assert balance_events(customer) == []
    give(customer, 50)
    assert balance_events(customer) == [("credits.low", 50)]
    give(customer, 50)
    spend(customer, 39)
    assert len(balance_events(customer)) == 1
    credit_accounts.set_low_at(**body, low_at=61)
    assert balance_events(customer)[1:] == [("credits.low", 61)]
    credit_accounts.set_low_at(**body, low_at=None)
    spend(customer, 61)
    assert balance_events(customer)[2:] == [("credits.exhausted", 0)]


def test_a_grant_is_audited_and_revoked_once(customer):
    credit_grant = give(customer, 100)
    spend(customer, 30)
    for _ in range(2):
        revoked = credit_grants.revoke(
            grant=credit_grant, reason="Mistake.", actor="operator:bo", at=NOW + DAY
        )
    assert (revoked.status(NOW + DAY), revoked.given, revoked.spent) == ("revoked", 30, 30)
    assert (revoked.overspent, balance(customer)) == (0, 0)
    entries = AuditEntry.objects.filter(subject=credit_grant.pk).order_by("pk")
    assert [(each.action, each.actor, each.reason) for each in entries] == [
        ("credits.grant", "operator:ada", "Goodwill."),
        ("credits.revoke", "operator:bo", "Mistake."),
    ]
    assert entries[1].before["available"] == 70
    assert ledger(customer)[-1] == ("take_back", 70, 0)
    over = give(customer, 5, expires_at=NOW + DAY)
    with pytest.raises(GrantExpired):
        credit_grants.revoke(grant=over, reason="Late.", actor="operator:bo", at=NOW + DAY)
    for fields in ({"reason": " "}, {"expires_at": NOW}):
        with pytest.raises(Invalid):
            give(customer, 1, **fields)


def test_credits_of_one_source_never_touch_those_of_another(customer):
    credit_grant = give(customer, 1000)
    origin = CreditOrigin(
        source_type=CreditSource.SUBSCRIPTION, source_id="sub_1", key="a", starts_at=NOW
    )
    monthly = credit_grants.give(
        customer=customer, origin=origin, terms=CreditGrantTerms(amount=100, due=100), at=NOW
    )
    credit_grants.revise(
        customer=customer, grant=monthly, terms=CreditGrantTerms(amount=100, due=0), at=NOW + DAY
    )
    credit_grants.revise(
        customer=customer, grant=monthly, terms=CreditGrantTerms(amount=70, due=70), at=NOW + DAY
    )
    credit_grant.refresh_from_db()
    assert (credit_grant.available, balance(customer)) == (1000, 1070)
