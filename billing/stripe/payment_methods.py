"""Saved payment methods at Stripe: read when asked for, never kept here."""

from dataclasses import dataclass

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, named, plain, reference, text
from billing.stripe.snapshots.base import Checked

PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMethod(Checked):
    """What a buyer recognises a method by. ``brand``, ``last4`` and the expiry are a card's;
    ``last4`` is a bank account's as well."""

    stripe_id: str
    type: str
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None


def saved(client: StripeClient, customer_stripe_id: str) -> list[SavedMethod]:
    """The customer's methods, those saved last first. Raises StripeObjectMissing."""
    with translate():
        page = client.v1.customers.payment_methods.list(customer_stripe_id, {"limit": PAGE})
        return [_method(plain(each)) for each in page.auto_paging_iter()]


def one(client: StripeClient, customer_stripe_id: str, stripe_id: str) -> SavedMethod:
    """This method of the customer. Raises StripeObjectMissing when it is not theirs."""
    with translate():
        found = client.v1.customers.payment_methods.retrieve(customer_stripe_id, stripe_id)
        return _method(named(found, "payment_method", stripe_id))


def default(client: StripeClient, customer_stripe_id: str) -> str:
    """The id of the method that the customer pays with unless told otherwise; may be empty.

    Raises StripeObjectMissing.
    """
    with translate():
        found = client.v1.customers.retrieve(customer_stripe_id)
        settings = named(found, "customer", customer_stripe_id).get("invoice_settings") or {}
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
