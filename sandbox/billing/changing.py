"""Changes to a running subscription, and what they cost."""

from __future__ import annotations

from sandbox import payments, sequences
from sandbox.billing import (
    beginning,
    collection,
    ending,
    invoicing,
    item_changes,
    items,
    lines,
    periods,
    planned_end,
    proration,
)
from sandbox.billing.item_changes import Change
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


def change(tx: Transaction, subscription: Object, params: Params) -> None:
    """Apply the parameters of an update; what they cost at once is invoiced and collected."""
    _check_changeable(subscription, params)
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    at_once = params.get("proration_behavior") == "always_invoice"
    with tx.arranged(sequences.CHANGE_INVOICED if at_once else ()):
        with tx.updating(subscription, UPDATED):
            if "default_payment_method" in params:
                subscription["default_payment_method"] = own_method(tx, customer, params)
            apply_plain(subscription, params)
            invoice = _rebill(tx, subscription, params)
            planned_end.apply(tx, subscription, params)
        if invoice:
            _settle(tx, subscription, invoice, params)


def cancel_now(tx: Transaction, subscription: Object, params: Params) -> None:
    """End it, with a credit for unused time (``prorate``) and a last invoice (``invoice_now``)."""
    details = params.get("cancellation_details", {})
    assign(subscription["cancellation_details"], details, "comment", "feedback")
    prorates = params.get("prorate") and proration.is_worth_it(subscription)
    if not params.get("invoice_now"):
        ending.cancel(tx, subscription, reason="cancellation_requested")
    if prorates:
        for item in items.of(subscription):
            proration.credit(tx, subscription, item, tx.now)
    if params.get("invoice_now"):
        invoice_pending(tx, subscription)
        ending.cancel(tx, subscription, reason="cancellation_requested")


def invoice_pending(tx: Transaction, subscription: Object) -> None:
    """Invoice and collect what waits for the next invoice, if anything does."""
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    if invoicing.pending(tx, customer["id"], subscription["currency"], subscription):
        invoice = _draft(tx, subscription, customer, [])
        collection.finalize_and_collect(tx, invoice, off_session=True)


def own_method(tx: Transaction, customer: Object, params: Params) -> str | None:
    """The default payment method that was sent. Raises 400 if it is not the customer's."""
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


def apply_plain(subscription: Object, params: Params) -> None:
    """The parameters that cost nothing."""
    assign(subscription, params, "description")
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        subscription["pause_collection"] = pause and {"resumes_at": None, **pause}
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


def natural_end(tx: Transaction, item: Object) -> int:
    """When a period that starts now would end."""
    return periods.end_of_period(tx.now, item["price"]["recurring"], tx.now)


def _check_changeable(subscription: Object, params: Params) -> None:
    if subscription["status"] in ending.ENDED and set(params) - ALWAYS_CHANGEABLE:
        raise invalid(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    if subscription["status"] == "incomplete" and set(params) - CHANGEABLE_WHEN_INCOMPLETE:
        raise invalid(
            "You cannot change this subscription while its first payment is incomplete; only "
            "metadata, description and its payment method can be updated."
        )


def _rebill(tx: Transaction, subscription: Object, params: Params) -> Object | None:
    """Change items, trial and periods. Returns the draft of what is due at once, if anything is."""
    changes = item_changes.read(tx, subscription, params.get("items", []))
    mode = params.get("proration_behavior", "create_prorations")
    restarts = _restarts(subscription, params, changes)
    trial_end = None if restarts else beginning.trial_end_of(tx, params)
    moment = _moment(tx, subscription, params)
    prorates = mode != "none" and proration.is_worth_it(subscription)
    if prorates:
        whole = restarts or trial_end is not None
        for item in _replaced(subscription, changes, whole=whole):
            proration.credit(tx, subscription, item, moment)
    item_changes.apply(subscription, changes)
    if trial_end is not None:
        _extend_trial(tx, subscription, trial_end)
    elif restarts:
        return _restart(tx, subscription)
    else:
        _give_periods(tx, subscription, changes)
        if prorates:
            for change in changes:
                if change.costs and change.new:
                    proration.debit(tx, subscription, change.new, moment)
    return _draft_differences(tx, subscription) if prorates and mode == "always_invoice" else None


def _restarts(subscription: Object, params: Params, changes: list[Change]) -> bool:
    """Whether new periods begin now, billed in full."""
    if subscription["status"] == "trialing":
        return params.get("trial_end") == "now"
    anchor = params.get("billing_cycle_anchor", {}).get("type")
    return anchor == "now" or any(change.moves_period for change in changes)


def _replaced(subscription: Object, changes: list[Change], *, whole: bool) -> list[Object]:
    """The items whose unused time is given back, as they were."""
    if whole:
        return list(items.of(subscription))
    return [change.old for change in changes if change.old and change.costs]


def _restart(tx: Transaction, subscription: Object) -> Object:
    if subscription["status"] == "trialing":
        subscription |= {"status": "active", "trial_end": tx.now}
    beginning.start_periods(tx, subscription)
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    content = [lines.for_item(tx, subscription, item) for item in items.of(subscription)]
    return _draft(tx, subscription, customer, content)


def _extend_trial(tx: Transaction, subscription: Object, trial_end: int) -> None:
    """Free until then; the next periods count from the trial's end."""
    was_trialing = subscription["status"] == "trialing"
    subscription |= {
        "billing_cycle_anchor": trial_end,
        "status": "trialing",
        "trial_end": trial_end,
        "trial_start": subscription["trial_start"] if was_trialing else tx.now,
    }
    for item in items.of(subscription):
        start = item["current_period_start"] if was_trialing else tx.now
        item |= {"current_period_start": start or tx.now, "current_period_end": trial_end}


def _give_periods(tx: Transaction, subscription: Object, changes: list[Change]) -> None:
    """Added items join the running cycle."""
    for change in changes:
        if change.old or not change.new:
            continue
        item = next(each for each in items.of(subscription) if each["id"] == change.new["id"])
        anchor, recurring = subscription["billing_cycle_anchor"], item["price"]["recurring"]
        end = (
            subscription["trial_end"]
            if subscription["status"] == "trialing"
            else periods.end_of_period(anchor, recurring, tx.now)
        )
        start = max(periods.start_of_period(anchor, recurring, tx.now), subscription["start_date"])
        for each in (item, change.new):
            each |= {"current_period_start": start, "current_period_end": end}


def _draft_differences(tx: Transaction, subscription: Object) -> Object | None:
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    if not invoicing.pending(tx, customer["id"], subscription["currency"], subscription):
        return None
    return _draft(tx, subscription, customer, [])


def _draft(
    tx: Transaction, subscription: Object, customer: Object, content: list[Object]
) -> Object:
    invoice = invoicing.draft(
        tx,
        customer=customer,
        currency=subscription["currency"],
        reason="subscription_update",
        content=content,
        subscription=subscription,
    )
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _settle(tx: Transaction, subscription: Object, invoice: Object, params: Params) -> None:
    """Collect by ``payment_behavior``. Raises 402, undoing everything, if that is wanted."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "default_incomplete":
        collection.finalize(tx, invoice)
        if invoice["status"] == "open":
            collection.await_payer(tx, invoice)
    else:
        off_session = bool(params.get("off_session", True))
        collection.finalize_and_collect(tx, invoice, off_session=off_session)
    if invoice["status"] == "paid":
        return
    if behavior == "error_if_incomplete":
        raise unpaid(tx, invoice)
    if subscription["status"] == "active":
        with tx.updating(subscription, UPDATED):
            subscription["status"] = "past_due"


def unpaid(tx: Transaction, invoice: Object) -> StripeFailure:
    """402 for ``error_if_incomplete``: nothing of the request stays."""
    intent = invoicing.intent_of(tx, invoice)
    if intent and intent["last_payment_error"]:
        failure = payments.refusal(intent)
        failure.keep_effects = False
        return failure
    return StripeFailure(
        "This invoice cannot be paid without further action of the customer, such as choosing a "
        "payment method or 3-D Secure. Use another `payment_behavior` to let them take it.",
        status=402,
        type="card_error",
        code="subscription_payment_intent_requires_action",
        payment_intent=copy(intent) if intent else None,
    )


def _moment(tx: Transaction, subscription: Object, params: Params) -> int:
    """From when differences count. Raises 400 outside of the current period."""
    moment: int = params.get("proration_date", tx.now)
    starts = [item["current_period_start"] for item in items.of(subscription)]
    ends = [item["current_period_end"] for item in items.of(subscription)]
    if "proration_date" in params and not min(starts) <= moment < max(ends):
        raise invalid(
            "`proration_date` must lie within the current period of the subscription.",
            param="proration_date",
        )
    return moment
