"""The project's payments, with their refunds, disputes and customers loaded."""

from datetime import datetime
from typing import Any

from django.db.models import Case, Q, QuerySet, Value, When

from billing.models import Payment
from billing.models.checkout import CheckoutStatus
from billing.models.payment import UNPAID, PaymentType
from billing.sync.selectors import back_offs
from common import crypto, fair_queue, lease
from common.errors import NotFound
from common.fair_queue import RetryRule
from common.lease import LeaseColumns
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project

EXPIRY_LEASE = LeaseColumns(until="expiry_leased_until", fence="expiry_leased_until")
"""Of the worker that calls a payment off."""


def listing(
    *,
    project: Project | str,
    user_id: str = "",
    checkout: str = "",
    status: str = "",
    payment_type: str = "",
    reference: str = "",
) -> ProjectQuerySet[Payment]:
    """Those that match every filter given: four queries, whatever their number."""
    wanted: dict[str, Any] = {
        "checkout_id": checkout,
        "status": status,
        "type": payment_type,
        "reference": reference,
    }
    if user_id:
        wanted |= customers.owner_filter(project=project, user_id=user_id)
    return (
        Payment.objects.for_project(project)
        .filter(**{name: value for name, value in wanted.items() if value})
        .select_related("customer", "account")
        .prefetch_related("refunds", "disputes", "fraud_warnings", "invoice_payments")
    )


def get(*, project: Project | str, payment_id: str) -> Payment:
    """One payment with its checkout; raises NotFound."""
    row = listing(project=project).select_related("checkout").filter(pk=payment_id).first()
    if row is None:
        raise NotFound("No payment with this id.")
    return row


def standing(*, project: Project, payment_id: str) -> Payment:
    """One payment with as little as tells where its money is; raises NotFound."""
    row = (
        Payment.objects.for_project(project)
        .only("id", "status", "amount", "currency", "paid_at", "failure_code", "failure_message")
        .filter(pk=payment_id)
        .first()
    )
    if row is None:
        raise NotFound("No payment with this id.")
    return row


def expiring_in_turn(*, at: datetime, limit: int, rule: RetryRule) -> list[Payment]:
    """Payments to be called off now, in turn of their projects: expiring ones that no worker holds.

    Without those that wait by ``rule``, and those whose account cannot be asked now.
    """
    due = expiring(at=at).filter(lease.is_free(EXPIRY_LEASE))
    due = due.alias(
        request=Case(
            When(checkout__isnull=True, then=Value("payment_intent.cancel")),
            default=Value("checkout_session.expire"),
        )
    )
    due = due.filter(
        ~back_offs.is_backing_off(account="account_id", request="request"),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"),
    )
    return fair_queue.round_robin(due, owner="project_id", order=("expires_at", "pk"), limit=limit)


def expiring(*, at: datetime) -> QuerySet[Payment]:
    """Unpaid payments of all projects whose time is over.

    Without those that Stripe is still being asked for, and those that the buyer has done their
    part for on a page.
    """
    is_known = Q(stripe_id__isnull=False) | ~Q(type=PaymentType.INTENT)
    rows = Payment.objects.across_projects().filter(
        is_known, expires_at__lte=at, expired_at__isnull=True, status__in=UNPAID
    )
    return rows.exclude(checkout__status=CheckoutStatus.COMPLETE)


def of_reference(*, project: Project | str, reference: str) -> Payment | None:
    """The payment that the project calls so."""
    return (
        Payment.objects.for_project(project)
        .exclude(reference="")
        .filter(reference=reference)
        .select_related("customer", "account", "checkout")
        .first()
    )


def client_secret(payment: Payment) -> str | None:
    """What the project's own front end confirms the payment with, in the clear: for nobody else."""
    if not payment.client_secret:
        return None
    return crypto.decrypt(payment.client_secret, context=payment.secret_context)
