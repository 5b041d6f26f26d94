"""Setup intents save cards for later payments."""

import pytest
import stripe

from sandbox.resources import setup_intents
from tests.sandbox.refusals import error_of


@pytest.fixture
def ada(client):
    return client.v1.customers.create({"name": "Ada"})


def test_a_card_is_saved_and_pays_later(client, ada, event_types):
    intent = client.v1.setup_intents.create({"customer": ada.id})
    assert intent.status == "requires_payment_method"
    intent = client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert intent.status == "succeeded"
    (method,) = client.v1.customers.payment_methods.list(ada.id).data
    assert method.id == intent.payment_method
    assert event_types() == [
        "customer.created",
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_card_is_saved_with_three_d_secure(world, client, ada, succeeds):
    intent = client.v1.setup_intents.create(
        {
            "customer": ada.id,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True,
            "return_url": "https://example.com",
        }
    )
    assert intent.status == "requires_action"
    assert intent.next_action.redirect_to_url.url.endswith(f"/pages/3ds/{intent.id}")
    with world.transaction() as tx:
        stored = tx.get("setup_intent", intent.id)
        setup_intents.finish_authentication(tx, stored, succeeds=succeeds)
    intent = client.v1.setup_intents.retrieve(intent.id)
    if not succeeds:
        assert intent.status == "requires_payment_method"
        assert intent.last_setup_error.code == "setup_intent_authentication_failure"
        return
    later = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": ada.id,
            "payment_method": intent.payment_method,
            "confirm": True,
            "off_session": True,
        }
    )
    assert (intent.status, later.status) == ("succeeded", "succeeded")


def test_a_declined_card_is_not_saved(client, ada, event_types):
    with pytest.raises(stripe.CardError) as declined:
        client.v1.setup_intents.create(
            {
                "customer": ada.id,
                "payment_method": "pm_card_visa_chargeDeclined",
                "confirm": True,
            }
        )
    error = error_of(declined)
    assert error.setup_intent.last_setup_error.decline_code == "generic_decline"
    assert client.v1.customers.payment_methods.list(ada.id).data == []
    assert event_types()[-1] == "setup_intent.setup_failed"


def test_a_setup_intent_is_canceled(client):
    intent = client.v1.setup_intents.create({})
    assert client.v1.setup_intents.cancel(intent.id).status == "canceled"
    for action in (client.v1.setup_intents.cancel, client.v1.setup_intents.confirm):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            action(intent.id)
        assert refused.value.code == "setup_intent_unexpected_state"
