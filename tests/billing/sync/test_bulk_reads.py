"""Many due objects of a kind are read by list; what a list does not give is read alone."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from stripe import APIConnectionError

from billing.models import Price, Product, SyncObject
from billing.stripe.errors import StripeUnavailable
from billing.stripe.fields import PAGE
from billing.sync import bulk_read
from billing.sync import service as sync
from billing.sync.batch_reads import ReadResult
from billing.sync.batch_store import BatchStore
from tests.billing.sync.sync_rows import due_products, end_waits, intercept
from tests.shop import Shop
from tests.waiting import PATIENCE


def test_many_due_objects_are_read_by_list(
    shop: Shop, stripe_requests: list[str], settings: Settings
) -> None:
    """A thousand, most of them nobody's here, one renamed, and one deleted, which no list names."""
    settings.BILLING = replace(settings.BILLING, sync_lease=timedelta(seconds=120))
    for number in range(998):
        product = shop.stripe.v1.products.create({"name": f"Product {number}"})
        sync.request_sync(account_id=shop.account.pk, kind="product", stripe_id=product.id)
    renamed, gone = due_products(shop, 2)
    shop.stripe.v1.products.delete(str(gone.stripe_id))
    stripe_requests.clear()
    assert sync.drain(at=timezone.now(), limit=2000) == 1000
    assert stripe_requests.count("get products") <= 11
    assert len(stripe_requests) <= 11 + settings.BILLING.sync_batch + 1
    renamed.refresh_from_db()
    gone.refresh_from_db()
    assert (renamed.name, gone.active) == ("New Product 0", False)
    rows = SyncObject.objects
    assert rows.filter(applied=1, leased_until=None).count() == rows.count() == 1000


def test_an_object_that_changes_during_a_list_stays_due(shop: Shop, settings: Settings) -> None:
    settings.BILLING = replace(settings.BILLING, bulk_read_threshold=2)
    products = due_products(shop, 5)
    during = str(products[0].stripe_id)
    stored: list[str] = []

    def store(result: ReadResult) -> None:
        if not stored:
            sync.request_sync(account_id=shop.account.pk, kind="product", stripe_id=during)
        stored.append(result.lease.stripe_id)
        assert sync.store(result.lease, result.value(), at=timezone.now())

    claims, left = bulk_read.read_list(
        account_id=shop.account.pk, kind="product", answers=answers(store)
    )
    assert (len(claims), left, len(stored)) == (5, [], 5)
    row = SyncObject.objects.get(stripe_id=during)
    assert (row.requested, row.applied) == (2, 1)
    assert sync.drain(at=timezone.now()) == 1


def test_the_next_page_is_asked_for_while_a_page_is_stored(
    shop: Shop, use_readers: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first object of the list is stored only when Stripe has got the second request."""
    use_readers(2)
    _make_more_due_than_a_page_has(shop)
    asked_again, stored = threading.Event(), list[str]()

    def store(result: ReadResult) -> None:
        assert asked_again.wait(PATIENCE)
        stored.append(result.lease.stripe_id)
        _store(result)

    def look(url: str) -> None:
        if "starting_after" in url:
            asked_again.set()

    intercept(shop, monkeypatch, look)
    claims, left = bulk_read.read_list(
        account_id=shop.account.pk, kind="product", answers=answers(store)
    )
    assert (len(claims), left, len(set(stored))) == (PAGE + 1, [], PAGE + 1)


def test_a_list_that_fails_while_a_page_is_stored_keeps_that_page(
    shop: Shop, use_readers: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_readers(2)
    _make_more_due_than_a_page_has(shop)

    def fail(url: str) -> None:
        if "starting_after" in url:
            raise APIConnectionError("Nobody answers.")

    intercept(shop, monkeypatch, fail)
    with pytest.raises(StripeUnavailable):
        bulk_read.read_list(account_id=shop.account.pk, kind="product", answers=answers(_store))
    rows = SyncObject.objects
    assert rows.filter(applied=1).count() == PAGE
    assert not rows.filter(leased_until__isnull=False).exists()


def test_a_failed_list_returns_its_objects_to_the_queue(
    shop: Shop, settings: Settings, drain: Callable[[], None]
) -> None:
    settings.BILLING = replace(settings.BILLING, bulk_read_threshold=2, sync_batch=2)
    due_products(shop, 6)
    shop.stripe.fail("timeout_before", path="/v1/products", times=3)
    sync.drain(at=timezone.now())
    rows = SyncObject.objects
    assert not rows.filter(applied=1).exists()
    assert not rows.filter(leased_until__isnull=False).exists()
    assert not rows.exclude(attempts=0).exists()
    end_waits()
    sync.drain(at=timezone.now())
    assert rows.filter(applied=1).count() == 6


def test_many_due_invoices_are_read_by_list(
    shop: Shop, monthly: Price, stripe_requests: list[str], settings: Settings
) -> None:
    """Among them some that a bank has yet to pay."""
    settings.BILLING = replace(settings.BILLING, bulk_read_threshold=2, sync_batch=1)
    for number, card in enumerate(["pm_card_visa", "pm_usBankAccount_success"] * 4):
        shop.subscribe(shop.buyer(f"buyer-{number}", card), monthly)
    for invoice in shop.stripe.v1.invoices.list({"limit": 100}).data:
        sync.request_sync(account_id=shop.account.pk, kind="invoice", stripe_id=str(invoice.id))
    stripe_requests.clear()
    claims, left = bulk_read.read_list(
        account_id=shop.account.pk, kind="invoice", answers=answers(_store)
    )
    assert (len(claims), left) == (8, [])
    assert stripe_requests == ["get invoices", "get invoice_payments"]


def test_a_list_that_is_refused_is_read_one_by_one(shop: Shop, settings: Settings) -> None:
    settings.BILLING = replace(settings.BILLING, bulk_read_threshold=2, sync_batch=2)
    due_products(shop, 6)
    refusal = '{"error": {"type": "invalid_request_error", "message": "No."}}'
    shop.stripe.fail("malformed_before", path="/v1/products", times=9, status=400, body=refusal)
    assert sync.drain(at=timezone.now()) == 6
    assert SyncObject.objects.filter(applied=1, attempts=0).count() == 6


def test_an_object_that_a_list_shows_malformed_is_read_alone(
    shop: Shop, settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, bulk_read_threshold=2, sync_batch=2)
    products = due_products(shop, 6)
    shop.stripe.fail(
        "malformed_after", path="/v1/products", without=["id"], changes={"name": 7}, place=3
    )
    assert sync.drain(at=timezone.now()) == 6
    assert SyncObject.objects.filter(applied=1, attempts=0).count() == 6
    names = {Product.objects.for_project(shop.project).get(pk=each.pk).name for each in products}
    assert names == {f"New Product {number}" for number in range(6)}


def test_an_object_that_stays_malformed_is_parked_and_its_account_goes_on(
    shop: Shop, settings: Settings
) -> None:
    bad = due_products(shop, 4)[0]
    shop.stripe.fail(
        "malformed_after", path=f"/v1/products/{bad.stripe_id}", without=["id"], times=99
    )
    rows = SyncObject.objects
    assert sync.drain(at=timezone.now()) == 4
    assert rows.filter(applied=1).count() == 3
    for _ in range(settings.BILLING.sync_attempts - 1):
        end_waits()
        sync.drain(at=timezone.now())
    row = rows.get(stripe_id=bad.stripe_id)
    assert (row.applied, row.attempts) == (0, settings.BILLING.sync_attempts)
    assert row.parked_at is not None
    assert "StripeMalformed" in row.last_error
    bad.refresh_from_db()
    assert bad.name == "Product 0"


def _make_more_due_than_a_page_has(shop: Shop) -> None:
    for number in range(PAGE + 1):
        product = shop.stripe.v1.products.create({"name": f"Product {number}"})
        sync.request_sync(account_id=shop.account.pk, kind="product", stripe_id=product.id)


def _store(result: ReadResult) -> None:
    assert sync.store(result.lease, result.value(), at=timezone.now())


def answers(store: Callable[[ReadResult], None]) -> BatchStore:
    return BatchStore(timezone.now(), store, count_stored=_ignore)


def _ignore(result: ReadResult) -> None:
    """Nothing more is known of an answer that was stored with others."""
