"""Tenants take amounts by client secret, off session and by bank debit."""

import pytest
from stripe import CardError

from sandbox import buyer
from tests.billing.tenant import Json
from tests.scenarios.story import Story

RETURN = "https://app.example.com/thanks"


def take(story: Story, **body: object) -> Json:
    amount = {"amount": 2900, "currency": "usd"}
    return story.post("/payments", {"user_id": "alice", "amount": amount, **body})


def confirm(story: Story, payment: Json, card: str = "pm_card_visa") -> str:
    """The tenant's front end with the client secret; the intent's status."""
    id_, _, _ = payment["client_secret"].partition("_secret_")
    body = {"payment_method": card, "return_url": RETURN}
    return str(story.stripe.v1.payment_intents.confirm(id_, body).status)  # type: ignore[arg-type]


def status(story: Story, payment: Json) -> str:
    return str(story.get(f"/payments/{payment['id']}/status")["status"])


def test_a_workflow_pays_once_however_often_it_asks(story: Story) -> None:
    first = take(story, reference="workflow-7", expires_in=86_400)
    again = take(story, reference="workflow-7", expires_in=86_400)
    assert (again["id"], again["client_secret"]) == (first["id"], first["client_secret"])
    other = {"user_id": "alice", "amount": {"amount": 3000, "currency": "usd"}}
    refused = story.api.post("/payments", {**other, "reference": "workflow-7"})
    assert story.refused(refused) == (409, "reference-reused")
    assert confirm(story, first) == "succeeded"
    story.process_everything()
    assert story.events() == ["customer.created", "payment.created", "payment.paid"]
    story.advance(days=400)
    assert status(story, first) == "paid"
    assert take(story, reference="workflow-7")["id"] == first["id"]
    assert story.events() == []


def test_an_unpaid_payment_expires_after_a_day(story: Story) -> None:
    payment = take(story, expires_in=86_400)
    story.advance(hours=23)
    assert status(story, payment) == "pending"
    story.events()
    story.advance(hours=2)
    assert status(story, payment) == "expired"
    assert story.events() == ["payment.expired"]
    with pytest.raises(Exception, match="canceled"):
        confirm(story, payment)
    story.advance(days=3)
    assert story.events() == []


def test_a_payment_in_the_last_second_counts(story: Story) -> None:
    payment = take(story, expires_in=3600)
    story.advance(seconds=3599)
    assert confirm(story, payment) == "succeeded"
    story.advance(seconds=10)
    assert status(story, payment) == "paid"
    event_types = story.events()
    assert (event_types.count("payment.paid"), event_types.count("payment.expired")) == (1, 0)


def test_a_declined_payment_is_paid_with_another_card(story: Story) -> None:
    payment = take(story)
    with pytest.raises(CardError):
        confirm(story, payment, "pm_card_visa_chargeDeclined")
    story.process_everything()
    assert status(story, payment) == "failed"
    assert confirm(story, payment) == "succeeded"
    story.process_everything()
    assert status(story, payment) == "paid"
    assert [each for each in story.events() if each.startswith("payment.")] == [
        "payment.created",
        "payment.failed",
        "payment.paid",
    ]


def test_a_payer_confirms_with_the_bank(story: Story) -> None:
    payment = take(story)
    assert confirm(story, payment, "pm_card_authenticationRequired") == "requires_action"
    story.process_everything()
    assert status(story, payment) == "requires_action"
    buyer.authenticate(story.stripe.world, payment["stripe_id"], succeeds=True)
    story.process_everything()
    assert status(story, payment) == "paid"


def test_a_month_of_charges_while_the_user_is_away(story: Story) -> None:
    confirm(story, take(story, save_payment_method=True))
    story.process_everything()
    story.events()
    for week in range(4):
        story.advance(days=7)
        charged = take(story, off_session=True, reference=f"usage-{week}")
        assert charged["status"] == "paid"
        story.process_everything()
        assert story.events() == ["payment.created", "payment.paid"]
    story.declines()
    body = {"user_id": "alice", "amount": {"amount": 100, "currency": "usd"}, "off_session": True}
    assert story.refused(story.api.post("/payments", body)) == (402, "card-declined")
    story.process_everything()
    assert story.events() == ["payment.created", "payment.failed"]


@pytest.mark.parametrize(("token", "end"), [("success", "paid"), ("failed", "failed")])
def test_a_bank_debit_is_answered_days_later(story: Story, token: str, end: str) -> None:
    price = story.sells("Report", 4900, interval=None, currency="eur", features={"report": True})
    checkout = story.open(price)
    assert story.pay(checkout, card=f"pm_sepaDebit_{token}").status == "complete"
    story.process_everything()
    assert story.may("report") == "no: not_entitled"
    body = story.get(f"/checkout/{checkout['id']}")
    assert (body["status"], body["payment_status"]) == ("complete", "unpaid")
    assert status(story, {"id": body["payment"]}) == "processing"
    story.events()
    story.advance(days=15)
    assert status(story, {"id": body["payment"]}) == end
    assert story.may("report") == ("entitled" if end == "paid" else "no: not_entitled")
    event_types = story.events()
    assert event_types.count(f"payment.{end}") == 1
    assert event_types.count("entitlements.changed") == (1 if end == "paid" else 0)
