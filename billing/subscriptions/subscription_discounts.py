"""Discounts of a running subscription, named by our coupons and codes. Stripe counts them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from billing.catalog import coupon_coverage, promotion_codes
from billing.catalog.selectors import coupons
from billing.errors import DiscountRefused
from billing.models import Coupon, PromotionCode, Subscription
from billing.models.coupon import Duration
from billing.stripe import subscriptions
from billing.stripe.client import client_for
from billing.stripe.fields import Fields
from common.errors import Invalid
from common.ids import is_id
from projects.models import Customer, Project


def params(
    *, subscription: Subscription, names: Sequence[str], products: Collection[str], at: datetime
) -> list[Fields] | str:
    """Stripe's ``discounts`` for coupon ids, promotion code ids or codes as buyers type them, on a
    subscription to these products (Stripe's ids).

    Raises Invalid for one that is not there, DiscountRefused for one that is over or takes off
    another currency, StripeUnavailable.
    """
    found = [_named(subscription, name, f"discounts/{n}") for n, name in enumerate(names)]
    return [_at_stripe(row, products, at) for row in found] or ""


def extended(
    *, subscription: Subscription, products: Collection[str], at: datetime
) -> list[Fields] | None:
    """Stripe's ``discounts`` of a subscription that gets these products (Stripe's ids); None when
    those that it has stay as they are.

    In a shared account a coupon for all products names those that there were when it was given. A
    discount for ever is given anew, with the others beside it; one for some months, or once, would
    begin again and stays as it is. Raises StripeUnavailable.
    """
    if not (subscription.discounts and subscription.account.is_shared and subscription.stripe_id):
        return None
    held = subscriptions.retrieve(client_for(subscription.account), subscription.stripe_id)
    known = coupons.by_stripe_id(
        account=subscription.account,
        project=subscription.project,
        stripe_ids=[each.coupon_stripe_id for each in held.discounts],
    )
    given: list[Fields] = []
    for each in held.discounts:
        coupon = known.get(each.coupon_stripe_id)
        if coupon is None or not _falls_short(coupon, products):
            given.append({"discount": each.stripe_id})
        else:
            given.append(_at_stripe(coupon.original or coupon, products, at))
    return given if any("coupon" in each for each in given) else None


def _falls_short(coupon: Coupon, products: Collection[str]) -> bool:
    """Whether a discount of this coupon could be given anew, and would then cover more."""
    shown = coupon.original or coupon
    can_be_given = shown.valid and shown.deleted_at is None and not shown.is_used_up
    is_wider = shown.is_for_all and not set(products) <= set(coupon.product_stripe_ids)
    return can_be_given and is_wider and coupon.duration == Duration.FOREVER


def _named(subscription: Subscription, name: str, field: str) -> Coupon | PromotionCode:
    project, customer = subscription.project, subscription.customer
    if is_id(name, "cpn"):
        coupon = coupons.listing(project=project).filter(pk=name).first()
        if coupon is None:
            raise Invalid("No coupon with this id.", field=field)
        _check(coupon, subscription.currency)
        return coupon
    code = _code(project, customer, name)
    if code is None:
        raise Invalid("No such promotion code.", field=field)
    if not code.active or code.customer_id not in (None, customer.pk):
        raise DiscountRefused("This promotion code is no longer active.")
    _check(code.coupon, subscription.currency)
    return code


def _at_stripe(row: Coupon | PromotionCode, products: Collection[str], at: datetime) -> Fields:
    if isinstance(row, PromotionCode):
        row = promotion_codes.follow_coupon(code=row, products=products, at=at)
        return {"promotion_code": row.stripe_id}
    return {
        "coupon": coupon_coverage.cover_products(coupon=row, products=products, at=at).stripe_id
    }


def _code(project: Project, customer: Customer, name: str) -> PromotionCode | None:
    """By id, or as typed in whatever case: the customer's own first, then the newest."""
    rows = coupons.codes(project=project)
    if is_id(name, "promo"):
        return rows.filter(pk=name).first()
    typed = rows.filter(code__in={name, name.upper(), name.lower()}, active=True).order_by("-pk")
    found = [row for row in typed if row.customer_id in (None, customer.pk)]
    return max(found, key=lambda row: row.customer_id is not None, default=None)


def _check(coupon: Coupon, currency: str) -> None:
    if not coupon.valid or coupon.deleted_at is not None:
        raise DiscountRefused("This coupon is no longer valid.")
    if coupon.amount_off is not None and currency and coupon.currency != currency:
        raise DiscountRefused(f"The coupon takes off {coupon.currency.upper()} only.")
