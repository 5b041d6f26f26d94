"""Operators decide parked intents with a reason."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Product, StripeIntent
from billing.models.stripe_intent import IntentState
from billing.outbound import intent_history, intents
from billing.stripe.errors import StripeUnavailable
from console import home
from events.models import AuditEntry
from projects.models import Project
from tests.billing import outbox_events
from tests.billing_fixtures import SandboxStripe
from tests.console.dialogs import messages_of, send, was_done
from tests.shop import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def parked(stripe: SandboxStripe, project: Project, shop: Shop) -> StripeIntent:
    """A product that was made, though nobody knows."""
    product = Product.objects.create(project=project, account=shop.account, name="Pro")
    stripe.fail("timeout_after", path="/v1/products", times=3)
    with pytest.raises(StripeUnavailable):
        intents.create_object(
            product, operation="product.create", params={"name": "Pro"}, at=timezone.now()
        )
    rows = StripeIntent.objects.across_projects()
    rows.update(state=IntentState.PARKED, failed_at=timezone.now())
    return rows.get()


def address(intent: StripeIntent, name: str) -> str:
    return f"/admin/billing/stripeintent/{intent.pk}/{name}/"


def test_a_parked_intent_is_shown(parked: StripeIntent, operator: Client) -> None:
    counts = home.counts()
    assert (counts["open_intents"].n, counts["parked_intents"].n) == (0, 1)
    listed = operator.get("/admin/billing/stripeintent/?state=parked").text
    assert "product.create" in listed
    check = operator.get("/health").json()["checks"]["intents"]
    assert (check["status"], check["detail"]) == ("degraded", "0 open, 1 parked")


def test_a_retry_finds_the_object_made_at_stripe(
    parked: StripeIntent, operator: Client, stripe: SandboxStripe
) -> None:
    answer = send(operator, address(parked, "try-again"))
    assert was_done(answer)
    assert messages_of(answer) == ["It is tried again within a few seconds."]
    assert intents.finish_due(at=timezone.now()) == 1
    parked.refresh_from_db()
    (product,) = stripe.v1.products.list().data
    assert (parked.state, parked.stripe_id) == ("done", product.id)
    assert Product.objects.across_projects().get().stripe_id == product.id
    entry = AuditEntry.objects.get(action="intent.try_again")
    assert (entry.subject, entry.actor) == (parked.pk, "operator:operator")


def test_giving_up_removes_the_row(parked: StripeIntent, operator: Client) -> None:
    assert was_done(send(operator, address(parked, "give-up")))
    parked.refresh_from_db()
    assert (parked.state, parked.finished_at is not None) == ("failed", True)
    assert not Product.objects.across_projects().exists()
    over = send(operator, address(parked, "give-up"))
    assert "It is failed." in over.text
    assert AuditEntry.objects.filter(action="intent.give_up").count() == 1
    (event,) = outbox_events.events(parked.project)
    assert (event.type, event.subject) == ("stripe_write.given_up", parked.pk)
    assert event.data["reason"] == "An operator has given it up: it will not be sent again."


def test_a_leased_intent_cannot_be_decided(parked: StripeIntent, operator: Client) -> None:
    rows = StripeIntent.objects.across_projects()
    rows.update(leased_until=timezone.now() + timedelta(minutes=1))
    for name in ("try-again", "give-up"):
        assert "being sent right now" in send(operator, address(parked, name)).text
    assert rows.get().state == IntentState.PARKED
    assert not AuditEntry.objects.filter(action__startswith="intent.").exists()


def test_finished_intents_are_deleted_after_a_month(parked: StripeIntent) -> None:
    at = timezone.now()
    rows = StripeIntent.objects.across_projects()
    rows.update(state="done", finished_at=at - timedelta(days=30))
    assert intent_history.purge(at=at) == 0
    assert intent_history.purge(at=at + timedelta(seconds=1)) == 1
    assert not rows.exists()
