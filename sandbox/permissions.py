"""Permissions of restricted keys (``rk_…``): read and write for each resource.

The names are Stripe's (docs.stripe.com/keys/permissions-reference). Write includes read. An
expanded object requires its own read permission.
"""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.errors import StripeFailure

RESOURCES_BY_PATH = {
    "account": "connected_account",
    "accounts": "connected_account",
    "balance_transactions": "balance_transaction_source",
    "billing/credit_balance_transactions": "billing_credit_grant",
    "billing/credit_grants": "billing_credit_grant",
    "billing/meter_event_adjustments": "billing_meter_event",
    "billing/meter_events": "billing_meter_event",
    "billing/meters": "billing_meter",
    "billing_portal": "customer_portal",
    "charges": "charge",
    "checkout/sessions": "checkout_session",
    "coupons": "coupon",
    "credit_notes": "credit_note",
    "customers": "customer",
    "disputes": "dispute",
    "events": "event",
    "invoice_payments": "invoice",
    "invoiceitems": "invoice",
    "invoices": "invoice",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "prices": "plan",
    "products": "product",
    "promotion_codes": "promotion_code",
    "radar/early_fraud_warnings": "charge",
    "refunds": "charge",
    "setup_intents": "setup_intent",
    "subscription_items": "subscription",
    "subscription_schedules": "subscription",
    "subscriptions": "subscription",
    "tax_rates": "tax_rate",
    "test_helpers/test_clocks": "billing_clock",
    "webhook_endpoints": "webhook",
}
"""Permission names, without ``_read`` or ``_write``, by path prefix under ``/v1/``."""
RESOURCES_BY_KIND = {
    "balance_transaction": "balance_transaction_source",
    "price": "plan",
    "radar.early_fraud_warning": "charge",
    "refund": "charge",
    "checkout.session": "checkout_session",
    "billing_portal.configuration": "customer_portal",
    "invoice_payment": "invoice",
    "invoiceitem": "invoice",
    "subscription_item": "subscription",
    "subscription_schedule": "subscription",
    "test_helpers.test_clock": "billing_clock",
}
"""Permission names of object kinds with a different name."""
IMPLIED_READS = {
    "checkout_session": {"payment_intent", "product", "setup_intent"},
    "credit_note": {"invoice"},
    "customer": {"billing_clock"},
    "invoice": {"credit_note"},
    "payment_intent": {"product"},
    "plan": {"product"},
    "payment_method": {"source"},
}
"""Resources that a permission allows to read in addition."""
UNGUARDED_KINDS = {"discount", "list"}
PERMISSIONS = {
    f"{resource}_{way}" for resource in RESOURCES_BY_PATH.values() for way in ("read", "write")
}


class Permissions:
    """Permissions of a key. ``None`` stands for a secret key, which has all of them."""

    def __init__(self, granted: Iterable[str] | None, *, key: str = "", account: str = "") -> None:
        self._granted = None if granted is None else _add_implied(granted)
        self._key, self._account = key, account

    def check_request(self, method: str, path: str) -> None:
        """Raise 403 if the key may not send this request."""
        self._check(_resource_of_path(path), "read" if method == "GET" else "write")

    def check_expanded(self, kind: str) -> None:
        """Raise 403 if the key may not read an object of this kind that ``expand`` adds."""
        if kind not in UNGUARDED_KINDS:
            self._check(RESOURCES_BY_KIND.get(kind, kind), "read")

    def _check(self, resource: str, access: str) -> None:
        permission = f"{resource}_{access}"
        if self._granted is None or permission in self._granted:
            return
        raise StripeFailure(
            f"The provided key '{self._key}' does not have the required permissions for this "
            f"endpoint on account '{self._account}'. Having the 'rak_{permission}' permission "
            "would allow this request to continue.",
            status=403,
        )


def check_permission_names(granted: Iterable[str]) -> None:
    """Raise ``ValueError`` for a permission that Stripe does not have."""
    if unknown := sorted(set(granted) - PERMISSIONS):
        raise ValueError(f"No such permission: {', '.join(unknown)}.")


def _add_implied(granted: Iterable[str]) -> set[str]:
    resources = {name.rpartition("_")[0] for name in granted}
    implied = {
        implied_resource for name in resources for implied_resource in IMPLIED_READS.get(name, ())
    }
    return {*granted} | {f"{name}_read" for name in resources | implied}


def _resource_of_path(path: str) -> str:
    names = path.removeprefix("/v1/").removeprefix("/v2/core/").split("/")
    if names[0] == "customers" and names[2:3] == ["payment_methods"]:
        return "payment_method"
    return RESOURCES_BY_PATH.get("/".join(names[:2])) or RESOURCES_BY_PATH[names[0]]
