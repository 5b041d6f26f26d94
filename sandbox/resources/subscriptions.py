"""Routes of subscriptions."""

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
from sandbox.pagination import is_in_range, list_page
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
    subscription_updates.check_automatic_tax(customer, params)
    new_items = subscription_items.read_items(tx, params.get("items", []), customer=customer["id"])
    with tx.emit_in_order(event_order.FIRST_PAYMENT):
        subscription = subscription_creation.create_subscription(
            tx,
            customer=customer,
            new_items=new_items,
            trial_end=_read_trial_end(tx, params, new_items),
            anchor=subscription_creation.read_anchor(
                tx, params.get("billing_cycle_anchor"), new_items
            ),
            discount_choices=discounts.read_choices(
                tx, params.get("discounts"), customer=customer["id"]
            ),
            default_payment_method=subscription_updates.read_default_method(tx, customer, params),
        )
        subscription_updates.apply_settings(subscription, params)
        invoice_settings.apply_params(tx, subscription, params)
        scheduled_cancellation.apply_params(tx, subscription, params)
        prorate = params.get("proration_behavior", "create_prorations") != "none"
        invoice = subscription_creation.draft_first_invoice(tx, subscription, prorate=prorate)
        if subscription["collection_method"] == invoice_settings.SEND_INVOICE:
            _start_with_sent_invoice(subscription, params)
        else:
            _collect_first_invoice(tx, subscription, invoice, params)
        subscription_creation.emit_created(tx, subscription)
    return subscription


@routes.get("/v1/subscriptions/<id>", SubscriptionRetrieveParams)
def retrieve(tx: Transaction, params: Params, subscription_id: str) -> Object:
    return subscription_items.refresh_prices(tx, tx.path_object("subscription", subscription_id))


@routes.post("/v1/subscriptions/<id>", SubscriptionUpdateParams)
def update(tx: Transaction, params: Params, subscription_id: str) -> Object:
    check_supported(params)
    subscription = tx.path_object("subscription", subscription_id)
    subscription_updates.update_subscription(tx, subscription, params)
    return subscription


@routes.get("/v1/subscriptions", SubscriptionListParams)
def list_(tx: Transaction, params: Params) -> Object:
    """List subscriptions; without ``status`` all but canceled ones, as at Stripe."""

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

    result = list_page(tx, "subscription", params, url="/v1/subscriptions", where=wanted)
    for subscription in result["data"]:
        subscription_items.refresh_prices(tx, subscription)
    return result


@routes.delete("/v1/subscriptions/<id>", SubscriptionCancelParams)
def cancel(tx: Transaction, params: Params, subscription_id: str) -> Object:
    subscription = tx.path_object("subscription", subscription_id)
    if subscription["status"] in cancellation.ENDED_STATUSES:
        raise StripeFailure(
            f"No such subscription: '{subscription_id}'",
            status=404,
            code="resource_missing",
            param="id",
        )
    subscription_updates.cancel_now(tx, subscription, params)
    return subscription


@routes.post("/v1/subscriptions/<id>/pause", SubscriptionPauseParams)
def pause(tx: Transaction, params: Params, subscription_id: str) -> Object:
    subscription = tx.path_object("subscription", subscription_id)
    subscription_pauses.pause_subscription(tx, subscription, params)
    return subscription


@routes.post("/v1/subscriptions/<id>/resume", SubscriptionResumeParams)
def resume(tx: Transaction, params: Params, subscription_id: str) -> Object:
    subscription = tx.path_object("subscription", subscription_id)
    subscription_pauses.resume_subscription(tx, subscription, params)
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


def _read_trial_end(tx: Transaction, params: Params, new_items: list[Object]) -> int | None:
    if params.get("trial_from_plan"):
        days = [item["price"]["recurring"]["trial_period_days"] or 0 for item in new_items]
        return subscription_creation.read_trial_end(tx, {"trial_period_days": max(days)})
    return subscription_creation.read_trial_end(tx, params)


def _start_with_sent_invoice(subscription: Object, params: Params) -> None:
    """Activate at once: with ``send_invoice`` the first invoice is sent an hour later."""
    if "payment_behavior" in params and params["payment_behavior"] != "allow_incomplete":
        raise invalid(
            "`payment_behavior` can only be set when `collection_method` is "
            "`charge_automatically`.",
            param="payment_behavior",
        )
    if subscription["status"] == "incomplete":
        subscription["status"] = "active"


def _collect_first_invoice(
    tx: Transaction, subscription: Object, invoice: Object, params: Params
) -> None:
    """Charge the first invoice now, or leave its intent to the payer, by ``payment_behavior``."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    collection.finalize(tx, invoice)
    method = collection.default_method(tx, invoice)
    if invoice["status"] == "paid":
        if method is None:
            _create_setup_intent(tx, subscription)
        return
    if behavior == "default_incomplete":
        collection.create_unconfirmed_intent(tx, invoice)
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
        raise subscription_updates.payment_required_error(tx, invoice)


def _create_setup_intent(tx: Transaction, subscription: Object) -> None:
    """Create a setup intent to save a card: nothing was due and no card is known."""
    intent = setup_intents.create(
        tx, {"customer": subscription["customer"], "usage": "off_session"}
    )
    subscription["pending_setup_intent"] = intent["id"]


def _has_clock(subscription: Object, params: Params) -> bool:
    """Whether the test clock matches; without ``customer`` and clock, those with a clock are
    excluded."""
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
            return bool(subscription["status"] in cancellation.ENDED_STATUSES)
    return bool(subscription["status"] == status)


def _has_price(subscription: Object, price: str | None) -> bool:
    return price is None or any(
        item["price"]["id"] == price for item in subscription_items.list_items(subscription)
    )


def _has_period(subscription: Object, params: Params) -> bool:
    return all(
        any(
            is_in_range(item[name], params[name])
            for item in subscription_items.list_items(subscription)
        )
        for name in ("current_period_start", "current_period_end")
        if name in params
    )
