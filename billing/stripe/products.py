"""Products at Stripe."""

from collections.abc import Iterator

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, page, text
from billing.stripe.snapshots import ProductSnapshot, UnreadableObject

URL = "/v1/products"


def snapshot(fields: Fields) -> ProductSnapshot:
    if fields.get("deleted"):
        return ProductSnapshot(stripe_id=fields["id"], deleted=True)
    return ProductSnapshot(
        **common(fields),
        name=text(fields["name"]),
        description=text(fields["description"]),
        active=bool(fields["active"]),
    )


def retrieve(client: StripeClient, stripe_id: str) -> ProductSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        return snapshot(reads.get_named(client, URL, "product", stripe_id))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[ProductSnapshot | UnreadableObject]:
    """Every product of the account, archived ones too, newest first."""
    return pagination.iterate(client, URL, page(after), snapshot)


def new(*, name: str, description: str, metadata: dict[str, str]) -> Fields:
    """Parameters that create a product."""
    params: Fields = {"name": name, "metadata": metadata}
    if description:
        params["description"] = description
    return params
