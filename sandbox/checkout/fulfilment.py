"""Fulfilment of a completed session: subscription, invoice, customer and event."""

from __future__ import annotations

from sandbox import payment_intent_object
from sandbox.billing import (
    collection,
    discounts,
    invoice_lines,
    invoices,
    subscription_creation,
    subscription_items,
    subscription_updates,
)
from sandbox.billing.discounts import DiscountChoice
from sandbox.checkout import session_amounts, session_records
from sandbox.checkout.line_items import is_recurring
from sandbox.checkout.session_object import build_customer_details
from sandbox.objects import Object, copy
from sandbox.resources import invoice_items
from sandbox.resources.invoice_items import InvoiceItemRequest
from sandbox.transaction import Transaction


def fulfil_session(tx: Transaction, session: Object, intent: Object | None) -> None:
    """Mark the session as complete; ``intent`` is the payment or setup intent, if there is one."""
    record = session_records.find_record(tx, session)
    session |= {
        "customer": session["customer"] or record["customer"],
        "customer_details": _customer_details(tx, session, record),
        "status": "complete",
        "url": None,
    }
    if session["customer"]:
        _update_customer(tx, session, record)
    choices = session_amounts.list_discount_choices(tx, session)
    if session["mode"] == "subscription":
        _create_subscription(tx, session, record, intent, choices)
    else:
        for choice in choices:
            discounts.redeem_choice(tx, choice)
    is_paid = bool(intent and intent["status"] == "succeeded")
    if session["amount_total"]:
        session["payment_status"] = "paid" if is_paid else "unpaid"
    tx.emit("checkout.session.completed", session)


def _customer_details(tx: Transaction, session: Object, record: Object) -> Object:
    tax_address, exempt = session_amounts.find_tax_address(tx, session)
    return build_customer_details(
        record["email"], record["name"], record["address"] or tax_address, exempt
    )


def read_trial_end(tx: Transaction, record: Object) -> int | None:
    """End of the trial of a purchase made now; None without a trial."""
    return subscription_creation.read_trial_end(tx, record["subscription_data"])


def _create_subscription(
    tx: Transaction,
    session: Object,
    record: Object,
    intent: Object | None,
    choices: list[DiscountChoice],
) -> None:
    data = record["subscription_data"]
    line_items = session_records.list_items(tx, session)
    customer = tx.param_object("customer", session["customer"], param="customer")
    subscription = subscription_creation.create_subscription(
        tx,
        customer=customer,
        new_items=[
            subscription_items.build_item(tx, item["price"], item["quantity"], item["metadata"])
            for item in line_items
            if is_recurring(item)
        ],
        trial_end=read_trial_end(tx, record),
        anchor=data.get("billing_cycle_anchor"),
        discount_choices=choices,
        session_id=session["id"],
        default_payment_method=intent["payment_method"] if intent else None,
    )
    tax = {"enabled": session["automatic_tax"]["enabled"]}
    subscription_updates.apply_settings(subscription, {**data, "automatic_tax": tax})
    one_time_items = [
        _add_one_time_item(tx, subscription, item) for item in line_items if not is_recurring(item)
    ]
    invoice = _bill_first_invoice(tx, session, subscription, data, one_time_items, intent)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    subscription_creation.emit_created(tx, subscription)


def _bill_first_invoice(
    tx: Transaction,
    session: Object,
    subscription: Object,
    data: Object,
    one_time_items: list[Object],
    intent: Object | None,
) -> Object:
    """Create the first invoice; its payment has been made already."""
    prorate = data.get("proration_behavior", "create_prorations") != "none"
    invoice = subscription_creation.draft_first_invoice(
        tx, subscription, prorate=prorate, invoice_items=one_time_items, uses_balance=False
    )
    invoices.finalize_invoice(tx, invoice, uses_balance=False)
    if session["amount_total"] and intent:
        payment_intent_object.link_owner(tx, intent, ("invoice", invoice["id"]))
        collection.on_intent_change(tx, intent, invoice["id"])
    else:
        collection.mark_paid(tx, invoice)
    return invoice


def _add_one_time_item(tx: Transaction, subscription: Object, item: Object) -> Object:
    """Insert an invoice item for a one-time price of a subscription session."""
    request = InvoiceItemRequest(
        customer=subscription["customer"],
        amount=item["amount_subtotal"],
        currency=item["currency"],
        description=item["description"],
        period={"start": tx.now, "end": tx.now},
        quantity=item["quantity"],
        pricing=invoice_lines.price_details(item["price"]),
        subscription=subscription["id"],
    )
    return invoice_items.insert_item(tx, request)


def _update_customer(tx: Transaction, session: Object, record: Object) -> None:
    customer = tx.param_object("customer", session["customer"], param="customer")
    with tx.updating(customer, "customer.updated"):
        if record["customer"]:  # the buyer may have changed the data since the first attempt
            customer |= {"email": record["email"], "name": record["name"]}
            customer["address"] = copy(record["address"]) or customer["address"]
        customer["email"] = customer["email"] or record["email"]
        if record["customer_update"].get("name") == "auto" and record["name"]:
            customer["name"] = record["name"]
        if record["customer_update"].get("address") == "auto" and record["address"]:
            customer["address"] = copy(record["address"])
