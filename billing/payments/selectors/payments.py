"""Read payments, with their refunds, disputes and customers loaded."""

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
from common.prepared_queries import Parameter, PreparedQuery
from projects.customers import selectors as customers
from projects.models import Project

EXPIRY_LEASE = LeaseColumns(until="expiry_leased_until", fence="expiry_leased_until")
"""Columns of the lease that a worker holds while it expires a payment."""

_OF_REFERENCE = PreparedQuery(
    lambda: (
        Payment.objects.for_project(Parameter("project_id"))
        .exclude(reference="")
        .filter(reference=Parameter("reference"))
        .order_by("pk")[:1]
    ),
    related=["customer", "account", "checkout"],
)


def listing(
    *,
    project: Project | str,
    user_id: str = "",
    checkout: str = "",
    status: str = "",
    payment_type: str = "",
    reference: str = "",
    workflow_id: str = "",
    metadata: dict[str, str] | None = None,
) -> ProjectQuerySet[Payment]:
    """Return the payments that match every non-empty filter: four queries, however many rows.

    ``metadata``: pairs that the payment's metadata contains.
    """
    filters: dict[str, Any] = {
        "checkout_id": checkout,
        "status": status,
        "type": payment_type,
        "reference": reference,
        "workflow_id": workflow_id,
        "metadata__contains": metadata,
    }
    if user_id:
        filters |= customers.owner_filter(project=project, user_id=user_id)
    return (
        Payment.objects.for_project(project)
        .filter(**{name: value for name, value in filters.items() if value})
        .select_related("customer", "account")
        .prefetch_related("refunds", "disputes", "fraud_warnings", "invoice_payments")
    )


def get(*, project: Project | str, payment_id: str) -> Payment:
    """Return one payment with its checkout. Raises NotFound."""
    row = listing(project=project).select_related("checkout").filter(pk=payment_id).first()
    if row is None:
        raise NotFound("No payment with this id.")
    return row


def get_status(*, project: Project, payment_id: str) -> Payment:
    """Return one payment with only its status, amount and failure loaded. Raises NotFound."""
    row = (
        Payment.objects.for_project(project)
        .only("id", "status", "amount", "currency", "paid_at", "failure_code", "failure_message")
        .filter(pk=payment_id)
        .first()
    )
    if row is None:
        raise NotFound("No payment with this id.")
    return row


def select_next_expiring(*, at: datetime, limit: int, rule: RetryRule) -> list[Payment]:
    """Return up to ``limit`` expiring payments that no worker leases, round robin by project.

    Leaves out payments that ``rule`` makes wait after a failure, and payments of accounts that
    back off from the request that would cancel them.
    """
    due = select_expiring(at=at).filter(lease.is_free(EXPIRY_LEASE))
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


def select_expiring(*, at: datetime) -> QuerySet[Payment]:
    """Return unpaid payments of all projects whose ``expires_at`` has passed.

    Leaves out payments whose PaymentIntent is still being created, and payments whose buyer has
    completed the page.
    """
    has_intent_or_page = Q(stripe_id__isnull=False) | ~Q(type=PaymentType.INTENT)
    rows = Payment.objects.across_projects().filter(
        has_intent_or_page, expires_at__lte=at, expired_at__isnull=True, status__in=UNPAID
    )
    return rows.exclude(checkout__status=CheckoutStatus.COMPLETE)


def find_by_reference(*, project: Project | str, reference: str) -> Payment | None:
    """Return the project's payment with this reference, None if there is none."""
    project_id = project if isinstance(project, str) else project.pk
    return _OF_REFERENCE.first(project_id=project_id, reference=reference)


def decrypt_client_secret(payment: Payment) -> str | None:
    """Return the client secret in clear text. Give it only to keys with payments:write."""
    if not payment.client_secret:
        return None
    return crypto.decrypt(payment.client_secret, context=payment.secret_context)
