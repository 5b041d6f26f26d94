"""What became of the money for purchases and subscriptions, from our mirror of payments.

For many at once in a fixed number of queries, and for one as for many. ``also`` is money, by
payment, that is to be seen as refunded too: for a look at what a refund would change. Where a
refund names lines of a page, only these lines, and what is sold by them, have lost their money.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Max, Q

from billing.access.policies import Receipts
from billing.access.selectors import line_receipts
from billing.access.selectors.line_receipts import Also, Pages
from billing.models import (
    Checkout,
    CheckoutLine,
    Invoice,
    InvoicePayment,
    Payment,
    Subscription,
)
from billing.models.invoice import OPEN, PAID, UNPAYABLE, VOID
from billing.models.payment import PaymentStatus
from common.models import ProjectQuerySet

FIRST = "subscription_create"
"""The billing reason of the invoice with which a subscription begins."""
CYCLE = "subscription_cycle"
"""The billing reason of a renewal."""
CAME_TO_NOTHING = (PaymentStatus.FAILED, PaymentStatus.CANCELED)

Bills = dict[str, datetime | None]
"""Invoices that paid a period, and when the last of what they are for is over."""

WHOSE = ("account_id", "customer_id", "subscription_stripe_id")


def of_lines(
    *,
    project_id: str,
    checkouts: Collection[Checkout],
    lines: Mapping[str, Sequence[CheckoutLine]],
    also: Also = None,
) -> dict[str, Receipts]:
    """By line, of the payment that each page made, or of those that settle the first invoice of
    what it sells by subscription. Up to four queries; the lines of a page without either are
    absent. The ``lines`` are by page and come with their prices."""
    paid = _paid_on_pages(project_id, [each for each in checkouts if each.payment_stripe_id])
    billed = _paid_on_bills(
        project_id,
        [each for each in checkouts if each.invoice_stripe_id and not each.payment_stripe_id],
    )
    pages = {each.pk: each for each in checkouts}
    found: dict[str, Receipts] = {}
    for key, payments in (paid | billed).items():
        found |= line_receipts.of_page(pages[key], lines=lines[key], payments=payments, also=also)
    return found


def of_subscriptions(
    *,
    project_id: str,
    subscriptions: Collection[Subscription],
    since: Mapping[str, datetime],
    also: Also = None,
) -> dict[str, Receipts]:
    """Of what paid the period that runs ``since`` then, by subscription; before that is paid, of
    what was paid last. Up to five queries."""
    bills = _bills(project_id, subscriptions, since)
    settled = (
        InvoicePayment.objects.for_project(project_id)
        .filter(
            invoice_id__in=[key for found in bills.values() for key in found],
            payment__isnull=False,
        )
        .select_related("payment")
        .prefetch_related("payment__disputes")
    )
    by_invoice: dict[str, list[Payment]] = defaultdict(list)
    for row in settled:
        assert row.payment is not None
        by_invoice[row.invoice_id].append(row.payment)
    pages = line_receipts.pages_of(
        project_id=project_id, payments=_each_once(by_invoice), also=also
    )
    return {
        each.pk: replace(
            _sum(_theirs(each.customer_id, by_invoice, bills[each.pk]), pages, also),
            until=max((end for end in bills[each.pk].values() if end), default=None),
        )
        for each in subscriptions
    }


def never_came(*, subscription: Subscription) -> bool:
    return bool(unpaid(project_id=subscription.project_id, subscriptions=[subscription]))


def unpaid(*, project_id: str, subscriptions: Collection[Subscription]) -> set[str]:
    """Those whose first payment came to nothing after Stripe had begun the subscription, which
    a bank debit can days later, and nothing was paid since. Stripe calls them active all the same.
    A first invoice that was voided before any attempt was given away: that is as good as paid.

    One query, or two.
    """
    invoices = _invoices(project_id, subscriptions)
    gift = Q(status=VOID, attempt_count=0)
    failed = ~Q(status=PAID) & Q(payments__payment__status__in=CAME_TO_NOTHING)
    first = invoices.filter((Q(status__in=UNPAYABLE) | failed) & ~gift, billing_reason=FIRST)
    suspects = set(first.values_list(*WHOSE))
    if not suspects:
        return set()
    paid = set(invoices.filter(status=PAID).values_list(*WHOSE))
    return {each.pk for each in subscriptions if _key(each) in suspects - paid}


def overdue_since(
    *, project_id: str, subscriptions: Collection[Subscription]
) -> dict[str, datetime]:
    """Since when the oldest open invoice of each subscription is owed: since it was final, or due
    where a bill is sent. One query; a subscription without an open invoice is absent."""
    if not subscriptions:
        return {}
    rows = _invoices(project_id, subscriptions).filter(status=OPEN)
    found: dict[tuple[str, ...], datetime] = {}
    for issued, due, *whose in rows.values_list("issued_at", "due_at", *WHOSE):
        since = max(issued, due or issued)
        found[tuple(whose)] = min(since, found.get(tuple(whose), since))
    return {each.pk: found[_key(each)] for each in subscriptions if _key(each) in found}


def forfeited(
    *, project_id: str, subscriptions: Collection[Subscription], since: Mapping[str, datetime]
) -> set[str]:
    """Those whose running period, which began ``since`` then, nobody was asked to pay: its invoice
    was voided without an attempt, as Stripe does while collection is paused. One query."""
    if not subscriptions:
        return set()
    rows = _invoices(project_id, subscriptions).filter(
        billing_reason=CYCLE, issued_at__gte=min(since.values())
    )
    found: dict[tuple[str, ...], list[tuple[datetime, bool]]] = defaultdict(list)
    for issued, status, attempts, *whose in rows.values_list(
        "issued_at", "status", "attempt_count", *WHOSE
    ):
        found[tuple(whose)].append((issued, status == VOID and not attempts))
    return {each.pk for each in subscriptions if _is_skipped(found[_key(each)], since[each.pk])}


def _is_skipped(renewals: Iterable[tuple[datetime, bool]], since: datetime) -> bool:
    of_period = [skipped for issued, skipped in renewals if issued >= since]
    return bool(of_period) and all(of_period)


def is_renewed(*, subscription: Subscription, since: datetime) -> bool | None:
    """Whether the renewal for the period that began ``since`` then is paid; None when the period
    began otherwise: with the subscription, or by a change of it."""
    rows = _invoices(subscription.project_id, [subscription]).filter(
        customer_id=subscription.customer_id, issued_at__gte=since
    )
    found = list(rows.values_list("billing_reason", "status"))
    renewals = [status for reason, status in found if reason == CYCLE]
    if renewals:
        return PAID in renewals
    return None if any(status == PAID for _, status in found) else False


def _bills(
    project_id: str, subscriptions: Collection[Subscription], since: Mapping[str, datetime]
) -> dict[str, Bills]:
    """The paid invoices of each subscription that count."""
    if not subscriptions:
        return {}
    ended = Max("lines__period_end")
    paid = _invoices(project_id, subscriptions).filter(status=PAID).annotate(ended=ended)
    running: dict[tuple[str, ...], Bills] = defaultdict(dict)
    recent = paid.filter(ended__gt=min(since.values()))
    for key, end, *whose in recent.values_list("pk", "ended", *WHOSE):
        running[tuple(whose)][key] = end
    found: dict[str, Bills] = {
        each.pk: {
            key: end
            for key, end in running.get(_key(each), {}).items()
            if end and end > since[each.pk]
        }
        for each in subscriptions
    }
    if without := [each for each in subscriptions if not found[each.pk]]:
        latest = _latest(project_id, without)
        found |= {each.pk: latest.get(_key(each), {}) for each in without}
    return found


def _latest(
    project_id: str, subscriptions: Collection[Subscription]
) -> dict[tuple[str, ...], Bills]:
    """The invoice of each that was paid last."""
    rows = _invoices(project_id, subscriptions).filter(status=PAID)
    newest = rows.order_by(*WHOSE, "-issued_at", "-id").distinct(*WHOSE).values("pk")
    ended = (
        Invoice.objects.for_project(project_id)
        .filter(pk__in=newest)
        .annotate(ended=Max("lines__period_end"))
    )
    return {tuple(whose): {key: end} for key, end, *whose in ended.values_list(
        "pk", "ended", *WHOSE
    )}  # fmt: skip


def _invoices(project_id: str, subscriptions: Iterable[Subscription]) -> ProjectQuerySet[Invoice]:
    """Invoices that name one of these subscriptions at Stripe; of whom, is for the caller."""
    return Invoice.objects.for_project(project_id).filter(
        subscription_stripe_id__in={each.stripe_id for each in subscriptions if each.stripe_id}
    )


def _key(subscription: Subscription) -> tuple[str, ...]:
    return (subscription.account_id, subscription.customer_id, subscription.stripe_id or "")


def _theirs(
    customer_id: str, by_invoice: Mapping[str, list[Payment]], invoices: Iterable[str]
) -> list[Payment]:
    """The customer's payments of these invoices, each once."""
    found = {each.pk: each for key in invoices for each in by_invoice.get(key, ())}
    return [each for each in found.values() if each.customer_id == customer_id]


def _paid_on_pages(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = Payment.objects.for_project(project_id).filter(
        stripe_id__in={page.payment_stripe_id for page in pages}
    )
    known: dict[tuple[str, ...], list[Payment]] = defaultdict(list)
    for row in rows.prefetch_related("disputes"):
        known[row.account_id, row.customer_id, row.stripe_id or ""].append(row)
    return {
        page.pk: known.get((page.account_id, page.customer_id, page.payment_stripe_id), [])
        for page in pages
    }


def _paid_on_bills(project_id: str, pages: Collection[Checkout]) -> dict[str, list[Payment]]:
    if not pages:
        return {}
    rows = (
        InvoicePayment.objects.for_project(project_id)
        .filter(
            invoice__stripe_id__in={page.invoice_stripe_id for page in pages},
            payment__isnull=False,
        )
        .select_related("invoice", "payment")
        .prefetch_related("payment__disputes")
    )
    known: dict[tuple[str, ...], dict[str, Payment]] = defaultdict(dict)
    for row in rows:
        paid = row.payment
        assert paid is not None
        if paid.account_id == row.invoice.account_id:
            known[paid.account_id, paid.customer_id, row.invoice.stripe_id or ""][paid.pk] = paid
    return {
        page.pk: list(
            known.get((page.account_id, page.customer_id, page.invoice_stripe_id), {}).values()
        )
        for page in pages
    }


def _each_once(by_invoice: Mapping[str, list[Payment]]) -> list[Payment]:
    found = {each.pk: each for payments in by_invoice.values() for each in payments}
    return list(found.values())


def _sum(rows: Collection[Payment], pages: Pages, also: Also) -> Receipts:
    """Several payments of one subscription count together; they come with their disputes."""
    return line_receipts.merged(
        [line_receipts.of_subscription(row, pages=pages, also=also) for row in rows]
    )
