"""The sandbox process survives kills and delivers webhooks over HTTP."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import stripe

from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
SECRET = "whsec_known_to_both"


class Receiver:
    """A web server that verifies webhooks with the SDK and answers what it is told to."""

    def __init__(self) -> None:
        self.events: list[stripe.Event] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signature = self.headers["Stripe-Signature"]
                receiver.events.append(stripe.Webhook.construct_event(body, signature, SECRET))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count: int) -> list[str]:
        """The types of the events received, once there are ``count`` of them."""
        wait_until(lambda: len(self.events) >= count, lambda: f"received: {self.events}")
        return [event.type for event in self.events]


class Sandbox:
    """A running process and an SDK client in front of it."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        match = re.fullmatch(r"Stripe sandbox listening on (http://\S+)\n", line)
        assert match, line or self.process.communicate()
        self.address = match[1]

    def client(self, *, retries: int = 0, timeout: float = PATIENCE) -> stripe.StripeClient:
        return stripe.StripeClient(
            "sk_test_process",
            base_addresses={"api": self.address},
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=timeout),
        )

    def control(self, what: str, /, **data: object) -> requests.Response:
        return requests.post(f"{self.address}/_sandbox/{what}", json=data, timeout=PATIENCE)

    def wait_until_delivered(self) -> None:
        """Until the outcome of every delivery is noted, not only received."""
        wait_until(lambda: self._pending_deliveries() == 0)

    def _pending_deliveries(self) -> int:
        state = requests.get(f"{self.address}/_sandbox/state", timeout=PATIENCE).json()
        return int(state["deliveries_pending"])

    def stop(self) -> int:
        self.process.terminate()
        status = self.process.wait(timeout=PATIENCE)
        self._close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=PATIENCE)
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def options(tmp_path, receiver) -> list[str]:
    return [
        "--state",
        str(tmp_path / "sandbox.sqlite3"),
        "--secret-key",
        "sk_test_process",
        "--webhook-url",
        receiver.url,
        "--webhook-secret",
        SECRET,
    ]


@pytest.fixture
def sandbox(options) -> Iterator[Sandbox]:
    sandbox = Sandbox(*options)
    yield sandbox
    if sandbox.process.poll() is None:
        sandbox.kill()


def test_webhooks_arrive_signed_and_in_order(sandbox, receiver):
    client = sandbox.client()
    ada = client.v1.customers.create({"name": "Ada"})
    client.v1.customers.update(ada.id, {"name": "Eve"})
    client.v1.customers.delete(ada.id)
    assert receiver.wait_for(3) == ["customer.created", "customer.updated", "customer.deleted"]


def test_a_killed_process_comes_back_with_everything(sandbox, options, receiver):
    key: stripe.RequestOptions = {"idempotency_key": "k"}
    ada = sandbox.client().v1.customers.create({"name": "Ada"}, key)
    receiver.wait_for(1)
    sandbox.wait_until_delivered()
    sandbox.kill()
    again = Sandbox(*options)
    try:
        client = again.client()
        assert client.v1.customers.retrieve(ada.id).name == "Ada"
        assert client.v1.customers.create({"name": "Ada"}, key).id == ada.id
        assert len(client.v1.webhook_endpoints.list().data) == 1
        client.v1.customers.create({"name": "Bob"})
        assert receiver.wait_for(2) == ["customer.created"] * 2
    finally:
        assert again.stop() == 0


def test_a_webhook_answered_with_500_is_sent_again(sandbox, receiver):
    receiver.answers = [500]
    sandbox.client().v1.customers.create({"name": "Ada"})
    receiver.wait_for(1)
    assert sandbox.control("clock/advance", seconds=60).status_code == 200
    assert receiver.wait_for(2) == ["customer.created"] * 2
    assert receiver.events[0].id == receiver.events[1].id


def test_held_webhooks_are_shuffled_and_sent_twice(sandbox, receiver):
    client = sandbox.client()
    sandbox.control("delivery-mode", hold=True)
    customer_ids = [client.v1.customers.create({"name": str(number)}).id for number in range(10)]
    assert receiver.events == []
    sandbox.control("delivery-mode", hold=False, shuffled=True, seed=2, duplicates=1)
    receiver.wait_for(20)
    arrived = [event.data.object.id for event in receiver.events]
    assert sorted(arrived) == sorted(customer_ids * 2)
    assert list(dict.fromkeys(arrived)) != customer_ids


def test_a_connection_can_be_reset(sandbox):
    sandbox.control("faults", kind="reset_after", method="POST", path="/v1/customers")
    client = sandbox.client()
    with pytest.raises(stripe.APIConnectionError, match="Connection aborted"):
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert len(client.v1.customers.list().data) == 1


def test_a_timeout_after_the_effect_and_the_retry_that_finds_it(sandbox):
    sandbox.control("faults", kind="timeout_after", method="POST", path="/v1/customers", seconds=5)
    client = sandbox.client(retries=1, timeout=0.5)
    new_customer = client.v1.customers.create({"name": "Ada"})
    assert new_customer.last_response.headers["Idempotent-Replayed"] == "true"
    assert [customer.id for customer in client.v1.customers.list()] == [new_customer.id]


def test_one_key_from_many_threads_makes_one_object(sandbox):
    def create(_: int) -> str:
        client = sandbox.client(retries=5)
        return str(client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"}).id)

    with ThreadPoolExecutor(8) as pool:
        customer_ids = set(pool.map(create, range(24)))
    assert len(customer_ids) == 1
    assert len(sandbox.client().v1.customers.list().data) == 1


def test_a_running_clock_performs_due_work(sandbox, receiver):
    """A refund that its bank decides an hour later: nobody calls the engine at that moment."""
    client = sandbox.client()
    paid = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_pendingRefund",
            "confirm": True,
            "return_url": "https://example.com",
        }
    )
    refund = client.v1.refunds.create({"payment_intent": paid.id})
    assert sandbox.control("clock/advance", seconds=3599).status_code == 200
    wait_until(lambda: client.v1.refunds.retrieve(refund.id).status != "pending")
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_the_process_stops_on_a_signal(sandbox):
    assert sandbox.stop() == 0


def test_a_webhook_url_needs_a_secret():
    started = subprocess.run(
        [sys.executable, "-m", "sandbox", "--webhook-url", "http://x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 2
    assert "--webhook-secret" in started.stderr


def test_the_sandbox_imports_neither_django_nor_an_app():
    code = (
        "import sys, sandbox.__main__; "
        "banned = {'django', 'rest_framework', 'celery', 'config', 'webhooks', 'billing', "
        "'entitlements', 'projects', 'events', 'common', 'usage'}; "
        "print(sorted(banned & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
