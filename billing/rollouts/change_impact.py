"""What a change of a product would come to for everybody who holds it. Nothing is written.

The same claims, the same resolution and the same checks as the change itself, over rows that are
not there: what each holder would gain and lose, who would be over a limit, which subscriptions
could not be moved and why, and what a month of all of them would bring.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import purchase_facts
from billing.access.proposals import proposed
from billing.access.purchase_facts import Offer
from billing.access.selectors import holders
from billing.catalog import product_features
from billing.catalog.selectors import catalog
from billing.errors import AlreadySubscribed
from billing.models import Price, Product, ProductFeature, Subscription, SubscriptionItem
from billing.models.subscription import LIVE
from billing.rollouts.impact_figures import Figures
from billing.rollouts.planned_change import Move, Terms
from billing.subscriptions import change_plans, subscription_items
from billing.subscriptions.change_plans import When
from billing.subscriptions.subscription_items import Wanted
from common.errors import DomainError, Invalid
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source
from projects.models import Customer
from usage.totals.selectors import counting
from usage.totals.selectors.counting import CounterKey

BATCH = 200

Tick = Callable[[int], object]
Items = dict[str, list[SubscriptionItem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """A product as it might be: what it gives instead, and who pays another price."""

    product: Product
    offer: Offer | None
    move: Move | None
    to_price: Price | None


def prospect(*, product: Product, terms: Terms) -> Prospect:
    """What the terms come to, checked. Raises Invalid for what no change could say either."""
    if terms.is_empty:
        raise Invalid("Say what shall change.")
    to_price = _to_price(product, terms.move) if terms.move else None
    return Prospect(
        product=product, offer=_offer(product, terms), move=terms.move, to_price=to_price
    )


def look(
    *,
    prospect: Prospect,
    at: datetime,
    most: int | None = None,
    tick: Tick = lambda number: None,
) -> Figures:
    """What becomes of the holders, of the first ``most`` of them if that is given. A fixed number
    of queries for each batch, after which ``tick`` hears how many it was."""
    figures = Figures(holders=holders.of(prospect.product).count())
    for customers in _batches(prospect.product, most):
        _look_at(figures, prospect, customers, at)
        tick(len(customers))
    return figures


def to_move(*, product: Product, move: Move) -> list[str]:
    """The subscriptions that pay the price which is to be replaced, by id."""
    rows = holders.subscriptions(product).filter(items__price_id=move.from_price)
    return list(rows.distinct().values_list("pk", flat=True))


def _batches(product: Product, most: int | None) -> Iterator[dict[str, Customer]]:
    cursor, left = "", most
    while left is None or left > 0:
        limit = BATCH if left is None else min(BATCH, left)
        ids = holders.after(product, cursor=cursor, limit=limit)
        if not ids:
            return
        rows = Customer.objects.for_project(product.project_id).filter(pk__in=ids)
        yield {row.pk: row for row in rows}
        cursor, left = ids[-1], None if left is None else left - len(ids)


def _look_at(
    figures: Figures, prospect: Prospect, customers: Mapping[str, Customer], at: datetime
) -> None:
    product = prospect.product
    rows = list(
        holders.subscriptions(product, customer_ids=customers).prefetch_related(
            "items__price__product"
        )
    )
    items = {row.pk: list(row.items.all()) for row in rows}
    if prospect.move is not None:
        items |= _moved(figures, prospect, rows, at)
    instead = {product.pk: prospect.offer} if prospect.offer else None
    pages = list(holders.purchases(product, customer_ids=customers))
    given = purchase_facts.of_pages(pages, instead=instead)
    said: dict[str, dict[Source, list[FactDraft]]] = {key: {} for key in customers}
    from_rows = purchase_facts.of_subscriptions(rows, instead=instead, items=items)
    for row in rows:
        source = Source(SourceType.SUBSCRIPTION, row.pk)
        said[row.customer_id][source] = proposed(from_rows[row.pk])
    from_pages = purchase_facts.of_checkouts(pages, given, instead=instead)
    for page in pages:
        source = Source(SourceType.CHECKOUT, page.pk)
        said[page.customer_id][source] = proposed(from_pages[page.pk])
    effects = previews.of_many(project_id=product.project_id, drafts=said, at=at)
    over = _over(product.project_id, effects, at)
    for key, found in effects.items():
        figures.count(found, over=over.get(key, ()), user_id=customers[key].user_id)


def _over(
    project_id: str, effects: Mapping[str, Sequence[DecisionChange]], at: datetime
) -> dict[str, list[str]]:
    """By customer, the metered features of which they have used more than they would then have,
    and not more than they have now. Two queries."""
    asks = {
        (key, effect.after.feature): (CounterKey(key, *effect.after.metering), effect)
        for key, found in effects.items()
        for effect in found
        if effect.after.metering is not None and effect.after.allowed
    }
    used = counting.read_usage(project_id=project_id, keys=[ask for ask, _ in asks.values()], at=at)
    over: dict[str, list[str]] = {}
    for (key, feature), (ask, effect) in asks.items():
        count, before, after = used[ask].used, effect.before.limit, effect.after.limit
        was_over = effect.before.allowed and before is not None and count > before
        if after is not None and count > after and not was_over:
            over.setdefault(key, []).append(feature)
    return over


def _moved(
    figures: Figures, prospect: Prospect, rows: Sequence[Subscription], at: datetime
) -> Items:
    """The items of those who would pay the other price; what they bring, and who would not."""
    move, to_price = prospect.move, prospect.to_price
    assert move is not None
    assert to_price is not None
    paying = [
        row for row in rows if any(item.price_id == move.from_price for item in row.items.all())
    ]
    standing = _standing(prospect.product, to_price, paying)
    moved: Items = {}
    for row in paying:
        before = subscription_items.of(row)
        try:
            after = _after(row, prospect, at)
            if row.customer_id in standing:
                raise AlreadySubscribed
        except DomainError as refusal:
            figures.refuse(refusal.code)
            continue
        figures.move(
            row.currency or to_price.currency,
            before=subscription_items.monthly(before),
            after=subscription_items.monthly(after),
        )
        moved[row.pk] = [_at_price(item, move, to_price) for item in row.items.all()]
    return moved


def _after(row: Subscription, prospect: Prospect, at: datetime) -> subscription_items.Arrangement:
    """What it would be billed for. Raises what the change itself would raise."""
    move, to_price = prospect.move, prospect.to_price
    assert move is not None
    change_plans.check_running(row, move.change, at=at)
    before = subscription_items.of(row)
    after = subscription_items.changed(before, [Wanted(prospect.product.pk, to_price)])
    subscription_items.check(before, after, currency=row.currency)
    if move.when is When.RENEWAL:
        change_plans.check_renewal(row, move.change)
    return after


def _standing(product: Product, to_price: Price, rows: Sequence[Subscription]) -> set[str]:
    """The customers who have another live subscription to the product that is moved to."""
    if to_price.product_id == product.pk or not rows:
        return set()
    theirs = holders.subscriptions(
        to_price.product, customer_ids={row.customer_id for row in rows}
    ).filter(status__in=LIVE)
    ids = {row.pk for row in rows}
    return {key for pk, key in theirs.values_list("pk", "customer_id") if pk not in ids}


def _at_price(item: SubscriptionItem, move: Move, to_price: Price) -> SubscriptionItem:
    if item.price_id != move.from_price:
        return item
    other = copy(item)
    other.price, other.price_stripe_id = to_price, to_price.stripe_id or ""
    return other


def _offer(product: Product, terms: Terms) -> Offer | None:
    """What the product would give; None when that stays as it is."""
    if replace(terms, move=None).is_empty:
        return None
    other = copy(product)
    other.refund_policy = terms.refund_policy or product.refund_policy
    other.dispute_policy = terms.dispute_policy or product.dispute_policy
    if terms.features is None:
        return Offer(other, list(product.features.select_related("feature")))
    wanted = product_features.resolve_for(product=product, features=terms.features)
    return Offer(
        other,
        [
            ProductFeature(
                project_id=product.project_id, product=product, feature=feature, value=value
            )
            for feature, value in wanted
        ],
    )


def _to_price(product: Product, move: Move) -> Price:
    if move.when is When.RENEWAL and move.proration is not None:
        raise Invalid("Only for a change that takes effect now.", field="move/proration")
    known = catalog.prices_by_id(project=product.project, ids=[move.from_price, move.to_price])
    for name, key in (("from_price", move.from_price), ("to_price", move.to_price)):
        if key not in known:
            raise Invalid("No price with this id.", field=f"move/{name}")
        if not known[key].is_recurring:
            raise Invalid("Only subscriptions are moved.", field=f"move/{name}")
    if known[move.from_price].product_id != product.pk:
        raise Invalid("This is not a price of the product.", field="move/from_price")
    if move.from_price == move.to_price:
        raise Invalid("This is the price that they pay.", field="move/to_price")
    if known[move.from_price].currency != known[move.to_price].currency:
        raise Invalid("A subscription keeps its currency.", field="move/to_price")
    return known[move.to_price]
