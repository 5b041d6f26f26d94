"""Permissions that a restricted key needs, and how they are tested.

Stripe checks the permission of a key before it looks at the request
(docs.stripe.com/keys/restricted-api-keys). Listing one object therefore shows whether a resource
can be read, and changing an object that cannot exist shows whether it can be written: Stripe
answers 403, or that there is no such object. Nothing is ever changed.
"""

from collections.abc import Callable
from typing import Any

from stripe import StripeClient

from billing.stripe.client import RESTRICTED
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripePermissionMissing,
    StripeUnavailable,
    translate,
)
from common.errors import DomainError

NO_OBJECT = "tollgate_probe"
"""Part of the id of an object that cannot exist."""
ONE = {"limit": 1}

Probe = Callable[[Any], Any]

REQUIRED: dict[str, tuple[str, Probe]] = {
    "rak_charge_write": (
        "refunds, early fraud warnings",
        lambda v1: v1.refunds.update(f"re_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_checkout_session_write": (
        "hosted pages",
        lambda v1: v1.checkout.sessions.expire(f"cs_{NO_OBJECT}"),
    ),
    "rak_connected_account_read": (
        "the account of the key; without it no account can be connected",
        lambda v1: v1.accounts.retrieve_current(),
    ),
    "rak_coupon_write": ("coupons", lambda v1: v1.coupons.delete(NO_OBJECT)),
    "rak_credit_note_read": ("credit notes of invoices", lambda v1: v1.credit_notes.list(ONE)),
    "rak_customer_write": (
        "customers: copies, changes, erasure",
        lambda v1: v1.customers.update(f"cus_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_dispute_read": ("disputes", lambda v1: v1.disputes.list(ONE)),
    "rak_event_read": (
        "events whose webhook never arrived, and error reports of meter events",
        lambda v1: v1.events.list(ONE),
    ),
    "rak_invoice_read": ("invoices, their payments and previews", lambda v1: v1.invoices.list(ONE)),
    "rak_payment_intent_write": (
        "payments",
        lambda v1: v1.payment_intents.cancel(f"pi_{NO_OBJECT}"),
    ),
    "rak_payment_method_write": (
        "saved payment methods",
        lambda v1: v1.payment_methods.detach(f"pm_{NO_OBJECT}"),
    ),
    "rak_plan_write": (
        "prices",
        lambda v1: v1.prices.update(f"price_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_product_write": (
        "products",
        lambda v1: v1.products.update(f"prod_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_promotion_code_write": (
        "promotion codes",
        lambda v1: v1.promotion_codes.update(f"promo_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_subscription_write": (
        "subscriptions and their schedules",
        lambda v1: v1.subscriptions.update(f"sub_{NO_OBJECT}", {"metadata": {"probe": "1"}}),
    ),
    "rak_customer_portal_write": (
        "the customer portal",
        lambda v1: v1.billing_portal.configurations.update(f"bpc_{NO_OBJECT}", {"active": "true"}),
    ),
    "rak_billing_meter_write": (
        "meters of metered prices",
        lambda v1: v1.billing.meters.update(f"mtr_{NO_OBJECT}", {"display_name": "probe"}),
    ),
    "rak_billing_meter_event_write": (
        "usage of metered prices",
        lambda v1: v1.billing.meter_event_adjustments.create(
            {"event_name": NO_OBJECT, "type": "cancel", "cancel": {"identifier": NO_OBJECT}}
        ),
    ),
}
"""Stripe's name of each permission, its purpose, and a request that needs it."""


def missing(client: StripeClient, secret_key: str, *, wait: Callable[[], None]) -> list[str]:
    """Names of the permissions that the key lacks. A secret key that is not restricted lacks none.

    ``wait`` is called before each request. Raises StripeUnavailable, and StripeCredentialsRefused
    for an invalid key.
    """
    if not secret_key.startswith(RESTRICTED):
        return []
    names = []
    for name, (_, probe) in REQUIRED.items():
        wait()
        if _is_missing(client, probe):
            names.append(name)
    return names


def _is_missing(client: StripeClient, probe: Probe) -> bool:
    try:
        with translate():
            probe(client.v1)
    except StripePermissionMissing:
        return True
    except (StripeUnavailable, StripeCredentialsRefused):
        raise
    except DomainError:  # Stripe looked for the object: the key may do it
        return False
    return False
