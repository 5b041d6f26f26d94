"""``request_three_d_secure`` challenges cards that would succeed without it."""

import pytest
import stripe

from sandbox import buyer
from tests.sandbox.refusals import error_of

OPTIONAL = "4000000000003055"
"""Enrolled in 3-D Secure, which it does not require."""
RETURN = "https://shop.example/done"
CHALLENGING_REQUESTS = ["any", "challenge"]


def options(authentication_request):
    return (
        {"payment_method_options": {"card": {"request_three_d_secure": authentication_request}}}
        if authentication_request
        else {}
    )


def pay(shop, method="pm_card_threeDSecureOptional", **params):
    sent = {"amount": 1000, "currency": "usd", "payment_method": method, "confirm": True}
    return shop.client.v1.payment_intents.create({**sent, "return_url": RETURN, **params})


@pytest.mark.parametrize(
    ("authentication_request", "status"),
    [
        (None, "succeeded"),
        ("automatic", "succeeded"),
        *((each, "requires_action") for each in CHALLENGING_REQUESTS),
    ],
)
def test_a_payment_intent_requests_authentication(shop, authentication_request, status):
    intent = pay(shop, **options(authentication_request))
    assert intent.status == status
    shown = intent.payment_method_options.card.request_three_d_secure
    assert shown == (authentication_request or "automatic")
    if status == "requires_action":
        assert buyer.authenticate(shop.world, intent.id, succeeds=True).status == "complete"


def test_confirmation_or_update_can_request_authentication(shop):
    intents = shop.client.v1.payment_intents
    for by_update in (True, False):
        intent = intents.create(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_threeDSecureOptional"}
        )
        if by_update:
            intents.update(intent.id, options("any"))
        sent = {"return_url": RETURN, **({} if by_update else options("any"))}
        assert intents.confirm(intent.id, sent).status == "requires_action"


def test_a_card_that_is_not_enrolled_is_not_asked(shop):
    assert pay(shop, "pm_card_visa", **options("challenge")).status == "succeeded"


def test_an_off_session_payment_is_not_challenged(shop):
    customer = shop.customer("pm_card_threeDSecureOptional")
    method = shop.client.v1.customers.retrieve(customer).invoice_settings.default_payment_method
    intent = pay(shop, method, customer=customer, off_session=True, **options("any"))
    assert intent.status == "succeeded"


@pytest.mark.parametrize("authentication_request", CHALLENGING_REQUESTS)
@pytest.mark.parametrize("mode", ["payment", "subscription", "setup"])
def test_a_session_requests_authentication(shop, mode, authentication_request):
    """Its own options reach the intent that the page makes."""
    if mode == "setup":
        session = shop.client.v1.checkout.sessions.create(
            {
                "mode": "setup",
                "currency": "usd",
                "success_url": RETURN,
                **options(authentication_request),
            }
        )
    else:
        price = shop.price(interval="month" if mode == "subscription" else None)
        session = shop.session(price, mode, **options(authentication_request))
    outcome = shop.pay(session, OPTIONAL, authenticates=None)
    assert outcome.status == "requires_action"
    again = shop.pay(session, OPTIONAL, authenticates=True)
    assert again.status == "complete"


def test_a_session_without_the_option_is_not_challenged(shop):
    session = shop.session(shop.price(interval=None), "payment")
    assert shop.pay(session, OPTIONAL, authenticates=None).status == "complete"


def test_a_setup_intent_requests_authentication(shop):
    create = shop.client.v1.setup_intents.create
    sent = {"payment_method": "pm_card_threeDSecureOptional", "confirm": True, "return_url": RETURN}
    assert create(sent).status == "succeeded"
    assert create({**sent, **options("any")}).status == "requires_action"


@pytest.mark.parametrize(
    "sent",
    [
        {"card": {"moto": True}},
        {"card": {"network": "visa"}},
        {"link": {"setup_future_usage": "none"}},
    ],
)
def test_other_options_are_refused(shop, sent):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        pay(shop, payment_method_options=sent)
    assert error_of(raised).param in ("moto", "network", "link")
