"""Customers at Stripe."""

from collections.abc import Iterator
from datetime import datetime

from stripe import StripeClient
from stripe.params import CustomerListParams

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, plain, text
from billing.stripe.snapshots import CustomerSnapshot

PAGE = 100


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
    client: StripeClient, *, created_since: datetime | None = None
) -> Iterator[CustomerSnapshot]:
    """Every customer of the account, newest first; deleted ones are not listed."""
    params: CustomerListParams = {"limit": PAGE}
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with translate():
        for customer in client.v1.customers.list(params).auto_paging_iter():
            yield snapshot(plain(customer))


def new(*, email: str, name: str, metadata: dict[str, str]) -> Fields:
    """How a customer is asked for."""
    params: Fields = {"name": name, "metadata": metadata}
    return {**params, "email": email} if email else params
