"""Invoices of subscriptions: failed first payments, overdue invoices, skipped and paid renewals."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from billing.access.selectors.period_bills import CYCLE, FIRST
from billing.models import Invoice, Subscription
from billing.models.invoice import OPEN, PAID, UNPAYABLE, VOID
from billing.models.payment import PaymentStatus
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedValues, is_any

FAILED = (PaymentStatus.FAILED, PaymentStatus.CANCELED)

SUBSCRIPTION_KEY = ("account_id", "customer_id", "subscription_stripe_id")
"""Fields of an invoice that name its subscription."""
_UNPAID_FIRST = PreparedValues(lambda: _select_unpaid_first().values_list(*SUBSCRIPTION_KEY))
_RENEWALS = PreparedValues(
    lambda: (
        prepared_invoices()
        .filter(billing_reason=CYCLE, issued_at__gte=Parameter("since"))
        .values_list("issued_at", "status", "attempt_count", *SUBSCRIPTION_KEY)
    )
)


def find_unpaid(*, project_id: str, subscriptions: Collection[Subscription]) -> set[str]:
    """Ids of subscriptions that Stripe calls active although nothing was ever paid: their first
    payment failed after the start, as a bank debit can days later. A first invoice that was voided
    before any attempt was a gift and counts as paid.

    One query, or two.
    """
    if not subscriptions:
        return set()
    unpaid_keys = set(
        _UNPAID_FIRST.rows(project_id=project_id, stripe_ids=stripe_ids(subscriptions))
    )
    if not unpaid_keys:
        return set()
    paid = invoices_of(project_id, subscriptions).filter(status=PAID)
    paid_keys = set(paid.values_list(*SUBSCRIPTION_KEY))
    return {row.pk for row in subscriptions if key_of(row) in unpaid_keys - paid_keys}


def overdue_since(
    *, project_id: str, subscriptions: Collection[Subscription]
) -> dict[str, datetime]:
    """By subscription id, the time since when its oldest open invoice is overdue: since it was
    finalized, or since its due date; absent without an open invoice. One query."""
    if not subscriptions:
        return {}
    rows = invoices_of(project_id, subscriptions).filter(status=OPEN)
    since_by_key: dict[tuple[str, ...], datetime] = {}
    for issued, due, *key in rows.values_list("issued_at", "due_at", *SUBSCRIPTION_KEY):
        since = max(issued, due or issued)
        since_by_key[tuple(key)] = min(since, since_by_key.get(tuple(key), since))
    return {
        row.pk: since_by_key[key_of(row)] for row in subscriptions if key_of(row) in since_by_key
    }


def find_skipped(
    *, project_id: str, subscriptions: Collection[Subscription], since: Mapping[str, datetime]
) -> set[str]:
    """Ids of subscriptions whose period since ``since`` was never charged: Stripe voids its invoice
    without an attempt while collection is paused. One query."""
    if not subscriptions:
        return set()
    rows = _RENEWALS.rows(
        project_id=project_id, stripe_ids=stripe_ids(subscriptions), since=min(since.values())
    )
    renewals: dict[tuple[str, ...], list[tuple[datetime, bool]]] = defaultdict(list)
    for issued, status, attempts, *key in rows:
        renewals[tuple(key)].append((issued, status == VOID and not attempts))
    return {row.pk for row in subscriptions if _is_skipped(renewals[key_of(row)], since[row.pk])}


def _is_skipped(renewals: Iterable[tuple[datetime, bool]], since: datetime) -> bool:
    of_period = [skipped for issued, skipped in renewals if issued >= since]
    return bool(of_period) and all(of_period)


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


def _select_unpaid_first() -> QuerySet[Invoice, Any]:
    gift = Q(status=VOID, attempt_count=0)
    failed = ~Q(status=PAID) & Q(payments__payment__status__in=FAILED)
    is_unpaid = (Q(status__in=UNPAYABLE) | failed) & ~gift
    return prepared_invoices().filter(is_unpaid, billing_reason=FIRST)


def key_of(subscription: Subscription) -> tuple[str, ...]:
    return (subscription.account_id, subscription.customer_id, subscription.stripe_id or "")
