"""Facts that purchases and subscriptions give, computed from our rows. Nothing is written.

``extra_refunds`` is money, by payment, that is treated as refunded: for a preview of a refund.
``overrides`` are products, by id, with other features or policies: for a preview of their change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.access import access_periods, policies
from billing.access.policies import Receipts, RemainingAccess
from billing.access.selectors import (
    paid_periods,
    purchased_rows,
    receipts,
    subscription_invoices,
)
from billing.access.selectors.line_receipts import ExtraRefunds
from billing.access.selectors.paid_periods import PeriodInvoice
from billing.models import (
    Checkout,
    CheckoutLine,
    Product,
    ProductFeature,
    Subscription,
    SubscriptionItem,
)
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.models.fact import Effect
from entitlements.resolution.facts import Reason
from entitlements.resolution.kinds import KINDS

LineAccess = Sequence[tuple[CheckoutLine, RemainingAccess | None]]
"""Lines of a purchase with the access that remains of each; None for a line that gives none."""


@dataclass(frozen=True, slots=True)
class ProductOffer:
    """A product with its policies, and the features that it gives: stored ones or planned ones."""

    product: Product
    features: Sequence[ProductFeature]


OfferOverrides = Mapping[str, ProductOffer] | None
"""By product id, the offer that replaces the stored one."""


def of_subscription(
    subscription: Subscription, *, extra_refunds: ExtraRefunds = None
) -> list[FactDraft]:
    """Facts from the items of a subscription, as far as its running period is paid."""
    return of_subscriptions([subscription], extra_refunds=extra_refunds)[subscription.pk]


def of_subscriptions(
    subscriptions: Sequence[Subscription],
    *,
    extra_refunds: ExtraRefunds = None,
    overrides: OfferOverrides = None,
    items: Mapping[str, Sequence[SubscriptionItem]] | None = None,
) -> dict[str, list[FactDraft]]:
    """:func:`of_subscription` for many of one project, by id. ``items`` replaces the stored items.

    Up to ten queries for any number. The subscriptions are loaded with their project.
    """
    items_by_id = find_items(subscriptions) if items is None else items
    drafts: dict[str, list[FactDraft]] = {row.pk: [] for row in subscriptions}
    candidates = access_periods.find_candidates(subscriptions, items_by_id)
    if not candidates:
        return drafts
    project_id = candidates[0].project_id
    invoices = subscription_invoices.find_running(
        project_id=project_id,
        subscriptions=candidates,
        since=min(item.period_start for row in candidates for item in items_by_id[row.pk]),
    )
    billed = {row.pk: list(filter(_bills_our_price, items_by_id[row.pk])) for row in candidates}
    entitling = access_periods.find_entitling(candidates, items=items_by_id, invoices=invoices)
    paying = [row for row in entitling if billed[row.pk]]
    if not paying:
        return drafts
    since = {row.pk: min(item.period_start for item in billed[row.pk]) for row in paying}
    money = receipts.of_subscriptions(
        invoices,
        project_id=project_id,
        subscriptions=paying,
        since=since,
        extra_refunds=extra_refunds,
    )
    offers = _find_offers(
        project_id, [item for row in paying for item in billed[row.pk]], overrides
    )
    period_invoices = _find_period_invoices(project_id, paying, offers)
    for row in paying:
        overdue_since = subscription_invoices.overdue_since(invoices, subscription=row)
        drafts[row.pk] = list(
            _draft_facts_of_items(
                row,
                billed[row.pk],
                money[row.pk],
                offers,
                overdue_since,
                period_invoices.get(row.pk, ()),
            )
        )
    return drafts


def _find_period_invoices(
    project_id: str, paying: Sequence[Subscription], offers: Mapping[str, ProductOffer]
) -> Mapping[str, Sequence[PeriodInvoice]]:
    """The invoices with which periods began; empty if no feature renews with paid periods."""
    features = [feature for offer in offers.values() for feature in offer.features]
    if not any(map(paid_periods.renews_with_periods, features)):
        return {}
    return paid_periods.find_period_invoices(project_id=project_id, subscriptions=paying)


def _bills_our_price(item: SubscriptionItem) -> bool:
    """Whether the item bills a price of ours. A quantity of 0, which Stripe allows, bills nothing;
    a metered price has no quantity (None)."""
    return item.price is not None and item.quantity != 0


def find_items(subscriptions: Iterable[Subscription]) -> dict[str, list[SubscriptionItem]]:
    """Items by subscription id, in order, with prices and products. One query."""
    items: dict[str, list[SubscriptionItem]] = {row.pk: [] for row in subscriptions}
    for row in purchased_rows.find_items(list(items)):
        items[row.subscription_id].append(row)
    return items


def find_line_access(checkout: Checkout, *, extra_refunds: ExtraRefunds = None) -> LineAccess:
    """The access that remains of each line. A recurring line has full access once its page is paid;
    from then on its subscription decides."""
    return find_line_access_of_many([checkout], extra_refunds=extra_refunds)[checkout.pk]


def find_line_access_of_many(
    checkouts: Sequence[Checkout],
    *,
    extra_refunds: ExtraRefunds = None,
    overrides: OfferOverrides = None,
) -> dict[str, LineAccess]:
    """:func:`find_line_access` for many of one project, by id. Up to five queries."""
    lines: dict[str, list[CheckoutLine]] = {checkout.pk: [] for checkout in checkouts}
    for row in purchased_rows.find_lines(list(lines)):
        lines[row.checkout_id].append(row)
    fulfilled = [checkout for checkout in checkouts if checkout.is_fulfilled]
    money: Mapping[str, Receipts] = {}
    if fulfilled:
        project_id = fulfilled[0].project_id
        money = receipts.of_lines(
            project_id=project_id, checkouts=fulfilled, lines=lines, extra_refunds=extra_refunds
        )
    line_access: dict[str, LineAccess] = {
        key: [(line, None) for line in rows_of_page] for key, rows_of_page in lines.items()
    }
    for checkout in fulfilled:
        line_access[checkout.pk] = [
            (line, _remaining_of_line(line, money.get(line.pk, Receipts()), overrides))
            for line in lines[checkout.pk]
        ]
    return line_access


def of_checkout(checkout: Checkout, line_access: LineAccess) -> list[FactDraft]:
    """Facts from the one-time lines of a checkout."""
    return of_checkouts([checkout], {checkout.pk: line_access})[checkout.pk]


def of_checkouts(
    checkouts: Sequence[Checkout],
    line_access: Mapping[str, LineAccess],
    *,
    overrides: OfferOverrides = None,
) -> dict[str, list[FactDraft]]:
    """:func:`of_checkout` for many of one project, by id. One query."""
    one_time = {
        checkout.pk: [
            (line, remaining)
            for line, remaining in line_access[checkout.pk]
            if not line.price.is_recurring
        ]
        for checkout in checkouts
    }
    lines = [line for pairs in one_time.values() for line, remaining in pairs if remaining]
    offers = _find_offers(lines[0].project_id, lines, overrides) if lines else {}
    return {
        checkout.pk: [
            draft
            for line, remaining in one_time[checkout.pk]
            if remaining is not None
            for draft in _draft_facts(
                offers[line.price.product_id].features,
                remaining,
                reason=Reason.ENTITLED,
                starts_at=line.fulfilled_at or checkout.completed_at or checkout.created_at,
                ends_at=None,
            )
        ]
        for checkout in checkouts
    }


def _draft_facts_of_items(
    subscription: Subscription,
    items: Sequence[SubscriptionItem],
    money: Receipts,
    offers: Mapping[str, ProductOffer],
    overdue_since: datetime | None,
    period_invoices: Sequence[PeriodInvoice],
) -> Iterator[FactDraft]:
    for item in items:
        assert item.price is not None
        offer = offers[item.price.product_id]
        yield from _draft_facts(
            offer.features,
            _remaining_access(money, offer.product),
            reason=access_periods.REASONS[subscription.status],
            starts_at=access_periods.starts_at(subscription),
            ends_at=access_periods.ends_at(subscription, item=item, overdue_since=overdue_since),
            anchored_at=subscription.quotas_anchored_at or subscription.anchored_at,
            paid_until=paid_periods.paid_until(
                subscription,
                item,
                items=items,
                invoices=period_invoices,
                renewal_policy=offer.product.renewal_policy,
            ),
        )


def _remaining_of_line(
    line: CheckoutLine, money: Receipts, overrides: OfferOverrides
) -> RemainingAccess | None:
    if line.price.is_recurring:
        return RemainingAccess()
    product = line.price.product
    offer = (overrides or {}).get(product.pk)
    return _remaining_access(money, offer.product if offer else product)


def _remaining_access(money: Receipts, product: Product) -> RemainingAccess | None:
    return policies.find_remaining_access(
        money, refund_policy=product.refund_policy, dispute_policy=product.dispute_policy
    )


def _draft_facts(
    features: Iterable[ProductFeature],
    remaining: RemainingAccess | None,
    *,
    reason: Reason,
    starts_at: datetime,
    ends_at: datetime | None,
    anchored_at: datetime | None = None,
    paid_until: datetime | None = None,
) -> Iterator[FactDraft]:
    """Drafts for what remains of the features, and denials while a dispute is open."""
    if remaining is None:
        return
    until = access_periods.earliest(ends_at, remaining.ends_at)
    for row in features:
        is_amount = KINDS[row.feature.kind].is_amount
        yield FactDraft(
            feature_id=row.feature_id,
            value=remaining.scale(row.value) if is_amount else row.value,
            reason=reason,
            starts_at=starts_at,
            ends_at=until,
            anchored_at=anchored_at,
            part=row.product_id,
            paid_until=paid_until if paid_periods.renews_with_periods(row) else None,
        )
        if remaining.held_since is not None:
            yield FactDraft(
                feature_id=row.feature_id,
                value=None,
                reason=Reason.HELD,
                starts_at=max(remaining.held_since, starts_at),
                ends_at=until,
                effect=Effect.DENY,
            )


def _find_offers(
    project_id: str, sold_rows: Iterable[SubscriptionItem | CheckoutLine], overrides: OfferOverrides
) -> dict[str, ProductOffer]:
    """The offers of the products of these rows, by product id."""
    products = {row.price.product_id: row.price.product for row in sold_rows if row.price}
    features: dict[str, list[ProductFeature]] = {key: [] for key in products}
    for row in purchased_rows.find_features(project_id, list(products)):
        features[row.product_id].append(row)
    offers = {key: ProductOffer(product, features[key]) for key, product in products.items()}
    return offers | {key: offer for key, offer in (overrides or {}).items() if key in offers}
