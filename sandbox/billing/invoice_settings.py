"""Collection method, tax rates and texts of invoices, as set by subscriptions and schedules."""

from __future__ import annotations

from typing import Any

from sandbox.errors import invalid
from sandbox.objects import Object, Params, copy
from sandbox.resources import tax_rates
from sandbox.transaction import Transaction

SEND_INVOICE = "send_invoice"
TEXT_FIELDS = ("account_tax_ids", "custom_fields", "description", "footer")


def empty_settings() -> Object:
    """``invoice_settings`` of a new subscription."""
    return {**dict.fromkeys(TEXT_FIELDS), "issuer": {"type": "self"}}


def apply_params(tx: Transaction, subscription: Object, params: Params) -> None:
    """Apply the collection method, due days, tax rates and invoice settings that were sent.

    Raises 400 with Stripe's text for invalid values.
    """
    _apply_collection_method(tx, subscription, params)
    if "default_tax_rates" in params:
        rates = params["default_tax_rates"]
        subscription["default_tax_rates"] = tax_rates.resolve_rates(
            tx, rates, param="default_tax_rates"
        )
    if "invoice_settings" in params:
        subscription["invoice_settings"] |= read_settings(params["invoice_settings"])


def read_settings(params: Params, *, param: str = "invoice_settings") -> Object:
    """Read ``invoice_settings``; an empty string unsets a member. Raises 400 for another issuer."""
    if params.get("issuer", {}).get("type", "self") != "self":
        raise invalid(
            "The sandbox's invoices are issued by the account itself.",
            param=f"{param}[issuer][type]",
        )
    if params.get("account_tax_ids"):
        raise invalid("The sandbox's accounts have no tax ids.", param=f"{param}[account_tax_ids]")
    return {name: copy(params[name]) or None for name in TEXT_FIELDS if name in params}


def due_date(subscription: Object | None, sent_at: int) -> int | None:
    """Due date of an invoice sent at ``moment``; None for automatic collection."""
    if subscription is None or subscription["collection_method"] != SEND_INVOICE:
        return None
    return sent_at + int(subscription["days_until_due"]) * 86400


def invoice_fields(subscription: Object | None, sent_at: int) -> Object:
    """Invoice fields that the subscription sets."""
    if subscription is None:
        return {}
    settings = subscription["invoice_settings"]
    fields: dict[str, Any] = {
        name: copy(settings[name]) for name in ("custom_fields", "description", "footer")
        if settings[name]
    }  # fmt: skip
    return {
        **fields,
        "collection_method": subscription["collection_method"],
        "default_tax_rates": copy(subscription["default_tax_rates"]),
        "due_date": due_date(subscription, sent_at),
    }


def _apply_collection_method(tx: Transaction, subscription: Object, params: Params) -> None:
    if not {"collection_method", "days_until_due"} & params.keys():
        return
    method = params.get("collection_method", subscription["collection_method"])
    days = params.get("days_until_due", subscription["days_until_due"])
    if method != SEND_INVOICE:
        if params.get("days_until_due") is not None:
            raise invalid(
                "You can only set `days_until_due` if the collection method is `send_invoice`.",
                param="days_until_due",
            )
        days = None
    else:
        _check_send_invoice(tx, subscription["customer"], days)
    subscription |= {"collection_method": method, "days_until_due": days}


def _check_send_invoice(tx: Transaction, customer: str, days: int | None) -> None:
    if days is None:
        raise invalid(
            "`days_until_due` must be specified when `collection_method` is `send_invoice`.",
            param="days_until_due",
        )
    if days < 0:
        raise invalid("`days_until_due` cannot be negative.", param="days_until_due")
    if not tx.param_object("customer", customer, param="customer")["email"]:
        raise invalid(
            "Missing email. In order to create invoices that are sent to the customer, the "
            "customer must have a valid email.",
            param="customer",
        )
