"""Payments whose time is over: called off at Stripe, whose answer decides.

A payment that succeeds in the same second is paid: Stripe refuses to cancel it, and what is read
then is applied. ``expired`` is only ever told by applying what Stripe says, so a crash after the
cancellation, two workers at once or a repeated run tell it once. While Stripe is away a payment
stays what it is and is tried again.
"""

from datetime import datetime, timedelta

import structlog

from billing.checkout import sessions as pages
from billing.errors import CheckoutNotOpen
from billing.models import Payment
from billing.outbound import intents
from billing.payments import payment_requests
from billing.payments import service as payments
from billing.payments.mapping.payments import ABANDONED
from billing.payments.selectors import payments as stored
from billing.payments.selectors.payments import EXPIRY_LEASE
from billing.stripe.errors import StripeCredentialsRefused, StripeObjectMissing, StripeRefused
from billing.sync.request_back_off import RequestBackOff
from common import lease
from common.fair_queue import QueueRun, RetryRule
from common.queue import enqueue

log = structlog.get_logger(__name__)

BATCH = 50
"""Payments that one run takes at most."""
LEASE = timedelta(seconds=60)
"""How long a run has a payment to itself; after a failure it is tried again no sooner."""
RULE = RetryRule(queue="payment_expiry", first=LEASE, longest=timedelta(hours=1), attempts=10)
"""Of a payment that cannot be called off although Stripe answers."""


def expire_due(*, at: datetime) -> int:
    """Call off what is due, by turns of the projects; how many payments were taken.

    An error stays with its payment, which is parked after ten of them. An account that does not
    answer, or refuses one kind of request, backs off.
    """
    batch = _claim(at)
    back_off, run = RequestBackOff(), QueueRun(RULE)
    for row in batch:
        if not back_off.is_backing_off(row.account_id, _request(row)):
            _expire_one(row, back_off, run, at)
    if len(batch) == BATCH:
        enqueue("billing.expire_payments")
    return len(batch)


def _expire_one(row: Payment, back_off: RequestBackOff, run: QueueRun, at: datetime) -> None:
    try:
        _expire(row, at)
    except Exception as error:  # noqa: BLE001  # one payment's trouble must not stop the others
        if not back_off.stops_for(row.account_id, _request(row), error):
            run.record_failure(owner=row.project_id, subject=row.pk, error=error)
    else:
        back_off.record_answer(row.account_id, _request(row))
        run.record_success(owner=row.project_id, subject=row.pk)


def _request(row: Payment) -> str:
    """The kind of request that calls it off."""
    return "payment_intent.cancel" if row.checkout is None else "checkout_session.expire"


def _claim(at: datetime) -> list[Payment]:
    due = stored.expiring(at=at)
    return lease.claim(
        stored.expiring_in_turn(at=at, limit=BATCH, rule=RULE),
        due=due.select_related("account", "checkout", "project"),
        rows=Payment.objects.across_projects(),
        duration=LEASE,
        columns=EXPIRY_LEASE,
    )


def _expire(row: Payment, at: datetime) -> None:
    if row.checkout is None and not row.stripe_id:
        payment_requests.take_back(row)  # its page was never handed out
        return
    try:
        if row.checkout is not None:
            pages.close(checkout=row.checkout, at=at)
        else:
            _cancel(row, at)
    except StripeCredentialsRefused:
        raise
    except (CheckoutNotOpen, StripeRefused, StripeObjectMissing) as refusal:
        log.info("payment_expiry_refused", payment=row.pk, error=type(refusal).__name__)
    payments.read_again(payment=row, at=at)


def _cancel(row: Payment, at: datetime) -> None:
    """The same request as long as we know nothing new of the payment."""
    intents.change_object(
        project_id=row.project_id,
        account=row.account,
        operation="payment_intent.cancel",
        subject=row.pk,
        target=str(row.stripe_id),
        params={"cancellation_reason": ABANDONED},
        request=f"expire {row.updated_at.isoformat()}",
        at=at,
    )
