"""Response bodies of changes and previews: the subscription after the change, and its bill."""

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
from billing.subscriptions.changes import Change, ChangePlan, ChangeTime
from billing.subscriptions.previews import Bill, BillLine
from billing.subscriptions.subscription_items import BilledItems
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class BillLineBody(TypedDict):
    description: str
    price: str | None
    quantity: int | None
    amount: Annotated[MoneyBody, "Negative for a credit."]
    is_proration: bool
    period_start: Time
    period_end: Time


class NextInvoiceBody(TypedDict):
    at: Time
    amount_due: Annotated[MoneyBody | None, "Null when Stripe expects no invoice."]


class BillBody(TypedDict):
    """What a change costs, as Stripe computes it."""

    proration_date: Annotated[
        Time | None, "Send it with the change to be billed exactly these amounts."
    ]
    invoice: Annotated[str | None, "Id of the invoice that billed the change. Null in a preview."]
    amount_due: Annotated[MoneyBody, "Charged now."]
    credit: Annotated[MoneyBody, "Credited now for the rest of the running period."]
    lines: list[BillLineBody]
    next_invoice: NextInvoiceBody | None


class ChangedSubscriptionBody(SubscriptionBody):
    """The subscription after a change, and what the change costs."""

    bill: Annotated[
        BillBody | None, "Null when Stripe did not answer in time. The change is made all the same."
    ]


def changed_body(row: Subscription, bill: Bill | None) -> ChangedSubscriptionBody:
    """Return the body of a subscription that was changed."""
    return {**representation.subscription(row), "bill": _bill_body(bill) if bill else None}


def preview_body(
    row: Subscription, change: Change, plan: ChangePlan, bill: Bill
) -> ChangedSubscriptionBody:
    """Return the body that the subscription would have after the change."""
    shown = changed_body(row, bill)
    if plan.when is ChangeTime.RENEWAL:
        return {
            **shown,
            "scheduled_change": _scheduled_change_body(
                plan.after, bill.next_at or _last_period_end(row)
            ),
        }
    shown |= {"items": _item_bodies(shown["items"], plan.after), "scheduled_change": None}
    if isinstance(change.trial_end, datetime):
        shown["trial_ends_at"] = rfc3339(change.trial_end)
    elif change.trial_end is not None:
        shown["status"] = "active"
    return shown


def cancellation_preview_body(
    row: Subscription, bill: Bill, *, ends: bool
) -> ChangedSubscriptionBody:
    """Return the body that it would have with (``ends``) or without a scheduled cancellation."""
    at = row.cancel_at or _last_period_end(row)
    shown: ChangedSubscriptionBody = {
        **changed_body(row, bill),
        "cancel_at": rfc3339(at if ends else None),
    }
    return {**shown, "scheduled_change": None} if ends else {**shown, "canceled_at": None}


def undo_preview_body(row: Subscription, bill: Bill) -> ChangedSubscriptionBody:
    """Return the body that the subscription would have without its scheduled change."""
    return {**changed_body(row, bill), "scheduled_change": None}


def _last_period_end(row: Subscription) -> datetime:
    return max(item.period_end for item in row.items.all())


def _scheduled_change_body(after: BilledItems, at: datetime) -> ScheduledChangeBody:
    items: list[ScheduledItemBody] = [
        {
            "price": item.price.pk if item.price else None,
            "product": item.product_id if item.price else None,
            "quantity": item.quantity,
        }
        for item in after
    ]
    return {"at": rfc3339(at), "items": items}


def _item_bodies(
    before: list[SubscriptionItemBody], after: BilledItems
) -> list[SubscriptionItemBody]:
    """Return the items after the change. New items have no id yet and the period of the others."""
    items_by_id = {item["stripe_id"]: item for item in before}
    new_item: SubscriptionItemBody = {**before[0], "id": None, "stripe_id": None}
    return [
        {
            **items_by_id.get(item.stripe_id, new_item),
            "price": item.price.pk if item.price else None,
            "product": item.product_id or None,
            "quantity": item.quantity,
        }
        for item in after
    ]


def _bill_body(bill: Bill) -> BillBody:
    return {
        "proration_date": rfc3339(bill.proration_date),
        "invoice": bill.invoice_id,
        "amount_due": money(bill.amount_due, bill.currency),
        "credit": money(bill.credit, bill.currency),
        "lines": [_line_body(line, bill.currency) for line in bill.lines],
        "next_invoice": _next_invoice_body(bill),
    }


def _next_invoice_body(bill: Bill) -> NextInvoiceBody | None:
    if bill.next_at is None:
        return None
    amount_due = money(bill.next_amount_due, bill.currency)
    return {"at": rfc3339(bill.next_at), "amount_due": amount_due}


def _line_body(line: BillLine, currency: str) -> BillLineBody:
    return {
        "description": line.description,
        "price": line.price_id,
        "quantity": line.quantity,
        "amount": money(line.amount, currency),
        "is_proration": line.is_proration,
        "period_start": rfc3339(line.period_start),
        "period_end": rfc3339(line.period_end),
    }
