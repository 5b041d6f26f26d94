"""The project's discounts: coupons, and the codes by which buyers get them."""

from collections.abc import Iterable

from billing.models import Coupon, Product, PromotionCode
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def listing(*, project: Project, valid: bool | None = None) -> ProjectQuerySet[Coupon]:
    """Coupons that Stripe knows and nobody has deleted."""
    rows = Coupon.objects.for_project(project).filter(
        stripe_id__isnull=False, deleted_at__isnull=True
    )
    rows = rows.select_related("account")
    return rows if valid is None else rows.filter(valid=valid)


def get(*, project: Project, coupon_id: str) -> Coupon:
    """One coupon; raises NotFound."""
    row = listing(project=project).filter(pk=coupon_id).first()
    if row is None:
        raise NotFound("No coupon with this id.")
    return row


def products(*, project: Project, coupons: Iterable[Coupon]) -> dict[str, str]:
    """Our ids of the products that these coupons are limited to, by Stripe's."""
    named = {stripe_id for coupon in coupons for stripe_id in coupon.product_stripe_ids}
    if not named:
        return {}
    rows = Product.objects.for_project(project).filter(stripe_id__in=named)
    return {str(stripe_id): pk for stripe_id, pk in rows.values_list("stripe_id", "pk")}


def codes(
    *, project: Project, coupon: str = "", code: str = "", active: bool | None = None
) -> ProjectQuerySet[PromotionCode]:
    """Promotion codes that match every filter given; ``code`` as it was written."""
    rows = (
        PromotionCode.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .select_related("coupon", "customer", "account")
    )
    if coupon:
        rows = rows.filter(coupon_id=coupon)
    if code:
        rows = rows.filter(code=code)
    return rows if active is None else rows.filter(active=active)


def code(*, project: Project, code_id: str) -> PromotionCode:
    """One promotion code; raises NotFound."""
    row = codes(project=project).filter(pk=code_id).first()
    if row is None:
        raise NotFound("No promotion code with this id.")
    return row
