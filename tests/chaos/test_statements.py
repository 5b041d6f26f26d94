"""A worker killed before any statement or the commit leaves nothing behind.

For each kind of change the statements are counted, then the store is killed at every one of them
in turn. After each death nothing has changed; after the last, one more worker does it all, once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from billing.models import (
    Checkout,
    Invoice,
    InvoiceLine,
    Payment,
    Price,
    Product,
    Refund,
    StripeCustomer,
    Subscription,
    SubscriptionItem,
    SyncObject,
)
from billing.sync import service as sync
from billing.sync import sync_queue
from entitlements.models import Fact
from events.models import OutboxEvent
from projects.models import Customer
from tests.chaos.workers import Killed, expire_leases
from tests.shop import Shop

TABLES: tuple[type[Model], ...] = (
    Checkout,
    Customer,
    Fact,
    Invoice,
    InvoiceLine,
    OutboxEvent,
    Payment,
    Price,
    Product,
    Refund,
    StripeCustomer,
    Subscription,
    SubscriptionItem,
)

DIGESTS = " UNION ALL ".join(
    f"SELECT '{table}', coalesce(md5(string_agg(row::text, '|' ORDER BY id)), '') "
    f'FROM "{table}" AS row WHERE project_id = %(project_id)s'
    for table in (model._meta.db_table for model in TABLES)
)

Story = Callable[[Shop, StripeCustomer, Price, Price], Iterator[tuple[str, str]]]
"""Changes something at Stripe, then names (kind, stripe id) of what is to be stored."""


def everything(shop: Shop) -> dict[str, str]:
    """A digest of every row of the project, for each table that a store writes to."""
    with connection.cursor() as cursor:
        cursor.execute(DIGESTS, {"project_id": shop.project.pk})
        return dict(cursor.fetchall())


def kill_at(number: int) -> Callable[..., Any]:
    count = 0

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            raise Killed(sql)
        return run(sql, params, many, context)

    return execute


def renamed(shop: Shop, alice: StripeCustomer, *_: Price) -> Iterator[tuple[str, str]]:
    shop.stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    yield "customer", str(alice.stripe_id)
    shop.stripe.v1.customers.delete(str(alice.stripe_id))
    yield "customer", str(alice.stripe_id)


def archived(
    shop: Shop, _: StripeCustomer, monthly: Price, *__: Price
) -> Iterator[tuple[str, str]]:
    shop.stripe.v1.prices.update(str(monthly.stripe_id), {"active": False})
    yield "price", str(monthly.stripe_id)
    shop.stripe.v1.products.update(str(monthly.product.stripe_id), {"active": False})
    yield "product", str(monthly.product.stripe_id)


def paid(shop: Shop, alice: StripeCustomer, *_: Price) -> Iterator[tuple[str, str]]:
    stripe_id = shop.pay(alice)
    yield "payment_intent", stripe_id
    shop.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": 900})
    yield "payment_intent", stripe_id


def subscribed(
    shop: Shop, alice: StripeCustomer, monthly: Price, *_: Price
) -> Iterator[tuple[str, str]]:
    stripe_id = shop.subscribe(alice, monthly)
    yield "subscription", stripe_id
    invoice = shop.stripe.v1.subscriptions.retrieve(stripe_id).latest_invoice
    yield "invoice", str(invoice)
    shop.stripe.v1.subscriptions.cancel(stripe_id)
    yield "subscription", stripe_id


def bought(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price
) -> Iterator[tuple[str, str]]:
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    yield "checkout_session", str(checkout.stripe_id)
    session = shop.stripe.v1.checkout.sessions.retrieve(str(checkout.stripe_id))
    yield "payment_intent", str(session.payment_intent)
    shop.stripe.v1.refunds.create({"payment_intent": str(session.payment_intent)})
    yield "payment_intent", str(session.payment_intent)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("story", [renamed, archived, paid, subscribed, bought])
def test_a_worker_killed_at_any_statement_leaves_nothing_behind(
    story: Story, shop: Shop, alice: StripeCustomer, monthly: Price, once: Price
) -> None:
    for kind, stripe_id in story(shop, alice, monthly, once):
        deaths = die_everywhere(shop, kind, stripe_id)
        print(f"{story.__name__}, {kind}: died {deaths} times")  # noqa: T201  # the figure
        assert deaths > 3


def die_everywhere(shop: Shop, kind: str, stripe_id: str) -> int:
    """Kill the store at its first statement, its second, …; how many deaths until it lives."""
    sync_id, number = sync.request_sync(account_id=shop.account.pk, kind=kind, stripe_id=stripe_id)
    before = everything(shop)
    deaths = 0
    while True:
        expire_leases(pk=sync_id)
        claim = sync_queue.claim_object(account=shop.account, sync_id=sync_id)
        assert claim is not None
        snapshot = sync.read(claim)
        try:
            with connection.execute_wrapper(kill_at(deaths + 1)):
                assert sync.store(claim, snapshot, at=timezone.now())
        except Killed:
            deaths += 1
            assert everything(shop) == before
            stale = replace(claim, epoch=claim.epoch - 1)
            assert not sync.store(stale, snapshot, at=timezone.now())
            assert everything(shop) == before
            continue
        after = everything(shop)
        assert after != before
        row = SyncObject.objects.get(pk=sync_id)
        assert (row.applied, row.leased_until) == (number, None)
        assert sync.store(claim, snapshot, at=timezone.now())
        assert everything(shop) == after, "applied twice"
        return deaths
