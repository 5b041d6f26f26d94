"""Build Stripe's ``discounts`` of a running subscription from our coupons and promotion codes."""

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


def build_params(
    *, subscription: Subscription, names: Sequence[str], products: Collection[str], at: datetime
) -> list[Fields] | str:
    """Return Stripe's ``discounts`` for a subscription to these products (Stripe's ids).

    A name is a coupon id, a promotion code id or a code as buyers type it. Raises Invalid for an
    unknown name, DiscountRefused for a discount that is no longer valid or is of another currency,
    StripeUnavailable.
    """
    rows = [_find_discount(subscription, name, f"discounts/{n}") for n, name in enumerate(names)]
    return [_discount_params(row, products, at) for row in rows] or ""


def extend_to_products(
    *, subscription: Subscription, products: Collection[str], at: datetime
) -> list[Fields] | None:
    """Return Stripe's ``discounts`` that also cover these products (Stripe's ids).

    None if the present discounts can stay. In a shared account a coupon for all products lists the
    products that existed when it was applied, so it must be applied again to cover a new one. This
    is done only for coupons with the duration ``forever``: others would start again. Raises
    StripeUnavailable.
    """
    if not (subscription.discounts and subscription.account.is_shared and subscription.stripe_id):
        return None
    snapshot = subscriptions.retrieve(client_for(subscription.account), subscription.stripe_id)
    coupons_by_stripe_id = coupons.by_stripe_id(
        account=subscription.account,
        project=subscription.project,
        stripe_ids=[discount.coupon_stripe_id for discount in snapshot.discounts],
    )
    params: list[Fields] = []
    for discount in snapshot.discounts:
        coupon = coupons_by_stripe_id.get(discount.coupon_stripe_id)
        if coupon is None or not _must_be_extended(coupon, products):
            params.append({"discount": discount.stripe_id})
        else:
            params.append(_discount_params(coupon.original or coupon, products, at))
    return params if any("coupon" in discount_params for discount_params in params) else None


def _must_be_extended(coupon: Coupon, products: Collection[str]) -> bool:
    """Return whether the coupon can be applied again, and would then cover more products."""
    original = coupon.original or coupon
    is_redeemable = original.valid and original.deleted_at is None and not original.is_used_up
    covers_more = original.is_for_all and not set(products) <= set(coupon.product_stripe_ids)
    return is_redeemable and covers_more and coupon.duration == Duration.FOREVER


def _find_discount(subscription: Subscription, name: str, field: str) -> Coupon | PromotionCode:
    project, customer = subscription.project, subscription.customer
    if is_id(name, "cpn"):
        coupon = coupons.listing(project=project).filter(pk=name).first()
        if coupon is None:
            raise Invalid("No coupon with this id.", field=field)
        _check_coupon(coupon, subscription.currency)
        return coupon
    code = _find_code(project, customer, name)
    if code is None:
        raise Invalid("No promotion code with this name.", field=field)
    if not code.active or code.customer_id not in (None, customer.pk):
        raise DiscountRefused("This promotion code is no longer active.")
    _check_coupon(code.coupon, subscription.currency)
    return code


def _discount_params(
    row: Coupon | PromotionCode, products: Collection[str], at: datetime
) -> Fields:
    if isinstance(row, PromotionCode):
        row = promotion_codes.follow_coupon(code=row, products=products, at=at)
        return {"promotion_code": row.stripe_id}
    return {
        "coupon": coupon_coverage.cover_products(coupon=row, products=products, at=at).stripe_id
    }


def _find_code(project: Project, customer: Customer, name: str) -> PromotionCode | None:
    """Find a code by id, or as typed in any case: the customer's own first, then the newest."""
    rows = coupons.codes(project=project)
    if is_id(name, "promo"):
        return rows.filter(pk=name).first()
    matches = rows.filter(code__in={name, name.upper(), name.lower()}, active=True).order_by("-pk")
    usable = [row for row in matches if row.customer_id in (None, customer.pk)]
    return max(usable, key=lambda row: row.customer_id is not None, default=None)


def _check_coupon(coupon: Coupon, currency: str) -> None:
    if not coupon.valid or coupon.deleted_at is not None:
        raise DiscountRefused("This coupon is no longer valid.")
    if coupon.amount_off is not None and currency and coupon.currency != currency:
        raise DiscountRefused(f"This coupon is for prices in {coupon.currency.upper()} only.")
