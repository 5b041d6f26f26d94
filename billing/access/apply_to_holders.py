"""Have many holders of a product follow what it gives, from our rows alone.

What each source should say is computed for all of them in a fixed number of queries; only those
who say something else are written, one after the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from billing.access import credits, purchase_facts
from billing.access import service as access
from billing.access.purchase_facts import Given
from billing.access.selectors import holders
from billing.models import Checkout, Product, Subscription
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.facts import service as facts
from entitlements.models import CreditGrant, Fact
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source
from projects.models import Customer

Said = dict[Source, list[FactDraft]]


def follow(*, product: Product, customers: Mapping[str, Customer], at: datetime) -> int:
    """Make facts and credits of these customers what their purchases of the product say; for how
    many of them that changed a fact. The caller holds their locks."""
    subscriptions = list(holders.subscriptions(product, customer_ids=customers))
    pages = list(holders.purchases(product, customer_ids=customers))
    given = purchase_facts.of_pages(pages)
    _follow_credits(product, subscriptions, pages, given, customers, at)
    for page in pages:
        access.note(given[page.pk], at=at)
    wanted: dict[str, Said] = {key: {} for key in customers}
    from_subscriptions = purchase_facts.of_subscriptions(subscriptions)
    for row in subscriptions:
        source = Source(SourceType.SUBSCRIPTION, row.pk)
        wanted[row.customer_id][source] = from_subscriptions[row.pk]
    from_pages = purchase_facts.of_checkouts(pages, given)
    for page in pages:
        wanted[page.customer_id][Source(SourceType.CHECKOUT, page.pk)] = from_pages[page.pk]
    now = fact_selectors.current_of_many(project=product.project_id, customer_ids=customers)
    return sum(
        _replace(customers[key], said, now[key][0] if key in now else [], at)
        for key, said in wanted.items()
    )


def _replace(customer: Customer, said: Said, now: Sequence[Fact], at: datetime) -> bool:
    """Whether a source of the customer has something else to say."""
    said_now: dict[Source, list[Fact]] = {source: [] for source in said}
    for row in now:
        if (source := fact_selectors.source_of(row)) in said_now:
            said_now[source].append(row)
    differing = [
        source for source, wanted in said.items() if not facts.are_current(said_now[source], wanted)
    ]
    for source in differing:
        facts.replace(
            customer=customer,
            source_type=SourceType(source.type),
            source_id=source.id,
            drafts=said[source],
            at=at,
        )
    return bool(differing)


def _follow_credits(
    product: Product,
    subscriptions: Sequence[Subscription],
    pages: Sequence[Checkout],
    given: Mapping[str, Given],
    customers: Mapping[str, Customer],
    at: datetime,
) -> None:
    """Of a product that gives credits, and of purchases that have given some."""
    ids = [each.pk for each in (*subscriptions, *pages)]
    grants = CreditGrant.objects.for_project(product.project_id).filter(source_id__in=ids)
    having = set(grants.values_list("source_id", flat=True))
    concerned = set(ids) if product.credits_amount else having
    for row in subscriptions:
        if row.pk in concerned:
            credits.follow_subscription(
                subscription=row, customer=customers[row.customer_id], at=at
            )
    for page in pages:
        if page.pk in concerned:
            credits.follow_checkout(
                checkout=page, given=given[page.pk], customer=customers[page.customer_id], at=at
            )
