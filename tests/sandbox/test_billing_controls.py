"""Control requests act for buyers, banks and the merchant's settings."""

import pytest
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from tests.sandbox.shop import DAY, NOW


@pytest.fixture
def controls(world) -> Client:
    return Client(SandboxApplication(world))


def post(controls, what, **data):
    return controls.post(f"/_sandbox/{what}", json=data)


def test_a_control_pays_a_session_without_a_browser(shop, controls):
    session = shop.session(shop.price())
    declined = post(controls, f"checkout/{session.id}/pay", card="4000000000000002")
    assert declined.status_code == 200
    assert declined.json["status"] == "declined"
    assert declined.json["decline_code"] == "generic_decline"
    paid = post(controls, f"checkout/{session.id}/pay", email="ada@example.com", name="Ada")
    assert paid.json["status"] == "complete"
    done = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer"]})
    assert (done.payment_status, done.customer.name) == ("paid", "Ada")
    again = post(controls, f"checkout/{session.id}/pay")
    assert again.status_code == 400
    assert again.json == {"error": "This Checkout Session is already complete."}
    assert post(controls, "checkout/cs_test_no/pay").status_code == 404


def test_a_control_answers_three_d_secure(shop, controls):
    session = shop.session(shop.price(), "subscription")
    card = {"card": "pm_card_authenticationRequired"}
    waiting = post(controls, f"checkout/{session.id}/pay", **card, authenticates=None)
    assert waiting.json["status"] == "requires_action"
    intent = waiting.json["url"].rpartition("/")[2]
    failed = post(controls, f"authentications/{intent}", succeeds=False)
    assert failed.json["status"] == "declined"
    assert post(controls, f"checkout/{session.id}/pay", **card).json["status"] == "complete"


def test_a_control_changes_collection_settings(shop, controls):
    assert controls.get("/_sandbox/billing-settings").json == {
        "retry_after_days": [3, 5, 7],
        "after_retries": "cancel",
        "overdue_days": 30,
        "after_overdue": "leave_past_due",
    }
    changed = post(controls, "billing-settings", retry_after_days=[1], after_retries="mark_unpaid")
    assert (changed.json["retry_after_days"], changed.json["after_retries"]) == ([1], "mark_unpaid")
    overdue = post(controls, "billing-settings", overdue_days=60, after_overdue="cancel")
    assert (overdue.json["overdue_days"], overdue.json["after_overdue"]) == (60, "cancel")
    refused = post(controls, "billing-settings", after_retries="forget")
    assert refused.status_code == 400
    assert "after_retries is one of" in refused.json["error"]
    refused = post(controls, "billing-settings", overdue_days=10)
    assert (refused.status_code, refused.json["error"]) == (400, "overdue_days is 30, 60 or 90.")


def test_advancing_the_clock_performs_all_due_work(shop, controls):
    shop.subscribe()
    answer = post(controls, "clock/advance", seconds=32 * DAY)
    assert answer.json["now"] == NOW + 32 * DAY
    assert len(shop.client.v1.invoices.list({"status": "paid"}).data) == 2
