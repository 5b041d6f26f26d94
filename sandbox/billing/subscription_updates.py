"""Updates and immediate cancellation of running subscriptions."""

from __future__ import annotations

from sandbox import event_order, payments
from sandbox.billing import (
    billing_changes,
    cancellation,
    collection,
    discounts,
    invoice_settings,
    invoices,
    pending_if_incomplete,
    pending_updates,
    proration,
    scheduled_cancellation,
    subscription_items,
    taxes,
)
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, Params, assign, copy, merge_metadata
from sandbox.transaction import Transaction

UPDATED = "customer.subscription.updated"
ALWAYS_CHANGEABLE = {"metadata", "cancellation_details"}
CHANGEABLE_WHEN_INCOMPLETE = ALWAYS_CHANGEABLE | {
    "default_payment_method",
    "description",
    "payment_settings",
}


def update_subscription(
    tx: Transaction, subscription: Object, params: Params, *, by_schedule: bool = False
) -> None:
    """Apply the parameters of an update. Collects the invoice if one is due at once."""
    _check_changeable(subscription, params)
    if not by_schedule:
        check_unscheduled(subscription, params)
    if set(params) & pending_if_incomplete.BILLED_PARAMS:
        pending_updates.drop_update(tx, subscription)
    if params.get("payment_behavior") == "pending_if_incomplete":
        pending_if_incomplete.update_subscription(tx, subscription, params)
        return
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    at_once = params.get("proration_behavior") == "always_invoice"
    with tx.emit_in_order(event_order.CHANGE_INVOICED if at_once else ()):
        with tx.updating(subscription, UPDATED):
            if "default_payment_method" in params:
                subscription["default_payment_method"] = read_default_method(tx, customer, params)
            check_automatic_tax(customer, params)
            apply_settings(subscription, params)
            invoice_settings.apply_params(tx, subscription, params)
            if "discounts" in params:
                replace_discounts(tx, subscription, params)
            invoice = billing_changes.apply_billing_changes(tx, subscription, params)
            scheduled_cancellation.apply_params(tx, subscription, params)
        if invoice:
            collect_update_invoice(tx, subscription, invoice, params)


def replace_discounts(tx: Transaction, subscription: Object, params: Params) -> None:
    """Replace the subscription's discounts by the sent list; an empty string removes all."""
    customer = subscription["customer"]
    choices = discounts.read_choices(tx, params["discounts"], customer=customer)
    discounts.replace_discounts(tx, subscription, choices)


def cancel_now(tx: Transaction, subscription: Object, params: Params) -> None:
    """Cancel now, with a credit for unused time (``prorate``) and a final invoice
    (``invoice_now``)."""
    details = params.get("cancellation_details", {})
    assign(subscription["cancellation_details"], details, "comment", "feedback")
    prorates = params.get("prorate") and proration.is_proratable(subscription)
    if not params.get("invoice_now"):
        cancellation.cancel_subscription(tx, subscription, reason="cancellation_requested")
    if prorates:
        for item in subscription_items.list_items(subscription):
            proration.credit_unused_time(tx, subscription, item, tx.now)
    if params.get("invoice_now"):
        invoice_remaining(tx, subscription)
        cancellation.cancel_subscription(tx, subscription, reason="cancellation_requested")


def invoice_remaining(tx: Transaction, subscription: Object) -> None:
    """Invoice and collect pending invoice items and unbilled usage, if there are any."""
    invoice = billing_changes.draft_pending_items(tx, subscription, at_end=True)
    if invoice:
        collection.finalize_and_collect(tx, invoice, off_session=True)


def read_default_method(tx: Transaction, customer: Object, params: Params) -> str | None:
    """Read ``default_payment_method``. Raises 400 if the method is not the customer's."""
    id: str | None = params.get("default_payment_method") or None
    if id is None:
        return None
    method = tx.param_object("payment_method", id, param="default_payment_method")
    if method["customer"] != customer["id"]:
        raise invalid(
            f"The customer does not have a payment method with the ID {id}. The payment method "
            "must be attached to the customer.",
            param="default_payment_method",
            code="resource_missing",
        )
    return id


def check_automatic_tax(customer: Object, params: Params) -> None:
    """Raise 400 for automatic tax without a known customer location or with another liability."""
    tax = params.get("automatic_tax", {})
    if tax.get("enabled"):
        if tax.get("liability", {}).get("type", "self") != "self":
            raise invalid(
                "The sandbox collects taxes for the account itself only.",
                param="automatic_tax[liability][type]",
            )
        taxes.check_location(customer, param="automatic_tax")


def apply_settings(subscription: Object, params: Params) -> None:
    """Apply the parameters that have no effect on invoices due now."""
    assign(subscription, params, "description")
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        subscription["pause_collection"] = pause and {"resumes_at": None, **pause}
    if tax := params.get("automatic_tax"):
        enabled = tax["enabled"]
        liability = {"type": "self"} if enabled else None
        subscription["automatic_tax"] |= {"enabled": enabled, "liability": liability}
    subscription["payment_settings"] |= params.get("payment_settings", {})
    if mode := params.get("billing_mode"):
        flexible = {"proration_discounts": "included"} | mode.get("flexible", {})
        is_flexible = mode["type"] == "flexible"
        subscription["billing_mode"] = {
            "flexible": flexible if is_flexible else None,
            "type": mode["type"],
        }
    if trial_settings := params.get("trial_settings"):
        subscription["trial_settings"]["end_behavior"] |= trial_settings["end_behavior"]
    merge_metadata(subscription, params.get("metadata"))


def payment_required_error(tx: Transaction, invoice: Object) -> StripeFailure:
    """The 402 error for ``error_if_incomplete``; rolls the request back."""
    intent = invoices.find_intent(tx, invoice)
    if intent and intent["last_payment_error"]:
        failure = payments.declined_error(intent)
        failure.keep_effects = False
        return failure
    return StripeFailure(
        "This invoice cannot be paid without further action of the customer, such as choosing a "
        "payment method or 3-D Secure. Use another `payment_behavior` to let them take it.",
        status=402,
        error_type="card_error",
        code="subscription_payment_intent_requires_action",
        payment_intent=copy(intent) if intent else None,
    )


def check_unscheduled(subscription: Object, params: Params) -> None:
    """Raise 400 for parameters that only the attached schedule may change."""
    if not subscription["schedule"]:
        return
    if set(params) & {"cancel_at", "cancel_at_period_end"}:
        subject = "any cancelation behavior"
    elif scheduled_params := sorted(set(params) & pending_if_incomplete.BILLED_PARAMS):
        subject = f"`{scheduled_params[0]}`"
    else:
        return
    raise invalid(
        f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, "
        f"and updating {subject} directly is not allowed. Please update the schedule instead."
    )


def _check_changeable(subscription: Object, params: Params) -> None:
    if subscription["status"] in cancellation.ENDED_STATUSES and set(params) - ALWAYS_CHANGEABLE:
        raise invalid(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    if subscription["status"] == "incomplete" and set(params) - CHANGEABLE_WHEN_INCOMPLETE:
        raise invalid(
            "You cannot change this subscription while its first payment is incomplete; only "
            "metadata, description and its payment method can be updated."
        )


def collect_update_invoice(
    tx: Transaction, subscription: Object, invoice: Object, params: Params
) -> None:
    """Collect the invoice by ``payment_behavior``.

    Raises 402 and rolls back with ``error_if_incomplete``. Otherwise an unpaid invoice makes the
    subscription ``past_due``.
    """
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "default_incomplete":
        collection.finalize(tx, invoice)
        if invoice["status"] == "open":
            collection.create_unconfirmed_intent(tx, invoice)
    else:
        off_session = bool(params.get("off_session"))
        collection.finalize_and_collect(tx, invoice, off_session=off_session)
    is_paid_or_sent = invoice["status"] == "paid" or collection.is_sent(invoice)
    if is_paid_or_sent or collection.is_processing(tx, invoice):
        return
    if behavior == "error_if_incomplete":
        raise payment_required_error(tx, invoice)
    if subscription["status"] == "active":
        with tx.updating(subscription, UPDATED):
            subscription["status"] = "past_due"
