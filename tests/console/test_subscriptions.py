"""Operators change subscriptions with a reason after a preview of access."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Price, StripeCustomer, Subscription
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions.changes import Change
from entitlements.decisions.selectors import decisions
from events.models import AuditEntry
from tests.console.dialogs import send, was_done
from tests.console.test_refunds import fingerprint
from tests.shop import Shop

ON, OFF = "on (entitled)", "off (not entitled)"


@pytest.fixture
def subscription(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Callable[[], None]
) -> Subscription:
    """Two of a plan for single sign-on."""
    shop.subscribe(alice, monthly, items=[{"price": monthly.stripe_id, "quantity": 2}])
    drain()
    return Subscription.objects.for_project(shop.project).get()


def address(row: Subscription, act: str) -> str:
    return reverse(f"admin:billing_subscription_{act}", args=[quote(row.pk)])


def do(operator: Client, row: Subscription, act: str, **fields: Any) -> str:
    """Look first, then act; what was shown."""
    before = Subscription.objects.for_project(row.project_id).values().get(pk=row.pk)
    seen = send(operator, address(row, act), **fields)
    assert Subscription.objects.for_project(row.project_id).values().get(pk=row.pk) == before
    done = send(operator, address(row, act), **fields, previewed=fingerprint(seen))
    assert was_done(done), done.content
    row.refresh_from_db()
    return str(seen.content.decode())


def is_allowed(shop: Shop) -> bool:
    at = timezone.now()
    return decisions.check(project=shop.project, user_id="alice", feature="sso", at=at).allowed


def test_an_operator_pauses_resumes_undoes_and_cancels(
    shop: Shop, subscription: Subscription, operator: Client, viewer: Client
) -> None:
    for act in ("cancel", "pause", "resume", "undo"):
        assert viewer.get(address(subscription, act)).status_code == 403
    shown = do(operator, subscription, "pause")
    assert (ON in shown, OFF in shown, is_allowed(shop)) == (True, True, False)
    page = reverse("admin:billing_subscription_change", args=[quote(subscription.pk)])
    assert "void" in operator.get(page).content.decode()
    shown = do(operator, subscription, "resume")
    assert (ON in shown, OFF in shown, is_allowed(shop)) == (True, True, True)
    refused = send(operator, address(subscription, "resume"))
    again = send(operator, address(subscription, "resume"), previewed=fingerprint(refused))
    assert "The subscription is not paused." in again.content.decode()

    item = subscription.items.select_related("price").get()
    assert item.price is not None
    planned = subscription_changes.apply_change(
        subscription=Subscription.objects.for_project(shop.project).get(),
        product_id=item.price.product_id,
        change=Change(quantity=1),
        request="req_1",
        actor="test",
        at=timezone.now(),
    )
    assert planned.scheduled_at is not None
    assert f"1 × {item.price_id}" in operator.get(page).content.decode()
    shown = do(operator, subscription, "undo")
    assert (OFF in shown, subscription.scheduled_at) == (False, None)

    shown = do(operator, subscription, "cancel", when="period_end")
    assert (ON in shown, OFF in shown) == (True, True)
    assert (subscription.status, subscription.cancel_at) == ("active", item.period_end)
    do(operator, subscription, "cancel", when="now")
    assert (subscription.status, is_allowed(shop)) == ("canceled", False)
    entries = AuditEntry.objects.filter(subject=subscription.pk, actor="operator:operator")
    assert [(each.action, each.reason) for each in entries.order_by("id")] == [
        ("subscription.pause", "The customer asked."),
        ("subscription.resume", "The customer asked."),
        ("subscription.undo", "The customer asked."),
        ("subscription.cancel", "The customer asked."),
        ("subscription.cancel", "The customer asked."),
    ]
