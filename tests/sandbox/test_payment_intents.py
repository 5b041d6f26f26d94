"""Payment intents are confirmed, authenticated, captured and canceled."""

import pytest
import stripe

from sandbox import forced_declines, payments
from sandbox.resources import payment_methods
from tests.sandbox.refusals import error_of

INTENT = {"amount": 1000, "currency": "usd"}
NO_REDIRECTS = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
CONFIRM = {**INTENT, **NO_REDIRECTS, "confirm": True}


def authenticate(world, intent, *, succeeds=True):
    with world.transaction() as tx:
        payments.finish_authentication(tx, tx.get("payment_intent", intent.id), succeeds=succeeds)


def test_a_payment_intent_is_confirmed_step_by_step(client, event_types):
    intent = client.v1.payment_intents.create({**INTENT, **NO_REDIRECTS})
    assert intent.status == "requires_payment_method"
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    intent = client.v1.payment_intents.update(intent.id, {"payment_method": "pm_card_visa"})
    assert intent.status == "requires_confirmation"
    intent = client.v1.payment_intents.confirm(intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    charge = intent.latest_charge
    assert (charge.status, charge.captured, charge.amount_captured) == ("succeeded", True, 1000)
    assert charge.payment_intent == intent.id
    assert event_types() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]


def test_metadata_reaches_the_charge(client):
    paid = client.v1.payment_intents.create(
        {**CONFIRM, "payment_method": "pm_card_visa", "metadata": {"order": "6"}}
    )
    assert client.v1.charges.retrieve(paid.latest_charge).metadata.order == "6"


def test_a_decline_is_a_402_that_leaves_the_intent_behind(client, event_types):
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.create(
            {**CONFIRM, "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        )
    error = error_of(declined)
    assert declined.value.http_status == 402
    assert (error.type, error.code) == ("card_error", "card_declined")
    assert (error.decline_code, error.advice_code) == ("insufficient_funds", "try_again_later")
    assert error.doc_url == "https://docs.stripe.com/error-codes#card-declined"
    assert event_types() == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]

    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.payment_method is None
    assert intent.last_payment_error.decline_code == "insufficient_funds"
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, "card_declined")
    assert charge.id == error.charge

    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    charges = client.v1.charges.list({"payment_intent": intent.id})
    assert [each.status for each in charges] == ["succeeded", "failed"]


def test_three_d_secure_passed(world, client, event_types):
    intent = client.v1.payment_intents.create(
        {**CONFIRM, "payment_method": "pm_card_threeDSecure2Required"}
    )
    assert intent.status == "requires_action"
    assert intent.next_action.redirect_to_url.url == f"{world.base_url}/pages/3ds/{intent.id}"
    authenticate(world, intent)
    intent = client.v1.payment_intents.retrieve(intent.id)
    assert (intent.status, intent.next_action) == ("succeeded", None)
    assert event_types()[:2] == ["payment_intent.created", "payment_intent.requires_action"]


def test_failed_authentication_needs_another_payment_method(world, client):
    intent = client.v1.payment_intents.create(
        {**CONFIRM, "payment_method": "pm_card_authenticationRequired"}
    )
    authenticate(world, intent, succeeds=False)
    intent = client.v1.payment_intents.retrieve(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert intent.latest_charge is None


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_threeDSecureRequiredChargeDeclined", "generic_decline"),
    ],
)
def test_three_d_secure_passed_and_then_declined(world, client, token, reason):
    intent = client.v1.payment_intents.create({**CONFIRM, "payment_method": token})
    authenticate(world, intent)
    intent = client.v1.payment_intents.retrieve(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.decline_code == reason


def test_a_card_set_up_on_session_pays_off_session_later(world, client):
    ada = client.v1.customers.create({"name": "Ada"})
    first = client.v1.payment_intents.create(
        {
            **CONFIRM,
            "customer": ada.id,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "setup_future_usage": "off_session",
        }
    )
    authenticate(world, first)
    (method,) = client.v1.customers.payment_methods.list(ada.id).data
    later = client.v1.payment_intents.create(
        {**CONFIRM, "customer": ada.id, "payment_method": method.id, "off_session": True}
    )
    assert later.status == "succeeded"


def test_authorise_and_capture_in_part(client, event_types):
    intent = client.v1.payment_intents.create(
        {**CONFIRM, "payment_method": "pm_card_visa", "capture_method": "manual"}
    )
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "requires_capture",
        1000,
        0,
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1001})
    assert refused.value.param == "amount_to_capture"
    taken = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 600})
    assert (taken.status, taken.amount_received) == ("succeeded", 600)
    charge = client.v1.charges.retrieve(taken.latest_charge)
    assert (charge.captured, charge.amount_captured) == (True, 600)
    assert event_types()[-4:] == [
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


def test_a_payment_intent_is_canceled(client, event_types):
    intent = client.v1.payment_intents.create(INTENT)
    intent = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason) == ("canceled", "abandoned")
    assert event_types() == ["payment_intent.created", "payment_intent.canceled"]


def test_cancelling_an_authorisation_lets_the_money_go(client):
    intent = client.v1.payment_intents.create(
        {**CONFIRM, "payment_method": "pm_card_visa", "capture_method": "manual"}
    )
    client.v1.payment_intents.cancel(intent.id)
    assert client.v1.charges.retrieve(intent.latest_charge).refunded is True


def test_a_finished_intent_cannot_change(client):
    paid = client.v1.payment_intents.create({**CONFIRM, "payment_method": "pm_card_visa"})
    for action in (
        lambda: client.v1.payment_intents.confirm(paid.id),
        lambda: client.v1.payment_intents.cancel(paid.id),
        lambda: client.v1.payment_intents.capture(paid.id),
        lambda: client.v1.payment_intents.update(paid.id, {"amount": 5000}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            action()
        assert refused.value.code == "payment_intent_unexpected_state"
        assert error_of(refused).payment_intent.status == "succeeded"
    assert client.v1.payment_intents.update(paid.id, {"metadata": {"a": "b"}}).metadata.a == "b"


def test_confirming_without_a_payment_method(client):
    intent = client.v1.payment_intents.create({**INTENT, **NO_REDIRECTS})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_redirects_need_somewhere_to_return_to(client):
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        client.v1.payment_intents.create(
            {**INTENT, "confirm": True, "payment_method": "pm_card_visa"}
        )


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (0, "usd", "parameter_invalid_integer"),
        (100_000_000, "usd", "amount_too_large"),
    ],
)
def test_amounts_outside_stripes_limits_are_refused(client, amount, currency, code):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create({"amount": amount, "currency": currency})
    assert (refused.value.code, refused.value.param) == (code, "amount")


def test_a_method_is_used_once_unless_it_is_saved(client):
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    client.v1.payment_intents.create({**CONFIRM, "payment_method": method.id})
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_intents.create({**CONFIRM, "payment_method": method.id})


def test_somebody_elses_saved_card_is_refused(client):
    ada, bob = (client.v1.customers.create({"name": name}) for name in ("Ada", "Bob"))
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
        client.v1.payment_intents.create({**CONFIRM, "customer": bob.id, "payment_method": card.id})


def test_the_bank_can_be_told_to_decline_a_customer(world, client):
    ada = client.v1.customers.create({"name": "Ada"})
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    paying = {**CONFIRM, "customer": ada.id, "payment_method": card.id, "off_session": True}

    def statuses(times):
        for _ in range(times):
            try:
                yield client.v1.payment_intents.create(paying).status
            except stripe.CardError as declined:
                yield error_of(declined).decline_code

    with world.transaction() as tx:
        forced_declines.decline_payments(tx, ada.id, reason="insufficient_funds", times=1)
    assert list(statuses(2)) == ["insufficient_funds", "succeeded"]
    with world.transaction() as tx:
        forced_declines.decline_payments(tx, ada.id)
    assert list(statuses(3)) == ["generic_decline"] * 3
    with world.transaction() as tx:
        forced_declines.accept_payments(tx, ada.id)
    assert list(statuses(1)) == ["succeeded"]


def test_every_outcome_is_reported_to_the_owner(world, monkeypatch):
    heard = []
    monkeypatch.setitem(
        payments.OWNER_LISTENERS,
        "invoice",
        lambda tx, intent, id: heard.append((id, intent["status"])),
    )
    with world.transaction() as tx:
        for token in (
            "pm_card_visa",
            "pm_card_visa_chargeDeclined",
            "pm_card_threeDSecure2Required",
        ):
            method = payment_methods.resolve_method(tx, token, param="payment_method")
            intent = payments.create_payment(
                tx,
                amount=500,
                currency="eur",
                payment_method=method["id"],
                owner=("invoice", "in_1"),
            )
        payments.finish_authentication(tx, intent, succeeds=True)
    assert heard == [
        ("in_1", "succeeded"),
        ("in_1", "requires_payment_method"),
        ("in_1", "requires_action"),
        ("in_1", "succeeded"),
    ]


def test_an_intent_of_a_checkout_session_is_left_alone(world, client, monkeypatch):
    monkeypatch.delitem(payments.OWNER_LISTENERS, "checkout.session", raising=False)
    with world.transaction() as tx:
        method = payment_methods.resolve_method(tx, "pm_card_threeDSecure2Required", param="x")
        intent = payments.create_payment(
            tx,
            amount=500,
            currency="eur",
            payment_method=method["id"],
            owner=("checkout.session", "cs_test_1"),
        )
    for action in (client.v1.payment_intents.confirm, client.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError, match="Checkout Session"):
            action(intent["id"])
