"""Stripe's events, its answers and its budget are counted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Product, StripeAccount, SyncObject
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.sync import service as sync
from tests.monitoring.scrapes import scrape
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop
from tests.webhooks.stripe_post import StripePost, event

pytestmark = pytest.mark.usefixtures("empty_sums")
EVENTS = "tollgate_stripe_events_total"
APPLIED = "tollgate_stripe_event_applied_seconds"
STRIPE = "tollgate_stripe_requests_total"


def seconds_ago(seconds: int) -> int:
    return int(timezone.now().timestamp()) - seconds


def test_deliveries_are_counted_by_result(post: StripePost) -> None:
    post(event(created=seconds_ago(20)))
    post(event(created=seconds_ago(20)))
    post(b"[]")
    post(event(id="evt_2"), header="t=1,v1=00")
    figures = scrape()
    results = ("stored", "repeated", "unusable", "signature_refused")
    assert [figures.value(EVENTS, result=result) for result in results] == [1, 1, 1, 1]
    age = "tollgate_stripe_event_received_seconds"
    assert figures.value(f"{age}_count") == 1
    buckets = [figures.value(f"{age}_bucket", le=le) for le in ("10.0", "60.0")]
    assert buckets == [0, 1]


def test_the_time_from_stripe_to_the_applied_change(shop: Shop, post: StripePost) -> None:
    """Of the event that requested the read; a read that nobody's event requested does not count."""
    product: Product = shop.product()
    shop.stripe.v1.products.update(str(product.stripe_id), {"name": "Better"})
    post(event(object_id=str(product.stripe_id), created=seconds_ago(40)))
    post(event(id="evt_2", object_id=str(product.stripe_id), created=seconds_ago(0)))
    assert SyncObject.objects.get(kind="product").event_created_at is not None
    sync.drain(at=timezone.now())
    product.refresh_from_db()
    assert product.name == "Better"
    figures = scrape()
    assert figures.value(f"{APPLIED}_count", kind="product") == 1
    assert figures.value(f"{APPLIED}_bucket", kind="product", le="30.0") == 0
    assert figures.value(f"{APPLIED}_bucket", kind="product", le="60.0") == 1
    sync.now(
        account=shop.account, kind="product", stripe_id=str(product.stripe_id), at=timezone.now()
    )
    assert scrape().value(f"{APPLIED}_count", kind="product") == 1


@pytest.mark.parametrize("created", [None, True, "1700000000", -1, 2**40, 1.5])
def test_an_event_with_an_odd_time_is_stored_all_the_same(
    post: StripePost, created: object
) -> None:
    assert post(event(created=created)).status_code == 200
    assert SyncObject.objects.get().event_created_at is None


def test_requests_to_stripe_are_counted_by_resource_and_outcome(
    stripe: SandboxStripe, shop: Shop, drain: Callable[[], None]
) -> None:
    product = shop.product()
    drain()
    before = scrape().count(STRIPE, resource="products", outcome="ok")
    stripe.fail("error_before", times=9)
    read(shop.account, str(product.stripe_id), timezone.now())
    figures = scrape()
    assert figures.count(STRIPE, resource="products", outcome="ok") == before
    assert figures.value(STRIPE, resource="products", outcome="failed") >= 1


def read(account: StripeAccount, stripe_id: str, at: datetime) -> None:
    sync.request_sync(account_id=account.pk, kind="product", stripe_id=stripe_id)
    sync.drain(at=at)


def test_what_is_left_of_the_budget(account: StripeAccount, settings: Any) -> None:
    """Of the account with the least; one that nothing was read of lately has all of it."""
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=20)
    name = "tollgate_stripe_budget_left_ratio"
    assert scrape().value(name) == 1
    for _ in range(9):
        budget.take(account, Lane.INTERACTIVE)
    assert 0 <= scrape().value(name) < 0.9
