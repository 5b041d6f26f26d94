"""What a paid session leaves behind: the subscription and its invoice, the saved card, the news."""

from __future__ import annotations

from sandbox import intents
from sandbox.billing import (
    beginning,
    changing,
    collection,
    discounts,
    invoicing,
    items,
    lines,
)
from sandbox.billing.discounts import Choice
from sandbox.checkout import amounts, records
from sandbox.checkout.blank_session import details
from sandbox.checkout.line_items import is_recurring
from sandbox.objects import Object, copy
from sandbox.resources import invoice_items
from sandbox.transaction import Transaction


def fulfil(tx: Transaction, session: Object, intent: Object | None) -> None:
    """Complete the session; ``intent`` is the payment or setup intent that did it."""
    record = records.of(tx, session)
    session |= {
        "customer": session["customer"] or record["customer"],
        "customer_details": _details(tx, session, record),
        "status": "complete",
        "url": None,
    }
    if session["customer"]:
        _update_customer(tx, session, record)
    choices = amounts.choices(tx, session)
    if session["mode"] == "subscription":
        _subscribe(tx, session, record, intent, choices)
    else:
        for choice in choices:
            discounts.redeem(tx, choice)
    is_paid = bool(intent and intent["status"] == "succeeded")
    if session["amount_total"]:
        session["payment_status"] = "paid" if is_paid else "unpaid"
    tx.emit("checkout.session.completed", session)


def _details(tx: Transaction, session: Object, record: Object) -> Object:
    place, exempt = amounts.tax_address(tx, session)
    return details(record["email"], record["name"], record["address"] or place, exempt)


def trial_end_of(tx: Transaction, record: Object) -> int | None:
    """When the trial ends that a purchase made now would have."""
    return beginning.trial_end_of(tx, record["subscription_data"])


def _subscribe(
    tx: Transaction,
    session: Object,
    record: Object,
    intent: Object | None,
    choices: list[Choice],
) -> None:
    data = record["subscription_data"]
    sold = records.items_of(tx, session)
    customer = tx.param_object("customer", session["customer"], param="customer")
    subscription = beginning.begin(
        tx,
        customer=customer,
        content=[
            items.build(tx, item["price"], item["quantity"], item["metadata"])
            for item in sold
            if is_recurring(item)
        ],
        trial_end=trial_end_of(tx, record),
        anchor=data.get("billing_cycle_anchor"),
        choices=choices,
        session=session["id"],
        default_payment_method=intent["payment_method"] if intent else None,
    )
    tax = {"enabled": session["automatic_tax"]["enabled"]}
    changing.apply_plain(subscription, {**data, "automatic_tax": tax})
    once = [_bill_once(tx, subscription, item) for item in sold if not is_recurring(item)]
    invoice = _first_invoice(tx, session, subscription, data, once, intent)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    beginning.announce(tx, subscription)


def _first_invoice(
    tx: Transaction,
    session: Object,
    subscription: Object,
    data: Object,
    once: list[Object],
    intent: Object | None,
) -> Object:
    """The invoice of what the session showed; its payment has been made already."""
    prorate = data.get("proration_behavior", "create_prorations") != "none"
    invoice = beginning.first_invoice(
        tx, subscription, prorate=prorate, takes=once, uses_balance=False
    )
    invoicing.finalize(tx, invoice, uses_balance=False)
    if session["amount_total"] and intent:
        intents.own(tx, intent, ("invoice", invoice["id"]))
        collection.follow(tx, intent, invoice["id"])
    else:
        collection.mark_paid(tx, invoice)
    return invoice


def _bill_once(tx: Transaction, subscription: Object, item: Object) -> Object:
    """A one-time price next to recurring ones goes onto the first invoice."""
    return invoice_items.insert(
        tx,
        customer=subscription["customer"],
        amount=item["amount_subtotal"],
        currency=item["currency"],
        description=item["description"],
        period={"start": tx.now, "end": tx.now},
        quantity=item["quantity"],
        pricing=lines.price_details(item["price"]),
        subscription=subscription["id"],
    )


def _update_customer(tx: Transaction, session: Object, record: Object) -> None:
    customer = tx.param_object("customer", session["customer"], param="customer")
    with tx.updating(customer, "customer.updated"):
        if record["customer"]:  # made at the first attempt; what was typed last is right
            customer |= {"email": record["email"], "name": record["name"]}
            customer["address"] = copy(record["address"]) or customer["address"]
        customer["email"] = customer["email"] or record["email"]
        if record["customer_update"].get("name") == "auto" and record["name"]:
            customer["name"] = record["name"]
        if record["customer_update"].get("address") == "auto" and record["address"]:
            customer["address"] = copy(record["address"])
