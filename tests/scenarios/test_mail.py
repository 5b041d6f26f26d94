"""Customers get the message that each event of their story makes, once."""

from typing import Any

import pytest
from django.core import mail

from delivery.models import Notification
from tests.billing.tenant import Json
from tests.scenarios import chores
from tests.scenarios.story import Story

TASKS = ("delivery.plan_mail", "delivery.plan_clock_notices", "delivery.send_mail")


class Inbox:
    """The mails of a story, since its project turned them on."""

    def __init__(self, story: Story, **settings: Any) -> None:
        self._story = story
        story.post("/customers", {"user_id": "alice", "email": "alice@example.com"})
        story.patch(f"/projects/{story.project.pk}", {"contact_email": "team@acme.example"})
        story.patch(f"/projects/{story.project.pk}/mail", {"channel": "mail", **settings})
        self.read()

    def read(self) -> list[Any]:
        """The mails that are new."""
        chores.run("events.number")
        for task in TASKS:
            chores.run(task)
        new, mail.outbox = list(mail.outbox), []
        return new

    def read_one(self) -> Any:
        (message,) = self.read()
        return message

    def subjects(self) -> list[str]:
        return [message.subject.removeprefix("[Test] ") for message in self.read()]

    def reasons(self) -> dict[str, str]:
        """Why messages were not sent, by kind."""
        rows = Notification.objects.for_project(self._story.project)
        return {row.kind: row.reason for row in rows.filter(state="suppressed")}


@pytest.fixture
def inbox(story: Story) -> Inbox:
    return Inbox(story, brand_name="Acme Cloud", reply_to="help@acme.example")


def year(story: Story) -> int:
    """Stories begin on the next 10 November."""
    return story.now.year


def html_of(message: Any) -> str:
    return str(message.alternatives[0][0])


def test_a_receipt_has_the_invoice_and_its_link(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 2900))
    message = inbox.read_one()
    invoice = story.get("/invoices")["data"][0]
    assert message.subject == "[Test] Your receipt from Acme Cloud"
    assert message.to == ["alice@example.com"]
    assert message.from_email == "Acme Cloud <billing@tollgate.example>"
    assert message.reply_to == ["help@acme.example"]
    assert "List-Unsubscribe" not in message.extra_headers
    assert "We received your payment of $29.00." in message.body
    assert f"Invoice: {invoice['number']}" in message.body
    assert invoice["hosted_url"] in message.body
    assert invoice["hosted_url"] in html_of(message)
    story.advance(minutes=3)
    assert inbox.subjects() == [], "the payment of an invoice has no receipt of its own"
    story.advance(days=31)
    assert inbox.subjects() == ["Your receipt from Acme Cloud"]


def test_a_sale_without_an_invoice_has_one_receipt(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Ticket", 1500, interval=None))
    assert inbox.subjects() == []
    story.advance(minutes=3)
    message = inbox.read_one()
    assert message.subject == "[Test] Your receipt from Acme Cloud"
    assert "For: 1 × Ticket" in message.body
    assert "Paid: $15.00" in message.body


def test_a_failed_renewal_has_the_link_that_fixes_it(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 2900))
    inbox.read()
    story.declines()
    story.advance(days=31, hours=2)
    message = inbox.read_one()
    invoice = story.get("/invoices")["data"][0]
    assert message.subject == "[Test] Your payment to Acme Cloud failed"
    assert invoice["hosted_url"] in message.body
    assert "We will try again on" in message.body
    story.accepts()
    story.advance(days=3)
    assert inbox.subjects() == ["Your receipt from Acme Cloud"]


def test_a_failure_that_is_paid_by_now_is_not_told(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 2900))
    inbox.read()
    story.declines()
    story.advance(days=31, hours=2)
    chores.run("events.number")
    chores.run("delivery.plan_mail")
    story.accepts()
    story.stripe.v1.invoices.pay(story.get("/invoices")["data"][0]["stripe_id"])
    story.process_everything()
    assert story.get("/invoices")["data"][0]["status"] == "paid"
    assert inbox.subjects() == ["Your receipt from Acme Cloud"]
    assert inbox.reasons() == {"payment_failed": "invoice_paid"}


def test_a_trial_that_ends(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 2900), trial_period_days=14)
    assert inbox.subjects() == [], "nothing was paid"
    story.advance(days=11, hours=1)
    message = inbox.read_one()
    assert message.subject == f"[Test] Your trial at Acme Cloud ends on November 24, {year(story)}"
    assert "After it, your subscription costs $29.00 per period." in message.body


def test_a_trial_that_is_canceled_by_now(story: Story, inbox: Inbox) -> None:
    price = story.sells("Pro", 2900)
    story.buys(price, trial_period_days=14)
    story.advance(days=11, hours=1)
    chores.run("events.number")
    chores.run("delivery.plan_mail")
    story.delete(f"/subscriptions/alice/{price['product']}")
    story.process_everything()
    assert inbox.subjects() == []
    assert inbox.reasons() == {"trial_ending": "canceled"}


def test_a_renewal_is_announced_once_a_week_before(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 2900))
    inbox.read()
    story.advance(days=22)
    assert inbox.subjects() == []
    story.advance(days=2)
    message = inbox.read_one()
    day = f"December 10, {year(story)}"
    assert message.subject == f"[Test] Your subscription at Acme Cloud renews on {day}"
    assert "for $29.00" in message.body
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    story.advance(days=1)
    assert inbox.subjects() == []


def test_a_weekly_renewal_is_not_announced(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Pro", 500, interval="week"))
    inbox.read()
    story.advance(days=5)
    assert inbox.subjects() == []


def test_the_end_of_a_subscription(story: Story, inbox: Inbox) -> None:
    price = story.sells("Pro", 2900)
    story.buys(price)
    inbox.read()
    story.delete(f"/subscriptions/alice/{price['product']}?when=now")
    story.process_everything()
    message = inbox.read_one()
    assert message.subject == "[Test] Your subscription at Acme Cloud has ended"
    assert "Subscription: Pro" in message.body


def test_a_payment_that_expires(story: Story, inbox: Inbox) -> None:
    amount = {"amount": 2900, "currency": "usd"}
    body = {"user_id": "alice", "amount": amount, "expires_in": 3600, "description": "A ticket"}
    story.post("/payments", body)
    story.advance(hours=2)
    message = inbox.read_one()
    assert message.subject == "[Test] Your order at Acme Cloud was canceled"
    assert "For: A ticket" in message.body


def test_a_declined_card_on_the_page_is_told_if_the_buyer_leaves(
    story: Story, inbox: Inbox
) -> None:
    checkout = story.open(story.sells("Ticket", 1500, interval=None))
    assert story.pay(checkout, card="4000000000000002").status == "declined"
    story.process_everything()
    assert inbox.subjects() == []
    story.advance(minutes=11)
    message = inbox.read_one()
    assert message.subject == "[Test] Your payment to Acme Cloud failed"
    assert checkout["url"] in message.body


def test_each_refund_names_its_own_amount(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Ticket", 10_000, interval=None))
    story.advance(minutes=3)
    inbox.read()
    (payment,) = story.get("/payments")["data"]
    for refunded, total in ((2500, "$25.00"), (1000, "$35.00")):
        story.post(f"/payments/{payment['id']}/refunds", {"amount": refunded})
        story.process_everything()
        message = inbox.read_one()
        assert f"We have refunded ${refunded / 100:.2f}." in message.body
        assert f"Refunded in total: {total}" in message.body


def test_a_key_that_expires_is_told_to_the_projects_people(story: Story, inbox: Inbox) -> None:
    in_ten_days = f"{year(story)}-11-20T12:00:00Z"
    body: Json = {"name": "Server", "scopes": ["keys:read"], "expires_at": in_ten_days}
    story.post(f"/projects/{story.project.pk}/keys", body)
    message = inbox.read_one()
    assert message.to == ["team@acme.example"]
    assert message.subject == f"[Test] An API key of Acme expires on November 20, {year(story)}"
    assert inbox.subjects() == []


def test_an_erased_customer_gets_nothing(story: Story, inbox: Inbox) -> None:
    story.buys(story.sells("Ticket", 1500, interval=None))
    chores.run("events.number")
    chores.run("delivery.plan_mail")
    story.delete("/customers/alice")
    story.advance(minutes=3)
    assert inbox.subjects() == []
    assert set(inbox.reasons().values()) == {"customer_erased"}


def test_a_customer_reads_their_own_language(story: Story, inbox: Inbox) -> None:
    story.patch("/customers/alice", {"locale": "de-at"})
    assert story.get("/customers/alice")["locale"] == "de-AT"
    story.buys(story.sells("Pro", 2900, currency="eur"))
    message = inbox.read_one()
    assert message.subject == "[Test] Ihr Beleg von Acme Cloud"
    assert "Wir haben Ihre Zahlung von €\u00a029,00 erhalten." in message.body


def test_credits_and_limits_that_run_out(story: Story, inbox: Inbox) -> None:
    brings = {"amount": 100, "expires_after_days": None, "priority": 50}
    story.buys(story.sells("Pack", 1000, interval=None, product={"credits": brings}))
    story.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    metered = {"kind": "metered", "meter": "calls", "period": "month", "anchored": True}
    story.post("/features", {"code": "calls", "name": "API calls", **metered})
    story.buys(story.sells("Pro", 2900, features={"calls": 10}))
    story.advance(minutes=3)
    inbox.read()
    story.post("/credits/alice/spend", {"amount": 95})
    story.process_everything()
    message = inbox.read_one()
    assert message.subject == "[Test] Your credits at Acme Cloud are low"
    assert "You have 5 credits left." in message.body
    used = {"user_id": "alice", "feature": "calls", "amount": 10}
    story.post("/entitlements/consume", used)
    story.process_everything()
    message = inbox.read_one()
    assert message.subject == "[Test] You have reached a limit at Acme Cloud"
    assert "You have used all 10 of “API calls”." in message.body
    assert f"The count starts again on December 10, {year(story)}." in message.body
