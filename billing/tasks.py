"""Wake-up tasks of billing: they carry no data and may run any number of times."""

from celery import shared_task
from django.utils import timezone

from billing.accounts import key_permissions, key_state
from billing.accounts import service as stripe_accounts
from billing.analytics import service as analytics
from billing.catalog import coupon_coverage
from billing.checkout import carts
from billing.customers import stripe_copies
from billing.operations import (
    drift_reports,
    reconciliation,
    reconciliation_worker,
    usage_reports,
)
from billing.outbound import intent_history, intents
from billing.payments import expiry
from billing.rollouts import worker as rollouts_worker
from billing.subscriptions import default_methods, trials
from billing.sync import service as sync
from common import fair_queue


@shared_task(name="billing.sync")
def drain() -> None:
    sync.drain(at=timezone.now())


@shared_task(name="billing.check_stripe_keys")
def check_stripe_keys() -> None:
    stripe_accounts.check_keys()
    key_state.check_due(at=timezone.now())


@shared_task(name="billing.close_carts")
def close_carts() -> None:
    carts.expire_due(at=timezone.now())


@shared_task(name="billing.confine_coupons")
def confine_coupons() -> None:
    coupon_coverage.confine_due(at=timezone.now())


@shared_task(name="billing.follow_default_methods")
def follow_default_methods() -> None:
    default_methods.update_due_subscriptions(at=timezone.now())


@shared_task(name="billing.finish_intents")
def finish_intents() -> None:
    intents.finish_due(at=timezone.now())


@shared_task(name="billing.purge_intents")
def purge_intents() -> None:
    intent_history.purge(at=timezone.now())
    fair_queue.purge()


@shared_task(name="billing.expire_payments")
def expire_payments() -> None:
    expiry.expire_due(at=timezone.now())


@shared_task(name="billing.forward_usage")
def forward_usage() -> None:
    usage_reports.forward_due(at=timezone.now())


@shared_task(name="billing.reconcile")
def reconcile() -> None:
    reconciliation.run_nightly(at=timezone.now())


@shared_task(name="billing.reconcile_requested")
def reconcile_requested() -> None:
    reconciliation_worker.run_due(at=timezone.now())


@shared_task(name="billing.purge_reconciliations")
def purge_reconciliations() -> None:
    drift_reports.purge(at=timezone.now())
    reconciliation_worker.purge(at=timezone.now())


@shared_task(name="billing.check_permissions")
def check_permissions() -> None:
    key_permissions.check_due(at=timezone.now())


@shared_task(name="billing.tell_trials")
def tell_trials() -> None:
    trials.record_due_trial_endings(at=timezone.now())


@shared_task(name="billing.tell_customers")
def tell_customers() -> None:
    stripe_copies.update_due(at=timezone.now())


@shared_task(name="billing.roll_out")
def roll_out() -> None:
    rollouts_worker.run_due(at=timezone.now())


@shared_task(name="billing.count_days")
def count_days() -> None:
    analytics.count_due(at=timezone.now())
