"""Products at Stripe."""

from collections.abc import Iterator
from datetime import datetime

from stripe import StripeClient
from stripe.params import ProductCreateParams, ProductListParams, ProductUpdateParams

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, labelled, plain, text
from billing.stripe.snapshots import ProductSnapshot

PAGE = 100


def snapshot(fields: Fields) -> ProductSnapshot:
    if fields.get("deleted"):
        return ProductSnapshot(stripe_id=fields["id"], deleted=True)
    return ProductSnapshot(
        **common(fields),
        name=text(fields.get("name")),
        description=text(fields.get("description")),
        active=bool(fields.get("active")),
    )


def retrieve(client: StripeClient, stripe_id: str) -> ProductSnapshot:
    """What Stripe says now. Raises StripeObjectMissing."""
    with translate():
        return snapshot(plain(client.v1.products.retrieve(stripe_id)))


def iterate(
    client: StripeClient, *, created_since: datetime | None = None
) -> Iterator[ProductSnapshot]:
    """Every product of the account, archived ones too, newest first."""
    params: ProductListParams = {"limit": PAGE}
    if created_since is not None:
        params["created"] = {"gte": int(created_since.timestamp())}
    with translate():
        for product in client.v1.products.list(params).auto_paging_iter():
            yield snapshot(plain(product))


def create(
    client: StripeClient,
    *,
    our_id: str,
    name: str,
    description: str,
    metadata: dict[str, str],
    idempotency_key: str,
) -> ProductSnapshot:
    """Make a product that names our row."""
    params: ProductCreateParams = {"name": name, "metadata": labelled(our_id, metadata)}
    if description:
        params["description"] = description
    with translate():
        made = client.v1.products.create(params, {"idempotency_key": idempotency_key})
        return snapshot(plain(made))


def update(
    client: StripeClient,
    stripe_id: str,
    *,
    idempotency_key: str,
    name: str | None = None,
    description: str | None = None,
    active: bool | None = None,
    metadata: dict[str, str] | None = None,
) -> ProductSnapshot:
    """Change what is given; an empty text unsets it, and so does an empty metadata value."""
    params: ProductUpdateParams = {}
    if name is not None:
        params["name"] = name
    if description is not None:
        params["description"] = description
    if active is not None:
        params["active"] = active
    if metadata is not None:
        params["metadata"] = metadata
    with translate():
        changed = client.v1.products.update(stripe_id, params, {"idempotency_key": idempotency_key})
        return snapshot(plain(changed))
