"""Test cards behave as Stripe's table says."""

import pytest
import stripe

from sandbox.cards import CARDS
from tests.sandbox.refusals import error_of


@pytest.fixture
def ada(client):
    return client.v1.customers.create({"name": "Ada"})


def method_of(client, number, **fields):
    card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123", **fields}
    return client.v1.payment_methods.create({"type": "card", "card": card})


def pay(client, method, **fields):
    return client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": method,
            "confirm": True,
            "return_url": "https://example.com/back",
            **fields,
        }
    )


def status_or_refusal(action):
    """What a payer would see: the status, or the reason of the refusal."""
    try:
        return action().status
    except stripe.CardError as declined:
        return error_of(declined).decline_code or declined.code


ON_SESSION = {
    "4242424242424242": "succeeded",
    "4000056655665556": "succeeded",
    "5555555555554444": "succeeded",
    "4000000000005423": "succeeded",
    "378282246310005": "succeeded",
    "6011111111111117": "succeeded",
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
    "4000000000000119": "processing_error",
    "4000000000006975": "card_velocity_exceeded",
    "4000000000000341": "generic_decline",
    "4000002500003155": "requires_action",
    "4000002760003184": "requires_action",
    "4000003800000446": "requires_action",
    "4000008260003178": "requires_action",
    "4000000000003220": "requires_action",
    "4000008400001629": "requires_action",
    "4000000000003055": "succeeded",
    "4000000000007726": "succeeded",
    "4000000000005126": "succeeded",
    "4000000000000259": "succeeded",
    "4000000000002685": "succeeded",
    "4000000000001976": "succeeded",
}
REFUSED_BY_ATTACH = {
    "4000000000000002",
    "4000000000009995",
    "4000000000009987",
    "4000000000009979",
    "4000000000000069",
    "4000000000000127",
    "4000000000000119",
    "4000000000006975",
}


def test_every_documented_test_card_is_known():
    assert {card.number for card in CARDS} == set(ON_SESSION)


@pytest.mark.parametrize(("number", "expected"), ON_SESSION.items())
def test_cards_pay_on_session_as_documented(client, number, expected):
    method = method_of(client, number)
    assert method.card.last4 == number[-4:]
    assert status_or_refusal(lambda: pay(client, method.id)) == expected


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
def test_a_token_stands_for_its_card(client, card):
    (token,) = card.tokens
    assert status_or_refusal(lambda: pay(client, token)) == ON_SESSION[card.number]


@pytest.mark.parametrize("number", ON_SESSION)
def test_cards_attach_as_documented(client, ada, number):
    method = method_of(client, number)
    if number not in REFUSED_BY_ATTACH:
        assert client.v1.payment_methods.attach(method.id, {"customer": ada.id}).customer == ada.id
        return
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_methods.attach(method.id, {"customer": ada.id})
    assert declined.value.http_status == 402
    assert client.v1.customers.payment_methods.list(ada.id).data == []


OFF_SESSION = {
    "4242424242424242": "succeeded",
    "4000000000000341": "generic_decline",
    "4000002500003155": "authentication_required",
    "4000002760003184": "authentication_required",
    "4000003800000446": "succeeded",
    "4000000000003220": "authentication_required",
}


@pytest.mark.parametrize(("number", "expected"), OFF_SESSION.items())
def test_cards_pay_off_session_as_documented(client, ada, number, expected):
    method = client.v1.payment_methods.attach(method_of(client, number).id, {"customer": ada.id})
    away = {"customer": ada.id, "off_session": True}
    assert status_or_refusal(lambda: pay(client, method.id, **away)) == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "4242"}, "incorrect_number"),
        ({"number": "4012888888881881"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
        ({"cvc": "12"}, "invalid_cvc"),
    ],
)
def test_a_card_that_is_typed_wrongly(client, fields, code):
    with pytest.raises(stripe.CardError) as declined:
        method_of(client, **{"number": "4242424242424242", **fields})
    assert declined.value.http_status == 402
    assert declined.value.code == code


def test_spaces_between_the_digits(client):
    assert method_of(client, "4242 4242 4242 4242").card.last4 == "4242"


def test_one_number_has_one_fingerprint(client):
    one, two = method_of(client, "4242424242424242"), method_of(client, "4242424242424242")
    other = method_of(client, "4000056655665556")
    assert one.id != two.id
    assert one.card.fingerprint == two.card.fingerprint != other.card.fingerprint


def test_card_numbers_are_never_shown(client, ada, world):
    method = client.v1.payment_methods.attach(
        method_of(client, "4242424242424242").id, {"customer": ada.id}
    )
    intent = pay(client, method.id, customer=ada.id)
    shown = [method, intent, client.v1.events.list({"limit": 100})]
    assert "4242424242424242" not in "".join(str(each) for each in shown)
