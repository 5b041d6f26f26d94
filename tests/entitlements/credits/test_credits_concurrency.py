"""Parallel spenders never exceed the balance, judged by the ledger."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.db.models import Sum

from entitlements.balances.selectors import credits as credit_selectors
from entitlements.credits import credit_grants
from entitlements.credits import service as credits
from entitlements.credits.service import CreditSpendRequest
from entitlements.errors import NotEnoughCredits
from entitlements.models import CreditEntry, CreditTransaction
from events.models import OutboxEvent
from tests.factories.entitlements import NOW
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)

SPENDERS, RUNS = 8, 200


@pytest.fixture
def spenders() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(SPENDERS) as threads:
        yield threads
        gate = Barrier(SPENDERS)

        def leave(_):
            gate.wait()
            connection.close()

        list(threads.map(leave, range(SPENDERS)))


def run_in_threads(threads, act):
    """What comes of it when everybody acts in the same moment; None for a refusal."""
    gate = Barrier(SPENDERS)

    def run(number):
        gate.wait()
        try:
            return act(number)
        except NotEnoughCredits:
            return None

    return list(threads.map(run, range(SPENDERS)))


def give(customer, *amounts):
    for amount in amounts:
        credit_grants.give_by_hand(
            project=customer.project,
            user_id=customer.user_id,
            amount=amount,
            reason="Goodwill.",
            actor="operator:ada",
            at=NOW,
        )


def spent_by_the_ledger(customer):
    entries = CreditEntry.objects.for_project(customer.project_id).filter(bucket="spent")
    return entries.filter(grant__customer=customer).aggregate(sum=Sum("amount"))["sum"] or 0


def test_parallel_spenders_never_exceed_the_balance(project, spenders):
    customer = CustomerFactory.create(project=project)
    who = {"project_id": project.pk, "customer_id": customer.pk}
    there = spent = 0
    for run in range(RUNS):
        more, cost = 10 + run % 17, 3 + run % 5
        give(customer, more)
        there += more
        request = CreditSpendRequest(amount=cost)
        done = run_in_threads(
            spenders,
            lambda _, request=request: credits.spend(**who, request=request, at=NOW),
        )
        allowed = min(there // cost, SPENDERS)
        assert sum(each is not None for each in done) == allowed, run
        left = [each.balance for each in done if each is not None]
        assert sorted(left) == sorted(there - cost * (n + 1) for n in range(allowed)), run
        there, spent = there - allowed * cost, spent + allowed * cost
        assert spent_by_the_ledger(customer) == spent, run
        assert credit_selectors.balance(**who, at=NOW) == there, run


def test_one_key_is_spent_once_however_many_send_it(project, spenders):
    for run in range(20):
        customer = CustomerFactory.create(project=project)
        give(customer, 100)
        who = {"project_id": project.pk, "customer_id": customer.pk}
        request = CreditSpendRequest(amount=7, key=f"k-{run}")
        done = run_in_threads(
            spenders,
            lambda _, who=who, request=request: credits.spend(**who, request=request, at=NOW),
        )
        assert len({each.transaction_id for each in done}) == 1
        assert sum(not each.is_repeat for each in done) == 1
        assert spent_by_the_ledger(customer) == 7


def test_reservations_are_posted_once_and_a_low_balance_is_recorded_once(project, spenders):
    customer = CustomerFactory.create(project=project)
    give(customer, 50)
    who = {"project_id": project.pk, "customer_id": customer.pk}
    held = run_in_threads(
        spenders, lambda n: credits.hold(**who, amount=10, at=NOW, reference=f"res_{n}")
    )
    assert sum(each is not None for each in held) == 5
    run_in_threads(
        spenders,
        lambda n: credits.post_reserved(
            **who, reference=f"res_{n // 2}", amount=4 if held[n // 2] else 0, at=NOW
        ),
    )
    settled = sum(each is not None for each in held[:4])
    assert spent_by_the_ledger(customer) == 4 * settled
    assert credit_selectors.balance(**who, at=NOW) == 6 * settled
    rows = CreditTransaction.objects.for_project(project).filter(customer=customer)
    assert rows.filter(movement="settle").count() == settled
    events = OutboxEvent.objects.for_project(project).filter(type__startswith="credits.")
    assert sorted(event.type for event in events) == ["credits.exhausted", "credits.granted"]
