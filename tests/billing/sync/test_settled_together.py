"""Objects that have not changed at Stripe are settled in one statement."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import StripeCustomer, SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync import bulk_read, sync_queue
from billing.sync import service as sync
from billing.sync.batch_reads import ReadResult
from billing.sync.batch_store import BatchStore
from events.models import OutboxEvent
from tests.shop import Shop

COUNT = 5


@pytest.fixture
def buyers(shop: Shop, drain: Callable[[], None]) -> list[StripeCustomer]:
    """Customers who were read, and whom an event names again although nothing has changed."""
    buyers = [shop.buyer(f"buyer-{number}") for number in range(COUNT)]
    for buyer in buyers:
        shop.stripe.v1.customers.update(str(buyer.stripe_id), {"name": "Buyer"})
    drain()
    for buyer in buyers:
        for name in ("Somebody else", "Buyer"):
            shop.stripe.v1.customers.update(str(buyer.stripe_id), {"name": name})
    shop.stripe.deliver()
    return buyers


def read_due() -> list[ReadResult]:
    return [ReadResult(lease, sync.read(lease)) for lease in sync.claim_due(limit=50)]


def store_all(results: list[ReadResult]) -> list[str]:
    """Store the answers as one batch; return the ids of those that were stored one by one."""
    alone: list[str] = []

    def store_one(result: ReadResult) -> None:
        alone.append(result.lease.stripe_id)
        sync.store(result.lease, result.value(), at=timezone.now())

    answers = BatchStore(timezone.now(), store_one, count_stored=_ignore, clock=_standing_still)
    for result in results:
        answers.add(result)
    answers.flush()
    return alone


def _ignore(result: ReadResult) -> None:
    """Of an answer that was stored with others."""


def _standing_still() -> float:
    return 0.0


def test_one_statement_settles_them_all(buyers: list[StripeCustomer]) -> None:
    results = read_due()
    with CaptureQueriesContext(connection) as queries:
        assert store_all(results) == []
    assert len(queries) == 1
    assert sync.claim_due(limit=50) == []
    assert not SyncObject.objects.exclude(leased_until=None).exists()


def test_a_request_during_the_read_is_not_lost(buyers: list[StripeCustomer]) -> None:
    results = read_due()
    news = str(buyers[0].stripe_id)
    sync.request_sync(account_id=buyers[0].account_id, kind="customer", stripe_id=news)
    assert store_all(results) == []
    assert [lease.stripe_id for lease in sync.claim_due(limit=50)] == [news]


def test_a_lost_lease_is_left_to_its_holder(buyers: list[StripeCustomer]) -> None:
    results = read_due()
    lost = str(buyers[0].stripe_id)
    SyncObject.objects.filter(stripe_id=lost).update(epoch=F("epoch") + 1)
    assert store_all(results) == [lost]
    held = SyncObject.objects.exclude(leased_until=None)
    assert [each.stripe_id for each in held] == [lost]


def test_a_tenant_hears_of_the_recovery_of_one(buyers: list[StripeCustomer]) -> None:
    parked = str(buyers[0].stripe_id)
    SyncObject.objects.filter(stripe_id=parked).update(out_of_date_since=timezone.now())
    assert store_all(read_due()) == [parked]
    recovered = OutboxEvent.objects.across_projects().filter(type="stripe_object.recovered")
    assert recovered.count() == 1


def test_without_the_statement_each_is_settled_alone(
    buyers: list[StripeCustomer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> set[int]:
        raise DatabaseError

    monkeypatch.setattr(sync_queue, "complete_unchanged_together", fail)
    assert len(store_all(read_due())) == COUNT
    assert sync.claim_due(limit=50) == []


def test_a_list_settles_what_has_not_changed(buyers: list[StripeCustomer]) -> None:
    account_id = buyers[0].account_id
    alone: list[ReadResult] = []
    answers = BatchStore(timezone.now(), alone.append, count_stored=_ignore)
    leases, left = bulk_read.read_list(
        account_id=account_id, kind=ObjectKind.CUSTOMER, answers=answers
    )
    assert (len(leases), left, alone) == (COUNT, [], [])
    assert sync.claim_due(limit=50) == []
