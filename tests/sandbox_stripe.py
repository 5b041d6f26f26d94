"""The sandbox for tests: an SDK client of its account, webhook delivery, and a shared clock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import time_machine
from django.db import connection
from django.test import Client
from stripe import StripeClient

from sandbox import deliveries, disputes, engine, forced_declines
from sandbox.deliveries import DeliveryAttempt, DeliveryMode
from sandbox.http_client import SandboxHTTPClient
from sandbox.resources import charges, refunds
from sandbox.world import DEFAULT_SECRET_KEY, World


class OutsideTransactions(SandboxHTTPClient):
    """Refuses requests to Stripe while a transaction is open."""

    def request(self, *args: Any, **kwargs: Any) -> tuple[str, int, Mapping[str, str]]:
        blocks = [each for each in connection.atomic_blocks if not vars(each)["_from_testcase"]]
        assert not blocks, "A call to Stripe inside a database transaction."
        return super().request(*args, **kwargs)


class SandboxStripe:
    """A sandbox world with an SDK client of its account and delivery of its webhooks."""

    def __init__(self, world: World, secret_key: str = DEFAULT_SECRET_KEY) -> None:
        self.world = world
        self.transport = OutsideTransactions(world)
        self.v1 = self.client(secret_key).v1
        self._browser = Client(raise_request_exception=False)

    def client(self, secret_key: str) -> StripeClient:
        return StripeClient(secret_key, http_client=self.transport)

    def send_events_to(self, url: str, secret_key: str = DEFAULT_SECRET_KEY) -> str:
        """Register an endpoint for every event; its signing secret."""
        endpoint = self.client(secret_key).v1.webhook_endpoints.create(
            {"url": url, "enabled_events": ["*"]}
        )
        return str(endpoint.secret)

    def deliver(self, mode: DeliveryMode | None = None) -> list[DeliveryAttempt]:
        """Attempt each webhook that is due, once."""
        return deliveries.deliver_due(self.world, self._post, mode or DeliveryMode())

    def fail(self, kind: str, **plan: Any) -> None:
        """Plan a fault: ``stripe.fail("timeout_before", path="/v1/customers/*")``."""
        self.world.faults.add(kind, **plan)

    def decline_payments(self, customer: str) -> None:
        """The customer's cards are declined from now on."""
        with self.world.transaction() as tx:
            forced_declines.decline_payments(tx, customer)

    def accept_payments(self, customer: str) -> None:
        with self.world.transaction() as tx:
            forced_declines.accept_payments(tx, customer)

    def dispute(self, payment_intent: str, **how: Any) -> str:
        """The buyer contests the payment at their bank (``inquiry=True``: the bank asks first);
        the dispute's id."""
        charge = str(self.v1.payment_intents.retrieve(payment_intent).latest_charge)
        with self.world.transaction() as tx:
            return str(disputes.open_dispute(tx, charges.find_charge(tx, charge), **how)["id"])

    def decide(self, dispute: str, outcome: str) -> None:
        """The bank's word: ``won``, ``lost`` or, for an inquiry, ``warning_closed``."""
        with self.world.transaction() as tx:
            disputes.decide_dispute(tx, tx.path_object(disputes.KIND, dispute), outcome)

    def bounce(self, refund: str) -> None:
        """The buyer's bank sends the refund back."""
        with self.world.transaction() as tx:
            refunds.fail_refund(tx, tx.path_object("refund", refund))

    def ask_for_details(self, refund: str) -> None:
        """Let the refund wait for the buyer's bank details."""
        with self.world.transaction() as tx:
            refunds.require_action(tx, tx.path_object("refund", refund))

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Whatever happens at Stripe inside is forgotten."""
        store = self.world.store
        before = dict(store.items())
        yield
        after = dict(store.items())
        changed = [key for key in {**before, **after} if before.get(key) is not after.get(key)]
        store.write([(key, before.get(key)) for key in changed])

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        answer = self._browser.post(
            urlsplit(url).path,
            data=body,
            content_type=headers["Content-Type"],
            headers={"Stripe-Signature": headers["Stripe-Signature"]},
        )
        return answer.status_code


class Clock:
    """Stripe's time and ours, which move only on request."""

    def __init__(self, world: World, traveller: time_machine.Traveller) -> None:
        self._world = world
        self._traveller = traveller

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.clock.now(), tz=UTC)

    def advance(self, **duration: float) -> datetime:
        """Let time pass together with the events of Stripe in it: ``clock.advance(days=31)``."""
        target = self.now + timedelta(**duration)
        engine.advance(self._world, int(target.timestamp()))
        self._traveller.move_to(target)
        return target


@contextmanager
def standing_clock(world: World) -> Iterator[Clock]:
    """Inside, time stands still unless moved; it begins with the world's."""
    start = datetime.fromtimestamp(world.clock.now(), tz=UTC)
    with time_machine.travel(start, tick=False) as traveller:
        yield Clock(world, traveller)
