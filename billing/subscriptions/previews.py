"""Compute what a change of a subscription costs, as Stripe bills it: before and after the change.

Both return a :class:`Bill`. A change that is sent with the ``proration_date`` of its preview is
billed exactly the previewed amounts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.models import Invoice, InvoiceLine, Price, Subscription
from billing.models.sync_object import ObjectKind
from billing.stripe.client import client_for
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import Fields
from billing.stripe.previews import PreviewLine, PreviewSnapshot, preview
from billing.subscriptions import schedules, subscription_items
from billing.subscriptions.changes import ChangePlan, ChangeTime
from billing.subscriptions.writes import require_stripe_id
from billing.sync import service as sync
from billing.sync.selectors import owners
from common.errors import Unavailable

NO_PRORATION = {"proration_behavior": "none"}
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line; ``amount`` in minor units, negative for a credit."""

    description: str
    price_id: str | None
    quantity: int | None
    amount: int
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The amount due now and the next invoice. Amounts are minor units of ``currency``.

    ``credit`` is the sum of the negative lines, as a positive amount. ``next_at`` is None if no
    invoice follows. ``invoice_id`` is our id of the invoice that billed the change, None in a
    preview.
    """

    currency: str
    proration_date: datetime | None = None
    invoice_id: str | None = None
    amount_due: int = 0
    lines: tuple[BillLine, ...] = ()
    next_at: datetime | None = None
    next_amount_due: int | None = None

    @property
    def credit(self) -> int:
        return -sum(line.amount for line in self.lines if line.amount < 0)


def preview_change(*, subscription: Subscription, plan: ChangePlan, at: datetime) -> Bill:
    """Return the bill that the change would have. Raises StripeRefused, StripeUnavailable."""
    if plan.when is ChangeTime.RENEWAL:
        return _preview_change_at_renewal(subscription, plan)
    return _preview_change_now(subscription, plan, at)


def preview_cancellation(*, subscription: Subscription, ends: bool) -> Bill:
    """Return the bill with (``ends``) or without a cancellation at the end of the period."""
    details: Fields = {} if bool(subscription.cancel_at) == ends else _cancellation_details(ends)
    return _preview_renewal(subscription, details)


def preview_undo(*, subscription: Subscription) -> Bill:
    """Return the bill without the scheduled change. Raises NothingScheduled."""
    schedules.check_scheduled(subscription=subscription)
    return _preview_renewal(subscription, _current_items(subscription))


def find_bill(*, subscription: Subscription, invoiced_before: str, at: datetime) -> Bill | None:
    """Return the bill of a change that was made: its invoice, if it has one, and the next one.

    ``invoiced_before`` is the Stripe id of the latest invoice before the change. None if Stripe
    does not answer in time.
    """
    try:
        invoice = _find_new_invoice(subscription, invoiced_before, at)
        bill = _preview_renewal(subscription, {})
    except (Unavailable, StripeRefused):
        return None
    if invoice is None:
        return bill
    return Bill(
        currency=bill.currency,
        invoice_id=invoice.pk,
        amount_due=invoice.amount_due,
        lines=tuple(_stored_line(line) for line in invoice.lines.all()),
        next_at=bill.next_at,
        next_amount_due=bill.next_amount_due,
    )


def _preview_change_now(subscription: Subscription, plan: ChangePlan, at: datetime) -> Bill:
    proration_time = _proration_time(subscription, plan, at)
    details: Fields = {
        name: plan.params[name]
        for name in ("items", "proration_behavior", "trial_end")
        if name in plan.params
    }
    if "items" not in details and subscription.scheduled_at is not None:
        details |= _current_items(subscription)  # the change removes the schedule
    params = {name: plan.params[name] for name in ("discounts",) if name in plan.params}
    details_now = dict(details)
    if details.get("proration_behavior", "none") != "none":
        details_now["proration_date"] = int(proration_time.timestamp())
    first = _request_preview(subscription, details_now, params)
    period_end = min(item.period_end for item in subscription.items.all())
    if first is None or first.made_at >= period_end:
        return _build_bill(subscription, proration_time, None, first)
    return _build_bill(
        subscription,
        proration_time,
        first,
        _preview_next_invoice(subscription, plan, details, params, first),
    )


def _current_items(subscription: Subscription) -> Fields:
    """Return all present items in full: Stripe then ignores the schedule in its preview."""
    items = subscription_items.build_phase_params(subscription_items.read_items(subscription))
    rows = subscription.items.all()
    items_with_ids = [{**item, "id": row.stripe_id} for item, row in zip(items, rows, strict=True)]
    return {"items": items_with_ids, **NO_PRORATION}


def _preview_next_invoice(
    subscription: Subscription,
    plan: ChangePlan,
    details: Fields,
    params: Fields,
    first: PreviewSnapshot,
) -> PreviewSnapshot | None:
    """Preview the invoice after the first one, which may have changed the customer's balance."""
    restarts = "trial_end" in details or subscription_items.starts_new_period(
        plan.before, plan.after
    )
    if restarts or first.balance_after == first.balance_before:
        return _request_preview(subscription, details, {**params, "preview_mode": "recurring"})
    balance_change = first.balance_after - first.balance_before
    item = {"amount": balance_change, "currency": subscription.currency}
    return _request_preview(
        subscription, {**details, **NO_PRORATION}, {**params, "invoice_items": [item]}
    )


def _preview_change_at_renewal(subscription: Subscription, plan: ChangePlan) -> Bill:
    """Preview the next invoice with the new items.

    In a preview a new interval would begin at once, so only the amount of its recurring invoice is
    requested.
    """
    details = {
        "items": subscription_items.build_item_params(plan.before, plan.after),
        **NO_PRORATION,
    }
    if not subscription_items.starts_new_period(plan.before, plan.after):
        return _build_bill(
            subscription, None, None, _request_preview(subscription, details, plan.params)
        )
    invoice = _request_preview(subscription, details, {**plan.params, "preview_mode": "recurring"})
    period_end = min(item.period_end for item in subscription.items.all())
    amount_due = invoice.amount_due if invoice else None
    return Bill(currency=subscription.currency, next_at=period_end, next_amount_due=amount_due)


def _preview_renewal(subscription: Subscription, details: Fields) -> Bill:
    return _build_bill(subscription, None, None, _request_preview(subscription, details, {}))


def _build_bill(
    subscription: Subscription,
    proration_time: datetime | None,
    now: PreviewSnapshot | None,
    following: PreviewSnapshot | None,
) -> Bill:
    price_ids = _price_ids_by_stripe_id(subscription, now.lines if now else ())
    return Bill(
        currency=subscription.currency,
        proration_date=proration_time,
        amount_due=now.amount_due if now else 0,
        lines=tuple(_preview_line(line, price_ids) for line in now.lines) if now else (),
        next_at=following.made_at if following else None,
        next_amount_due=following.amount_due if following else None,
    )


def _request_preview(
    subscription: Subscription, details: Fields, params: Fields
) -> PreviewSnapshot | None:
    request_params: Any = {"subscription": require_stripe_id(subscription), **params}
    if details:
        request_params["subscription_details"] = details
    return preview(client_for(subscription.account), request_params)


def _cancellation_details(ends: bool) -> Fields:
    return {"cancel_at_period_end": True} if ends else {"cancel_at": ""}


def _proration_time(subscription: Subscription, plan: ChangePlan, at: datetime) -> datetime:
    """Return the time of proration: the requested one, else ``at`` within the running period."""
    if "proration_date" in plan.params:
        return datetime.fromtimestamp(plan.params["proration_date"], tz=at.tzinfo)
    period_start = max(item.period_start for item in subscription.items.all())
    period_end = min(item.period_end for item in subscription.items.all())
    return min(max(at.replace(microsecond=0), period_start), period_end - SECOND)


def _find_new_invoice(
    subscription: Subscription, invoiced_before: str, at: datetime
) -> Invoice | None:
    invoice_stripe_id = subscription.latest_invoice_stripe_id
    if not invoice_stripe_id or invoice_stripe_id == invoiced_before:
        return None
    sync.now(
        account=subscription.account, kind=ObjectKind.INVOICE, stripe_id=invoice_stripe_id, at=at
    )
    return owners.project_row(
        Invoice,
        account=subscription.account,
        project_id=subscription.project_id,
        stripe_id=invoice_stripe_id,
    )


def _price_ids_by_stripe_id(
    subscription: Subscription, lines: tuple[PreviewLine, ...]
) -> dict[str | None, str]:
    stripe_ids = {line.price_stripe_id for line in lines if line.price_stripe_id}
    prices = Price.objects.for_project(subscription.project_id).filter(
        account=subscription.account, stripe_id__in=stripe_ids
    )
    return dict(prices.values_list("stripe_id", "pk"))


def _preview_line(line: PreviewLine, price_ids: dict[str | None, str]) -> BillLine:
    return BillLine(
        description=line.description,
        price_id=price_ids.get(line.price_stripe_id),
        quantity=line.quantity,
        amount=line.amount,
        is_proration=line.is_proration,
        period_start=line.period_start,
        period_end=line.period_end,
    )


def _stored_line(line: InvoiceLine) -> BillLine:
    return BillLine(
        description=line.description,
        price_id=line.price_id,
        quantity=line.quantity,
        amount=line.amount,
        is_proration=line.is_proration,
        period_start=line.period_start,
        period_end=line.period_end,
    )
