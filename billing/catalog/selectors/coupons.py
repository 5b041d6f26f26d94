"""The project's discounts: coupons, and the codes by which buyers get them."""

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing.models import Coupon, Product, PromotionCode, StripeAccount
from billing.models.outbound import Outbound
from billing.sync.selectors import page_rows
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Customer, Project

RowT = TypeVar("RowT", Coupon, PromotionCode)


def originals(*, project: Project | str) -> ProjectQuerySet[Coupon]:
    """Coupons as tenants see them, deleted ones too, with how often each was used in all."""
    rows = Coupon.objects.for_project(project).filter(
        stripe_id__isnull=False, original__isnull=True
    )
    return rows.select_related("account", "project").prefetch_related("others")


def listing(*, project: Project, valid: bool | None = None) -> ProjectQuerySet[Coupon]:
    """Coupons that Stripe knows and nobody has deleted."""
    rows = originals(project=project).filter(deleted_at__isnull=True)
    return rows if valid is None else rows.filter(valid=valid)


def get(*, project: Project, coupon_id: str) -> Coupon:
    """One coupon; raises NotFound."""
    row = listing(project=project).filter(pk=coupon_id).first()
    if row is None:
        raise NotFound("No coupon with this id.")
    return row


def products(*, project: Project, coupons: Iterable[Coupon]) -> dict[str, str]:
    """Our ids of the products that these coupons are limited to, by Stripe's."""
    named = {
        stripe_id
        for coupon in coupons
        for stripe_id in coupon.product_stripe_ids
        if not coupon.is_for_all
    }
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
        .filter(stripe_id__isnull=False, original__isnull=True)
        .select_related("coupon__account", "coupon__project", "customer", "account", "project")
        .prefetch_related("others")
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


def original(*, project_id: str, coupon_id: str) -> Coupon:
    """The row again as it is now."""
    return originals(project=project_id).get(pk=coupon_id)


def by_stripe_id(
    *, account: StripeAccount, project: Project, stripe_ids: Iterable[str]
) -> dict[str | None, Coupon]:
    """The rows of these coupons at Stripe, each with its original if it was made again since."""
    rows = Coupon.objects.for_project(project).filter(
        account=account, stripe_id__in=list(stripe_ids)
    )
    loaded = rows.select_related("account", "project", "original__account", "original__project")
    return {row.stripe_id: row for row in loaded}


def ids_by_stripe_id(
    model: type[Outbound],
    *,
    account: StripeAccount,
    project_id: str,
    stripe_ids: Iterable[str | None],
) -> dict[str | None, str]:
    """The coupons or codes as tenants know them, by each id that Stripe has for them."""
    named_ids = {each for each in stripe_ids if each}
    held = page_rows.find_many(model, account=account, project_id=project_id, stripe_ids=named_ids)
    if held is not None:
        return {stripe_id: row.original_id or row.pk for stripe_id, row in held.items()}
    rows = model.objects.for_project(project_id).filter(account=account, stripe_id__in=named_ids)
    named = rows.annotate(shown=Coalesce(F("original_id"), F("id")))
    return dict(named.values_list("stripe_id", "shown"))


def reads_the_same(
    *, project: Project, text: str, buyer: Customer | None
) -> ProjectQuerySet[PromotionCode]:
    """Active codes that this buyer could mean by the text, as Stripe tells them apart."""
    rows = PromotionCode.objects.for_project(project).filter(
        code__iexact=text, active=True, original__isnull=True
    )
    return rows if buyer is None else rows.filter(Q(customer=None) | Q(customer=buyer))


def lock(row: RowT) -> RowT:
    """The row as it is now, locked until the transaction ends."""
    rows = type(row).objects.for_project(row.project_id).select_for_update(of=("self",))
    locked: RowT = rows.select_related("account", "project").get(pk=row.pk)
    return locked


def unconfined(*, limit: int) -> list[Coupon]:
    """Coupons of shared accounts that hold in every project's shop, and earlier ones that are
    still to be retired."""
    is_left = Q(superseded_at__isnull=False, original__max_redemptions__isnull=False)
    rows = Coupon.objects.across_projects().filter(
        Q(product_stripe_ids=[]) | is_left,
        account__project=None,
        stripe_id__isnull=False,
        deleted_at=None,
    )
    loaded = rows.select_related("account", "project", "original__account", "original__project")
    return list(loaded.order_by("id")[:limit])


def to_retire(coupon: Coupon) -> list[Coupon]:
    """Earlier coupons of this row that must not be redeemed any more."""
    rows = coupon.others.filter(superseded_at__isnull=False, deleted_at=None)
    if coupon.max_redemptions is None:
        rows = rows.filter(product_stripe_ids=[])
    return list(rows.select_related("account"))
