"""Subscriptions: the API over ``billing``."""

from __future__ import annotations

from stripe.params import (
    SubscriptionCancelParams,
    SubscriptionCreateParams,
    SubscriptionListParams,
    SubscriptionPauseParams,
    SubscriptionResumeParams,
    SubscriptionRetrieveParams,
    SubscriptionUpdateParams,
)

from sandbox import event_order
from sandbox.billing import (
    cancellation,
    collection,
    discounts,
    invoice_settings,
    scheduled_cancellation,
    subscription_creation,
    subscription_items,
    subscription_pauses,
    subscription_updates,
)
from sandbox.errors import StripeFailure, invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params
from sandbox.pagination import in_range, page
from sandbox.resources import setup_intents
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

UNSUPPORTED = (
    "add_invoice_items",
    "application_fee_percent",
    "backdate_start_date",
    "billing_cycle_anchor_config",
    "billing_schedules",
    "billing_thresholds",
    "customer_account",
    "default_source",
    "on_behalf_of",
    "pending_invoice_item_interval",
    "transfer_data",
)


@routes.post("/v1/subscriptions", SubscriptionCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    check_supported(params)
    if "customer" not in params:
        raise missing_param("customer")
    if params.get("payment_behavior") == "pending_if_incomplete":
        raise invalid(
            "You cannot use `pending_if_incomplete` when creating a subscription.",
            param="payment_behavior",
        )
    customer = tx.param_object("customer", params["customer"], param="customer")
    subscription_updates.check_tax(customer, params)
    content = subscription_items.read(tx, params.get("items", []), customer=customer["id"])
    with tx.arranged(event_order.FIRST_PAYMENT):
        subscription = subscription_creation.begin(
            tx,
            customer=customer,
            content=content,
            trial_end=_trial_end(tx, params, content),
            anchor=subscription_creation.anchor_of(tx, params.get("billing_cycle_anchor"), content),
            choices=discounts.read(tx, params.get("discounts"), customer=customer["id"]),
            default_payment_method=subscription_updates.own_method(tx, customer, params),
        )
        subscription_updates.apply_plain(subscription, params)
        invoice_settings.apply(tx, subscription, params)
        scheduled_cancellation.apply(tx, subscription, params)
        prorate = params.get("proration_behavior", "create_prorations") != "none"
        invoice = subscription_creation.first_invoice(tx, subscription, prorate=prorate)
        if subscription["collection_method"] == invoice_settings.SENT:
            _send_first_invoice(subscription, params)
        else:
            _take_first_payment(tx, subscription, invoice, params)
        subscription_creation.announce(tx, subscription)
    return subscription


@routes.get("/v1/subscriptions/<id>", SubscriptionRetrieveParams)
def retrieve(tx: Transaction, params: Params, id: str) -> Object:
    return subscription_items.show_current_prices(tx, tx.path_object("subscription", id))


@routes.post("/v1/subscriptions/<id>", SubscriptionUpdateParams)
def update(tx: Transaction, params: Params, id: str) -> Object:
    check_supported(params)
    subscription = tx.path_object("subscription", id)
    subscription_updates.change(tx, subscription, params)
    return subscription


@routes.get("/v1/subscriptions", SubscriptionListParams)
def list_(tx: Transaction, params: Params) -> Object:
    """Without ``status`` those that have not been canceled, as at Stripe."""

    def wanted(subscription: Object) -> bool:
        return (
            subscription["customer"] == params.get("customer", subscription["customer"])
            and _has_clock(subscription, params)
            and _has_status(subscription, params.get("status"))
            and _has_price(subscription, params.get("price") or params.get("plan"))
            and _has_period(subscription, params)
            and subscription["collection_method"]
            == params.get("collection_method", subscription["collection_method"])
        )

    found = page(tx, "subscription", params, url="/v1/subscriptions", where=wanted)
    for subscription in found["data"]:
        subscription_items.show_current_prices(tx, subscription)
    return found


@routes.delete("/v1/subscriptions/<id>", SubscriptionCancelParams)
def cancel(tx: Transaction, params: Params, id: str) -> Object:
    subscription = tx.path_object("subscription", id)
    if subscription["status"] in cancellation.ENDED:
        raise StripeFailure(
            f"No such subscription: '{id}'", status=404, code="resource_missing", param="id"
        )
    subscription_updates.cancel_now(tx, subscription, params)
    return subscription


@routes.post("/v1/subscriptions/<id>/pause", SubscriptionPauseParams)
def pause(tx: Transaction, params: Params, id: str) -> Object:
    subscription = tx.path_object("subscription", id)
    subscription_pauses.pause(tx, subscription, params)
    return subscription


@routes.post("/v1/subscriptions/<id>/resume", SubscriptionResumeParams)
def resume(tx: Transaction, params: Params, id: str) -> Object:
    subscription = tx.path_object("subscription", id)
    subscription_pauses.resume(tx, subscription, params)
    return subscription


def check_supported(params: Params) -> None:
    refuse_unsupported(params, *UNSUPPORTED)
    end = params.get("trial_settings", {}).get("end_behavior", {})
    if end.get("billing_cycle_anchor") == "unchanged":
        raise invalid(
            "The sandbox's periods begin when a trial ends.",
            param="trial_settings[end_behavior][billing_cycle_anchor]",
        )
    if params.get("cancel_at") == "max_billed_until":
        raise invalid("The sandbox bills no periods in advance.", param="cancel_at")


def _trial_end(tx: Transaction, params: Params, content: list[Object]) -> int | None:
    if params.get("trial_from_plan"):
        days = [item["price"]["recurring"]["trial_period_days"] or 0 for item in content]
        return subscription_creation.trial_end_of(tx, {"trial_period_days": max(days)})
    return subscription_creation.trial_end_of(tx, params)


def _send_first_invoice(subscription: Object, params: Params) -> None:
    """Nothing is charged: it begins at once, and its first invoice is sent an hour later."""
    if "payment_behavior" in params and params["payment_behavior"] != "allow_incomplete":
        raise invalid(
            "`payment_behavior` can only be set when `collection_method` is "
            "`charge_automatically`.",
            param="payment_behavior",
        )
    if subscription["status"] == "incomplete":
        subscription["status"] = "active"


def _take_first_payment(
    tx: Transaction, subscription: Object, invoice: Object, params: Params
) -> None:
    """By ``payment_behavior``: charge now, or leave the intent for the payer to confirm."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    collection.finalize(tx, invoice)
    method = collection.default_method(tx, invoice)
    if invoice["status"] == "paid":
        if method is None:
            _offer_setup(tx, subscription)
        return
    if behavior == "default_incomplete":
        collection.await_payer(tx, invoice)
        return
    if method is None:
        raise StripeFailure(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method. For more information, visit "
            "https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method"
            "-priority.",
            code="resource_missing",
        )
    collection.collect(tx, invoice, off_session=bool(params.get("off_session")))
    is_open = invoice["status"] != "paid" and not collection.is_processing(tx, invoice)
    if behavior == "error_if_incomplete" and is_open:
        raise subscription_updates.unpaid(tx, invoice)


def _offer_setup(tx: Transaction, subscription: Object) -> None:
    """Nothing was due and no card is known: an intent to save one for later."""
    intent = setup_intents.create(
        tx, {"customer": subscription["customer"], "usage": "off_session"}
    )
    subscription["pending_setup_intent"] = intent["id"]


def _has_clock(subscription: Object, params: Params) -> bool:
    """Without a customer or a clock, those that live by a test clock are left out."""
    if "customer" in params and "test_clock" not in params:
        return True
    return bool(subscription["test_clock"] == params.get("test_clock"))


def _has_status(subscription: Object, status: str | None) -> bool:
    match status:
        case None:
            return bool(subscription["status"] != "canceled")
        case "all":
            return True
        case "ended":
            return bool(subscription["status"] in cancellation.ENDED)
    return bool(subscription["status"] == status)


def _has_price(subscription: Object, price: str | None) -> bool:
    return price is None or any(
        item["price"]["id"] == price for item in subscription_items.of(subscription)
    )


def _has_period(subscription: Object, params: Params) -> bool:
    return all(
        any(in_range(item[name], params[name]) for item in subscription_items.of(subscription))
        for name in ("current_period_start", "current_period_end")
        if name in params
    )
