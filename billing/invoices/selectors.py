"""Read invoices, with their lines, payments, credit notes and customers loaded."""

from datetime import datetime
from typing import Any

from billing.errors import NoDocument
from billing.models import Invoice, Payment, StripeAccount, Subscription
from billing.models.invoice import UNPAID
from billing.sync.selectors import page_rows
from common.errors import NotFound
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedValues, is_any
from projects.customers import selectors as customers
from projects.models import Project

_PAYMENTS_BY_STRIPE_ID = PreparedValues(
    lambda: (
        Payment.objects.for_project(Parameter("project_id"))
        .filter(is_any("stripe_id", "stripe_ids"), account_id=Parameter("account_id"))
        .values_list("stripe_id", "pk")
    )
)


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
    """Return the invoices that match every non-empty filter: four queries, however many rows."""
    filters: dict[str, Any] = {
        "subscription_id": subscription,
        "status": status,
        "number": number,
        "issued_at__gte": issued_from,
        "issued_at__lt": issued_before,
    }
    if user_id:
        filters |= customers.owner_filter(project=project, user_id=user_id)
    return (
        Invoice.objects.for_project(project)
        .filter(**{name: value for name, value in filters.items() if value})
        .select_related("customer")
        .prefetch_related("lines", "payments", "credit_notes")
    )


def get(*, project: Project, invoice_id: str) -> Invoice:
    """Return one invoice. Raises NotFound."""
    row = listing(project=project).filter(pk=invoice_id).first()
    if row is None:
        raise NotFound("No invoice with this id.")
    return row


def get_pdf_url(*, project: Project, invoice_id: str) -> str:
    """Return the address of the invoice's PDF at Stripe.

    Raises NotFound, and NoDocument for a draft.
    """
    row = Invoice.objects.for_project(project).only("pdf_url").filter(pk=invoice_id).first()
    if row is None:
        raise NotFound("No invoice with this id.")
    if not row.pdf_url:
        raise NoDocument("A draft has no PDF. Stripe writes it when it finalizes the invoice.")
    return row.pdf_url


def select_unpaid(subscription: Subscription) -> ProjectQuerySet[Invoice]:
    """Return the subscription's unpaid invoices, drafts included, newest first."""
    rows = Invoice.objects.for_project(subscription.project_id).filter(
        account_id=subscription.account_id,
        customer_id=subscription.customer_id,
        subscription_stripe_id=subscription.stripe_id,
        status__in=UNPAID,
    )
    return rows.order_by("-issued_at", "-id")


def payments_by_stripe_id(
    *, account: StripeAccount, project_id: str, stripe_ids: set[str]
) -> dict[str | None, str]:
    """Our payment ids by Stripe id. Without Stripe ids no query."""
    loaded = page_rows.find_many(
        Payment, account=account, project_id=project_id, stripe_ids=stripe_ids
    )
    if loaded is not None:
        return {stripe_id: row.pk for stripe_id, row in loaded.items()}
    rows = _PAYMENTS_BY_STRIPE_ID.rows(
        project_id=project_id, account_id=account.pk, stripe_ids=sorted(stripe_ids)
    )
    return dict(rows)
