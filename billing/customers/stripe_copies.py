"""What Stripe knows of a customer follows what the project says of them, also when it says "erase".

The project's word stands first, with a mark that copies are out of date; Stripe is told afterwards,
at once if it answers and else by the sweep. So nothing waits for Stripe, and a crash between the
two is finished by whoever comes next.
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
from billing.models.sync_object import Kind
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
from common.fair_queue import QueueRun, Rule
from entitlements.cache import service as cache
from events.services import audit
from projects.customers import selectors as customers
from projects.models import Customer

log = structlog.get_logger(__name__)

RUN = 100
"""Customers that one run of the sweep takes at most."""
PATIENCE = 20.0
"""Seconds after which a run begins with no other customer."""
RULE = Rule(
    queue="customer_copies",
    first=timedelta(seconds=10),
    longest=timedelta(minutes=10),
    attempts=12,
)


class CopyUnderWay(Exception):
    """Stripe has not yet made the customer."""


def erase(*, customer: Customer, cancels: bool, actor: str, at: datetime) -> Customer:
    """Forget who the customer is, here at once and at Stripe as soon as it answers.

    What they bought and paid stays, under our id of them. Idempotent. Raises
    CustomerHasSubscriptions while something would go on being paid, unless that ``cancels`` too:
    then Stripe ends it with the customer, at once and without a refund.
    """
    with transaction.atomic():
        customer = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        if customer.deleted_at is None:
            _refuse_running(customer, cancels=cancels)
            known_as = customer.user_id
            customer = erasure.forget(customer=customer, at=at)
            audit.record(
                actor=actor,
                action="customer.erase",
                subject=customer.pk,
                project_id=customer.project_id,
                after={"cancels": cancels},
                at=at,
            )
            stale = Customer(pk=customer.pk, project_id=customer.project_id, user_id=known_as)
            transaction.on_commit(lambda: cache.invalidate(stale, version=customer.version))
    tell_if_possible(customer, at=at)
    return customer


def tell_due(*, at: datetime, limit: int = RUN) -> int:
    """Bring copies up to date that nobody has brought yet, by turns of the projects; how many
    customers were looked at.

    A customer whose copy cannot be changed although Stripe answers is parked after twelve tries.
    """
    back_off, run = RequestBackOff(), QueueRun(RULE)
    stop = time.monotonic() + PATIENCE
    due = customer_selectors.outdated(limit=limit, rule=RULE)
    for number, customer in enumerate(due):
        if time.monotonic() >= stop:
            return number
        _tell_one(customer, back_off, run, at)
    return len(due)


def _tell_one(customer: Customer, back_off: RequestBackOff, run: QueueRun, at: datetime) -> None:
    """Every copy, as far as the accounts can be asked now."""
    request = _operation(customer)
    account_id = ""
    try:
        for row in _copies(customer):
            account_id = row.account_id
            if back_off.is_waiting(account_id, request):
                return
            if not _tell(row, customer, at):
                _wait_for_the_copy(customer)
                return
            back_off.answered(account_id, request)
        customers.record_copied(customer)
    except Exception as error:  # noqa: BLE001  # one customer's trouble must not stop the others
        if not back_off.stops_for(account_id, request, error):
            run.failed(owner=customer.project_id, subject=customer.pk, error=error)
    else:
        run.succeeded(owner=customer.project_id, subject=customer.pk)


def _wait_for_the_copy(customer: Customer) -> None:
    """Stripe is still being asked to make it, which comes to an end of its own: never parked."""
    rule = replace(RULE, attempts=None)
    fair_queue.fail(rule, owner=customer.project_id, subject=customer.pk, error=CopyUnderWay())


def tell_if_possible(customer: Customer, *, at: datetime) -> None:
    """Tell Stripe now; what does not work now stays marked for the sweep."""
    if customer.details_changed_at is None:
        return
    fair_queue.succeed(RULE, owner=customer.project_id, subjects=[customer.pk])
    try:
        told = [_tell(row, customer, at) for row in _copies(customer)]
    except DomainError as error:
        log.warning("customer_not_told", customer=customer.pk, error=type(error).__name__)
        return
    if all(told):
        customers.record_copied(customer)


def _copies(customer: Customer) -> list[StripeCustomer]:
    rows = StripeCustomer.objects.for_project(customer.project_id).select_related("account")
    return list(rows.filter(customer=customer, deleted_at__isnull=True).order_by("pk"))


def _tell(row: StripeCustomer, customer: Customer, at: datetime) -> bool:
    """False while Stripe is still being asked to make the copy."""
    if not row.stripe_id:
        return False
    is_over = customer.deleted_at is not None
    try:
        intents.change(
            project_id=row.project_id,
            account=row.account,
            operation=_operation(customer),
            subject=row.pk,
            target=row.stripe_id,
            params={} if is_over else {"email": customer.email, "name": customer.name},
            request=f"{customer.details_changed_at} {_content(customer)}",
            at=at,
        )
    except StripeObjectMissing:
        log.info("customer_gone_at_stripe", customer=customer.pk)
    except StripeCredentialsRefused:
        raise
    except StripeRefused as refusal:
        if is_over:
            raise
        log.warning("customer_refused", customer=customer.pk, error=refusal.code)
    with suppress(Unavailable, StripeCredentialsRefused):  # it stays marked to be read
        sync.now(account=row.account, kind=Kind.CUSTOMER, stripe_id=row.stripe_id, at=at)
    if is_over:
        _forget_what_was_asked(row)
    return True


def _operation(customer: Customer) -> str:
    return "customer.update" if customer.deleted_at is None else "customer.delete"


def _content(customer: Customer) -> str:
    """Tells two changes of the same moment apart."""
    return request_dedup.request_key("", customer.email, customer.name)


def _forget_what_was_asked(row: StripeCustomer) -> None:
    """Name and address stand in what Stripe was once asked for."""
    asked = StripeIntent.objects.for_project(row.project_id).filter(subject=row.pk)
    asked.filter(finished_at__isnull=False).update(params={})


def _refuse_running(customer: Customer, *, cancels: bool) -> None:
    if cancels:
        return
    running = subscriptions.listing(project=customer.project, user_id=customer.user_id)
    found = [row.pk for row in running.filter(status__in=LIVE).order_by("pk")]
    if found:
        raise CustomerHasSubscriptions(
            "Cancel them first, or send cancel_subscriptions=true: they then end at once, without "
            "a refund.",
            subscriptions=found,
        )
