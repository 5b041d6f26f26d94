"""What purchases and subscriptions say about features: computed from our rows, nothing written.

``also`` is money, by payment, that is to be seen as refunded too: for a look at what a refund
would change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.access import access_periods, policies
from billing.access.policies import Left, Receipts
from billing.access.selectors import paid_periods, receipts
from billing.access.selectors.line_receipts import Also
from billing.access.selectors.paid_periods import Beginning
from billing.models import (
    Checkout,
    CheckoutLine,
    Product,
    ProductFeature,
    Subscription,
    SubscriptionItem,
)
from billing.models.subscription import SubscriptionStatus
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.models.fact import Effect
from entitlements.models.feature import FeatureKind
from entitlements.resolution.facts import Reason
from entitlements.resolution.kinds import KINDS

Given = Sequence[tuple[CheckoutLine, Left | None]]
"""What is left of each line of a purchase; None when it gives nothing (yet, or any more)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a product gives: its policies and features, as they are or as they might be."""

    product: Product
    features: Sequence[ProductFeature]


Instead = Mapping[str, Offer] | None
"""By product, what it is to be seen as giving: for a look at what a change of it would change."""


def of_subscription(subscription: Subscription, *, also: Also = None) -> list[FactDraft]:
    """From each item what its product gives, as far as the running period's money is there."""
    return of_subscriptions([subscription], also=also)[subscription.pk]


def of_subscriptions(
    subscriptions: Sequence[Subscription],
    *,
    also: Also = None,
    instead: Instead = None,
    items: Mapping[str, Sequence[SubscriptionItem]] | None = None,
) -> dict[str, list[FactDraft]]:
    """As :func:`of_subscription` for many of one project, by id, with these ``items`` if given.

    Up to twelve queries, however many; the subscriptions come with their project.
    """
    theirs = items_of(subscriptions) if items is None else items
    speaking = {each.pk: each for each in access_periods.entitling(subscriptions, theirs)}
    known = {key: [item for item in theirs.get(key, ()) if _gives(item)] for key in speaking}
    paying = [each for key, each in speaking.items() if known[key]]
    claims: dict[str, list[FactDraft]] = {each.pk: [] for each in subscriptions}
    if not paying:
        return claims
    project_id = paying[0].project_id
    since = {each.pk: min(item.period_start for item in known[each.pk]) for each in paying}
    money = receipts.of_subscriptions(
        project_id=project_id, subscriptions=paying, since=since, also=also
    )
    offers = _offers(project_id, [item for each in paying for item in known[each.pk]], instead)
    overdue = receipts.overdue_since(
        project_id=project_id,
        subscriptions=[each for each in paying if each.status == SubscriptionStatus.PAST_DUE],
    )
    begun = _begun(project_id, paying, offers)
    for each in paying:
        owed = overdue.get(each.pk)
        claims[each.pk] = list(
            _of_items(each, known[each.pk], money[each.pk], offers, owed, begun.get(each.pk, ()))
        )
    return claims


def _begun(
    project_id: str, paying: Sequence[Subscription], offers: Mapping[str, Offer]
) -> Mapping[str, Sequence[Beginning]]:
    """The invoices with which periods began; none where no quota follows them."""
    features = [each for offer in offers.values() for each in offer.features]
    if not any(_follows_periods(each) for each in features):
        return {}
    return paid_periods.beginnings(project_id=project_id, subscriptions=paying)


def _follows_periods(of: ProductFeature) -> bool:
    return of.feature.kind == FeatureKind.METERED and of.feature.is_anchored


def _gives(item: SubscriptionItem) -> bool:
    """Whether it bills something of ours. A quantity of 0, as Stripe lets one set, bills nothing;
    None is what a metered price has."""
    return item.price is not None and item.quantity != 0


def items_of(subscriptions: Iterable[Subscription]) -> dict[str, list[SubscriptionItem]]:
    """What each is billed for, in order, with prices and products. One query."""
    found: dict[str, list[SubscriptionItem]] = {each.pk: [] for each in subscriptions}
    rows = SubscriptionItem.objects.across_projects().filter(subscription__in=list(found))
    for row in rows.select_related("price__product").order_by("id"):
        found[row.subscription_id].append(row)
    return found


def of_lines(checkout: Checkout, *, also: Also = None) -> Given:
    """What is left of each line. One that is paid again and again is given once the page is
    paid for; from then on it follows its subscription."""
    return of_pages([checkout], also=also)[checkout.pk]


def of_pages(
    checkouts: Sequence[Checkout], *, also: Also = None, instead: Instead = None
) -> dict[str, Given]:
    """As :func:`of_lines` for many of one project, by id. Up to five queries."""
    lines: dict[str, list[CheckoutLine]] = {each.pk: [] for each in checkouts}
    rows = CheckoutLine.objects.across_projects().filter(checkout__in=list(lines))
    for row in rows.select_related("price__product").order_by("id"):
        lines[row.checkout_id].append(row)
    fulfilled = [each for each in checkouts if each.is_fulfilled]
    money: Mapping[str, Receipts] = {}
    if fulfilled:
        project_id = fulfilled[0].project_id
        money = receipts.of_lines(
            project_id=project_id, checkouts=fulfilled, lines=lines, also=also
        )
    given: dict[str, Given] = {
        key: [(line, None) for line in found] for key, found in lines.items()
    }
    for page in fulfilled:
        given[page.pk] = [
            (line, _left_of_line(line, money.get(line.pk, Receipts()), instead))
            for line in lines[page.pk]
        ]
    return given


def of_checkout(checkout: Checkout, given: Given) -> list[FactDraft]:
    """From each line that is paid once what its product gives."""
    return of_checkouts([checkout], {checkout.pk: given})[checkout.pk]


def of_checkouts(
    checkouts: Sequence[Checkout], given: Mapping[str, Given], *, instead: Instead = None
) -> dict[str, list[FactDraft]]:
    """As :func:`of_checkout` for many of one project, by id. One query."""
    once = {
        page.pk: [(line, left) for line, left in given[page.pk] if not line.price.is_recurring]
        for page in checkouts
    }
    lines = [line for found in once.values() for line, left in found if left]
    offers = _offers(lines[0].project_id, lines, instead) if lines else {}
    return {
        page.pk: [
            claim
            for line, left in once[page.pk]
            if left is not None
            for claim in _claims(
                offers[line.price.product_id].features,
                left,
                reason=Reason.ENTITLED,
                starts_at=line.fulfilled_at or page.completed_at or page.created_at,
                ends_at=None,
            )
        ]
        for page in checkouts
    }


def _of_items(
    subscription: Subscription,
    items: Sequence[SubscriptionItem],
    money: Receipts,
    offers: Mapping[str, Offer],
    overdue_since: datetime | None,
    begun: Sequence[Beginning],
) -> Iterator[FactDraft]:
    for item in items:
        assert item.price is not None
        offer = offers[item.price.product_id]
        yield from _claims(
            offer.features,
            _left(money, offer.product),
            reason=access_periods.REASONS[subscription.status],
            starts_at=access_periods.start(subscription),
            ends_at=access_periods.end(subscription, item=item, overdue_since=overdue_since),
            anchored_at=subscription.quotas_anchored_at or subscription.anchored_at,
            paid_until=paid_periods.paid_until(
                subscription,
                item,
                items=items,
                invoices=begun,
                renewal_policy=offer.product.renewal_policy,
            ),
        )


def _left_of_line(line: CheckoutLine, money: Receipts, instead: Instead) -> Left | None:
    if line.price.is_recurring:
        return Left()
    product = line.price.product
    offer = (instead or {}).get(product.pk)
    return _left(money, offer.product if offer else product)


def _left(money: Receipts, product: Product) -> Left | None:
    return policies.left(
        money, refund_policy=product.refund_policy, dispute_policy=product.dispute_policy
    )


def _claims(
    features: Iterable[ProductFeature],
    left: Left | None,
    *,
    reason: Reason,
    starts_at: datetime,
    ends_at: datetime | None,
    anchored_at: datetime | None = None,
    paid_until: datetime | None = None,
) -> Iterator[FactDraft]:
    """What is left of the features, and that they are withheld while a bank decides."""
    if left is None:
        return
    until = access_periods.earlier(ends_at, left.ends_at)
    for feature in features:
        is_amount = KINDS[feature.feature.kind].is_amount
        yield FactDraft(
            feature_id=feature.feature_id,
            value=left.of(feature.value) if is_amount else feature.value,
            reason=reason,
            starts_at=starts_at,
            ends_at=until,
            anchored_at=anchored_at,
            part=feature.product_id,
            paid_until=paid_until if _follows_periods(feature) else None,
        )
        if left.held_since is not None:
            yield FactDraft(
                feature_id=feature.feature_id,
                value=None,
                reason=Reason.HELD,
                starts_at=max(left.held_since, starts_at),
                ends_at=until,
                effect=Effect.DENY,
            )


def _offers(
    project_id: str, sold: Iterable[SubscriptionItem | CheckoutLine], instead: Instead
) -> dict[str, Offer]:
    """What the products of these give, by product."""
    products = {each.price.product_id: each.price.product for each in sold if each.price}
    found: dict[str, list[ProductFeature]] = {key: [] for key in products}
    rows = ProductFeature.objects.for_project(project_id).filter(product_id__in=list(products))
    for row in rows.select_related("feature"):
        found[row.product_id].append(row)
    offers = {key: Offer(product, found[key]) for key, product in products.items()}
    return offers | {key: each for key, each in (instead or {}).items() if key in offers}
