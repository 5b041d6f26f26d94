"""Discounts of a running subscription, named by our coupons and codes. Stripe counts them."""

from collections.abc import Sequence

from billing.errors import DiscountRefused
from billing.models import Coupon, PromotionCode, Subscription
from billing.selectors import coupons
from billing.stripe.fields import Fields
from common.errors import Invalid
from common.ids import is_id
from projects.models import Customer, Project


def params(*, subscription: Subscription, names: Sequence[str]) -> list[Fields] | str:
    """Stripe's ``discounts`` for coupon ids, promotion code ids or codes as buyers type them.

    Raises Invalid for one that is not there, DiscountRefused for one that is over or takes off
    another currency.
    """
    found = [_named(subscription, name, f"discounts/{n}") for n, name in enumerate(names)]
    return found or ""


def _named(subscription: Subscription, name: str, field: str) -> Fields:
    project, customer = subscription.project, subscription.customer
    if is_id(name, "cpn"):
        coupon = coupons.listing(project=project).filter(pk=name).first()
        if coupon is None:
            raise Invalid("No coupon with this id.", field=field)
        _check(coupon, subscription.currency)
        return {"coupon": coupon.stripe_id}
    code = _code(project, customer, name)
    if code is None:
        raise Invalid("No such promotion code.", field=field)
    if not code.active or code.customer_id not in (None, customer.pk):
        raise DiscountRefused("This promotion code is no longer active.")
    _check(code.coupon, subscription.currency)
    return {"promotion_code": code.stripe_id}


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
