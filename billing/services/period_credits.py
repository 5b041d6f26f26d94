"""The credits of a subscription: for each period of each of its items, once.

What is due of them afterwards follows the money for that period, by the product's policies. The
caller holds the customer's lock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing import credit_terms, policies
from billing.credit_terms import Period
from billing.models import Product, Subscription, SubscriptionItem
from billing.policies import Left, Receipts
from billing.selectors import period_receipts, receipts
from billing.selectors.receipts import Also
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.selectors import credits
from entitlements.services import credit_grants
from entitlements.services.credit_grants import Origin, Terms
from projects.models import Customer

KEPT = timedelta(days=400)
"""How long after its start a period's credits still follow the money for it."""

Running = Mapping[str, tuple[SubscriptionItem, Product]]
"""The items whose product is ours, by the key of the period that runs."""


def follow(*, subscription: Subscription, customer: Customer, at: datetime) -> None:
    """Give the credits of periods that have begun, and let those given before be what is due.

    While a payment is overdue or the subscription is paused they are withheld; when it ends,
    those that end with the period are over. A period that ends early gives its share; what was
    spent beyond that is taken off the period that follows.
    """
    held, running = _held(subscription), _running(subscription)
    if not held and not any(product.credits_amount for _, product in running.values()):
        return
    books = _books(subscription, customer, held, running, at)
    ahead = sum(_follow_over(books, grant) for grant in held if grant.key not in running)
    for key in running:
        ahead -= _follow_running(books, key, ahead)


def refunded(
    *, subscription: Subscription, customer: Customer, also: Also, at: datetime
) -> list[tuple[CreditGrant, Terms]]:
    """The terms of what was given, if the money of ``also`` were refunded too. Nothing is written,
    and a change of the subscription itself is none of it."""
    held = _held(subscription)
    books = _books(subscription, customer, held, _running(subscription), at, also=also)
    return [
        (grant, credit_terms.after(credit_grants.terms_of(grant), books.left(_of(grant), product)))
        for grant in held
        if (product := books.products.get(grant.product_id)) and _of(grant) in books.money
    ]


def _held(subscription: Subscription) -> list[CreditGrant]:
    return credits.grants_of(
        project=subscription.project_id,
        source_type=CreditSource.SUBSCRIPTION,
        source_id=subscription.pk,
    )


def _running(subscription: Subscription) -> Running:
    items = subscription.items.select_related("price__product")
    return {_key(item): (item, item.price.product) for item in items if item.price is not None}


@dataclass(frozen=True, slots=True)
class _Books:
    """All that the credits of one subscription follow from, at one moment."""

    subscription: Subscription
    customer: Customer
    held: Mapping[str, CreditGrant]
    running: Running
    products: Mapping[str, Product]
    money: Mapping[Period, Receipts]
    is_void: bool
    at: datetime

    @property
    def is_giving(self) -> bool:
        return self.subscription.is_entitling and not self.subscription.is_paused

    def left(self, period: Period, product: Product) -> Left | None:
        """What the product's policies leave of the period."""
        if self.is_void:
            return None
        return policies.left(
            self.money[period],
            refund_policy=product.refund_policy,
            dispute_policy=product.dispute_policy,
        )

    def revise(self, grant: CreditGrant, terms: Terms) -> None:
        credit_grants.revise(customer=self.customer, grant=grant, terms=terms, at=self.at)


def _books(
    subscription: Subscription,
    customer: Customer,
    held: Iterable[CreditGrant],
    running: Running,
    at: datetime,
    *,
    also: Also = None,
) -> _Books:
    recent = [grant for grant in held if at - KEPT < grant.starts_at]
    periods = {_period(item) for item, _ in running.values()} | {_of(grant) for grant in recent}
    money = period_receipts.of_periods(subscription=subscription, periods=periods, also=also)
    products = {product.pk: product for _, product in running.values()}
    if missing := {grant.product_id for grant in recent} - set(products):
        rows = Product.objects.for_project(subscription.project_id).filter(pk__in=missing)
        products |= {product.pk: product for product in rows}
    was_paid = any(each.received for each in money.values())
    return _Books(
        subscription=subscription,
        customer=customer,
        held={grant.key: grant for grant in held},
        running=running,
        products=products,
        money=money,
        is_void=not was_paid and receipts.never_came(subscription=subscription),
        at=at,
    )


def _follow_over(books: _Books, grant: CreditGrant) -> int:
    """What follows for a period that does not run any more; how much was spent of it ahead."""
    period, product = _of(grant), books.products.get(grant.product_id)
    if period not in books.money or product is None:
        return 0
    terms, ahead, until = credit_grants.terms_of(grant), 0, _end(books, grant)
    if until < period.ends_at:
        short = credit_terms.shortened(grant.amount, spent=grant.spent, period=period, until=until)
        terms = replace(_ending(terms, until), amount=short.amount, ends_at=until)
        ahead = short.ahead if books.money[period].received else 0
    books.revise(grant, credit_terms.after(terms, books.left(period, product)))
    return ahead


def _end(books: _Books, grant: CreditGrant) -> datetime:
    """When a period was over: as the next one of its item began, or now if the item is gone."""
    name = grant.key.partition(":")[0]
    starts = (item.period_start for item, _ in books.running.values() if item.pk == name)
    return next(starts, books.at)


def _follow_running(books: _Books, key: str, ahead: int) -> int:
    """What follows for a period that runs; how much less it gives for what was spent ahead."""
    item, product = books.running[key]
    left, grant = books.left(_period(item), product), books.held.get(key)
    if grant is not None:
        books.revise(grant, _standing(books, _going_on(grant, item, product), left))
    elif product.credits_amount and books.is_giving and left is not None:
        terms = _beginning(item, product, ahead)
        _give(books, key, _standing(books, terms, left))
        return terms.carried
    return 0


def _beginning(item: SubscriptionItem, product: Product, ahead: int) -> Terms:
    usual = product.credits_amount * item.quantity
    carried = min(ahead, usual)
    return Terms(
        amount=usual - carried,
        carried=carried,
        due=0,
        ends_at=item.period_end,
        expires_at=credit_terms.expiry(
            _period(item).starts_at,
            ends_at=item.period_end,
            days=product.credits_expire_after_days,
        ),
        product_id=product.pk,
        quantity=item.quantity,
    )


def _going_on(grant: CreditGrant, item: SubscriptionItem, product: Product) -> Terms:
    """As it began, unless the item is of another product or quantity by now, or ends otherwise."""
    terms = credit_grants.terms_of(grant)
    if (grant.product_id, grant.quantity) != (product.pk, item.quantity):
        now = _beginning(item, product, grant.carried)
        return replace(now, carried=grant.carried)
    if grant.ends_at != item.period_end:
        is_bound = grant.expires_at == grant.ends_at
        expires_at = item.period_end if is_bound else grant.expires_at
        return replace(terms, ends_at=item.period_end, expires_at=expires_at)
    return terms


def _standing(books: _Books, terms: Terms, left: Left | None) -> Terms:
    """The terms of a period that runs, as the subscription and its money stand."""
    terms = credit_terms.after(terms, left)
    if books.subscription.has_ended:
        return _ending(terms, books.subscription.ended_at or books.at)
    return terms if books.is_giving else replace(terms, is_withheld=True)


def _ending(terms: Terms, until: datetime) -> Terms:
    """Over as its period is, if it was to end with that."""
    is_bound = terms.expires_at == terms.ends_at
    return replace(terms, expires_at=until) if is_bound else terms


def _give(books: _Books, key: str, terms: Terms) -> None:
    item, product = books.running[key]
    origin = Origin(
        source_type=CreditSource.SUBSCRIPTION,
        source_id=books.subscription.pk,
        key=key,
        starts_at=item.period_start,
    )
    credit_grants.give(
        customer=books.customer,
        origin=origin,
        terms=terms,
        priority=product.credits_priority,
        at=books.at,
    )


def _key(item: SubscriptionItem) -> str:
    return f"{item.pk}:{int(item.period_start.timestamp())}"


def _period(item: SubscriptionItem) -> Period:
    return Period(item.period_start, item.period_end)


def _of(grant: CreditGrant) -> Period:
    assert grant.ends_at is not None
    return Period(grant.starts_at, grant.ends_at)
