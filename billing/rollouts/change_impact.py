"""Measure the effect of a product change on all its holders. Nothing is written.

Uses the facts, the resolution and the checks of the change itself on unsaved rows. Counts gained
and lost features, users over a limit, subscriptions that cannot be moved with the reason, and
revenue per month.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import purchase_facts
from billing.access.purchase_facts import ProductOffer
from billing.access.selectors import holders
from billing.catalog import product_features
from billing.catalog.selectors import catalog
from billing.errors import AlreadySubscribed
from billing.models import Price, Product, ProductFeature, Subscription, SubscriptionItem
from billing.models.subscription import LIVE
from billing.rollouts.impact_counts import ImpactCounts
from billing.rollouts.planned_change import PlannedProductChange, PriceMove
from billing.subscriptions import change_plans, subscription_items
from billing.subscriptions.change_plans import ChangeTime
from billing.subscriptions.subscription_items import BilledItemChange
from common.errors import DomainError, Invalid
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source
from projects.models import Customer
from usage.totals.selectors import counting
from usage.totals.selectors.counting import CounterKey

BATCH_SIZE = 200

ProgressCallback = Callable[[int], object]
ItemsById = dict[str, list[SubscriptionItem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedProduct:
    """A product after a change: its new offer (None: unchanged), and the move to another price."""

    product: Product
    offer: ProductOffer | None
    move: PriceMove | None
    to_price: Price | None


def propose_product(*, product: Product, change: PlannedProductChange) -> ProposedProduct:
    """Check a change. Raises Invalid if it is empty or its features or prices do not fit."""
    if change.is_empty:
        raise Invalid("Say what shall change.")
    to_price = _find_target_price(product, change.move) if change.move else None
    return ProposedProduct(
        product=product, offer=_propose_offer(product, change), move=change.move, to_price=to_price
    )


def measure_impact(
    *,
    proposed: ProposedProduct,
    at: datetime,
    max_holders: int | None = None,
    on_progress: ProgressCallback = lambda number: None,
) -> ImpactCounts:
    """Count the effects on all holders, or on the first ``max_holders``. ``on_progress`` is called
    with the size of each batch. A fixed number of queries per batch."""
    counts = ImpactCounts(holders=holders.customers(proposed.product).count())
    for customers in _batches(proposed.product, max_holders):
        _count_batch(counts, proposed, customers, at)
        on_progress(len(customers))
    return counts


def find_subscriptions_to_move(*, product: Product, move: PriceMove) -> list[str]:
    """Ids of the subscriptions with the price that is to be replaced."""
    rows = holders.subscriptions(product).filter(items__price_id=move.from_price)
    return list(rows.distinct().values_list("pk", flat=True))


def _batches(product: Product, max_holders: int | None) -> Iterator[dict[str, Customer]]:
    cursor, remaining = "", max_holders
    while remaining is None or remaining > 0:
        limit = BATCH_SIZE if remaining is None else min(BATCH_SIZE, remaining)
        ids = holders.customer_ids_after(product, cursor=cursor, limit=limit)
        if not ids:
            return
        rows = Customer.objects.for_project(product.project_id).filter(pk__in=ids)
        yield {row.pk: row for row in rows}
        cursor, remaining = ids[-1], None if remaining is None else remaining - len(ids)


def _count_batch(
    counts: ImpactCounts, proposed: ProposedProduct, customers: Mapping[str, Customer], at: datetime
) -> None:
    product = proposed.product
    rows = list(
        holders.subscriptions(product, customer_ids=customers).prefetch_related(
            "items__price__product"
        )
    )
    items = {row.pk: list(row.items.all()) for row in rows}
    if proposed.move is not None:
        items |= _move_items(counts, proposed, rows, at)
    overrides = {product.pk: proposed.offer} if proposed.offer else None
    pages = list(holders.purchases(product, customer_ids=customers))
    line_access = purchase_facts.find_line_access_of_many(pages, overrides=overrides)
    facts_by_customer: dict[str, dict[Source, list[FactDraft]]] = {
        customer_id: {} for customer_id in customers
    }
    subscription_facts = purchase_facts.of_subscriptions(rows, overrides=overrides, items=items)
    for row in rows:
        source = Source(SourceType.SUBSCRIPTION, row.pk)
        facts_by_customer[row.customer_id][source] = subscription_facts[row.pk]
    checkout_facts = purchase_facts.of_checkouts(pages, line_access, overrides=overrides)
    for checkout in pages:
        source = Source(SourceType.CHECKOUT, checkout.pk)
        facts_by_customer[checkout.customer_id][source] = checkout_facts[checkout.pk]
    effects = previews.of_many(project_id=product.project_id, drafts=facts_by_customer, at=at)
    over = _find_over_limit(product.project_id, effects, at)
    for customer_id, of_customer in effects.items():
        counts.count(
            of_customer, over=over.get(customer_id, ()), user_id=customers[customer_id].user_id
        )


def _find_over_limit(
    project_id: str, effects: Mapping[str, Sequence[DecisionChange]], at: datetime
) -> dict[str, list[str]]:
    """By customer id, metered features whose use exceeds the new limit but not the present one. Two
    queries."""
    queries = {
        (key, effect.after.feature): (CounterKey(key, *effect.after.metering), effect)
        for key, of_customer in effects.items()
        for effect in of_customer
        if effect.after.metering is not None and effect.after.allowed
    }
    used = counting.read_usage(
        project_id=project_id, keys=[query for query, _ in queries.values()], at=at
    )
    over: dict[str, list[str]] = {}
    for (key, feature), (query, effect) in queries.items():
        used_amount, before, after = used[query].used, effect.before.limit, effect.after.limit
        was_over = effect.before.allowed and before is not None and used_amount > before
        if after is not None and used_amount > after and not was_over:
            over.setdefault(key, []).append(feature)
    return over


def _move_items(
    counts: ImpactCounts, proposed: ProposedProduct, rows: Sequence[Subscription], at: datetime
) -> ItemsById:
    """Items of the moved subscriptions, by subscription id. Counts moves, revenue and refusals."""
    move, to_price = proposed.move, proposed.to_price
    assert move is not None
    assert to_price is not None
    paying = [
        row for row in rows if any(item.price_id == move.from_price for item in row.items.all())
    ]
    with_other = _customers_with_other_subscription(proposed.product, to_price, paying)
    items_by_id: ItemsById = {}
    for row in paying:
        before = subscription_items.read_items(row)
        try:
            after = _item_list_after_move(row, proposed, at)
            if row.customer_id in with_other:
                raise AlreadySubscribed
        except DomainError as refusal:
            counts.refuse(refusal.code)
            continue
        counts.move(
            row.currency or to_price.currency,
            before=subscription_items.monthly_amount(before),
            after=subscription_items.monthly_amount(after),
        )
        items_by_id[row.pk] = [_at_price(item, move, to_price) for item in row.items.all()]
    return items_by_id


def _item_list_after_move(
    row: Subscription, proposed: ProposedProduct, at: datetime
) -> subscription_items.BilledItems:
    """The items after the move. Raises the errors of the change itself."""
    move, to_price = proposed.move, proposed.to_price
    assert move is not None
    change_plans.check_running(row, move.change, at=at)
    before = subscription_items.read_items(row)
    after = subscription_items.apply_changes(
        before, [BilledItemChange(proposed.product.pk, to_price)]
    )
    subscription_items.check_items(before, after, currency=row.currency)
    if move.when is ChangeTime.RENEWAL:
        change_plans.check_renewal(row, move.change)
    return after


def _customers_with_other_subscription(
    product: Product, to_price: Price, rows: Sequence[Subscription]
) -> set[str]:
    """Ids of customers with another live subscription to the product of the target price."""
    if to_price.product_id == product.pk or not rows:
        return set()
    other_rows = holders.subscriptions(
        to_price.product, customer_ids={row.customer_id for row in rows}
    ).filter(status__in=LIVE)
    ids = {row.pk for row in rows}
    return {key for pk, key in other_rows.values_list("pk", "customer_id") if pk not in ids}


def _at_price(item: SubscriptionItem, move: PriceMove, to_price: Price) -> SubscriptionItem:
    if item.price_id != move.from_price:
        return item
    other = copy(item)
    other.price, other.price_stripe_id = to_price, to_price.stripe_id or ""
    return other


def _propose_offer(product: Product, change: PlannedProductChange) -> ProductOffer | None:
    """The offer after the change; None if features and policies stay."""
    if replace(change, move=None).is_empty:
        return None
    other = copy(product)
    other.refund_policy = change.refund_policy or product.refund_policy
    other.dispute_policy = change.dispute_policy or product.dispute_policy
    if change.features is None:
        return ProductOffer(other, list(product.features.select_related("feature")))
    pairs = product_features.resolve_for(product=product, features=change.features)
    return ProductOffer(
        other,
        [
            ProductFeature(
                project_id=product.project_id, product=product, feature=feature, value=value
            )
            for feature, value in pairs
        ],
    )


def _find_target_price(product: Product, move: PriceMove) -> Price:
    if move.when is ChangeTime.RENEWAL and move.proration is not None:
        raise Invalid("Only for a change that takes effect now.", field="move/proration")
    prices = catalog.prices_by_id(project=product.project, ids=[move.from_price, move.to_price])
    for name, key in (("from_price", move.from_price), ("to_price", move.to_price)):
        if key not in prices:
            raise Invalid("No price with this id.", field=f"move/{name}")
        if not prices[key].is_recurring:
            raise Invalid("Only subscriptions are moved.", field=f"move/{name}")
    if prices[move.from_price].product_id != product.pk:
        raise Invalid("This is not a price of the product.", field="move/from_price")
    if move.from_price == move.to_price:
        raise Invalid("They have this price already.", field="move/to_price")
    if prices[move.from_price].currency != prices[move.to_price].currency:
        raise Invalid("A subscription keeps its currency.", field="move/to_price")
    return prices[move.to_price]
