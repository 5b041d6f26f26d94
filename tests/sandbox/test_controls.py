"""The control requests under /_sandbox/ and the home page work."""

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from sandbox.resources import webhook_endpoints
from tests.sandbox.shop import NOW, client_of


@pytest.fixture
def http(world):
    return Client(SandboxApplication(world))


def test_the_state_control_shows_the_world(http, client, sink):
    client.v1.customers.create({"name": "Ada"})
    state = http.get("/_sandbox/state").json
    (account,) = state["accounts"]
    assert account["objects"] == {"account": 1, "customer": 1, "event": 1, "webhook_endpoint": 1}
    assert state["deliveries_pending"] == 1
    assert state["clock"] == {"now": NOW, "frozen": True}


def test_the_fault_control_plans_faults(http, client):
    planned = http.post("/_sandbox/faults", json={"kind": "rate_limit", "path": "/v1/customers"})
    assert planned.json["times"] == 1
    assert [fault["kind"] for fault in http.get("/_sandbox/faults").json] == ["rate_limit"]
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.list()
    http.post("/_sandbox/faults", json={"kind": "error_before"})
    http.delete("/_sandbox/faults")
    assert http.get("/_sandbox/faults").json == []


def test_delivery_mode(world, http):
    set_ = http.post("/_sandbox/delivery-mode", json={"shuffled": True, "duplicates": 0.25})
    assert set_.json == {
        "shuffled": True,
        "seed": 0,
        "duplicates": 0.25,
        "drop": 0.0,
        "hold": False,
    }
    assert world.delivery_mode.shuffled is True
    assert http.post("/_sandbox/delivery-mode", json={"hold": True}).json["shuffled"] is True


def test_deliveries_and_redelivery(world, http, client, sink):
    client.v1.customers.create()
    sink.answers = [500]
    world.deliver(sink)
    (delivery,) = http.get("/_sandbox/deliveries?status=pending").json["data"]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500]
    assert http.get("/_sandbox/deliveries?status=delivered").json["count"] == 0
    assert http.post(f"/_sandbox/events/{sink.ids[0]}/redeliver", json={}).json == {"queued": 1}
    assert len(world.deliver(sink)) == 1
    assert http.get("/_sandbox/deliveries?status=delivered").json["count"] == 1


def test_endpoints_with_known_and_rolled_secrets(world, http):
    body = {"url": "http://127.0.0.1/hook", "secret": "whsec_known"}
    first = http.post("/_sandbox/endpoints", json=body).json
    assert http.post("/_sandbox/endpoints", json=body).json["id"] == first["id"]
    rolled = http.post(f"/_sandbox/endpoints/{first['id']}/roll", json={}).json["secret"]
    with world.transaction() as tx:
        assert webhook_endpoints.list_live_secrets(tx, first["id"]) == [rolled, "whsec_known"]


def test_accounts_and_keys(world, http):
    opened = http.post("/_sandbox/accounts", json={}).json
    other = client_of(world, opened["secret_key"])
    assert other.v1.accounts.retrieve_current().id == opened["id"]
    http.post("/_sandbox/keys/revoke", json={"secret_key": opened["secret_key"]})
    with pytest.raises(stripe.AuthenticationError):
        other.v1.customers.list()


def test_declining_a_customers_payments(http, client):
    ada = client.v1.customers.create({"name": "Ada"}).id
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada}).id
    paying = {
        "amount": 1000,
        "currency": "usd",
        "customer": ada,
        "payment_method": card,
        "confirm": True,
        "off_session": True,
    }
    path = f"/_sandbox/customers/{ada}"
    http.post(f"{path}/decline-payments", json={"reason": "insufficient_funds"})
    with pytest.raises(stripe.CardError, match="insufficient funds"):
        client.v1.payment_intents.create(paying)
    http.post(f"{path}/accept-payments", json={})
    assert client.v1.payment_intents.create(paying).status == "succeeded"


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/_sandbox/faults", {"kind": "explode"}, 400),
        ("/_sandbox/faults", {}, 400),
        ("/_sandbox/faults", [], 400),
        ("/_sandbox/delivery-mode", {"drop": 2}, 400),
        ("/_sandbox/delivery-mode", {"speed": 2}, 400),
        ("/_sandbox/clock", {"frozen": "perhaps"}, 400),
        ("/_sandbox/clock/advance", {"to": NOW - 1}, 400),
        ("/_sandbox/customers/cus_x/decline-payments", {}, 404),
        ("/_sandbox/events/evt_x/redeliver", {}, 404),
        ("/_sandbox/unicorns", {}, 404),
    ],
)
def test_invalid_control_requests_are_4xx(http, path, data, status):
    assert http.post(path, json=data).status_code == status


def test_the_clock_can_be_stopped_and_started(world, http):
    assert http.post("/_sandbox/clock", json={"frozen": False}).json["frozen"] is False
    assert http.post("/_sandbox/clock", json={"frozen": True}).json["frozen"] is True
    assert world.clock.frozen


def test_other_sites_cannot_reset_it(http, client):
    client.v1.customers.create()
    refused = http.post("/_sandbox/reset", json={}, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert len(client.v1.customers.list().data) == 1
    own = {"Origin": "http://localhost"}
    assert http.post("/_sandbox/reset", json={}, headers=own).status_code == 200
    assert client.v1.customers.list().data == []


def test_forms_lead_back_to_the_home_page(world, http):
    answer = http.post("/_sandbox/delivery-mode", data={"shuffled": "true", "drop": "0.5"})
    assert (answer.status_code, answer.location) == (303, "/")
    assert (world.delivery_mode.shuffled, world.delivery_mode.drop) == (True, 0.5)


def test_the_home_page_shows_what_happened_and_nothing_from_elsewhere(world, http, client, sink):
    client.v1.customers.create({"name": "Ada"})
    client.v1.webhook_endpoints.create(
        {"url": "https://e.co/?<script>", "enabled_events": ["product.created"]}
    )
    sink.answers = [500]
    world.deliver(sink)
    page = http.get("/")
    text = page.get_data(as_text=True)
    assert "customer.created" in text
    assert "last 500" in text
    assert "<script" not in text
    assert "src=" not in text
    assert sink.secret not in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_a_body_above_one_mebibyte_is_refused(http):
    answer = http.post(
        "/v1/customers",
        data=b"name=" + b"x" * 1024 * 1024,
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": "Bearer sk_test_sandbox"},
    )
    assert answer.status_code == 413
