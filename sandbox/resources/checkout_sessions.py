"""Routes of checkout sessions."""

from __future__ import annotations

from stripe.params.checkout import (
    SessionCreateParams,
    SessionExpireParams,
    SessionLineItemListParams,
    SessionListParams,
    SessionRetrieveParams,
    SessionUpdateParams,
)

from sandbox.billing import billing_periods, subscription_creation
from sandbox.checkout import (
    expiry,
    line_items,
    param_rules,
    session_amounts,
    session_discounts,
    session_object,
    session_records,
)
from sandbox.checkout.completion import KIND
from sandbox.errors import StripeFailure, invalid, refuse_unsupported
from sandbox.objects import Object, Params, merge_metadata
from sandbox.pagination import embed_list, list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

MIN_TRIAL_SECONDS = 48 * billing_periods.HOUR
SUBSCRIPTION_UNSUPPORTED = (
    "application_fee_percent",
    "billing_cycle_anchor",
    "billing_cycle_anchor_config",
    "default_tax_rates",
    "invoice_settings",
    "on_behalf_of",
    "pending_invoice_item_interval",
    "transfer_data",
)
PAYMENT_UNSUPPORTED = (
    "application_fee_amount",
    "on_behalf_of",
    "transfer_data",
    "transfer_group",
)


@routes.post("/v1/checkout/sessions", SessionCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    param_rules.check_params(tx, params)
    refuse_unsupported(params.get("payment_intent_data", {}), *PAYMENT_UNSUPPORTED)
    items = line_items.read_line_items(tx, params) if params["mode"] != "setup" else []
    if params["mode"] == "subscription":
        _check_subscription(tx, params, items)
    currency = items[0]["currency"] if items else params.get("currency", "usd").lower()
    session = tx.insert(session_object.build_session(tx, params, currency=currency))
    session_records.insert_record(tx, session, params, items)
    if params["mode"] != "setup":
        session_amounts.compute_amounts(tx, session)
        session_discounts.apply_discounts_param(tx, session, params)
    return session


@routes.get("/v1/checkout/sessions/<id>", SessionRetrieveParams)
def retrieve(tx: Transaction, params: Params, session_id: str) -> Object:
    return tx.path_object(KIND, session_id)


@routes.post("/v1/checkout/sessions/<id>", SessionUpdateParams)
def update(tx: Transaction, params: Params, session_id: str) -> Object:
    refuse_unsupported(
        params, "collected_information", "line_items", "payment_intent_data", "shipping_options"
    )
    session = tx.path_object(KIND, session_id)
    merge_metadata(session, params.get("metadata"))
    return session


@routes.post("/v1/checkout/sessions/<id>/expire", SessionExpireParams)
def expire(tx: Transaction, params: Params, session_id: str) -> Object:
    session = tx.path_object(KIND, session_id)
    if session["status"] != "open":
        raise StripeFailure(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}.",
            code="resource_invalid_state",
        )
    expiry.expire_session(tx, session)
    return session


@routes.get("/v1/checkout/sessions", SessionListParams)
def list_(tx: Transaction, params: Params) -> Object:
    email = params.get("customer_details", {}).get("email")

    def wanted(session: Object) -> bool:
        return all(
            session[name] == params.get(name, session[name])
            for name in ("customer", "payment_intent", "payment_link", "status", "subscription")
        ) and (email is None or (session["customer_details"] or {}).get("email") == email)

    return list_page(tx, KIND, params, url="/v1/checkout/sessions", where=wanted)


@routes.get("/v1/checkout/sessions/<id>/line_items", SessionLineItemListParams)
def list_line_items(tx: Transaction, params: Params, session_id: str) -> Object:
    ids = set(session_records.find_record(tx, tx.path_object(KIND, session_id))["items"])
    url = f"/v1/checkout/sessions/{session_id}/line_items"

    def wanted(item: Object) -> bool:
        return item["id"] in ids

    return list_page(tx, "item", params, url=url, where=wanted, oldest_first=True)


@routes.includable(KIND, "line_items")
def include_line_items(tx: Transaction, session: Object) -> Object:
    items = session_records.list_items(tx, session)
    return embed_list(items, url=f"/v1/checkout/sessions/{session['id']}/line_items")


def _check_subscription(tx: Transaction, params: Params, items: list[Object]) -> None:
    """Check ``subscription_data``; recurring items cost 0 in a trial.

    Raises 400 if it is invalid.
    """
    data = params.get("subscription_data", {})
    refuse_unsupported(data, *SUBSCRIPTION_UNSUPPORTED)
    recurring = [item for item in items if line_items.is_recurring(item)]
    currency = recurring[0]["currency"]
    if "customer" in params:
        customer = tx.param_object("customer", params["customer"], param="customer")
        subscription_creation.check_currency(customer, currency)
    if data.get("trial_period_days") == 0:
        raise invalid(
            "The minimum number of trial period days is 1.",
            param="subscription_data[trial_period_days]",
        )
    earliest = tx.now + MIN_TRIAL_SECONDS
    within = "subscription_data"
    if (
        subscription_creation.read_trial_end(tx, data, earliest=earliest, param_prefix=within)
        is not None
    ):
        for item in recurring:
            item["amount_subtotal"] = 0
