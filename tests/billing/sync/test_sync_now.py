"""``sync.now`` reads an object at once or says why it cannot."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from billing.models import StripeCustomer, SyncObject
from billing.stripe.errors import StripeUnavailable
from billing.sync import interactive_reads
from billing.sync import service as sync
from common.errors import Unavailable
from tests.billing.sync.sync_rows import request_sync
from tests.shop import Shop


def test_sync_now_reads_at_once_whatever_the_pause(shop: Shop, alice: StripeCustomer) -> None:
    request_sync(shop.account, str(alice.stripe_id), "customer")
    SyncObject.objects.update(next_try_at=Now() + timedelta(hours=1), attempts=3)
    shop.stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    sync.now(
        account=shop.account, kind="customer", stripe_id=str(alice.stripe_id), at=timezone.now()
    )
    alice.refresh_from_db()
    assert alice.name == "Alice"
    assert SyncObject.objects.get().state == "applied"


def test_sync_now_raises_stripe_unavailable(shop: Shop, alice: StripeCustomer) -> None:
    shop.stripe.fail("error_before", method="GET", times=3)
    with pytest.raises(StripeUnavailable):
        sync.now(
            account=shop.account, kind="customer", stripe_id=str(alice.stripe_id), at=timezone.now()
        )
    assert SyncObject.objects.get().state == "waiting"


def test_sync_now_gives_up_waiting_for_another_worker(
    shop: Shop, alice: StripeCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactive_reads, "INTERACTIVE_WAIT_SECONDS", 0.2)
    request_sync(shop.account, str(alice.stripe_id), "customer")
    (held,) = sync.claim_due(limit=1)
    with pytest.raises(Unavailable, match="few seconds"):
        sync.now(
            account=shop.account, kind="customer", stripe_id=str(alice.stripe_id), at=timezone.now()
        )
    assert sync.store(held, sync.read(held), at=timezone.now())
    assert SyncObject.objects.get().state == "waiting"


@pytest.mark.django_db(transaction=True)
def test_sync_now_waits_for_a_read_that_began_after_the_call(
    shop: Shop, alice: StripeCustomer
) -> None:
    """Another worker holds the object; what it has read may be older than this call."""
    name = str(alice.stripe_id)
    request_sync(shop.account, name, "customer")
    (held,) = sync.claim_due(limit=1)
    old = sync.read(held)
    shop.stripe.v1.customers.update(name, {"name": "New"})
    done = threading.Event()

    def call() -> None:
        try:
            sync.now(account=shop.account, kind="customer", stripe_id=name, at=timezone.now())
            done.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=call)
    thread.start()
    assert not done.wait(0.3)
    assert sync.store(held, old, at=timezone.now())
    thread.join(5)
    assert done.is_set()
    alice.refresh_from_db()
    assert alice.name == "New"
