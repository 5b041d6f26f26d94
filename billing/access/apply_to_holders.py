"""Apply what a product gives to many of its holders, from our rows alone.

The facts of all sources are computed in a fixed number of queries. Only sources whose stored facts
differ are written, one after the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from billing.access import credits, purchase_facts
from billing.access import service as access
from billing.access.purchase_facts import LineAccess
from billing.access.selectors import holders
from billing.models import Checkout, Product, Subscription
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.facts import service as facts
from entitlements.models import CreditGrant, Fact
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source
from projects.models import Customer

DraftsBySource = dict[Source, list[FactDraft]]


def apply(*, product: Product, customers: Mapping[str, Customer], at: datetime) -> int:
    """Update facts and credits of these customers from their purchases of the product; returns the
    number of customers with a changed fact. The caller holds their locks."""
    subscriptions = list(holders.subscriptions(product, customer_ids=customers))
    pages = list(holders.purchases(product, customer_ids=customers))
    line_access = purchase_facts.find_line_access_of_many(pages)
    _apply_credits(product, subscriptions, pages, line_access, customers, at)
    for page in pages:
        access.record_line_access(line_access[page.pk], customer=customers[page.customer_id], at=at)
    drafts: dict[str, DraftsBySource] = {key: {} for key in customers}
    from_subscriptions = purchase_facts.of_subscriptions(subscriptions)
    for row in subscriptions:
        source = Source(SourceType.SUBSCRIPTION, row.pk)
        drafts[row.customer_id][source] = from_subscriptions[row.pk]
    from_pages = purchase_facts.of_checkouts(pages, line_access)
    for page in pages:
        drafts[page.customer_id][Source(SourceType.CHECKOUT, page.pk)] = from_pages[page.pk]
    current_facts = fact_selectors.current_of_many(
        project=product.project_id, customer_ids=customers
    )
    return sum(
        _replace(
            customers[key],
            drafts_by_source,
            current_facts[key][0] if key in current_facts else [],
            at,
        )
        for key, drafts_by_source in drafts.items()
    )


def _replace(
    customer: Customer,
    drafts_by_source: DraftsBySource,
    current_facts: Sequence[Fact],
    at: datetime,
) -> bool:
    """Replace the facts of every source that differs; returns whether one did."""
    stored: dict[Source, list[Fact]] = {source: [] for source in drafts_by_source}
    for row in current_facts:
        if (source := fact_selectors.source_of(row)) in stored:
            stored[source].append(row)
    differing = [
        source
        for source, drafts in drafts_by_source.items()
        if not facts.are_current(stored[source], drafts)
    ]
    for source in differing:
        facts.replace(
            customer=customer,
            source_type=SourceType(source.type),
            source_id=source.id,
            drafts=drafts_by_source[source],
            at=at,
        )
    return bool(differing)


def _apply_credits(
    product: Product,
    subscriptions: Sequence[Subscription],
    pages: Sequence[Checkout],
    line_access: Mapping[str, LineAccess],
    customers: Mapping[str, Customer],
    at: datetime,
) -> None:
    """Update the credits of purchases of a product with credits, and of those that gave some."""
    ids = [row.pk for row in (*subscriptions, *pages)]
    grants = CreditGrant.objects.for_project(product.project_id).filter(source_id__in=ids)
    sources_with_grants = set(grants.values_list("source_id", flat=True))
    source_ids = set(ids) if product.credits_amount else sources_with_grants
    for row in subscriptions:
        if row.pk in source_ids:
            credits.follow_subscription(
                subscription=row, customer=customers[row.customer_id], at=at
            )
    for page in pages:
        if page.pk in source_ids:
            credits.follow_checkout(
                checkout=page,
                line_access=line_access[page.pk],
                customer=customers[page.customer_id],
                at=at,
            )
