"""The discount that a page begins with: found by our id, or by the code that people know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, Q

from billing.catalog import coupon_coverage, promotion_codes
from billing.catalog.selectors import coupons
from billing.checkout.orders import Line
from billing.errors import DiscountRefused, TypedCodesNotOffered
from billing.models import Coupon, PromotionCode
from common.errors import Invalid
from common.ids import is_id
from common.money import Money
from projects.models import Project

if TYPE_CHECKING:
    from billing.checkout.checkout_requests import Sale, Wish


def find(
    *, project: Project, wish: "Wish", user_id: str, lines: Sequence[Line], at: datetime
) -> tuple[PromotionCode | None, Coupon | None]:
    """The promotion code or the coupon that the wish names, if this buyer can use it for these
    lines. Raises Invalid for an unknown one, DiscountRefused for one that cannot be used,
    TypedCodesNotOffered where buyers could type the codes of other projects."""
    given = [name for name in ("promotion_code", "coupon") if getattr(wish, name)]
    given += ["allow_promotion_codes"] if wish.allow_promotion_codes else []
    if len(given) > 1:
        raise Invalid(
            "Send one of promotion_code, coupon and allow_promotion_codes.", field=given[1]
        )
    if wish.allow_promotion_codes and lines[0].price.account.is_shared:
        raise TypedCodesNotOffered(
            "Ask the buyer for the code yourself and send it as promotion_code. A project with a "
            "Stripe account of its own may let buyers type codes there."
        )
    if wish.promotion_code:
        code = _promotion_code(project, wish.promotion_code, user_id)
        _check_code(code, user_id=user_id, lines=lines, at=at)
        _check_coupon(code.coupon, lines=lines, at=at)
        return code, None
    if wish.coupon:
        coupon = _coupon(project, wish.coupon)
        _check_coupon(coupon, lines=lines, at=at)
        return None, coupon
    return None, None


def prepare(sale: "Sale", *, at: datetime) -> "Sale":
    """The sale with its discount as Stripe can apply it to these lines: in a shared account it may
    have to be made again for a product that is newer than the coupon.

    Raises DiscountRefused, StripeRefused, StripeUnavailable.
    """
    sold = {line.price.product.stripe_id or "" for line in sale.lines}
    if sale.promotion_code is not None:
        code = promotion_codes.follow(code=sale.promotion_code, products=sold, at=at)
        return replace(sale, promotion_code=code)
    if sale.coupon is not None:
        return replace(sale, coupon=coupon_coverage.cover(coupon=sale.coupon, products=sold, at=at))
    return sale


def _promotion_code(project: Project, named: str, user_id: str) -> PromotionCode:
    """By id, else by code whatever its case: an active one before those that are over, the
    buyer's own before one for all, and another buyer's only to say so."""
    rows = coupons.codes(project=project)
    wanted = rows.filter(pk=named) if is_id(named, "promo") else rows.filter(code__iexact=named)
    own = Q(customer__user_id=user_id) | Q(customer_id=user_id)
    usable = wanted.filter(own | Q(customer=None))
    newest = usable.order_by("-active", F("customer").desc(nulls_last=True), "-pk")
    row = newest.first() or wanted.first()
    if row is None:
        raise Invalid("No promotion code with this id or text.", field="promotion_code")
    return row


def _coupon(project: Project, coupon_id: str) -> Coupon:
    row = coupons.originals(project=project).filter(pk=coupon_id).first()
    if row is None:
        raise Invalid("No coupon with this id.", field="coupon")
    return row


def _check_code(code: PromotionCode, *, user_id: str, lines: Sequence[Line], at: datetime) -> None:
    if not code.active or code.is_used_up:
        raise DiscountRefused("The promotion code is not active any more.")
    if code.expires_at is not None and code.expires_at <= at:
        raise DiscountRefused("The promotion code has expired.")
    if code.customer is not None and user_id not in (code.customer.user_id, code.customer_id):
        raise DiscountRefused("The promotion code is another user's.")
    if code.minimum_amount is None:
        return
    least = Money(code.minimum_amount, code.minimum_amount_currency)
    if least.currency != _currency(lines) or _subtotal(lines) < least.amount:
        raise DiscountRefused(f"The promotion code is for orders of at least {least}.")


def _check_coupon(coupon: Coupon, *, lines: Sequence[Line], at: datetime) -> None:
    is_over = coupon.redeem_by is not None and coupon.redeem_by <= at
    if not coupon.valid or coupon.deleted_at is not None or is_over or coupon.is_used_up:
        raise DiscountRefused("The coupon is not valid any more.")
    if coupon.amount_off is not None and coupon.currency != _currency(lines):
        raise DiscountRefused(f"The coupon takes off {coupon.currency.upper()} only.")
    sold = {line.price.product.stripe_id for line in lines}
    if not coupon.is_for_all and not sold & set(coupon.product_stripe_ids):
        raise DiscountRefused("The coupon is for other products.")


def _currency(lines: Sequence[Line]) -> str:
    return lines[0].price.currency


def _subtotal(lines: Sequence[Line]) -> int:
    return sum(line.price.amount_of(line.quantity) for line in lines)
