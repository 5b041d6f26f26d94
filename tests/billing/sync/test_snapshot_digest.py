"""A snapshot that was applied before is not applied again, unless somebody of ours asks for it."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import StripeAccount, StripeCustomer, SyncObject
from billing.models.sync_object import ObjectKind
from billing.stripe.snapshots import InvoiceSnapshot, ProductSnapshot, StripeSnapshot
from billing.sync import service as sync
from billing.sync import snapshot_digest, sync_queue
from tests.shop import Shop

Drain = Callable[[], None]


def request_sync(row: StripeCustomer) -> None:
    sync.request_sync(account_id=row.account_id, kind="customer", stripe_id=str(row.stripe_id))


def change_and_undo(shop: Shop, row: StripeCustomer) -> None:
    """Two events of an object that is, by the time they are read, what it was before."""
    name = shop.stripe.v1.customers.retrieve(str(row.stripe_id)).name or ""
    for each in ("Somebody else", name):
        shop.stripe.v1.customers.update(str(row.stripe_id), {"name": each})


def spoil(row: StripeCustomer) -> None:
    """Change our row behind the back of the queue, so that an application of Stripe's shows."""
    StripeCustomer.objects.across_projects().filter(pk=row.pk).update(name="Spoiled")


def is_repaired(row: StripeCustomer) -> bool:
    row.refresh_from_db()
    return row.name != "Spoiled"


@pytest.fixture
def applied(shop: Shop, alice: StripeCustomer, drain: Drain) -> StripeCustomer:
    shop.stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    drain()
    spoil(alice)
    return alice


def test_news_of_an_unchanged_object_writes_one_row(shop: Shop, applied: StripeCustomer) -> None:
    change_and_undo(shop, applied)
    shop.stripe.deliver()
    (lease,) = sync.claim_due(limit=10)
    snapshot = sync.read(lease)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert sync.store(lease, snapshot, at=timezone.now())
    assert len(queries) == 1
    assert not is_repaired(applied)
    assert sync.claim_due(limit=10) == []


def test_news_of_a_changed_object_applies_it(
    shop: Shop, applied: StripeCustomer, drain: Drain
) -> None:
    shop.stripe.v1.customers.update(str(applied.stripe_id), {"name": "Alice Second"})
    drain()
    applied.refresh_from_db()
    assert applied.name == "Alice Second"


def test_a_request_of_ours_applies_an_unchanged_object(
    applied: StripeCustomer, drain: Drain
) -> None:
    request_sync(applied)
    drain()
    assert is_repaired(applied)


def test_so_does_a_request_for_many(applied: StripeCustomer, drain: Drain) -> None:
    sync_queue.request_syncs(SyncObject.objects.filter(stripe_id=applied.stripe_id))
    drain()
    assert is_repaired(applied)


def test_a_request_during_the_read_is_not_lost(
    shop: Shop, applied: StripeCustomer, drain: Drain
) -> None:
    """Neither by a worker that applies what it read before the request, nor by one that has found
    the object unchanged."""
    for ask in (request_sync, lambda row: change_and_undo(shop, row)):
        ask(applied)
        shop.stripe.deliver()
        (lease,) = sync.claim_due(limit=10)
        snapshot = sync.read(lease)
        request_sync(applied)
        assert sync.store(lease, snapshot, at=timezone.now())
        spoil(applied)
        drain()
        assert is_repaired(applied)
        spoil(applied)


def test_a_release_applies_every_object_once_more(
    shop: Shop, applied: StripeCustomer, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_digest, "CODE", b"the next release")
    change_and_undo(shop, applied)
    drain()
    assert is_repaired(applied)


def test_an_object_of_no_project_is_looked_at_each_time(
    shop: Shop, account: StripeAccount, drain: Drain
) -> None:
    product = shop.stripe.v1.products.create({"name": "Somebody's"})
    drain()
    row = SyncObject.objects.get(account=account, stripe_id=product.id)
    assert (row.state, row.applied_digest) == ("foreign", None)


def test_the_digest_covers_every_member_and_the_kind() -> None:
    invoice = InvoiceSnapshot(stripe_id="x_1", amount_paid=1)
    others = [
        replace(invoice, amount_paid=2),
        replace(invoice, metadata={"a": "b"}),
        replace(invoice, paid_at=datetime(2026, 1, 1, tzinfo=UTC)),
        ProductSnapshot(stripe_id="x_1"),
    ]
    digests = {snapshot_digest.digest(each) for each in [invoice, *others]}
    assert len(digests) == 1 + len(others)
    assert snapshot_digest.digest(replace(invoice)) == snapshot_digest.digest(invoice)


def test_the_representation_has_every_member_that_is_compared() -> None:
    kinds = [StripeSnapshot]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        assert all(member.repr is member.compare for member in fields(kind)), kind
    assert len(kinds) > len(ObjectKind.values)
