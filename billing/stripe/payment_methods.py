"""Saved payment methods at Stripe: read on demand, never stored here."""

from dataclasses import dataclass

from stripe import StripeClient

from billing.stripe import customers, pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, reference, text
from billing.stripe.snapshots.base import Checked

URL = "/v1/customers/{}/payment_methods"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMethod(Checked):
    """The data by which a buyer recognises a payment method.

    ``brand`` and the expiry are set for cards, ``last4`` for cards and bank accounts.
    """

    stripe_id: str
    type: str
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None


def list_saved(client: StripeClient, customer_stripe_id: str) -> list[SavedMethod]:
    """The customer's payment methods, newest first. Raises StripeObjectMissing."""
    with translate():
        url = reads.path(URL, customer_stripe_id)
        return [_method(fields) for fields in pagination.all_of(client, url, {})]


def retrieve(client: StripeClient, customer_stripe_id: str, stripe_id: str) -> SavedMethod:
    """One payment method of the customer. Raises StripeObjectMissing if the customer does not have
    it."""
    with translate():
        url = reads.path(URL, customer_stripe_id)
        return _method(reads.get_named(client, url, "payment_method", stripe_id))


def find_default(client: StripeClient, customer_stripe_id: str) -> str:
    """Stripe's id of the customer's default payment method; empty without one.

    Raises StripeObjectMissing.
    """
    with translate():
        customer = reads.get_named(client, customers.URL, "customer", customer_stripe_id)
        settings = customer.get("invoice_settings") or {}
        return reference(settings.get("default_payment_method")) or ""


def _method(fields: Fields) -> SavedMethod:
    details = fields.get(fields["type"]) or {}
    return SavedMethod(
        stripe_id=fields["id"],
        type=text(fields["type"]),
        brand=text(details.get("brand")),
        last4=text(details.get("last4")),
        exp_month=details.get("exp_month"),
        exp_year=details.get("exp_year"),
    )
