"""A subscription as a change has made it, or would make it, and what that costs: one shape."""

from datetime import datetime

from billing import representation
from billing.models import Subscription
from billing.representation import Json, moment, money
from billing.subscriptions.changes import Change, Planned, When
from billing.subscriptions.previews import Bill, BillLine
from billing.subscriptions.subscription_items import Arrangement


def made(row: Subscription, bill: Bill | None) -> Json:
    """After a change."""
    return {**representation.subscription(row), "bill": _bill(bill) if bill else None}


def previewed(row: Subscription, change: Change, planned: Planned, bill: Bill) -> Json:
    """As the change would leave it."""
    shown = made(row, bill)
    if planned.when is When.RENEWAL:
        return {**shown, "scheduled_change": _scheduled(planned.after, bill.next_at or _end(row))}
    shown |= {"items": _items(shown["items"], planned.after), "scheduled_change": None}
    if isinstance(change.trial_end, datetime):
        shown["trial_ends_at"] = moment(change.trial_end)
    elif change.trial_end is not None:
        shown["status"] = "active"
    return shown


def ending(row: Subscription, bill: Bill, *, ends: bool) -> Json:
    """As it would be with its cancellation at the period's end, or without it."""
    at = row.cancel_at or _end(row)
    shown = {**made(row, bill), "cancel_at": moment(at if ends else None)}
    return {**shown, "scheduled_change": None} if ends else {**shown, "canceled_at": None}


def undone(row: Subscription, bill: Bill) -> Json:
    """As it would go on."""
    return {**made(row, bill), "scheduled_change": None}


def _end(row: Subscription) -> datetime:
    return max(item.period_end for item in row.items.all())


def _scheduled(after: Arrangement, at: datetime) -> Json:
    items = [
        {"price": each.price.pk, "product": each.product_id, "quantity": each.quantity}
        if each.price
        else {"price": None, "product": None, "quantity": each.quantity}
        for each in after
    ]
    return {"at": moment(at), "items": items}


def _items(before: list[Json], after: Arrangement) -> list[Json]:
    """Items that are to be added have no id yet, and share the period of the others."""
    known = {item["stripe_id"]: item for item in before}
    blank = {**before[0], "id": None, "stripe_id": None}
    return [
        {
            **known.get(each.item, blank),
            "price": each.price.pk if each.price else None,
            "product": each.product_id or None,
            "quantity": each.quantity,
        }
        for each in after
    ]


def _bill(bill: Bill) -> Json:
    following = None
    if bill.next_at is not None:
        due = money(bill.next_amount_due, bill.currency)
        following = {"at": moment(bill.next_at), "amount_due": due}
    return {
        "proration_date": moment(bill.proration_date),
        "invoice": bill.invoice_id,
        "amount_due": money(bill.amount_due, bill.currency),
        "credit": money(bill.credit, bill.currency),
        "lines": [_line(line, bill.currency) for line in bill.lines],
        "next_invoice": following,
    }


def _line(line: BillLine, currency: str) -> Json:
    return {
        "description": line.description,
        "price": line.price_id,
        "quantity": line.quantity,
        "amount": money(line.amount, currency),
        "is_proration": line.is_proration,
        "period_start": moment(line.period_start),
        "period_end": moment(line.period_end),
    }
