"""A batch is read by several threads at once and stored by the worker's own."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from billing.models import Product, SyncObject
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.sync import service as sync
from tests.billing.sync.sync_rows import due_products, intercept
from tests.shop import Shop
from tests.waiting import PATIENCE

READERS = 4


@pytest.fixture(autouse=True)
def _readers(use_readers: Callable[[int], None]) -> None:
    use_readers(READERS)


@pytest.fixture
def products(shop: Shop) -> list[Product]:
    """Twice as many as there are readers, all renamed at Stripe."""
    return due_products(shop, 2 * READERS)


def names(products: list[Product]) -> list[str]:
    for each in products:
        each.refresh_from_db()
    return [each.name for each in products]


def test_as_many_objects_are_read_at_once_as_there_are_readers(
    shop: Shop, products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader waits until all of them have sent a request."""
    together = threading.Barrier(READERS)
    intercept(shop, monkeypatch, lambda url: together.wait(PATIENCE))
    assert sync.drain(at=timezone.now()) == len(products)
    assert names(products) == [f"New Product {number}" for number in range(len(products))]
    assert not SyncObject.objects.exclude(applied=1, leased_until=None, attempts=0).exists()


def test_readers_open_no_connection_to_the_database(
    shop: Shop, products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def look(url: str) -> None:
        opened.extend(one for one in connections.all() if one.connection is not None)

    intercept(shop, monkeypatch, look)
    sync.drain(at=timezone.now())
    assert opened == []


def test_an_object_that_cannot_be_read_does_not_stop_the_others(
    shop: Shop, products: list[Product]
) -> None:
    bad = products[0]
    shop.stripe.fail("malformed_after", path=f"/v1/products/{bad.stripe_id}", without=["id"])
    sync.drain(at=timezone.now())
    assert names(products)[1:] == [f"New Product {number}" for number in range(1, len(products))]
    row = SyncObject.objects.get(stripe_id=bad.stripe_id)
    assert (row.applied, row.attempts, row.leased_until) == (0, 1, None)


def test_a_gone_object_is_stored_as_gone(shop: Shop, products: list[Product]) -> None:
    shop.stripe.v1.products.delete(str(products[0].stripe_id))
    sync.drain(at=timezone.now())
    products[0].refresh_from_db()
    assert not products[0].active


def test_reads_wait_for_the_budget(shop: Shop, products: list[Product], settings: Settings) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_endpoint_reads=20)
    while budget.take(shop.account, Lane.INTERACTIVE, kind="product") == 0:
        pass
    assert sync.drain(at=timezone.now()) == len(products)
    assert not SyncObject.objects.exclude(applied=1).exists()


def test_an_account_that_does_not_answer_leaves_its_objects_due(
    shop: Shop, products: list[Product]
) -> None:
    shop.stripe.fail("timeout_before", path="/v1/products*", times=99)
    sync.drain(at=timezone.now())
    rows = SyncObject.objects.filter(applied=0, attempts=0, parked_at=None, leased_until=None)
    assert rows.count() == len(products)
    assert rows.filter(next_try_at__gt=Now() - timedelta(seconds=1)).exists()
