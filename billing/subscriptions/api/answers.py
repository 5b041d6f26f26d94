"""A subscription as a change has made it, or would make it, and what that costs: one shape."""

from datetime import datetime
from typing import Annotated, TypedDict

from billing import representation
from billing.models import Subscription
from billing.representation.subscriptions import (
    ScheduledChangeBody,
    ScheduledItemBody,
    SubscriptionBody,
    SubscriptionItemBody,
)
from billing.subscriptions.changes import Change, ChangeTime, Planned
from billing.subscriptions.previews import Bill, BillLine
from billing.subscriptions.subscription_items import BilledItems
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class BillLineBody(TypedDict):
    description: str
    price: str | None
    quantity: int | None
    amount: Annotated[MoneyBody, "Negative for what is given back."]
    is_proration: bool
    period_start: Time
    period_end: Time


class NextInvoiceBody(TypedDict):
    at: Time
    amount_due: Annotated[MoneyBody | None, "Null when Stripe foresees no invoice."]


class BillBody(TypedDict):
    """What a change costs, in Stripe's figures."""

    proration_date: Annotated[
        Time | None, "Send it with the change, and the invoice says the same."
    ]
    invoice: Annotated[str | None, "What was billed with the change."]
    amount_due: Annotated[MoneyBody, "What is charged now."]
    credit: Annotated[MoneyBody, "What of the running period is given back."]
    lines: list[BillLineBody]
    next_invoice: NextInvoiceBody | None


class ChangedSubscriptionBody(SubscriptionBody):
    """The subscription after a change, and what the change costs."""

    bill: Annotated[BillBody | None, "Null when Stripe did not say in time; the change stands."]


def made(row: Subscription, bill: Bill | None) -> ChangedSubscriptionBody:
    """After a change."""
    return {**representation.subscription(row), "bill": _bill(bill) if bill else None}


def previewed(
    row: Subscription, change: Change, planned: Planned, bill: Bill
) -> ChangedSubscriptionBody:
    """As the change would leave it."""
    shown = made(row, bill)
    if planned.when is ChangeTime.RENEWAL:
        return {**shown, "scheduled_change": _scheduled(planned.after, bill.next_at or _end(row))}
    shown |= {"items": _items(shown["items"], planned.after), "scheduled_change": None}
    if isinstance(change.trial_end, datetime):
        shown["trial_ends_at"] = rfc3339(change.trial_end)
    elif change.trial_end is not None:
        shown["status"] = "active"
    return shown


def ending(row: Subscription, bill: Bill, *, ends: bool) -> ChangedSubscriptionBody:
    """As it would be with its cancellation at the period's end, or without it."""
    at = row.cancel_at or _end(row)
    shown: ChangedSubscriptionBody = {**made(row, bill), "cancel_at": rfc3339(at if ends else None)}
    return {**shown, "scheduled_change": None} if ends else {**shown, "canceled_at": None}


def undone(row: Subscription, bill: Bill) -> ChangedSubscriptionBody:
    """As it would go on."""
    return {**made(row, bill), "scheduled_change": None}


def _end(row: Subscription) -> datetime:
    return max(item.period_end for item in row.items.all())


def _scheduled(after: BilledItems, at: datetime) -> ScheduledChangeBody:
    items: list[ScheduledItemBody] = [
        {
            "price": item.price.pk if item.price else None,
            "product": item.product_id if item.price else None,
            "quantity": item.quantity,
        }
        for item in after
    ]
    return {"at": rfc3339(at), "items": items}


def _items(before: list[SubscriptionItemBody], after: BilledItems) -> list[SubscriptionItemBody]:
    """Items that are to be added have no id yet, and share the period of the others."""
    items_by_id = {item["stripe_id"]: item for item in before}
    new_item: SubscriptionItemBody = {**before[0], "id": None, "stripe_id": None}
    return [
        {
            **items_by_id.get(each.item, new_item),
            "price": each.price.pk if each.price else None,
            "product": each.product_id or None,
            "quantity": each.quantity,
        }
        for each in after
    ]


def _bill(bill: Bill) -> BillBody:
    return {
        "proration_date": rfc3339(bill.proration_date),
        "invoice": bill.invoice_id,
        "amount_due": money(bill.amount_due, bill.currency),
        "credit": money(bill.credit, bill.currency),
        "lines": [_line(line, bill.currency) for line in bill.lines],
        "next_invoice": _next_invoice(bill),
    }


def _next_invoice(bill: Bill) -> NextInvoiceBody | None:
    if bill.next_at is None:
        return None
    amount_due = money(bill.next_amount_due, bill.currency)
    return {"at": rfc3339(bill.next_at), "amount_due": amount_due}


def _line(line: BillLine, currency: str) -> BillLineBody:
    return {
        "description": line.description,
        "price": line.price_id,
        "quantity": line.quantity,
        "amount": money(line.amount, currency),
        "is_proration": line.is_proration,
        "period_start": rfc3339(line.period_start),
        "period_end": rfc3339(line.period_end),
    }
