"""Everything that happens by the clock, on one page. Seconds between runs; all safe to repeat.

``SCHEDULE`` is Celery beat's: its messages need beat, the broker and a worker that keeps up.
``POLLED`` needs a worker and the database only (``config.poller``): whatever people wait for is
there as well.
"""

from typing import Any


def _every(seconds: float, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "sync what is due": _every(5, "billing.sync"),
    "check whose account each Stripe key opens": _every(60, "billing.check_stripe_keys"),
    "check what Stripe's keys may do": _every(60, "billing.check_permissions"),
    "tell which trials are about to end": _every(60, "billing.tell_trials"),
    "find out what Stripe has done": _every(5, "billing.finish_intents"),
    "call off payments whose time is over": _every(5, "billing.expire_payments"),
    "tell Stripe what was used": _every(5, "billing.forward_usage"),
    "tell Stripe what was said of customers": _every(10, "billing.tell_customers"),
    "have subscriptions paid by a new default": _every(10, "billing.follow_default_methods"),
    "bring changes of the catalog to holders": _every(5, "billing.roll_out"),
    "give back what was reserved and not used": _every(5, "entitlements.expire_reservations"),
    "tell who comes to a limit": _every(5, "entitlements.hold_limits"),
    "tell everybody of a new free tier": _every(5, "entitlements.recheck"),
    "expire manual grants": _every(30, "entitlements.expire_grants"),
    "expire credits": _every(30, "entitlements.expire_credits"),
    "tell what time alone has changed": _every(5, "entitlements.tell_due"),
    "write down which carts are over": _every(300, "billing.close_carts"),
    "limit coupons of shared accounts to their projects": _every(3600, "billing.confine_coupons"),
    "look for events that never arrived": _every(600, "webhooks.catch_up"),
    "fetch reports of lost use": _every(60, "webhooks.fetch_error_reports"),
    "forget what came late of erased customers": _every(600, "webhooks.forget_erased"),
    "compare with Stripe, a while of the night's pass": _every(60, "billing.reconcile"),
    "make tables for events": _every(3600, "events.make_partitions"),
    "make tables for records of use": _every(3600, "usage.make_partitions"),
    "drop records of use that are too old": _every(3600, "usage.drop_old_records"),
    "forget old idempotency keys": _every(3600, "projects.purge_idempotency_keys"),
    "forget old intents": _every(3600, "billing.purge_intents"),
    "beat, broker and worker are alive": _every(10, "config.heartbeat"),
}

POLLED: dict[str, float] = {
    "billing.sync": 1,
    "billing.finish_intents": 1,
    "billing.expire_payments": 1,
    "billing.roll_out": 1,
    "billing.forward_usage": 2,
    "billing.tell_customers": 5,
    "billing.follow_default_methods": 5,
    "entitlements.hold_limits": 1,
    "entitlements.expire_reservations": 1,
    "entitlements.expire_credits": 2,
    "entitlements.expire_grants": 2,
    "entitlements.tell_due": 1,
    "entitlements.recheck": 2,
}
"""Seconds between the end of a run in a worker and the next one, by the task's name."""
