"""Credit services grant, spend, reserve, revoke and record events."""

from datetime import timedelta
from random import Random

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from common.errors import Invalid
from entitlements.balances.selectors import credits as credit_selectors
from entitlements.credits import credit_accounts, credit_grants
from entitlements.credits import service as credits
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.errors import CreditsKeyReused, GrantExpired, NotEnoughCredits
from entitlements.models import CreditEntry, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import SUMS, CreditSource
from entitlements.resolution.credit_allocation import CreditBucket, CreditMovement, CreditShare
from events.models import AuditEntry, OutboxEvent
from tests.entitlements.credits.credit_histories import Stored, Values, history
from tests.factories.entitlements import NOW
from tests.factories.projects import CustomerFactory

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)

pytestmark = pytest.mark.django_db


def give(customer, amount, at=NOW, **said):
    return credit_grants.give_by_hand(
        project=customer.project,
        user_id=customer.user_id,
        amount=amount,
        at=at,
        **{"reason": "Goodwill.", "actor": "operator:ada", **said},
    )


def customer_arguments(customer):
    return {"project_id": customer.project_id, "customer_id": customer.pk}


def spend(customer, amount, at=NOW, **said):
    return credits.spend(**customer_arguments(customer), amount=amount, at=at, **said)


def balance(customer, at=NOW):
    return credit_selectors.balance(**customer_arguments(customer), at=at)


def balance_events(customer):
    events = OutboxEvent.objects.for_project(customer.project_id).order_by("pk")
    return [(event.type, event.data["balance"]) for event in events]


def ledger(customer):
    """Movements with the balance after each."""
    rows = CreditTransaction.objects.for_project(customer.project_id).order_by("pk")
    return [(row.movement, row.amount, row.balance) for row in rows]


def by_entries(customer):
    """The grants' sums as the entries alone have them."""
    rows = CreditEntry.objects.for_project(customer.project_id).values_list("grant", "bucket")
    sums = {(grant, bucket): total for grant, bucket, total in rows.annotate(Sum("amount"))}
    grants = CreditGrant.objects.for_project(customer.project_id).order_by("pk")
    return [
        tuple(
            -sums.get((grant.pk, CreditBucket.ISSUED), 0)
            if name == "given"
            else sums.get((grant.pk, name), 0)
            for name in SUMS
        )
        for grant in grants
    ]


def test_a_spending_takes_from_several_grants_and_is_written_down(customer):
    kept = give(customer, 100)
    soon = give(customer, 30, expires_at=NOW + DAY)
    first = give(customer, 5, priority=0)

    spent = spend(customer, 50, feature="renders", reason="A film.", actor="key:k")

    assert spent.balance == balance(customer) == 85
    assert spent.shares == [
        CreditShare(first.pk, 5),
        CreditShare(soon.pk, 30),
        CreditShare(kept.pk, 15),
    ]
    row = CreditTransaction.objects.for_project(customer.project).get(pk=spent.transaction_id)
    assert (row.movement, row.amount, row.balance) == (CreditMovement.SPEND, 50, 85)
    assert (row.feature, row.reason, row.actor) == ("renders", "A film.", "key:k")
    assert [(each.grant_id, each.bucket, each.amount) for each in row.entries.all()] == [
        (first.pk, "available", -5),
        (first.pk, "spent", 5),
        (soon.pk, "available", -30),
        (soon.pk, "spent", 30),
        (kept.pk, "available", -15),
        (kept.pk, "spent", 15),
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


def test_a_thousand_keys_twice(project):
    for number in range(40):
        customer = CustomerFactory.create(project=project)
        give(customer, 200)
        keys = [f"order-{number}-{each}" for each in range(25)]
        first, second = ([spend(customer, 7, key=key) for key in keys] for _ in range(2))
        assert [each.transaction_id for each in second] == [each.transaction_id for each in first]
        assert balance(customer) == 25


def test_credits_can_be_spent_until_they_expire(customer):
    given = give(customer, 10, expires_at=NOW + DAY)
    assert balance(customer, NOW + DAY - TICK) == 10
    assert balance(customer, NOW + DAY) == 0
    with pytest.raises(NotEnoughCredits):
        spend(customer, 1, at=NOW + DAY)
    spend(customer, 1, at=NOW + DAY - TICK)

    assert credit_grants.expire_due(at=NOW + DAY - TICK, limit=10) == 0
    assert credit_grants.expire_due(at=NOW + DAY, limit=10) == 1
    assert credit_grants.expire_due(at=NOW + DAY, limit=10) == 0
    given.refresh_from_db()
    assert (given.available, given.spent, given.expired) == (0, 1, 9)
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
    event = OutboxEvent.objects.for_project(customer.project).earliest("pk")
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
    credit_grants.expire_due(at=NOW + DAY, limit=10)
    assert balance_events(customer) == [("credits.low", 5)]


def test_a_customer_has_a_threshold_of_their_own(customer):
    said = {"project": customer.project, "user_id": "ada", "at": NOW}
    credit_accounts.set_low_at(**said, low_at=60)
    assert balance_events(customer) == []
    give(customer, 50)
    assert balance_events(customer) == [("credits.low", 50)]
    give(customer, 50)
    spend(customer, 39)
    assert len(balance_events(customer)) == 1
    credit_accounts.set_low_at(**said, low_at=61)
    assert balance_events(customer)[1:] == [("credits.low", 61)]
    credit_accounts.set_low_at(**said, low_at=None)
    spend(customer, 61)
    assert balance_events(customer)[2:] == [("credits.exhausted", 0)]


def test_a_grant_is_audited_and_revoked_once(customer):
    given = give(customer, 100)
    spend(customer, 30)
    for _ in range(2):
        revoked = credit_grants.revoke(
            grant=given, reason="Mistake.", actor="operator:bo", at=NOW + DAY
        )
    assert (revoked.status(NOW + DAY), revoked.given, revoked.spent) == ("revoked", 30, 30)
    assert (revoked.overspent, balance(customer)) == (0, 0)
    entries = AuditEntry.objects.filter(subject=given.pk).order_by("pk")
    assert [(each.action, each.actor, each.reason) for each in entries] == [
        ("credits.grant", "operator:ada", "Goodwill."),
        ("credits.revoke", "operator:bo", "Mistake."),
    ]
    assert entries[1].before["available"] == 70
    assert ledger(customer)[-1] == ("take_back", 70, 0)
    over = give(customer, 5, expires_at=NOW + DAY)
    with pytest.raises(GrantExpired):
        credit_grants.revoke(grant=over, reason="Late.", actor="operator:bo", at=NOW + DAY)
    for said in ({"reason": " "}, {"expires_at": NOW}):
        with pytest.raises(Invalid):
            give(customer, 1, **said)


def test_credits_of_one_source_never_touch_those_of_another(customer):
    bought = give(customer, 1000)
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
    bought.refresh_from_db()
    assert (bought.available, balance(customer)) == (1000, 1070)


def test_the_database_refuses_a_ledger_that_does_not_add_up(customer):
    given = give(customer, 100)
    entries = CreditEntry.objects.for_project(customer.project)
    entry = entries.earliest("pk")

    def add(*legs):
        entries.bulk_create(
            CreditEntry(
                project=customer.project,
                transaction_id=entry.transaction_id,
                grant=given,
                bucket=bucket,
                amount=amount,
            )
            for bucket, amount in legs
        )

    refused = [
        lambda: add((CreditBucket.AVAILABLE, 5)),
        lambda: add((CreditBucket.AVAILABLE, 5), (CreditBucket.ISSUED, -4)),
        lambda: add((CreditBucket.AVAILABLE, -101), (CreditBucket.SPENT, 101)),
        lambda: add((CreditBucket.AVAILABLE, 0), (CreditBucket.SPENT, 0)),
        lambda: add(("elsewhere", 5), (CreditBucket.ISSUED, -5)),
        lambda: entries.update(amount=1),
        lambda: entries.all().delete(),
        lambda: CreditTransaction.objects.for_project(customer.project).update(amount=1),
        lambda: CreditGrant.objects.for_project(customer.project).update(available=1000),
        lambda: CreditGrant.objects.for_project(customer.project).delete(),
        lambda: CreditGrant.objects.for_project(customer.project).create(
            customer=customer,
            source_type="operator",
            source_id="x",
            amount=5,
            due=5,
            available=5,
            priority=0,
            granted_at=NOW,
            starts_at=NOW,
        ),
    ]
    for act in refused:
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    with pytest.raises(IntegrityError, match="sum to zero"), transaction.atomic():
        add((CreditBucket.AVAILABLE, 5))
    assert (balance(customer), by_entries(customer)) == (100, [(100, 100, 0, 0, 0, 0)])


def test_the_database_agrees_with_the_pure_rules(project):
    random = Random(7)
    for number in range(30):
        customer = CustomerFactory.create(project=project)
        rules, rows, at = Values(), Stored(customer), NOW
        for move, moment, said in history(random, 25):
            at = moment
            assert rows.play(move, at, said) == rules.play(move, at, said), (number, move, said)
            assert rows.balance(at) == rules.balance(at), (number, move, said)
        assert rows.sums() == rules.sums(), number
        posted = CreditTransaction.objects.for_project(project).filter(customer=customer)
        assert [row.movement for row in posted.order_by("pk")] == [
            movement for movement, _ in rules.posted
        ], number
        last = posted.order_by("pk").last()
        assert last is None or last.balance >= 0
        project_id = project.pk
        sums = {
            grant: tuple(values)
            for grant, *values in CreditGrant.objects.for_project(project_id)
            .filter(customer=customer)
            .values_list("pk", *SUMS)
        }
        entries = CreditEntry.objects.for_project(project_id).filter(grant__in=sums)
        replayed = {
            (grant, bucket): total
            for grant, bucket, total in entries.order_by()
            .values_list("grant", "bucket")
            .annotate(Sum("amount"))
        }
        for grant, (given, *inside) in sums.items():
            there = [replayed.get((grant, bucket), 0) for bucket in CreditBucket]
            assert there == [-given, *inside], number


def test_queries_do_not_grow_with_the_grants(customer):
    give(customer, 10)
    counted = []
    for more in (0, 40):
        for _ in range(more):
            give(customer, 1)
        with CaptureQueriesContext(
            connection,
        ) as spending:
            spend(customer, 2, key=f"k-{more}")
        with CaptureQueriesContext(connection) as asking:
            credit_selectors.balances(
                project_id=customer.project_id, customer_ids=[customer.pk], at=NOW
            )
        credits.hold(**customer_arguments(customer), amount=3, at=NOW, reference=f"res_{more}")
        with CaptureQueriesContext(connection) as settling:
            credits.post_reserved(
                **customer_arguments(customer), reference=f"res_{more}", amount=3, at=NOW
            )
        counted.append((len(spending), len(asking), len(settling)))
    assert counted == [(7, 1, 8), (7, 1, 8)]
