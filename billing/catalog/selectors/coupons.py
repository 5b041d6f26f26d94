"""Coupons and promotion codes of a project."""

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
    """Coupons as tenants see them, including deleted ones, loaded with their other versions."""
    rows = Coupon.objects.for_project(project).filter(
        stripe_id__isnull=False, original__isnull=True
    )
    return rows.select_related("account", "project").prefetch_related("others")


def listing(*, project: Project, valid: bool | None = None) -> ProjectQuerySet[Coupon]:
    """Coupons that exist at Stripe and are not deleted."""
    rows = originals(project=project).filter(deleted_at__isnull=True)
    return rows if valid is None else rows.filter(valid=valid)


def get(*, project: Project, coupon_id: str) -> Coupon:
    """One coupon; raises NotFound."""
    row = listing(project=project).filter(pk=coupon_id).first()
    if row is None:
        raise NotFound("No coupon with this id.")
    return row


def products(*, project: Project | str, coupons: Iterable[Coupon]) -> dict[str, str]:
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
    *, project: Project | str, coupon: str = "", code: str = "", active: bool | None = None
) -> ProjectQuerySet[PromotionCode]:
    """Promotion codes that match all filters; ``code`` is the exact text."""
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


def reload(*, project_id: str, coupon_id: str) -> Coupon:
    """The coupon's current row."""
    return originals(project=project_id).get(pk=coupon_id)


def by_stripe_id(
    *, account: StripeAccount, project: Project, stripe_ids: Iterable[str]
) -> dict[str | None, Coupon]:
    """Rows by Stripe id; an earlier version is loaded with its original."""
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
    """Ids of the originals, by each Stripe id of their versions."""
    named_ids = {stripe_id for stripe_id in stripe_ids if stripe_id}
    loaded = page_rows.find_many(
        model, account=account, project_id=project_id, stripe_ids=named_ids
    )
    if loaded is not None:
        return {stripe_id: row.original_id or row.pk for stripe_id, row in loaded.items()}
    rows = model.objects.for_project(project_id).filter(account=account, stripe_id__in=named_ids)
    named = rows.annotate(shown=Coalesce(F("original_id"), F("id")))
    return dict(named.values_list("stripe_id", "shown"))


def matching_codes(
    *, project: Project, text: str, buyer: Customer | None
) -> ProjectQuerySet[PromotionCode]:
    """Active codes with this text, ignoring case, that this buyer (None: every buyer) can use."""
    rows = PromotionCode.objects.for_project(project).filter(
        code__iexact=text, active=True, original__isnull=True
    )
    return rows if buyer is None else rows.filter(Q(customer=None) | Q(customer=buyer))


def lock(row: RowT) -> RowT:
    """The current row, locked until the transaction ends."""
    rows = type(row).objects.for_project(row.project_id).select_for_update(of=("self",))
    locked: RowT = rows.select_related("account", "project").get(pk=row.pk)
    return locked


def unconfined(*, limit: int) -> list[Coupon]:
    """Coupons of shared accounts that name no product, and superseded ones that must be deleted."""
    is_superseded = Q(superseded_at__isnull=False, original__max_redemptions__isnull=False)
    rows = Coupon.objects.across_projects().filter(
        Q(product_stripe_ids=[]) | is_superseded,
        account__project=None,
        stripe_id__isnull=False,
        deleted_at=None,
    )
    loaded = rows.select_related("account", "project", "original__account", "original__project")
    return list(loaded.order_by("id")[:limit])


def superseded(coupon: Coupon) -> list[Coupon]:
    """Superseded versions of this coupon that must not be redeemed any more."""
    rows = coupon.others.filter(superseded_at__isnull=False, deleted_at=None)
    if coupon.max_redemptions is None:
        rows = rows.filter(product_stripe_ids=[])
    return list(rows.select_related("account"))
