"""Saved payment methods at Stripe: read on demand, never stored here."""

from dataclasses import dataclass

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, named, plain, reference, text
from billing.stripe.snapshots.base import Checked

PAGE = 100


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
        page = client.v1.customers.payment_methods.list(customer_stripe_id, {"limit": PAGE})
        return [_method(plain(each)) for each in page.auto_paging_iter()]


def retrieve(client: StripeClient, customer_stripe_id: str, stripe_id: str) -> SavedMethod:
    """One payment method of the customer. Raises StripeObjectMissing if the customer does not have
    it."""
    with translate():
        method = client.v1.customers.payment_methods.retrieve(customer_stripe_id, stripe_id)
        return _method(named(method, "payment_method", stripe_id))


def find_default(client: StripeClient, customer_stripe_id: str) -> str:
    """Stripe's id of the customer's default payment method; empty without one.

    Raises StripeObjectMissing.
    """
    with translate():
        customer = client.v1.customers.retrieve(customer_stripe_id)
        settings = named(customer, "customer", customer_stripe_id).get("invoice_settings") or {}
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
