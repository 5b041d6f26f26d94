"""Events are replayed from their stored bytes, singly or by command."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import Price, StripeCustomer, Subscription
from events.models import AuditEntry, OutboxEvent
from tests.shop import Shop
from tests.webhooks.stripe_post import StripePost, event
from webhooks.errors import NothingToRead
from webhooks.models import InboundEvent
from webhooks.services.replay import replay

Drain = Callable[[], None]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_events", *arguments, stdout=out)
    return out.getvalue()


def test_a_replay_requests_a_sync_and_is_audited(
    post: StripePost, shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    drain()
    inbound_event = InboundEvent.objects.filter(type="customer.created").get()
    assert inbound_event.status == "processed"
    replay(event=inbound_event, actor="operator:ada", reason="They asked.", at=timezone.now())
    inbound_event.refresh_from_db()
    assert inbound_event.status == "waiting"
    entry = AuditEntry.objects.get(action="inbound_event.replay")
    assert (entry.actor, entry.subject, entry.reason) == (
        "operator:ada",
        inbound_event.pk,
        "They asked.",
    )
    assert (entry.before, entry.after) == ({"status": "processed"}, {"status": "waiting"})
    assert entry.project_id == shop.project.pk
    drain()
    inbound_event.refresh_from_db()
    assert inbound_event.status == "processed"


def test_a_quarantined_event_can_be_replayed_later(
    post: StripePost, shop: Shop, alice: StripeCustomer
) -> None:
    """It came while the account was taken for another one."""
    type(shop.account).objects.filter(pk=shop.account.pk).update(stripe_id="acct_typo")
    post(event(type="customer.updated", object_id=str(alice.stripe_id), account="acct_right"))
    inbound_event = InboundEvent.objects.get()
    assert inbound_event.status == "quarantined"
    with pytest.raises(NothingToRead):
        replay(event=inbound_event, actor="command", at=timezone.now())
    type(shop.account).objects.filter(pk=shop.account.pk).update(stripe_id="acct_right")
    inbound_event = InboundEvent.objects.get()
    replay(event=inbound_event, actor="command", at=timezone.now())
    assert InboundEvent.objects.get().status == "waiting"


def test_an_ignored_event_requests_no_sync(post: StripePost) -> None:
    post(event(type="topup.created"))
    with pytest.raises(NothingToRead, match=r"topup\.created"):
        replay(event=InboundEvent.objects.get(), actor="command", at=timezone.now())
    assert not AuditEntry.objects.exists()


def test_the_command_needs_a_filter(post: StripePost) -> None:
    with pytest.raises(CommandError, match="--event"):
        run()


def test_the_command_filters_events(
    post: StripePost, shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    every = InboundEvent.objects.count()
    project_events = InboundEvent.objects.filter(sync__project=shop.project).count()
    subscriptions = InboundEvent.objects.filter(type="customer.subscription.created").count()
    one = InboundEvent.objects.filter(type="invoice.paid").get()
    ignored = InboundEvent.objects.filter(sync__isnull=True).count()
    assert run("--event", one.event_id).startswith("1 event(s) replayed, 0 ")
    assert run("--event", one.pk).startswith("1 event(s) replayed, 0 ")
    assert run("--type", "customer.subscription.created").startswith(f"{subscriptions} event(s)")
    assert run("--project", "acme").startswith(f"{project_events} event(s) replayed, 0 ")
    assert f"0 event(s) replayed, {ignored} without" in run("--status", "ignored")
    past, future = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)
    assert f"{every - ignored} event(s) replayed, {ignored} " in run("--since", past.isoformat())
    assert run("--since", future.isoformat()).startswith("0 event(s) replayed, 0 ")


def test_replaying_everything_changes_nothing(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    event_ids = OutboxEvent.objects.for_project(shop.project).values_list("pk", flat=True)
    before = list(event_ids)
    rows = list(Subscription.objects.for_project(shop.project).values())
    run("--since", "2000-01-01")
    drain()
    assert list(event_ids.all()) == before
    assert list(Subscription.objects.for_project(shop.project).values()) == rows


@pytest.mark.parametrize("name", ["account", "context"])
def test_an_event_of_a_connected_account_stays_quarantined(
    post: StripePost, alice: StripeCustomer, name: str
) -> None:
    """By hand and by command, also when its object has the id of one of ours."""
    body = event(type="customer.deleted", object_id=str(alice.stripe_id))
    post({**body, name: "acct_1Connected00000"})
    inbound_event = InboundEvent.objects.get()
    with pytest.raises(NothingToRead, match="another Stripe account"):
        replay(event=inbound_event, actor="command", at=timezone.now())
    assert "0 event(s) replayed" in run("--type", "customer.deleted")
    inbound_event.refresh_from_db()
    assert (inbound_event.status, inbound_event.sync) == ("quarantined", None)
    alice.refresh_from_db()
    assert alice.deleted_at is None
