"""A payment that a tenant asks for in its trace, and what the log and receivers show of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from common.conf import EgressSettings
from delivery.sender.process import SenderProcess
from delivery.webhooks.dispatcher import Dispatcher
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.sender.receivers import Receiver, receiving
from tests.delivery.webhooks.dispatching import Dispatching, endpoint_at, header
from tests.sandbox_stripe import SandboxStripe

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"
ASKED: dict[str, str] = {"traceparent": PARENT}
PAYMENT = {
    "user_id": "alice@example.com",
    "amount": {"amount": 2900, "currency": "usd"},
    "workflow_id": "order-4711",
    "metadata": {"shipment_id": "shp_7"},
}
Drain = Callable[[], None]


@contextmanager
def delivering(project: Project, settings: Any) -> Iterator[tuple[Receiver, Dispatching]]:
    """A receiver of the project's events, and what sends them."""
    settings.EGRESS = EgressSettings(loopback=True)
    with receiving() as receiver, SenderProcess(LOCAL) as process:
        endpoint_at(receiver, project)
        yield receiver, Dispatching(Dispatcher(process))


def buy(api: ApiClient, stripe: SandboxStripe, drain: Drain, traceparent: str) -> dict[str, Any]:
    """The tenant asks for a payment in its trace; later the buyer pays, and Stripe says so."""
    answer = api.post("/payments", PAYMENT, headers={"traceparent": traceparent})
    assert answer.status_code == 201, answer.content
    payment: dict[str, Any] = answer.json()
    drain()
    stripe.v1.payment_intents.confirm(
        payment["stripe_id"], {"payment_method": "pm_card_visa", "return_url": "https://a.example"}
    )
    drain()
    return payment


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The fields of the log lines of this name."""
    messages: list[Any] = [record.msg for record in caplog.records]
    return [each for each in messages if isinstance(each, dict) and each.get("event") == name]


def sent_parents(receiver: Receiver) -> dict[str, str]:
    """The header of each delivery by its event's type."""
    return {
        orjson.loads(each.body)["type"]: header(each, "traceparent") for each in receiver.requests
    }
