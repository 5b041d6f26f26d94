"""Cancel unpaid payments whose ``expires_at`` has passed.

Stripe decides: it refuses to cancel a payment that has just succeeded, which is then stored as
paid. The status ``expired`` is set only when the payment is read again, so crashes, parallel
workers and repeated runs record ``payment.expired`` once. While Stripe is unavailable the payment
keeps its status and is tried again.
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

BATCH_SIZE = 50
"""Maximum number of payments in one run."""
LEASE_DURATION = timedelta(seconds=60)
"""How long one run leases a payment. It is also the shortest wait after a failure."""
RETRY_RULE = RetryRule(
    queue="payment_expiry", first=LEASE_DURATION, longest=timedelta(hours=1), attempts=10
)
"""Retries of a payment that cannot be canceled although Stripe answers."""


def expire_due(*, at: datetime) -> int:
    """Cancel due payments, round robin by project. Return how many payments were leased.

    An error delays only its own payment, which is parked after ten attempts. A Stripe account that
    does not answer, or that refuses one kind of request, backs off.
    """
    batch = _claim_due(at)
    back_off, run = RequestBackOff(), QueueRun(RETRY_RULE)
    for row in batch:
        if not back_off.is_backing_off(row.account_id, _cancel_operation(row)):
            _expire_one(row, back_off, run, at)
    if len(batch) == BATCH_SIZE:
        enqueue("billing.expire_payments")
    return len(batch)


def _expire_one(row: Payment, back_off: RequestBackOff, run: QueueRun, at: datetime) -> None:
    try:
        _expire(row, at)
    except Exception as error:  # noqa: BLE001  # one payment's error must not stop the others
        if not back_off.stops_for(row.account_id, _cancel_operation(row), error):
            run.record_failure(owner=row.project_id, subject=row.pk, error=error)
    else:
        back_off.record_answer(row.account_id, _cancel_operation(row))
        run.record_success(owner=row.project_id, subject=row.pk)


def _cancel_operation(row: Payment) -> str:
    """Return the intent operation that cancels the payment."""
    return "payment_intent.cancel" if row.checkout is None else "checkout_session.expire"


def _claim_due(at: datetime) -> list[Payment]:
    due = stored.select_expiring(at=at)
    return lease.claim(
        stored.select_next_expiring(at=at, limit=BATCH_SIZE, rule=RETRY_RULE),
        due=due.select_related("account", "checkout", "project"),
        rows=Payment.objects.across_projects(),
        duration=LEASE_DURATION,
        columns=EXPIRY_LEASE,
    )


def _expire(row: Payment, at: datetime) -> None:
    if row.checkout is None and not row.stripe_id:
        payment_requests.delete_unused(row)  # the tenant never received its page
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
    """Cancel the PaymentIntent. The same request name is used until the row changes."""
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
