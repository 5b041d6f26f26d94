"""Every posting to a credit grant that is not a spending has one event, with the grant as data."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from common.times import rfc3339
from entitlements.credits import (
    credit_dues,
    credit_expiry,
    credit_grants,
    credit_postings,
    credit_representation,
)
from entitlements.credits import service as credits
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from projects.customers import selectors as customers
from tests.entitlements.credits.credit_calls import (
    DAY,
    TICK,
    customer_arguments,
    give,
    grant_events,
    spend,
)
from tests.factories.entitlements import NOW

pytestmark = pytest.mark.django_db

END = NOW + 30 * DAY


def give_monthly(customer, **terms):
    origin = CreditOrigin(
        source_type=CreditSource.SUBSCRIPTION, source_id="sub_1", key="a", starts_at=NOW
    )
    values = {"amount": 100, "due": 100, "expires_at": END, **terms}
    return credit_grants.give(
        customer=customer, origin=origin, terms=CreditGrantTerms(**values), at=NOW
    )


def revise(customer, grant, at=NOW + DAY, **terms):
    values = {"amount": 100, "due": 100, "expires_at": END, **terms}
    return credit_grants.revise(
        customer=customer, grant=grant, terms=CreditGrantTerms(**values), at=at
    )


def shown(grant, at):
    grant.refresh_from_db()
    return credit_representation.grant(grant, at=at)


def types(customer):
    return [event.type for event in grant_events(customer)]


def test_credits_given_over_the_api_have_the_answer_as_data(api, customer):
    headers = {"Idempotency-Key": "once"}
    body = {"amount": 100, "reason": "Goodwill."}
    for _ in range(2):
        answer = api.post("/credits/ada/grant", body, headers=headers)
        assert answer.status_code == 201
    api.post("/credits/ada/spend", {"amount": 30})
    api.get("/credits/ada")
    (event,) = grant_events(customer)
    grant = answer.json()["grant"]
    assert (event.type, event.subject, event.data) == ("credits.granted", grant["id"], grant)
    assert (event.customer_id, event.version) == (customer.pk, customer.version)
    assert event.previous == {}

    path = f"/credits/ada/grants/{grant['id']}/revoke"
    for _ in range(2):
        revoked = api.post(path, {"reason": "Mistake."}).json()["grant"]
    event = grant_events(customer)[-1]
    assert types(customer) == ["credits.granted", "credits.revoked"]
    assert event.data == revoked
    assert event.previous == {
        "status": "active",
        "due": 100,
        "given": 100,
        "available": 70,
        "revoked_at": None,
        "revoked_by": None,
        "revoked_reason": None,
    }


def test_a_refused_request_has_no_event(api, customer):
    assert api.post("/credits/ada/grant", {"amount": 5, "reason": " "}).status_code == 422
    assert api.post("/credits/ada/spend", {"amount": 5}).status_code == 409
    assert grant_events(customer) == []


def test_a_grant_without_credits_left_is_revoked_with_an_event(customer):
    grant = give(customer, 10)
    spend(customer, 10)
    credit_grants.revoke(grant=grant, reason="Fraud.", actor="operator:bo", at=NOW + DAY)
    event = grant_events(customer)[-1]
    assert (event.type, event.data) == ("credits.revoked", shown(grant, NOW + DAY))
    assert event.previous["status"] == "used_up"
    assert "available" not in event.previous


def test_changes_of_what_is_due_have_an_event_each(customer):
    grant = give_monthly(customer)
    for due, withheld, event_type, previous in [
        (100, True, "credits.withheld", {"status": "active", "available": 100, "withheld": 0}),
        (100, False, "credits.restored", {"status": "withheld", "available": 0, "withheld": 100}),
        (60, False, "credits.revoked", {"due": 100, "given": 100, "available": 100}),
        (90, False, "credits.granted", {"due": 60, "given": 60, "available": 60}),
    ]:
        for _ in range(2):
            grant.refresh_from_db()
            revise(customer, grant, due=due, is_withheld=withheld)
        event = grant_events(customer)[-1]
        assert (event.type, event.previous) == (event_type, previous)
        assert event.data == shown(grant, NOW + DAY)
    assert len(grant_events(customer)) == 5


def test_a_withheld_grant_is_given_and_then_withheld(customer):
    grant = give_monthly(customer, is_withheld=True)
    granted, withheld = grant_events(customer)
    assert (granted.type, granted.data["available"]) == ("credits.granted", 100)
    assert (withheld.type, withheld.data) == ("credits.withheld", shown(grant, NOW))
    assert withheld.previous == {"available": 100, "withheld": 0}


def test_terms_that_move_no_credits_are_an_update(customer):
    grant = give_monthly(customer)
    revise(customer, grant, expires_at=END + DAY)
    event = grant_events(customer)[-1]
    assert (event.type, event.data) == ("credits.updated", shown(grant, NOW + DAY))
    assert event.previous == {"expires_at": rfc3339(END)}
    revise(customer, grant, expires_at=END + DAY, rate=7)
    assert len(grant_events(customer)) == 2

    spend(customer, 100)
    grant.refresh_from_db()
    revise(customer, grant, expires_at=END + DAY, due=0)
    event = grant_events(customer)[-1]
    assert (event.type, event.data["overspent"]) == ("credits.updated", 100)
    assert event.previous == {"status": "used_up", "due": 100, "overspent": 0}
    revise(customer, grant, expires_at=NOW + DAY, due=0)
    assert len(grant_events(customer)) == 3, "it ended, and had no credits left"


def test_expiry_names_the_last_status(customer):
    grant = give(customer, 10, expires_at=NOW + DAY)
    spend(customer, 3)
    assert credit_expiry.expire_due(at=NOW + DAY - TICK, limit=10) == 0
    for _ in range(2):
        credit_expiry.expire_due(at=NOW + DAY, limit=10)
    assert types(customer) == ["credits.granted", "credits.expired"]
    event = grant_events(customer)[-1]
    assert (event.subject, event.data) == (grant.pk, shown(grant, NOW + DAY))
    assert event.previous == {"status": "active", "available": 7, "expired": 0}
    assert (event.customer_id, event.version) == (customer.pk, customer.version)


def test_credits_that_return_too_late_expire(customer):
    give(customer, 10, expires_at=NOW + DAY)
    where = customer_arguments(customer)
    credits.hold(**where, amount=4, at=NOW, reference="res_1")
    credit_expiry.expire_due(at=NOW + DAY, limit=10)
    for _ in range(2):
        credits.release(**where, reference="res_1", at=NOW + DAY)
    assert types(customer) == ["credits.granted", "credits.expired", "credits.expired"]
    event = grant_events(customer)[-1]
    assert (event.data["available"], event.data["reserved"], event.data["expired"]) == (0, 0, 10)
    assert event.previous == {"available": 4, "expired": 6}


def test_many_grants_of_a_customer_expire_with_one_statement_of_events(customer):
    for number in range(12):
        give(customer, 5, expires_at=NOW + DAY - number * timedelta(hours=1))
    with CaptureQueriesContext(connection) as queries:
        assert credit_expiry.expire_due(at=NOW + DAY, limit=100) == 12
    expired = [event for event in grant_events(customer) if event.type == "credits.expired"]
    assert len({event.subject for event in expired}) == 12
    moments = [event.data["expires_at"] for event in expired]
    assert moments == sorted(moments)
    inserts = [
        query["sql"]
        for query in queries
        if query["sql"].startswith('INSERT INTO "events_outboxevent"')
    ]
    assert len(inserts) == 2, "credits.expired and credits.exhausted"


def test_one_grant_that_cannot_expire_does_not_stop_the_others(customer, monkeypatch):
    broken, whole = (give(customer, 5, expires_at=NOW + DAY) for _ in range(2))
    plan = credit_postings.plan

    def fail(grant, at):
        if grant.pk == broken.pk:
            raise ValueError("broken")
        return plan(grant, at)

    monkeypatch.setattr(credit_postings, "plan", fail)
    assert credit_expiry.expire_due(at=NOW + DAY, limit=10) == 1
    assert types(customer)[2:] == ["credits.expired"]
    assert grant_events(customer)[-1].subject == whole.pk


def test_a_repair_is_recorded_and_a_check_is_not(customer):
    grant = give(customer, 10)
    CreditGrant.objects.for_project(customer.project_id).filter(pk=grant.pk).update(due=4)
    check = {"after": "", "at": NOW + DAY, "project_id": customer.project_id}
    credit_dues.check_page(**check, repair=False)
    assert types(customer) == ["credits.granted"]
    for _ in range(2):
        credit_dues.check_page(**check, repair=True)
    assert types(customer) == ["credits.granted", "credits.revoked"]
    assert grant_events(customer)[-1].previous == {"given": 10, "available": 10}


def test_a_change_that_is_rolled_back_has_no_event(customer):
    with transaction.atomic():
        give(customer, 10)
        transaction.set_rollback(True)
    assert grant_events(customer) == []


def test_the_version_is_the_customers(customer):
    with transaction.atomic():
        locked = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        version = customers.raise_version(locked)
        give_monthly(locked)
    assert [event.version for event in grant_events(customer)] == [version]
