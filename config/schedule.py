"""All periodic tasks, with the seconds between their runs; each may run any number of times.

``SCHEDULE`` is Celery beat's: it needs beat, the broker and workers that keep up. ``POLLED`` needs
only workers and the database (``config.poller``) and repeats all chores that people wait for.
Operators can pause the tasks of ``SCHEDULE`` in the console, except ``UNPAUSABLE`` ones.
"""

from typing import Any


def _every(seconds: float, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "sync what is due": _every(5, "billing.sync"),
    "check whose account each Stripe key opens": _every(60, "billing.check_stripe_keys"),
    "check permissions of Stripe keys": _every(60, "billing.check_permissions"),
    "announce trials that end soon": _every(60, "billing.tell_trials"),
    "resolve requests to Stripe": _every(5, "billing.finish_intents"),
    "cancel expired payments": _every(5, "billing.expire_payments"),
    "report usage to Stripe": _every(5, "billing.forward_usage"),
    "copy changes of customers to Stripe": _every(10, "billing.tell_customers"),
    "apply new default payment methods to subscriptions": _every(
        10, "billing.follow_default_methods"
    ),
    "apply changes of products to their holders": _every(5, "billing.roll_out"),
    "expire reservations": _every(5, "entitlements.expire_reservations"),
    "send notices about limits": _every(5, "entitlements.hold_limits"),
    "apply a new free tier to all customers": _every(5, "entitlements.recheck"),
    "expire manual grants": _every(30, "entitlements.expire_grants"),
    "expire credits": _every(30, "entitlements.expire_credits"),
    "record access that time has changed": _every(5, "entitlements.tell_due"),
    "close expired carts": _every(300, "billing.close_carts"),
    "limit coupons of shared accounts to their projects": _every(3600, "billing.confine_coupons"),
    "read events that never arrived": _every(600, "webhooks.catch_up"),
    "fetch reports of lost usage": _every(60, "webhooks.fetch_error_reports"),
    "erase late events of erased customers": _every(600, "webhooks.forget_erased"),
    "reconcile with Stripe, part of the nightly pass": _every(60, "billing.reconcile"),
    "reconcile what was requested": _every(30, "billing.reconcile_requested"),
    "delete old reconciliations and drift reports": _every(3600, "billing.purge_reconciliations"),
    "count the days of the metrics": _every(60, "billing.count_days"),
    "give events their positions": _every(1, "events.number"),
    "publish events to Redis Streams": _every(5, "delivery.publish_to_streams"),
    "publish events to Kafka": _every(5, "delivery.publish_to_kafka"),
    "read messages of the auth service's stream": _every(5, "delivery.read_inbound_stream"),
    "delete old rows of consumers' inboxes": _every(3600, "delivery.purge_inbox"),
    "plan the messages of events": _every(5, "delivery.plan_mail"),
    "send messages to people": _every(5, "delivery.send_mail"),
    "plan messages about renewals and expiring keys": _every(3600, "delivery.plan_clock_notices"),
    "delete old messages": _every(3600, "delivery.drop_old_mail"),
    "plan the signals of events": _every(5, "delivery.plan_signals"),
    "send signals to workflows": _every(5, "delivery.send_signals"),
    "delete old signals": _every(3600, "delivery.drop_old_signals"),
    "create partitions for webhook deliveries": _every(3600, "delivery.make_partitions"),
    "drop old webhook deliveries": _every(3600, "delivery.drop_old_deliveries"),
    "create partitions for events": _every(3600, "events.make_partitions"),
    "drop old events": _every(3600, "events.drop_old"),
    "create partitions for usage records": _every(3600, "usage.make_partitions"),
    "drop old usage records": _every(3600, "usage.drop_old_records"),
    "delete old idempotency keys": _every(3600, "projects.purge_idempotency_keys"),
    "delete old intents": _every(3600, "billing.purge_intents"),
    "prove that beat, broker and worker work": _every(10, "config.heartbeat"),
}

UNPAUSABLE: dict[str, str] = {
    "config.heartbeat": "It proves that beat, broker and workers work: without it nobody sees that "
    "they stand still.",
    "events.number": "It gives events their positions: without it no event is published or listed.",
    "events.make_partitions": "Without it events soon have no table to be stored in.",
    "usage.make_partitions": "Without it usage soon has no table to be stored in.",
    "delivery.make_partitions": "Without it webhook deliveries soon have no table to be stored in.",
    "webhooks.forget_erased": "It erases personal data that customers have a right to be rid of.",
}
"""Tasks that operators cannot pause, and why."""

POLLED: dict[str, float] = {
    "events.number": 0.05,
    "delivery.publish_to_streams": 0.05,
    "delivery.publish_to_kafka": 0.05,
    "delivery.read_inbound_stream": 0.2,
    "delivery.read_inbound_kafka": 0.2,
    "billing.sync": 1,
    "billing.finish_intents": 1,
    "billing.expire_payments": 1,
    "billing.roll_out": 1,
    "billing.forward_usage": 2,
    "billing.tell_customers": 5,
    "billing.follow_default_methods": 5,
    "billing.reconcile_requested": 2,
    "entitlements.hold_limits": 1,
    "entitlements.expire_reservations": 1,
    "entitlements.expire_credits": 2,
    "entitlements.expire_grants": 2,
    "entitlements.tell_due": 1,
    "entitlements.recheck": 2,
    "delivery.plan_mail": 1,
    "delivery.send_mail": 1,
    "delivery.plan_signals": 1,
    "delivery.send_signals": 1,
}
"""Seconds between the end of one run in a worker and the next, by task name.

Kafka is read by pollers alone: each process that reads gets a share of the topic, which would wait
for the next task in a child of the pool."""

RELAY = "relay"
RELAYED = frozenset(
    {
        "events.number",
        "delivery.publish_to_streams",
        "delivery.publish_to_kafka",
        "delivery.read_inbound_stream",
        "delivery.read_inbound_kafka",
    }
)
"""The chores of the lane ``relay``, 5 to 20 times a second. All others are in the lane of their
app."""


def lane_of(task: str) -> str:
    """The lane of a polled chore; ``WORKER_LANES`` says which lanes a worker polls."""
    return RELAY if task in RELAYED else task.partition(".")[0]


LANES = frozenset(map(lane_of, POLLED))
