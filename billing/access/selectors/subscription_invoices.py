"""Invoices of subscriptions: failed first payments, overdue invoices, skipped and paid renewals."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import DateTimeField, Exists, OuterRef, Q, QuerySet, Subquery

from billing.access.selectors.period_bills import CYCLE, FIRST
from billing.models import Invoice, InvoiceLine, InvoicePayment, Subscription
from billing.models.invoice import OPEN, PAID, UNPAYABLE, VOID
from billing.models.payment import PaymentStatus
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedValues, is_any

FAILED = (PaymentStatus.FAILED, PaymentStatus.CANCELED)

SUBSCRIPTION_KEY = ("account_id", "customer_id", "subscription_stripe_id")
"""Fields of an invoice that name its subscription."""
SubscriptionKey = tuple[str, ...]


class RunningInvoice(NamedTuple):
    """An invoice that says something about the running period of its subscription."""

    id: str
    reason: str
    """Stripe's ``billing_reason``."""
    status: str
    attempt_count: int
    issued_at: datetime
    due_at: datetime | None
    ends_at: datetime | None
    """End of the last period that it bills."""
    has_failed_payment: bool


RunningInvoices = Mapping[SubscriptionKey, Sequence[RunningInvoice]]
"""By subscription, those of its invoices that :func:`find_running` has found."""

_RUNNING = PreparedValues(
    lambda: _select_running().values_list(
        *SUBSCRIPTION_KEY,
        "pk",
        "billing_reason",
        "status",
        "attempt_count",
        "issued_at",
        "due_at",
        "ended",
        "has_failed",
    )
)


def find_running(
    *, project_id: str, subscriptions: Iterable[Subscription], since: datetime
) -> RunningInvoices:
    """The first invoices of these subscriptions, their open ones, and those that bill time after
    ``since``, the start of the oldest running period. One query."""
    running: dict[SubscriptionKey, list[RunningInvoice]] = defaultdict(list)
    rows = _RUNNING.rows(project_id=project_id, stripe_ids=stripe_ids(subscriptions), since=since)
    for account, customer, subscription, *values in rows:
        running[account, customer, subscription].append(RunningInvoice(*values))
    return running


def find_unpaid(
    invoices: RunningInvoices, *, project_id: str, subscriptions: Collection[Subscription]
) -> set[str]:
    """Ids of subscriptions that Stripe calls active although nothing was ever paid: their first
    payment failed after the start, as a bank debit can days later. A first invoice that was voided
    before any attempt was a gift and counts as paid.

    One query if there seems to be one.
    """
    suspects = [
        row for row in subscriptions if any(map(_is_unpaid_first, invoices.get(key_of(row), ())))
    ]
    if not suspects:
        return set()
    paid = invoices_of(project_id, suspects).filter(status=PAID)
    paid_keys = set(paid.values_list(*SUBSCRIPTION_KEY))
    return {row.pk for row in suspects if key_of(row) not in paid_keys}


def _is_unpaid_first(invoice: RunningInvoice) -> bool:
    if invoice.reason != FIRST or _is_unattempted(invoice):
        return False
    return invoice.status in UNPAYABLE or (invoice.status != PAID and invoice.has_failed_payment)


def _is_unattempted(invoice: RunningInvoice) -> bool:
    """Whether the invoice was voided before Stripe tried to charge it."""
    return invoice.status == VOID and not invoice.attempt_count


def overdue_since(invoices: RunningInvoices, *, subscription: Subscription) -> datetime | None:
    """The time since when the oldest open invoice is overdue: since it was finalized, or since its
    due date; None without an open invoice."""
    times = [
        max(each.issued_at, each.due_at or each.issued_at)
        for each in invoices.get(key_of(subscription), ())
        if each.status == OPEN
    ]
    return min(times, default=None)


def is_skipped(invoices: RunningInvoices, *, subscription: Subscription, since: datetime) -> bool:
    """Whether the period since ``since`` was never charged: Stripe voids its invoice without an
    attempt while collection is paused."""
    renewals = [
        each
        for each in invoices.get(key_of(subscription), ())
        if each.reason == CYCLE and each.issued_at >= since
    ]
    return bool(renewals) and all(map(_is_unattempted, renewals))


def paid_since(
    invoices: RunningInvoices, *, subscription: Subscription, since: datetime
) -> dict[str, datetime]:
    """Ids of the paid invoices that bill time after ``since``, each with the end of the last period
    that it bills."""
    return {
        each.id: each.ends_at
        for each in invoices.get(key_of(subscription), ())
        if each.status == PAID and each.ends_at is not None and each.ends_at > since
    }


def is_renewed(*, subscription: Subscription, since: datetime) -> bool | None:
    """Whether the renewal for the period since ``since`` is paid; None if the period began with the
    subscription or by a change of it."""
    rows = invoices_of(subscription.project_id, [subscription]).filter(
        customer_id=subscription.customer_id, issued_at__gte=since
    )
    invoices = list(rows.values_list("billing_reason", "status"))
    renewals = [status for reason, status in invoices if reason == CYCLE]
    if renewals:
        return PAID in renewals
    return None if any(status == PAID for _, status in invoices) else False


def invoices_of(project_id: str, subscriptions: Iterable[Subscription]) -> ProjectQuerySet[Invoice]:
    """Invoices with the Stripe id of one of these subscriptions; the caller checks the customer."""
    return Invoice.objects.for_project(project_id).filter(
        subscription_stripe_id__in=stripe_ids(subscriptions)
    )


def stripe_ids(subscriptions: Iterable[Subscription]) -> list[str]:
    return sorted({row.stripe_id for row in subscriptions if row.stripe_id})


def prepared_invoices() -> ProjectQuerySet[Invoice]:
    """:func:`invoices_of` as a part of a prepared query with the parameters ``project_id`` and
    ``stripe_ids``."""
    rows = Invoice.objects.for_project(Parameter("project_id"))
    return rows.filter(is_any("subscription_stripe_id", "stripe_ids"))


def _select_running() -> QuerySet[Invoice, Any]:
    ends = InvoiceLine.objects.across_projects().filter(invoice_id=OuterRef("pk"))
    failed = InvoicePayment.objects.across_projects().filter(
        invoice_id=OuterRef("pk"), payment__status__in=FAILED
    )
    since = Parameter("since", DateTimeField())
    annotated = prepared_invoices().annotate(
        ended=Subquery(ends.order_by("-period_end").values("period_end")[:1]),
        has_failed=Exists(failed),
    )
    return annotated.filter(
        Q(billing_reason=FIRST)
        | Q(status=OPEN)
        | Q(billing_reason=CYCLE, issued_at__gte=since)
        | Q(status=PAID, ended__gt=since)
    )


def key_of(subscription: Subscription) -> SubscriptionKey:
    return (subscription.account_id, subscription.customer_id, subscription.stripe_id or "")
