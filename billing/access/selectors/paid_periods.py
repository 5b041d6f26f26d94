"""Until when the periods of subscriptions are paid: what quotas that renew with them follow.

What counts as money for a period is stated in ``docs/credits.md``; it is the same for quotas. A
period has its money once the invoice with which it began counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest

from billing.access.selectors.period_bills import CYCLE, FIRST, UPDATE
from billing.models import Invoice, Subscription, SubscriptionItem
from billing.models.invoice import PAID, UNPAID, VOID
from billing.models.product import RenewalPolicy
from billing.models.subscription import SubscriptionStatus

FIRST_WINDOW = timedelta(hours=1)
"""So long after its start a subscription counts as paid before any invoice does: windows begin on
full hours, so this is the one in which it began, which comes with access."""

WHOSE = ("account_id", "customer_id", "subscription_stripe_id")
_RECURRING = Q(lines__price__interval__gt="", lines__is_credit=False)
_METERED = Q(lines__price__meter__isnull=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """An invoice with which a period began, at ``begins_at``. ``is_exact`` of one that a change
    made for metered prices alone: it began a period only if one begins at that very moment."""

    begins_at: datetime
    status: str
    is_gift: bool
    is_exact: bool

    def counts(self, renewal_policy: str) -> bool:
        """Whether it counts as money for the period."""
        if self.status == PAID or self.is_gift:
            return True
        return renewal_policy == RenewalPolicy.INVOICED and self.status in UNPAID


def beginnings(
    *, project_id: str, subscriptions: Collection[Subscription]
) -> dict[str, list[Beginning]]:
    """The invoices with which periods of each subscription began, from the last that is paid on,
    by the subscription's id. One query."""
    found: dict[tuple[str, ...], list[Beginning]] = defaultdict(list)
    for row in _rows(project_id, subscriptions):
        found[tuple(row[name] for name in WHOSE)].append(_beginning(row))
    return {
        each.pk: found[each.account_id, each.customer_id, each.stripe_id or ""]
        for each in subscriptions
    }


def paid_until(
    subscription: Subscription,
    item: SubscriptionItem,
    *,
    items: Iterable[SubscriptionItem],
    invoices: Sequence[Beginning],
    renewal_policy: str,
) -> datetime | None:
    """Until when the item's periods have their money, or need none; None when they never do.

    Trust (``invoiced``) holds until a payment is overdue. Before anything is paid it is the
    beginning of the subscription.
    """
    if subscription.status == SubscriptionStatus.TRIALING:
        return item.period_end
    if all(_costs_nothing(each) for each in items):
        return None
    is_trusted = subscription.status == SubscriptionStatus.ACTIVE
    policy = renewal_policy if is_trusted else RenewalPolicy.PAID
    begun = [each for each in invoices if not each.is_exact or each.begins_at == item.period_start]
    latest = max((each.begins_at for each in begun if each.counts(policy)), default=None)
    if latest is None:
        return subscription.started_at + FIRST_WINDOW
    if latest >= item.period_start:
        return item.period_end
    unpaid = [each.begins_at for each in begun if each.begins_at > latest]
    return min([*unpaid, item.period_start])


def _costs_nothing(item: SubscriptionItem) -> bool:
    price = item.price
    return price is not None and price.unit_amount == 0 and not price.is_metered


def _beginning(row: Mapping[str, Any]) -> Beginning:
    is_first = row["billing_reason"] == FIRST
    return Beginning(
        begins_at=row["begins_at"],
        status=row["status"],
        is_gift=is_first and row["status"] == VOID and not row["attempt_count"],
        is_exact=row["billing_reason"] == UPDATE and row["starts_at"] is None,
    )


def _rows(project_id: str, subscriptions: Collection[Subscription]) -> Iterable[Mapping[str, Any]]:
    """A renewal's lines begin with its period, those for metered use end there; what bills neither
    began when it was issued. A change begins a period only with lines that prorate nothing."""
    whole = _RECURRING & Q(lines__is_proration=False)
    used = whole & _METERED
    begun = Case(
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
            starts_at=Max("lines__period_start", filter=whole & ~_METERED),
            used_until=Max("lines__period_end", filter=used),
        )
        .annotate(begun_at=begun)
        .exclude(billing_reason=UPDATE, begun_at=None)
        .annotate(begins_at=Coalesce("begun_at", "issued_at"))
    )
    return list(
        rows.values(*WHOSE, "billing_reason", "status", "attempt_count", "starts_at", "begins_at")
    )


def _last_paid(project_id: str) -> QuerySet[Invoice, Any]:
    """When the last renewal, or first invoice, was issued that is paid."""
    same = {name: OuterRef(name) for name in WHOSE}
    paid = Invoice.objects.for_project(project_id).filter(
        **same, status=PAID, billing_reason__in=(FIRST, CYCLE)
    )
    return paid.order_by("-issued_at").values("issued_at")[:1]
