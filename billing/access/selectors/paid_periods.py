"""The time until which the periods of subscriptions are paid, for quotas that renew with periods.

``docs/credits.md`` defines which invoices count as paid; the rules are the same for quotas. A
period is paid once the invoice with which it began counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest

from billing.access.selectors.period_bills import CYCLE, FIRST, UPDATE
from billing.access.selectors.subscription_invoices import SUBSCRIPTION_KEY
from billing.models import Invoice, ProductFeature, Subscription, SubscriptionItem
from billing.models.invoice import PAID, UNPAID, VOID
from billing.models.product import RenewalPolicy
from billing.models.subscription import SubscriptionStatus
from entitlements.models.feature import FeatureKind

FIRST_WINDOW = timedelta(hours=1)
"""Time after its start in which a subscription counts as paid without an invoice. Windows begin on
full hours, so this is the window in which the subscription began."""

_RECURRING = Q(lines__price__interval__gt="", lines__is_credit=False)
_METERED = Q(lines__price__meter__isnull=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodInvoice:
    """An invoice with which a period began, at ``begins_at``.

    ``is_exact``: a change of the subscription created it for metered prices alone, so it began a
    period only if one begins exactly at ``begins_at``.
    """

    begins_at: datetime
    status: str
    is_gift: bool
    is_exact: bool

    def counts_as_paid(self, renewal_policy: str) -> bool:
        """Whether the invoice counts as paid under the product's ``renewal_policy``."""
        if self.status == PAID or self.is_gift:
            return True
        return renewal_policy == RenewalPolicy.INVOICED and self.status in UNPAID


def renews_with_periods(row: ProductFeature) -> bool:
    """Whether the quota begins anew with each paid period."""
    return row.feature.kind == FeatureKind.METERED and row.feature.is_anchored


def find_period_invoices(
    *, project_id: str, subscriptions: Collection[Subscription]
) -> dict[str, list[PeriodInvoice]]:
    """Invoices with which periods began, by subscription id, starting with the last paid one. One
    query."""
    invoices: dict[tuple[str, ...], list[PeriodInvoice]] = defaultdict(list)
    for row in _rows(project_id, subscriptions):
        invoices[tuple(row[name] for name in SUBSCRIPTION_KEY)].append(_period_invoice(row))
    return {
        subscription.pk: invoices[
            subscription.account_id, subscription.customer_id, subscription.stripe_id or ""
        ]
        for subscription in subscriptions
    }


def paid_until(
    subscription: Subscription,
    item: SubscriptionItem,
    *,
    items: Iterable[SubscriptionItem],
    invoices: Sequence[PeriodInvoice],
    renewal_policy: str,
) -> datetime | None:
    """The time until which the item's periods are paid; None if they never cost anything.

    The policy ``invoiced`` counts open invoices until a payment is overdue. Before any invoice
    counts, the first window of the subscription is paid.
    """
    if subscription.status == SubscriptionStatus.TRIALING:
        return item.period_end
    if all(_costs_nothing(other) for other in items):
        return None
    is_trusted = subscription.status == SubscriptionStatus.ACTIVE
    policy = renewal_policy if is_trusted else RenewalPolicy.PAID
    beginnings = [
        invoice
        for invoice in invoices
        if not invoice.is_exact or invoice.begins_at == item.period_start
    ]
    latest = max(
        (invoice.begins_at for invoice in beginnings if invoice.counts_as_paid(policy)),
        default=None,
    )
    if latest is None:
        return subscription.started_at + FIRST_WINDOW
    if latest >= item.period_start:
        return item.period_end
    unpaid = [invoice.begins_at for invoice in beginnings if invoice.begins_at > latest]
    return min([*unpaid, item.period_start])


def _costs_nothing(item: SubscriptionItem) -> bool:
    price = item.price
    return price is not None and price.unit_amount == 0 and not price.is_metered


def _period_invoice(row: Mapping[str, Any]) -> PeriodInvoice:
    is_first = row["billing_reason"] == FIRST
    return PeriodInvoice(
        begins_at=row["begins_at"],
        status=row["status"],
        is_gift=is_first and row["status"] == VOID and not row["attempt_count"],
        is_exact=row["billing_reason"] == UPDATE and row["starts_at"] is None,
    )


def _rows(project_id: str, subscriptions: Collection[Subscription]) -> Iterable[Mapping[str, Any]]:
    """Period invoices with the start of their period. Lines of a renewal begin with the period,
    lines for metered use end there; an invoice with neither began when it was issued. A change of
    the subscription begins a period only with lines that are no prorations."""
    regular = _RECURRING & Q(lines__is_proration=False)
    metered = regular & _METERED
    begun_at = Case(
        When(billing_reason=FIRST, then=F("first_at")),
        default=Greatest("starts_at", "used_until"),
    )
    rows = (
        Invoice.objects.for_project(project_id)
        .filter(
            subscription_stripe_id__in=[each.stripe_id for each in subscriptions],
            billing_reason__in=(FIRST, CYCLE, UPDATE),
            issued_at__gte=Coalesce(Subquery(_last_paid(project_id)), F("issued_at")),
        )
        .annotate(
            first_at=Max("lines__period_start", filter=_RECURRING),
            starts_at=Max("lines__period_start", filter=regular & ~_METERED),
            used_until=Max("lines__period_end", filter=metered),
        )
        .annotate(begun_at=begun_at)
        .exclude(billing_reason=UPDATE, begun_at=None)
        .annotate(begins_at=Coalesce("begun_at", "issued_at"))
    )
    return list(
        rows.values(
            *SUBSCRIPTION_KEY, "billing_reason", "status", "attempt_count", "starts_at", "begins_at"
        )
    )


def _last_paid(project_id: str) -> QuerySet[Invoice, Any]:
    """When the last paid renewal or first invoice was issued."""
    same = {name: OuterRef(name) for name in SUBSCRIPTION_KEY}
    paid = Invoice.objects.for_project(project_id).filter(
        **same, status=PAID, billing_reason__in=(FIRST, CYCLE)
    )
    return paid.order_by("-issued_at").values("issued_at")[:1]
