"""The sync queue gives each object one reader and retries it with growing pauses."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone
from psycopg import errors as psycopg_errors

from billing.models import Product, StripeAccount, StripeCustomer, StripeEndpoint
from billing.stripe.errors import StripeUnavailable
from billing.sync import service as sync
from billing.sync import sync_queue
from billing.sync.sync_queue import SyncLease
from sandbox.objects import Object
from tests.billing.sync.sync_rows import end_waits, make_unstorable, request_sync, row
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop


def make_storable(shop: Shop, product: Product) -> None:
    with shop.stripe.world.transaction() as tx:
        price: Object = tx.list_objects(
            "price", lambda each: bool(each["product"] == product.stripe_id)
        )[0]
        price["unit_amount"] = 2900


def test_sync_requests_count_and_coalesce(account: StripeAccount) -> None:
    first = sync.request_sync(account_id=account.pk, kind="product", stripe_id="prod_1")
    again = sync.request_sync(account_id=account.pk, kind="product", stripe_id="prod_1")
    other = sync.request_sync(account_id=account.pk, kind="price", stripe_id="prod_1")
    assert (again[0], again[1]) == (first[0], 2)
    assert other[0] != first[0]


def test_a_claim_is_a_lease_and_a_fence(account: StripeAccount) -> None:
    sync_id = request_sync(account, "prod_1")
    (claim,) = sync.claim_due(limit=10)
    assert (claim.sync_id, claim.epoch, claim.seen, claim.is_abandoned) == (sync_id, 1, 1, False)
    assert claim.account == account
    assert sync.claim_due(limit=10) == []
    end_waits()
    (second,) = sync.claim_due(limit=10)
    assert (second.epoch, second.is_abandoned) == (2, True)


def test_the_oldest_comes_first(account: StripeAccount) -> None:
    ids = [request_sync(account, f"prod_{number}") for number in range(30)]
    request_sync(account, "prod_5")  # news of it does not move it back
    assert [each.sync_id for each in sync.claim_due(limit=20)] == ids[:20]
    assert [each.sync_id for each in sync.claim_due(limit=20)] == ids[20:]


def test_an_object_of_a_dead_worker_comes_last(account: StripeAccount) -> None:
    held = {request_sync(account, f"prod_{number}") for number in range(3)}
    sync.claim_due(limit=3)
    end_waits()
    fresh = request_sync(account, "prod_9")
    claims = sync.claim_due(limit=10)
    assert claims[0].sync_id == fresh
    assert {each.sync_id for each in claims[1:]} == held


@pytest.mark.parametrize(
    "claim_again",
    [
        lambda account, sync_id: sync.claim_due(limit=1)[0],
        lambda account, sync_id: sync_queue.claim_object(account=account, sync_id=sync_id),
    ],
    ids=["claimed again in a batch", "claimed again by who waits for the answer"],
)
def test_a_zombie_changes_nothing(
    shop: Shop, alice: StripeCustomer, claim_again: Callable[[StripeAccount, int], SyncLease]
) -> None:
    sync_id = request_sync(shop.account, str(alice.stripe_id), "customer")
    (zombie,) = sync.claim_due(limit=1)
    old = sync.read(zombie)
    shop.stripe.v1.customers.update(str(alice.stripe_id), {"name": "New"})
    end_waits()
    second = claim_again(shop.account, sync_id)
    assert sync.store(second, sync.read(second), at=timezone.now())
    assert not sync.store(zombie, old, at=timezone.now())
    alice.refresh_from_db()
    assert alice.name == "New"
    assert not sync_queue.fail(zombie, ValueError(), at=timezone.now())
    assert not sync_queue.postpone(zombie, StripeUnavailable())
    assert not sync_queue.release(zombie)
    assert (row(sync_id).attempts, row(sync_id).last_error) == (0, "")


def test_a_sync_request_during_the_read_stays_due(shop: Shop, alice: StripeCustomer) -> None:
    sync_id = request_sync(shop.account, str(alice.stripe_id), "customer")
    (claim,) = sync.claim_due(limit=1)
    snapshot = sync.read(claim)
    request_sync(shop.account, str(alice.stripe_id), "customer")
    assert sync.store(claim, snapshot, at=timezone.now())
    assert (row(sync_id).requested, row(sync_id).applied) == (2, 1)
    assert sync.drain(at=timezone.now()) == 1
    assert row(sync_id).applied == 2


def test_a_new_event_wakes_a_parked_object(shop: Shop) -> None:
    product = shop.product("Poison")
    price = shop.price(product)
    make_unstorable(shop, product)
    poison = request_sync(shop.account, str(price.stripe_id), "price")
    for _ in range(5):
        sync.drain(at=timezone.now())
        end_waits(pk=poison)
    assert row(poison).parked_at is not None
    make_storable(shop, product)
    request_sync(shop.account, str(price.stripe_id), "price")
    assert (row(poison).parked_at, row(poison).attempts) == (None, 0)
    assert sync.drain(at=timezone.now()) == 1
    assert (row(poison).state, row(poison).last_error) == ("applied", "")


def test_serialization_failures_are_tried_again(shop: Shop, alice: StripeCustomer) -> None:
    claim = _claimed(shop, alice)
    with connection.execute_wrapper(_clash(times=2)):
        assert sync.store(claim, sync.read(claim), at=timezone.now())
    assert row(claim.sync_id).state == "applied"


def test_serialization_failures_are_retried_at_most_three_times(
    shop: Shop, alice: StripeCustomer
) -> None:
    claim = _claimed(shop, alice)
    with pytest.raises(OperationalError), connection.execute_wrapper(_clash(times=3)):
        sync.store(claim, sync.read(claim), at=timezone.now())
    assert row(claim.sync_id).state == "waiting"


def _claimed(shop: Shop, buyer: StripeCustomer) -> SyncLease:
    request_sync(shop.account, str(buyer.stripe_id), "customer")
    return sync.claim_due(limit=1)[0]


def _clash(times: int) -> Callable[..., object]:
    """Fail the first updates of the sync-queue row with a deadlock."""
    left = [times]

    def execute(run: Callable[..., object], sql: str, *rest: object) -> object:
        if left[0] and sql.startswith('UPDATE "billing_syncobject"'):
            left[0] -= 1
            raise OperationalError("deadlock detected") from psycopg_errors.DeadlockDetected()
        return run(sql, *rest)

    return execute


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_get_the_same_object(account: StripeAccount) -> None:
    for number in range(200):
        request_sync(account, f"prod_{number}")
    taken: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        try:
            while claims := sync.claim_due(limit=7):
                with lock:
                    taken.extend(each.sync_id for each in claims)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(taken) == len(set(taken)) == 200


@pytest.mark.django_db(transaction=True)
def test_an_uncommitted_sync_request_is_not_seen(account: StripeAccount) -> None:
    with transaction.atomic():
        request_sync(account, "prod_1")
        transaction.set_rollback(True)
    assert sync.claim_due(limit=1) == []


def test_accounts_are_read_with_their_own_keys(
    stripe: SandboxStripe, endpoint: StripeEndpoint, shop: Shop
) -> None:
    """A claim carries its account; an object of one is not asked of the other."""
    product = shop.product("Mine")
    request_sync(endpoint.account, str(product.stripe_id))
    (claim,) = sync.claim_due(limit=1)
    assert sync.read(claim) is not None
    assert sync.read(replace(claim, stripe_id="prod_other")) is None
