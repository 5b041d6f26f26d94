"""Coupons that a project gives: our row first, then Stripe's coupon.

What a coupon takes off never changes; its name and metadata do. In a shared Stripe account it is
limited to the project's products (``billing.catalog.coupon_coverage``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.accounts import service as stripe_accounts
from billing.catalog import coupon_coverage
from billing.catalog.discount_writes import ask, record, refuse_past, seconds
from billing.catalog.selectors import catalog
from billing.catalog.selectors import coupons as coupon_selectors
from billing.models import Coupon, PromotionCode
from billing.models.sync_object import Kind
from billing.outbound import intents, request_dedup
from billing.stripe import coupons
from billing.sync import service as sync
from common.errors import Invalid
from projects.models import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a coupon takes off and for how long; amounts in minor units of ``currency``."""

    name: str = ""
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str = ""
    duration: str
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    redeem_by: datetime | None = None
    products: Sequence[str] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def create(*, project: Project, terms: Terms, idempotency_key: str, at: datetime) -> Coupon:
    """A new coupon, known to Stripe. Raises Invalid for a product that is not there,
    ProductRequired in a shared account while there is none.

    After StripeUnavailable the same request finishes what this one began.
    """
    refuse_past(terms.redeem_by, field="redeem_by", at=at)
    account = stripe_accounts.account_for(project)
    wanted = _products(project, terms.products)
    products, for_all = coupon_coverage.scope(project=project, account=account, wanted=wanted)
    values: dict[str, Any] = {
        "name": terms.name,
        "percent_off": terms.percent_off,
        "amount_off": terms.amount_off,
        "currency": terms.currency,
        "duration": terms.duration,
        "duration_in_months": terms.duration_in_months,
        "max_redemptions": terms.max_redemptions,
        "product_stripe_ids": products,
        "metadata": terms.metadata,
    }
    told = {**values, "percent_off": str(terms.percent_off), "redeem_by": str(terms.redeem_by)}
    told["product_stripe_ids"] = wanted
    key = request_dedup.request_key(idempotency_key, "coupon", told)
    rows = Coupon.objects.for_project(project)
    row = request_dedup.begun(rows, key=key, is_named=bool(idempotency_key), at=at) or rows.create(
        account=account, request_key=key, redeem_by=terms.redeem_by, all_products=for_all, **values
    )
    values["product_stripe_ids"] = row.product_stripe_ids
    params = coupons.new(**values, redeem_by=seconds(row.redeem_by))
    intents.make(row, operation="coupon.create", params=params, at=at)
    sync.now(account=row.account, kind=Kind.COUPON, stripe_id=row.stripe_id or "", at=at)
    return coupon_selectors.get(project=project, coupon_id=row.pk)


def change(
    *,
    coupon: Coupon,
    actor: str,
    at: datetime,
    name: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Coupon:
    """Another name or other metadata."""
    asked = {"name": name, "metadata": metadata}
    changes = {key: value for key, value in asked.items() if value is not None}
    record(coupon, action="coupon.change", asked=changes, actor=actor, at=at)
    if metadata is not None:
        changes["metadata"] = {**dict.fromkeys(coupon.metadata, ""), **metadata}
    for each in _every(coupon):
        ask(each, operation="coupon.update", params=changes, at=at)
    return coupon_selectors.get(project=coupon.project, coupon_id=coupon.pk)


def delete(*, coupon: Coupon, actor: str, at: datetime) -> None:
    """Nobody can use it from now on; whoever has its discount keeps it."""
    record(coupon, action="coupon.delete", asked={}, actor=actor, at=at)
    for each in _every(coupon):
        ask(each, operation="coupon.delete", params={}, at=at)
    codes = PromotionCode.objects.for_project(coupon.project_id)
    codes.filter(coupon=coupon, active=True).update(active=False, updated_at=at)


def _every(coupon: Coupon) -> list[Coupon]:
    """The coupon under each id that Stripe still has for it, the newest last."""
    earlier = coupon.others.filter(stripe_id__isnull=False, deleted_at=None)
    return [*earlier.select_related("account"), coupon]


def _products(project: Project, ids: Sequence[str]) -> list[str]:
    known = catalog.products(project=project).in_bulk(list(ids))
    for index, product_id in enumerate(ids):
        if product_id not in known:
            raise Invalid("No product with this id.", field=f"products/{index}")
    return sorted({known[product_id].stripe_id or "" for product_id in ids})
