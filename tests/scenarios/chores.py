"""Which periodic tasks a story runs: those that have a row to look at, by one question for all.

A task that finds nothing costs as much as its query takes to be built, and there are some twenty
of them at every step of a story. What they could look at is told apart by conditions without a
moment, so that a task whose time has not come yet is run as well. A task that is not listed here
always runs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from billing.models import (
    Cart,
    Coupon,
    Payment,
    Rollout,
    StripeCustomer,
    StripeIntent,
    Subscription,
)
from billing.models.stripe_intent import OPEN
from config.celery import app
from config.schedule import SCHEDULE
from entitlements.models import CreditGrant, Grant, Recheck, Reservation, Snapshot
from projects.customers import selectors as customers
from projects.models import Customer
from usage.models import Movement
from webhooks.models import InboundEvent

RARE = frozenset(
    {
        "billing.check_permissions",
        "billing.check_stripe_keys",
        "billing.count_days",
        "billing.reconcile",
        "config.heartbeat",
        "delivery.drop_old_mail",
        "delivery.drop_old_signals",
        "delivery.plan_clock_notices",
        "delivery.plan_mail",
        "delivery.plan_signals",
        "delivery.send_mail",
        "delivery.send_signals",
        "events.make_partitions",
        "projects.purge_idempotency_keys",
        "usage.make_partitions",
        "webhooks.catch_up",
    }
)
"""Periodic tasks that a story calls by itself, or that change nothing that it sees."""
CHORES = [each["task"] for each in SCHEDULE.values() if each["task"] not in RARE]


def rows_by_task() -> Mapping[str, QuerySet[Any]]:
    """For each task, the rows without which it does nothing."""
    buyers = StripeCustomer.objects.across_projects()
    erased = Customer.objects.across_projects().filter(deleted_at__isnull=False)
    payments = Payment.objects.across_projects()
    return {
        "billing.close_carts": Cart.objects.across_projects(),
        "billing.confine_coupons": Coupon.objects.across_projects(),
        "billing.expire_payments": payments.filter(expires_at__isnull=False),
        "billing.finish_intents": StripeIntent.objects.across_projects().filter(state__in=OPEN),
        "billing.follow_default_methods": buyers.filter(subscriptions_follow_at__isnull=False),
        "billing.roll_out": Rollout.objects.across_projects(),
        "billing.tell_customers": customers.with_outdated_copies(),
        "billing.tell_trials": Subscription.objects.across_projects().filter(
            trial_ends_at__isnull=False
        ),
        "entitlements.expire_credits": CreditGrant.objects.across_projects(),
        "entitlements.expire_grants": Grant.objects.across_projects(),
        "entitlements.expire_reservations": Reservation.objects.across_projects(),
        "entitlements.hold_limits": Movement.objects.across_projects(),
        "entitlements.recheck": Recheck.objects.across_projects(),
        "entitlements.tell_due": Snapshot.objects.across_projects().filter(
            changes_at__isnull=False
        ),
        "webhooks.fetch_error_reports": InboundEvent.objects.filter(report_due_at__isnull=False),
        "webhooks.forget_erased": erased,
    }


def idle_tasks() -> frozenset[str]:
    """The tasks that have no rows to work on now; one query."""
    tasks, statement, parameters = _idle_query()
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        answers = cursor.fetchone()
    return frozenset(task for task, is_found in zip(tasks, answers, strict=True) if not is_found)


def run_due() -> None:
    """Run each task that has rows to work on, in the order of the schedule; rows that one task
    leaves to a later one are seen."""
    listed, resting = _idle_query()[0], idle_tasks()
    for task in CHORES:
        if task in resting:
            continue
        run(task)
        if task in listed:
            resting = idle_tasks()


def run(task: str) -> None:
    """Run a task as a worker does."""
    tasks()[task].run()


@cache
def tasks() -> Mapping[str, Any]:
    """Every task by name. Celery checks all of Django before it imports them: once is enough."""
    app.loader.import_default_modules()
    return app.tasks


@cache
def _idle_query() -> tuple[tuple[str, ...], str, tuple[Any, ...]]:
    """The tasks that are listed, and one statement that answers for all; compiled once."""
    tasks: list[str] = []
    parts: list[str] = []
    parameters: list[Any] = []
    for task, rows in rows_by_task().items():
        part, part_parameters = rows.order_by().values("pk").query.sql_with_params()
        tasks.append(task)
        parts.append(f"EXISTS ({part})")
        parameters += part_parameters
    return tuple(tasks), f"SELECT {', '.join(parts)}", tuple(parameters)
