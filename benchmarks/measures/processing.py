"""Processing of Stripe's events: posted about subscriptions and invoices until every object of them
is applied; beside it dj-stripe, which processes an event before it answers.

Each customer has two events: its subscription was updated, and an invoice of it was paid. In the
case *unchanged* both objects were applied before as they are, in *changed* the subscription has one
more of its item and the invoice is new, in *mixed* that is so for half of the customers.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg

from benchmarks import stripe_events, subscribers
from benchmarks.peer_servers import DJSTRIPE_WEBHOOK, DjStripeProcessing
from benchmarks.stripe_stack import PATIENCE_SECONDS, Seller, StripeStack, cpu_seconds, find_stuck
from benchmarks.subscribers import Subscriber
from devtools.stack.program import Program

CASES = {"unchanged": 0, "changed": 1, "mixed": 2}
"""Of how many customers one has changed; 0: none has."""
LEFT_SQL = """
SELECT stripe_id FROM billing_syncobject
WHERE stripe_id = ANY(%s) AND applied < requested
LIMIT 1
"""
"""Ends at the first that is left: to count them all each time was a third of PostgreSQL's work."""
SUBSCRIPTIONS_SQL = """
SELECT subscription.stripe_id, subscription.status, item.quantity
FROM billing_subscription AS subscription
JOIN billing_subscriptionitem AS item ON item.subscription_id = subscription.id
WHERE subscription.project_id = %s
"""
INVOICES_SQL = """
SELECT stripe_id, status, total, amount_paid FROM billing_invoice WHERE project_id = %s
"""
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessingResult:
    """Objects per second, milliseconds of CPU time per object, and error texts."""

    per_second: float
    cpu_ms: float
    wrong: list[str]


@dataclass(slots=True)
class Processing:
    """The events of one seller, for the product and for dj-stripe."""

    stack: StripeStack
    seller: Seller
    events: list[bytes] = field(default_factory=list)
    object_ids: list[str] = field(default_factory=list)
    invoices: dict[str, dict[str, Any]] = field(default_factory=dict)

    def prepare(self, case: str) -> None:
        """Change at Stripe what this case changes, and write the events."""
        step = CASES[case]
        changing = self.seller.customers[::step] if step else []
        account = self.seller.account
        subscribers.at_once(lambda one: subscribers.raise_quantity(account, one), changing)
        pairs = subscribers.at_once(self._read, self.seller.customers)
        self.invoices = {invoice["id"]: invoice for _, invoice in pairs}
        self.object_ids = [each["id"] for pair in pairs for each in pair]
        self.events = [
            stripe_events.build_event(event_type, body)
            for pair in pairs
            for event_type, body in zip(EVENT_TYPES, pair, strict=True)
        ]

    def measure(self, worker: Program) -> ProcessingResult:
        """Send the prepared events to the product, and wait until their objects are applied."""
        world, seller = self.stack.world, self.seller
        with world.connect() as connection:
            cpu, started = cpu_seconds(worker), time.perf_counter()
            refused = stripe_events.send_all(
                world.port, seller.webhook_path, self.events, secret=self.stack.secret
            )
            late = _wait_until_applied(connection, self.object_ids)
            seconds = time.perf_counter() - started
            cpu = cpu_seconds(worker) - cpu
            wrong = [each for each in (refused, late, self.stack.wait_until_idle()) if each]
            wrong += find_mistakes(connection, seller, self.invoices.values())
        count = len(self.object_ids)
        return ProcessingResult(count / seconds, cpu * 1000 / count, wrong)

    def measure_djstripe(self, peer: DjStripeProcessing) -> ProcessingResult:
        """Send the prepared events to dj-stripe; it has processed an event when it answers."""
        cpu, started = cpu_seconds(peer.program), time.perf_counter()
        refused = stripe_events.send_all(
            peer.port, DJSTRIPE_WEBHOOK, self.events, secret=self.stack.secret
        )
        seconds, count = time.perf_counter() - started, len(self.events)
        cpu = cpu_seconds(peer.program) - cpu
        wrong = [each for each in (refused, peer.find_mistake(list(self.invoices))) if each]
        return ProcessingResult(count / seconds, cpu * 1000 / count, wrong)

    def _read(self, one: Subscriber) -> tuple[dict[str, Any], dict[str, Any]]:
        call = self.seller.account.call
        invoice = call("GET", f"/v1/invoices/{one.subscription['latest_invoice']}")
        return one.subscription, invoice


EVENT_TYPES = ("customer.subscription.updated", "invoice.paid")


def find_mistakes(
    connection: psycopg.Connection[Any], seller: Seller, invoices: Iterable[dict[str, Any]]
) -> list[str]:
    """Rows that differ from Stripe's objects: the seller's newest subscriptions, these
    invoices."""
    subscriptions = {
        one.subscription["id"]: (one.subscription["status"], one.quantity)
        for one in seller.customers
    }
    bills = {each["id"]: (each["status"], each["total"], each["amount_paid"]) for each in invoices}
    wrong = [
        difference
        for expected, statement in ((subscriptions, SUBSCRIPTIONS_SQL), (bills, INVOICES_SQL))
        for difference in _differences(expected, _rows_by_id(connection, statement, seller.project))
    ]
    return [*find_stuck(connection, [seller]), *wrong[:5]]


def _rows_by_id(
    connection: psycopg.Connection[Any], statement: LiteralString, project: str
) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in connection.execute(statement, [project])}


def _differences(
    expected: Mapping[str, tuple[Any, ...]], stored: Mapping[str, tuple[Any, ...]]
) -> list[str]:
    return [
        f"{stripe_id} is {values} at Stripe, and {stored.get(stripe_id)} is stored"
        for stripe_id, values in expected.items()
        if stored.get(stripe_id) != values
    ]


def _wait_until_applied(connection: psycopg.Connection[Any], ids: Sequence[str]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := connection.execute(LEFT_SQL, [ids]).fetchone():
        if time.monotonic() > deadline:
            return f"{left[0]} is not applied"
        time.sleep(POLL_SECONDS)
    return ""
