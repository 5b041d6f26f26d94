"""The discount that a page begins with: found by our id, or by the code that people know."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, Q

from billing.errors import DiscountRefused
from billing.models import Coupon, PromotionCode
from billing.services.orders import Line
from common.errors import Invalid
from common.ids import is_id
from common.money import Money
from projects.models import Project

if TYPE_CHECKING:
    from billing.services.wishes import Wish


def find(
    *, project: Project, wish: "Wish", user_id: str, lines: Sequence[Line], at: datetime
) -> tuple[PromotionCode | None, Coupon | None]:
    """The promotion code or the coupon that the wish names, if this buyer can use it for these
    lines. Raises Invalid for an unknown one, DiscountRefused for one that cannot be used."""
    given = [name for name in ("promotion_code", "coupon") if getattr(wish, name)]
    given += ["allow_promotion_codes"] if wish.allow_promotion_codes else []
    if len(given) > 1:
        raise Invalid(
            "Send one of promotion_code, coupon and allow_promotion_codes.", field=given[1]
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


def _promotion_code(project: Project, named: str, user_id: str) -> PromotionCode:
    """By id, else by code whatever its case: an active one before those that are over, the
    buyer's own before one for all, and another buyer's only to say so."""
    rows = (
        PromotionCode.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .select_related("coupon", "customer")
    )
    wanted = rows.filter(pk=named) if is_id(named, "promo") else rows.filter(code__iexact=named)
    own = Q(customer__user_id=user_id) | Q(customer_id=user_id)
    usable = wanted.filter(own | Q(customer=None))
    newest = usable.order_by("-active", F("customer").desc(nulls_last=True), "-pk")
    row = newest.first() or wanted.first()
    if row is None:
        raise Invalid("No promotion code with this id or text.", field="promotion_code")
    return row


def _coupon(project: Project, coupon_id: str) -> Coupon:
    rows = Coupon.objects.for_project(project).filter(stripe_id__isnull=False)
    row = rows.filter(pk=coupon_id).first()
    if row is None:
        raise Invalid("No coupon with this id.", field="coupon")
    return row


def _check_code(code: PromotionCode, *, user_id: str, lines: Sequence[Line], at: datetime) -> None:
    if not code.active or _is_used_up(code):
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
    if not coupon.valid or coupon.deleted_at is not None or is_over or _is_used_up(coupon):
        raise DiscountRefused("The coupon is not valid any more.")
    if coupon.amount_off is not None and coupon.currency != _currency(lines):
        raise DiscountRefused(f"The coupon takes off {coupon.currency.upper()} only.")
    sold = {line.price.product.stripe_id for line in lines}
    if coupon.product_stripe_ids and not sold & set(coupon.product_stripe_ids):
        raise DiscountRefused("The coupon is for other products.")


def _is_used_up(row: Coupon | PromotionCode) -> bool:
    return row.max_redemptions is not None and row.times_redeemed >= row.max_redemptions


def _currency(lines: Sequence[Line]) -> str:
    return lines[0].price.currency


def _subtotal(lines: Sequence[Line]) -> int:
    return sum(line.price.amount_of(line.quantity) for line in lines)
