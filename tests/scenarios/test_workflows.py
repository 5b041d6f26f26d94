"""A workflow that sells waits for its payment, over HTTP, Stripe and Temporal."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail

from delivery.conf import TemporalSettings
from tests.back_offs import end_pauses
from tests.delivery.signals.temporal_server import TemporalServer, open_server
from tests.scenarios import chores
from tests.scenarios.story import Story

AMOUNT = {"amount": 2900, "currency": "usd"}
TASKS = (
    "delivery.plan_signals",
    "delivery.send_signals",
    "delivery.plan_mail",
    "delivery.send_mail",
)


@pytest.fixture
def temporal(story: Story, settings: Any) -> Iterator[TemporalServer]:
    """A Temporal server with the project's namespace; its customers get mail, too."""
    server = open_server()
    settings.TEMPORAL = TemporalSettings(address=server.address)
    story.project.workflow_namespace = "acme"
    story.project.save(update_fields=["workflow_namespace"])
    story.post("/customers", {"user_id": "alice", "email": "alice@example.com"})
    story.patch(f"/projects/{story.project.pk}/mail", {"channel": "mail"})
    deliver()
    story.events()
    yield server
    server.close()


def deliver() -> list[str]:
    """Signal and write; the subjects of the new mails."""
    end_pauses()
    for task in TASKS:
        chores.run(task)
    new, mail.outbox = list(mail.outbox), []
    return [message.subject.removeprefix("[Test] ") for message in new]


def test_a_workflow_hears_of_its_payment(story: Story, temporal: TemporalServer) -> None:
    """It creates the payment and waits; the buyer pays; it goes on; the buyer has a receipt."""
    price = story.sells("Pro", 2900)
    payment = story.post(
        "/payments",
        {
            "user_id": "alice",
            "price": price["id"],
            "workflow_id": "onboarding-7",
            "success_url": "https://app.example.com/thanks",
        },
    )
    story.process_everything()
    assert deliver() == []
    assert temporal.signals == []
    assert story.pay(payment).status == "complete"
    story.process_everything()
    assert deliver() == ["Your receipt from Acme"]
    (signal,) = temporal.signals
    (invoice,) = story.get("/invoices")["data"]
    assert (signal.namespace, signal.workflow_id) == ("acme", "onboarding-7")
    assert signal.signal == "PaymentConfirmed"
    assert signal.argument == {
        "payment": payment["id"],
        "invoice": invoice["id"],
        "event": signal.request_id,
    }
    event = story.get(f"/events/{signal.request_id}")
    assert (event["type"], event["data"]["workflow_id"]) == ("payment.paid", "onboarding-7")
    story.advance(days=32)
    deliver()
    assert temporal.signals == [signal], "a renewal is not the payment that it waited for"


def test_a_workflow_hears_that_nobody_paid(story: Story, temporal: TemporalServer) -> None:
    payment = story.post(
        "/payments",
        {"user_id": "alice", "amount": AMOUNT, "expires_in": 3600, "workflow_id": "order-7"},
    )
    story.advance(hours=2)
    deliver()
    assert story.get(f"/payments/{payment['id']}")["status"] == "expired"
    (signal,) = temporal.signals
    assert (signal.workflow_id, signal.signal) == ("order-7", "PaymentExpired")
    assert (signal.argument["payment"], signal.argument["invoice"]) == (payment["id"], None)


def test_temporal_is_away_while_the_buyer_pays(story: Story, temporal: TemporalServer) -> None:
    payment = story.post(
        "/payments", {"user_id": "alice", "amount": AMOUNT, "workflow_id": "order-7"}
    )
    temporal.stop()
    story.stripe.v1.payment_intents.confirm(
        payment["stripe_id"],
        {"payment_method": "pm_card_visa", "return_url": "https://app.example.com/thanks"},
    )
    story.process_everything()
    assert deliver() == [], "the receipt waits for two minutes, and no mail waits for Temporal"
    story.advance(hours=5)
    assert deliver() == ["Your receipt from Acme"]
    assert temporal.signals == []
    temporal.start()
    deliver()
    assert [each.signal for each in temporal.signals] == ["PaymentConfirmed"]
