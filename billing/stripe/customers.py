"""Customers at Stripe."""

from collections.abc import Iterator

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, page, reference, text
from billing.stripe.snapshots import CustomerSnapshot, UnreadableObject

URL = "/v1/customers"
DEFAULT = "default_payment_method"


def snapshot(fields: Fields) -> CustomerSnapshot:
    if fields.get("deleted"):
        return CustomerSnapshot(stripe_id=fields["id"], deleted=True)
    return CustomerSnapshot(
        **common(fields),
        email=text(fields["email"]),
        name=text(fields["name"]),
        currency=text(fields["currency"]),
        balance=fields["balance"],
        delinquent=bool(fields["delinquent"]),
        default_method=reference(fields["invoice_settings"][DEFAULT]) or "",
    )


def retrieve(client: StripeClient, stripe_id: str) -> CustomerSnapshot:
    """Read the customer from Stripe; ``deleted`` is set if it was deleted. Raises
    StripeObjectMissing."""
    with translate():
        return snapshot(reads.get_named(client, URL, "customer", stripe_id))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[CustomerSnapshot | UnreadableObject]:
    """Every customer of the account, newest first; deleted ones are not listed."""
    return pagination.iterate(client, URL, page(after), snapshot)


def new(*, email: str, name: str, metadata: dict[str, str]) -> Fields:
    """Parameters that create a customer. Empty values are left out: Stripe would unset them."""
    values = {"name": name, "email": email}
    return {"metadata": metadata, **{key: value for key, value in values.items() if value}}
