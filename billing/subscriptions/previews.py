"""What a change of a subscription costs, in Stripe's own figures: before it, and after it.

The same :class:`Bill` says both. With the ``proration_date`` of a preview the change that follows
is billed to the same cent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.invoices import selectors as stored
from billing.models import Invoice, InvoiceLine, Price, Subscription
from billing.models.sync_object import ObjectKind
from billing.stripe.client import client_for
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import Fields
from billing.stripe.previews import PreviewLine, PreviewSnapshot, preview
from billing.subscriptions import schedules as scheduling
from billing.subscriptions import subscription_items as arrangements
from billing.subscriptions.changes import ChangeTime, Planned
from billing.subscriptions.writes import stripe_id
from billing.sync import service as sync
from common.errors import Unavailable

UNPRORATED = {"proration_behavior": "none"}
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line; ``amount`` in minor units, negative for what is given back."""

    description: str
    price_id: str | None
    quantity: int | None
    amount: int
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What is due now, and what the next invoice will be. Minor units of ``currency``.

    ``credit`` is the sum of the lines that give something back. ``next_at`` is None when no
    invoice follows. ``invoice_id`` is that of what was billed now, once it is.
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


def of_change(*, subscription: Subscription, planned: Planned, at: datetime) -> Bill:
    """What a change would be billed. Raises StripeRefused, StripeUnavailable."""
    if planned.when is ChangeTime.RENEWAL:
        return _later(subscription, planned)
    return _now(subscription, planned, at)


def of_end(*, subscription: Subscription, ends: bool) -> Bill:
    """What is still to come when it ends with its period, or when that is taken back."""
    details: Fields = {} if bool(subscription.cancel_at) == ends else _ending(ends)
    return _renewal(subscription, details)


def of_undo(*, subscription: Subscription) -> Bill:
    """The next invoice without what is planned for it. Raises NothingScheduled."""
    scheduling.refuse_unplanned(subscription=subscription)
    return _renewal(subscription, _as_it_is(subscription))


def of_made(*, subscription: Subscription, invoiced_before: str, at: datetime) -> Bill | None:
    """What a change has been billed: the invoice that came with it, and the next one.

    None when Stripe does not say in time: the change stands all the same.
    """
    try:
        invoice = _new_invoice(subscription, invoiced_before, at)
        bill = _renewal(subscription, {})
    except (Unavailable, StripeRefused):
        return None
    if invoice is None:
        return bill
    return Bill(
        currency=bill.currency,
        invoice_id=invoice.pk,
        amount_due=invoice.amount_due,
        lines=tuple(_made_line(line) for line in invoice.lines.all()),
        next_at=bill.next_at,
        next_amount_due=bill.next_amount_due,
    )


def _now(subscription: Subscription, planned: Planned, at: datetime) -> Bill:
    moment = _moment(subscription, planned, at)
    details: Fields = {
        name: planned.params[name]
        for name in ("items", "proration_behavior", "trial_end")
        if name in planned.params
    }
    if "items" not in details and subscription.scheduled_at is not None:
        details |= _as_it_is(subscription)  # the change sets aside what is planned
    others = {name: planned.params[name] for name in ("discounts",) if name in planned.params}
    exact = dict(details)
    if details.get("proration_behavior", "none") != "none":
        exact["proration_date"] = int(moment.timestamp())
    first = _ask(subscription, exact, others)
    renews = min(item.period_end for item in subscription.items.all())
    if first is None or first.made_at >= renews:
        return _bill(subscription, moment, None, first)
    return _bill(
        subscription, moment, first, _following(subscription, planned, details, others, first)
    )


def _as_it_is(subscription: Subscription) -> Fields:
    """What it is billed for now, said in full: Stripe then leaves its schedule out of account."""
    items = arrangements.phase_items(arrangements.of(subscription))
    rows = subscription.items.all()
    ours = [{**item, "id": row.stripe_id} for item, row in zip(items, rows, strict=True)]
    return {"items": ours, **UNPRORATED}


def _following(
    subscription: Subscription,
    planned: Planned,
    details: Fields,
    others: Fields,
    first: PreviewSnapshot,
) -> PreviewSnapshot | None:
    """The invoice after the one that is made at once, which may leave the balance changed."""
    restarts = "trial_end" in details or arrangements.restarts(planned.before, planned.after)
    if restarts or first.balance_after == first.balance_before:
        return _ask(subscription, details, {**others, "preview_mode": "recurring"})
    left = first.balance_after - first.balance_before
    item = {"amount": left, "currency": subscription.currency}
    return _ask(subscription, {**details, **UNPRORATED}, {**others, "invoice_items": [item]})


def _later(subscription: Subscription, planned: Planned) -> Bill:
    """A new interval would begin at once in a preview: then only its amount is asked for."""
    details = {"items": arrangements.items(planned.before, planned.after), **UNPRORATED}
    if not arrangements.restarts(planned.before, planned.after):
        return _bill(subscription, None, None, _ask(subscription, details, planned.params))
    found = _ask(subscription, details, {**planned.params, "preview_mode": "recurring"})
    renews = min(item.period_end for item in subscription.items.all())
    due = found.amount_due if found else None
    return Bill(currency=subscription.currency, next_at=renews, next_amount_due=due)


def _renewal(subscription: Subscription, details: Fields) -> Bill:
    return _bill(subscription, None, None, _ask(subscription, details, {}))


def _bill(
    subscription: Subscription,
    moment: datetime | None,
    now: PreviewSnapshot | None,
    following: PreviewSnapshot | None,
) -> Bill:
    known = _prices(subscription, now.lines if now else ())
    return Bill(
        currency=subscription.currency,
        proration_date=moment,
        amount_due=now.amount_due if now else 0,
        lines=tuple(_line(line, known) for line in now.lines) if now else (),
        next_at=following.made_at if following else None,
        next_amount_due=following.amount_due if following else None,
    )


def _ask(subscription: Subscription, details: Fields, others: Fields) -> PreviewSnapshot | None:
    params: Any = {"subscription": stripe_id(subscription), **others}
    if details:
        params["subscription_details"] = details
    return preview(client_for(subscription.account), params)


def _ending(ends: bool) -> Fields:
    return {"cancel_at_period_end": True} if ends else {"cancel_at": ""}


def _moment(subscription: Subscription, planned: Planned, at: datetime) -> datetime:
    """From when differences count: as asked for, else now, within the period that runs."""
    if "proration_date" in planned.params:
        return datetime.fromtimestamp(planned.params["proration_date"], tz=at.tzinfo)
    starts = max(item.period_start for item in subscription.items.all())
    ends = min(item.period_end for item in subscription.items.all())
    return min(max(at.replace(microsecond=0), starts), ends - SECOND)


def _new_invoice(subscription: Subscription, invoiced_before: str, at: datetime) -> Invoice | None:
    made = subscription.latest_invoice_stripe_id
    if not made or made == invoiced_before:
        return None
    sync.now(account=subscription.account, kind=ObjectKind.INVOICE, stripe_id=made, at=at)
    rows = stored.listing(project=subscription.project)
    return rows.filter(account=subscription.account, stripe_id=made).first()


def _prices(subscription: Subscription, lines: tuple[PreviewLine, ...]) -> dict[str | None, str]:
    named = {line.price_stripe_id for line in lines if line.price_stripe_id}
    found = Price.objects.for_project(subscription.project_id).filter(
        account=subscription.account, stripe_id__in=named
    )
    return dict(found.values_list("stripe_id", "pk"))


def _line(line: PreviewLine, known: dict[str | None, str]) -> BillLine:
    return BillLine(
        description=line.description,
        price_id=known.get(line.price_stripe_id),
        quantity=line.quantity,
        amount=line.amount,
        is_proration=line.is_proration,
        period_start=line.period_start,
        period_end=line.period_end,
    )


def _made_line(line: InvoiceLine) -> BillLine:
    return BillLine(
        description=line.description,
        price_id=line.price_id,
        quantity=line.quantity,
        amount=line.amount,
        is_proration=line.is_proration,
        period_start=line.period_start,
        period_end=line.period_end,
    )
