"""Early fraud warnings are read over the API and end with a dispute or refund."""

import json

import pytest
from werkzeug.test import Client

from sandbox import bank
from sandbox.app import SandboxApplication
from sandbox.errors import StripeFailure
from tests.sandbox.test_disputes import paid

KIND = "radar.early_fraud_warning"


@pytest.mark.parametrize("what", ["dispute", "refund"])
def test_a_warning_until_the_money_is_contested_or_back(shop, what):
    intent = paid(shop)
    warning = bank.issue_fraud_warning(shop.world, intent.id, fraud_type="made_with_stolen_card")
    assert shop.news() == [f"{KIND}.created"]
    api = shop.client.v1.radar.early_fraud_warnings
    (listed,) = api.list({"payment_intent": intent.id}).data
    assert (listed.id, listed.actionable, listed.charge) == (
        warning["id"],
        True,
        intent.latest_charge,
    )
    assert api.list({"charge": "ch_other"}).data == []
    if what == "dispute":
        bank.open_dispute(shop.world, intent.id)
    else:
        shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert api.retrieve(warning["id"]).actionable is False
    assert shop.news().count(f"{KIND}.updated") == 1


def test_a_control_issues_warnings_for_card_charges_only(shop):
    intent = paid(shop)
    page = Client(SandboxApplication(shop.world))
    answer = page.post(f"/_sandbox/fraud-warnings/{intent.id}", json={"fraud_type": "misc"})
    assert (answer.status_code, json.loads(answer.data)["object"]) == (200, KIND)
    debit = shop.client.v1.payment_intents.create(
        {"amount": 1000, "currency": "usd", "payment_method": "pm_usBankAccount_success",
         "confirm": True, "return_url": "https://example.com"}
    )  # fmt: skip
    with pytest.raises(StripeFailure):
        bank.issue_fraud_warning(shop.world, debit.id)
