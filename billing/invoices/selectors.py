"""The project's invoices, with everything that is shown of them loaded."""

from datetime import datetime
from typing import Any

from billing.errors import NoDocument
from billing.models import Invoice, Subscription
from billing.models.invoice import UNPAID
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project


def listing(
    *,
    project: Project,
    user_id: str = "",
    subscription: str = "",
    status: str = "",
    number: str = "",
    issued_from: datetime | None = None,
    issued_before: datetime | None = None,
) -> ProjectQuerySet[Invoice]:
    """Those that match every filter given: four queries, whatever their number."""
    wanted: dict[str, Any] = {
        "subscription_id": subscription,
        "status": status,
        "number": number,
        "issued_at__gte": issued_from,
        "issued_at__lt": issued_before,
    }
    if user_id:
        wanted |= customers.owner_filter(project=project, user_id=user_id)
    return (
        Invoice.objects.for_project(project)
        .filter(**{name: value for name, value in wanted.items() if value})
        .select_related("customer")
        .prefetch_related("lines", "payments", "credit_notes")
    )


def get(*, project: Project, invoice_id: str) -> Invoice:
    """One invoice; raises NotFound."""
    row = listing(project=project).filter(pk=invoice_id).first()
    if row is None:
        raise NotFound("No invoice with this id.")
    return row


def document(*, project: Project, invoice_id: str) -> str:
    """Where Stripe keeps the invoice as a PDF; raises NotFound, and NoDocument for a draft."""
    row = Invoice.objects.for_project(project).only("pdf_url").filter(pk=invoice_id).first()
    if row is None:
        raise NotFound("No invoice with this id.")
    if not row.pdf_url:
        raise NoDocument("A draft has none. It gets one when it is final.")
    return row.pdf_url


def unpaid_of(subscription: Subscription) -> ProjectQuerySet[Invoice]:
    """What was billed for the subscription and waits for its money: drafts too, newest first."""
    rows = Invoice.objects.for_project(subscription.project_id).filter(
        account_id=subscription.account_id,
        customer_id=subscription.customer_id,
        subscription_stripe_id=subscription.stripe_id,
        status__in=UNPAID,
    )
    return rows.order_by("-issued_at", "-id")
