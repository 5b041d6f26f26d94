"""Find and check the discount of a page: by id, or by the promotion code that buyers type."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import F, Q

from billing.catalog import coupon_coverage, promotion_codes
from billing.catalog.selectors import coupons
from billing.checkout.checkout_requests import CheckoutOrder, CheckoutRequest
from billing.checkout.orders import OrderLine
from billing.errors import DiscountRefused, TypedCodesNotOffered
from billing.models import Coupon, PromotionCode
from common.errors import Invalid
from common.ids import is_id
from common.money import Money
from projects.models import Project


def find(
    *,
    project: Project,
    request: CheckoutRequest,
    user_id: str,
    lines: Sequence[OrderLine],
    at: datetime,
) -> tuple[PromotionCode | None, Coupon | None]:
    """Return the promotion code or the coupon that the request names; (None, None) without one.

    Raises Invalid for an unknown one, DiscountRefused if this buyer cannot use it for these lines,
    TypedCodesNotOffered in a shared account, where buyers could type the codes of other projects.
    """
    fields = [name for name in ("promotion_code", "coupon") if getattr(request, name)]
    fields += ["allow_promotion_codes"] if request.allow_promotion_codes else []
    if len(fields) > 1:
        raise Invalid(
            "Send one of promotion_code, coupon and allow_promotion_codes.", field=fields[1]
        )
    if request.allow_promotion_codes and lines[0].price.account.is_shared:
        raise TypedCodesNotOffered(
            "Ask the buyer for the code yourself and send it as promotion_code. A project with a "
            "Stripe account of its own may let buyers type codes there."
        )
    if request.promotion_code:
        code = _find_promotion_code(project, request.promotion_code, user_id)
        _check_code(code, user_id=user_id, lines=lines, at=at)
        _check_coupon(code.coupon, lines=lines, at=at)
        return code, None
    if request.coupon:
        coupon = _find_coupon(project, request.coupon)
        _check_coupon(coupon, lines=lines, at=at)
        return None, coupon
    return None, None


def prepare(order: CheckoutOrder, *, at: datetime) -> CheckoutOrder:
    """Return the order with a discount that Stripe can apply to its lines.

    In a shared account the coupon may be created again to cover a product that is newer than the
    coupon. Raises DiscountRefused, StripeRefused, StripeUnavailable.
    """
    product_stripe_ids = {line.price.product.stripe_id or "" for line in order.lines}
    if order.promotion_code is not None:
        code = promotion_codes.follow_coupon(
            code=order.promotion_code, products=product_stripe_ids, at=at
        )
        return replace(order, promotion_code=code)
    if order.coupon is not None:
        return replace(
            order,
            coupon=coupon_coverage.cover_products(
                coupon=order.coupon, products=product_stripe_ids, at=at
            ),
        )
    return order


def _find_promotion_code(project: Project, id_or_code: str, user_id: str) -> PromotionCode:
    """Find a code by our id or, ignoring case, by its text. Raises Invalid.

    Of several take an active one first, then the buyer's own before one for all buyers. Another
    buyer's code is returned only if no other matches, and then refused by :func:`_check_code`.
    """
    rows = coupons.codes(project=project)
    matching = (
        rows.filter(pk=id_or_code)
        if is_id(id_or_code, "promo")
        else rows.filter(code__iexact=id_or_code)
    )
    own = Q(customer__user_id=user_id) | Q(customer_id=user_id)
    usable = matching.filter(own | Q(customer=None))
    newest = usable.order_by("-active", F("customer").desc(nulls_last=True), "-pk")
    row = newest.first() or matching.first()
    if row is None:
        raise Invalid("No promotion code with this id or text.", field="promotion_code")
    return row


def _find_coupon(project: Project, coupon_id: str) -> Coupon:
    row = coupons.originals(project=project).filter(pk=coupon_id).first()
    if row is None:
        raise Invalid("No coupon with this id.", field="coupon")
    return row


def _check_code(
    code: PromotionCode, *, user_id: str, lines: Sequence[OrderLine], at: datetime
) -> None:
    if not code.active or code.is_used_up:
        raise DiscountRefused("The promotion code is no longer active.")
    if code.expires_at is not None and code.expires_at <= at:
        raise DiscountRefused("The promotion code has expired.")
    if code.customer is not None and user_id not in (code.customer.user_id, code.customer_id):
        raise DiscountRefused("The promotion code belongs to another user.")
    if code.minimum_amount is None:
        return
    minimum = Money(code.minimum_amount, code.minimum_amount_currency)
    if minimum.currency != _currency(lines) or _subtotal(lines) < minimum.amount:
        raise DiscountRefused(f"The promotion code is for orders of at least {minimum}.")


def _check_coupon(coupon: Coupon, *, lines: Sequence[OrderLine], at: datetime) -> None:
    is_over = coupon.redeem_by is not None and coupon.redeem_by <= at
    if not coupon.valid or coupon.deleted_at is not None or is_over or coupon.is_used_up:
        raise DiscountRefused("The coupon is no longer valid.")
    if coupon.amount_off is not None and coupon.currency != _currency(lines):
        raise DiscountRefused(f"The coupon is for prices in {coupon.currency.upper()} only.")
    product_stripe_ids = {line.price.product.stripe_id for line in lines}
    if not coupon.is_for_all and not product_stripe_ids & set(coupon.product_stripe_ids):
        raise DiscountRefused("The coupon is for other products.")


def _currency(lines: Sequence[OrderLine]) -> str:
    return lines[0].price.currency


def _subtotal(lines: Sequence[OrderLine]) -> int:
    return sum(line.price.amount_of(line.quantity) for line in lines)
