"""The database keeps the ledger's sums and agrees with the pure rules."""

from random import Random

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from entitlements.balances.selectors import credits as credit_selectors
from entitlements.credits import service as credits
from entitlements.models import CreditEntry, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import SUMS
from entitlements.resolution.credit_allocation import CreditBucket
from tests.entitlements.credits.credit_calls import balance, customer_arguments, give, spend
from tests.entitlements.credits.credit_histories import Stored, Values, history
from tests.factories.entitlements import NOW
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


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


def test_the_database_refuses_a_ledger_that_does_not_add_up(customer):
    credit_grant = give(customer, 100)
    entries = CreditEntry.objects.for_project(customer.project)
    entry = entries.earliest("pk")

    def add(*legs):
        entries.bulk_create(
            CreditEntry(
                project=customer.project,
                transaction_id=entry.transaction_id,
                grant=credit_grant,
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
        for move, moment, fields in history(random, 25):
            at = moment
            assert rows.play(move, at, fields) == rules.play(move, at, fields), (
                number,
                move,
                fields,
            )
            assert rows.balance(at) == rules.balance(at), (number, move, fields)
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
        for grant, (granted, *inside) in sums.items():
            there = [replayed.get((grant, bucket), 0) for bucket in CreditBucket]
            assert there == [-granted, *inside], number


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
