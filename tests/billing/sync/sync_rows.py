"""Request syncs, end their waits, spoil and repair objects, and watch what is asked of Stripe."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from billing.models import Product, StripeAccount, SyncObject
from billing.sync import service as sync
from tests.back_offs import end_pauses
from tests.shop import Shop


def request_sync(account: StripeAccount, stripe_id: str, kind: str = "product") -> int:
    return sync.request_sync(account_id=account.pk, kind=kind, stripe_id=stripe_id)[0]


def row(sync_id: int) -> SyncObject:
    return SyncObject.objects.get(pk=sync_id)


def end_waits(**filters: object) -> None:
    """Pauses end and leases run out."""
    rows = SyncObject.objects.filter(**filters)
    rows.filter(leased_until__isnull=False).update(leased_until=Now() - timedelta(seconds=1))
    rows.update(next_try_at=Now() - timedelta(seconds=1))
    end_pauses()


def make_unstorable(shop: Shop, product: Product) -> None:
    """Make the object impossible to store: give it a value that a column refuses."""
    with shop.stripe.world.transaction() as tx:
        price = tx.list_objects("price", lambda each: bool(each["product"] == product.stripe_id))[0]
        price["unit_amount"] = -5


def due_products(shop: Shop, count: int) -> list[Product]:
    """Create that many products, all renamed at Stripe and due for a sync."""
    products = [shop.product(f"Product {number}") for number in range(count)]
    for each in products:
        shop.stripe.v1.products.update(str(each.stripe_id), {"name": f"New {each.name}"})
        sync.request_sync(account_id=shop.account.pk, kind="product", stripe_id=str(each.stripe_id))
    return products


def intercept(shop: Shop, monkeypatch: pytest.MonkeyPatch, before: Callable[[str], object]) -> None:
    """Call ``before`` with the URL in the thread of each request to Stripe."""
    send = shop.stripe.transport.request

    def request(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        before(url)
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(shop.stripe.transport, "request", request)
