"""Keep the copies of a customer at Stripe up to date, including their deletion after an erasure.

A change is stored here first, with a mark that the copies are outdated. Stripe is updated
afterwards: at once if it answers, else by the sweep. So no caller waits for Stripe, and the sweep
finishes the work after a crash.
"""

import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from billing.customers import erasure
from billing.customers import selectors as customer_selectors
from billing.errors import CustomerHasSubscriptions
from billing.models import StripeCustomer, StripeIntent
from billing.models.subscription import LIVE
from billing.models.sync_object import ObjectKind
from billing.outbound import intents, request_dedup
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeObjectMissing,
    StripeRefused,
)
from billing.subscriptions.selectors import subscriptions
from billing.sync import service as sync
from billing.sync.request_back_off import RequestBackOff
from common import fair_queue
from common.errors import DomainError, Unavailable
from common.fair_queue import QueueRun, RetryRule
from entitlements.cache import service as cache
from events.audit import audit_trail as audit
from projects.customers import selectors as customers
from projects.models import Customer

log = structlog.get_logger(__name__)

BATCH_SIZE = 100
"""Customers per run of the sweep."""
RUN_SECONDS = 20.0
"""Time after which a run starts with no further customer."""
RULE = RetryRule(
    queue="customer_copies",
    first=timedelta(seconds=10),
    longest=timedelta(minutes=10),
    attempts=12,
)


class CopyNotCreated(Exception):
    """Stripe has not created the customer yet."""


def erase(*, customer: Customer, cancels: bool, actor: str, at: datetime) -> Customer:
    """Erase the customer's personal data: here at once, at Stripe as soon as it answers.

    Purchases and payments stay, under our id of the customer. Idempotent. Raises
    CustomerHasSubscriptions while a subscription is live, unless ``cancels`` is true: then Stripe
    ends subscriptions together with the customer, at once and without a refund.
    """
    customer = erase_here(customer=customer, cancels=cancels, actor=actor, at=at)
    update_now(customer, at=at)
    return customer


def erase_here(*, customer: Customer, cancels: bool, actor: str, at: datetime) -> Customer:
    """The same, for callers in a transaction: nothing is sent to Stripe. The sweep
    (``billing.tell_customers``) does that."""
    with transaction.atomic():
        customer = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        if customer.deleted_at is None:
            _refuse_running(customer, cancels=cancels)
            user_id = customer.user_id
            customer = erasure.forget(customer=customer, at=at)
            audit.record(
                actor=actor,
                action="customer.erase",
                subject=customer.pk,
                project_id=customer.project_id,
                after={"cancels": cancels},
                at=at,
            )
            cached_customer = Customer(
                pk=customer.pk, project_id=customer.project_id, user_id=user_id
            )
            transaction.on_commit(
                lambda: cache.invalidate(cached_customer, version=customer.version)
            )
    return customer


def update_due(*, at: datetime, limit: int = BATCH_SIZE) -> int:
    """Update outdated copies, alternating between projects; returns the number of customers.

    A customer whose copy Stripe refuses to change is parked after twelve attempts.
    """
    back_off, run = RequestBackOff(), QueueRun(RULE)
    stop = time.monotonic() + RUN_SECONDS
    due = customer_selectors.outdated(limit=limit, rule=RULE)
    for number, customer in enumerate(due):
        if time.monotonic() >= stop:
            return number
        _update_copies(customer, back_off, run, at)
    return len(due)


def _update_copies(
    customer: Customer, back_off: RequestBackOff, run: QueueRun, at: datetime
) -> None:
    """Update all copies of a customer whose accounts do not back off."""
    request = _operation(customer)
    account_id = ""
    try:
        for row in _copies(customer):
            account_id = row.account_id
            if back_off.is_backing_off(account_id, request):
                return
            if not _update_copy(row, customer, at):
                _postpone(customer)
                return
            back_off.record_answer(account_id, request)
        customers.record_copied(customer)
    except Exception as error:  # noqa: BLE001  # the error of one customer must not stop the others
        if not back_off.stops_for(account_id, request, error):
            run.record_failure(owner=customer.project_id, subject=customer.pk, error=error)
    else:
        run.record_success(owner=customer.project_id, subject=customer.pk)


def _postpone(customer: Customer) -> None:
    """Try again later without ever parking: the intent that creates the copy will end by itself."""
    rule = replace(RULE, attempts=None)
    fair_queue.record_failure(
        rule, owner=customer.project_id, subject=customer.pk, error=CopyNotCreated()
    )


def update_now(customer: Customer, *, at: datetime) -> None:
    """Update the copies now; a copy that fails stays marked for the sweep."""
    if customer.details_changed_at is None:
        return
    fair_queue.record_success(RULE, owner=customer.project_id, subjects=[customer.pk])
    try:
        results = [_update_copy(row, customer, at) for row in _copies(customer)]
    except DomainError as error:
        log.warning("customer_not_told", customer=customer.pk, error=type(error).__name__)
        return
    if all(results):
        customers.record_copied(customer)


def _copies(customer: Customer) -> list[StripeCustomer]:
    rows = StripeCustomer.objects.for_project(customer.project_id).select_related("account")
    return list(rows.filter(customer=customer, deleted_at__isnull=True).order_by("pk"))


def _update_copy(row: StripeCustomer, customer: Customer, at: datetime) -> bool:
    """Update one copy; False while the request that creates it is not finished."""
    if not row.stripe_id:
        return False
    is_erased = customer.deleted_at is not None
    try:
        intents.change_object(
            project_id=row.project_id,
            account=row.account,
            operation=_operation(customer),
            subject=row.pk,
            target=row.stripe_id,
            params={} if is_erased else {"email": customer.email, "name": customer.name},
            request=f"{customer.details_changed_at} {_content(customer)}",
            at=at,
        )
    except StripeObjectMissing:
        log.info("customer_gone_at_stripe", customer=customer.pk)
    except StripeCredentialsRefused:
        raise
    except StripeRefused as refusal:
        if is_erased:
            raise
        log.warning("customer_refused", customer=customer.pk, error=refusal.code)
    with suppress(Unavailable, StripeCredentialsRefused):  # the sync request stays queued
        sync.now(account=row.account, kind=ObjectKind.CUSTOMER, stripe_id=row.stripe_id, at=at)
    if is_erased:
        _clear_intent_params(row)
    return True


def _operation(customer: Customer) -> str:
    return "customer.update" if customer.deleted_at is None else "customer.delete"


def _content(customer: Customer) -> str:
    """A fingerprint of the new values: two changes can have the same time."""
    return request_dedup.request_key("", customer.email, customer.name)


def _clear_intent_params(row: StripeCustomer) -> None:
    """Remove name and email from the stored parameters of finished intents."""
    intents_of_row = StripeIntent.objects.for_project(row.project_id).filter(subject=row.pk)
    intents_of_row.filter(finished_at__isnull=False).update(params={})


def _refuse_running(customer: Customer, *, cancels: bool) -> None:
    if cancels:
        return
    running = subscriptions.listing(project=customer.project, user_id=customer.user_id)
    ids = [row.pk for row in running.filter(status__in=LIVE).order_by("pk")]
    if ids:
        raise CustomerHasSubscriptions(
            "Cancel them first, or send cancel_subscriptions=true: they then end at once, without "
            "a refund.",
            subscriptions=ids,
        )
