"""Customers at Stripe."""

from collections.abc import Iterator

from stripe import StripeClient

from billing.stripe import pagination
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, page, plain, text
from billing.stripe.snapshots import CustomerSnapshot, UnreadableObject


def snapshot(fields: Fields) -> CustomerSnapshot:
    if fields.get("deleted"):
        return CustomerSnapshot(stripe_id=fields["id"], deleted=True)
    return CustomerSnapshot(
        **common(fields),
        email=text(fields.get("email")),
        name=text(fields.get("name")),
        currency=text(fields.get("currency")),
        balance=fields.get("balance") or 0,
        delinquent=bool(fields.get("delinquent")),
    )


def retrieve(client: StripeClient, stripe_id: str) -> CustomerSnapshot:
    """What Stripe says now; a deleted customer answers ``deleted``. Raises StripeObjectMissing."""
    with translate():
        return snapshot(plain(client.v1.customers.retrieve(stripe_id)))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[CustomerSnapshot | UnreadableObject]:
    """Every customer of the account, newest first; deleted ones are not listed."""
    return pagination.iterate(lambda: client.v1.customers.list(page(after)), snapshot)


def new(*, email: str, name: str, metadata: dict[str, str]) -> Fields:
    """How a customer is asked for."""
    params: Fields = {"name": name, "metadata": metadata}
    return {**params, "email": email} if email else params
