"""Coupons of a project: our row is created first, then Stripe's coupon.

The discount of a coupon never changes; its name and metadata can. In a shared Stripe account a
coupon is limited to the project's products (``billing.catalog.coupon_coverage``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.catalog import catalog_events, coupon_coverage
from billing.catalog.discount_writes import (
    record_audit,
    refuse_past,
    request_change,
    to_unix_seconds,
    to_whole_second,
)
from billing.catalog.selectors import catalog
from billing.catalog.selectors import coupons as coupon_selectors
from billing.models import Coupon
from billing.models.sync_object import ObjectKind
from billing.outbound import intents, request_dedup
from billing.stripe import coupons
from billing.stripe.coupons import NewCoupon
from billing.sync import service as sync
from common.errors import Invalid
from projects.models import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponRequest:
    """A coupon to create.

    ``amount_off`` is in minor units of ``currency``. ``products`` are our ids; empty for all.
    """

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


def create(
    *, project: Project, request: CouponRequest, idempotency_key: str, at: datetime
) -> Coupon:
    """Create a coupon here and at Stripe.

    Raises Invalid for an unknown product, and ProductRequired in a shared account if the project
    has no product. After StripeUnavailable the same request resumes the work.
    """
    refuse_past(request.redeem_by, field="redeem_by", at=at)
    account = stripe_accounts.account_for(project)
    requested_products = _find_product_stripe_ids(project, request.products)
    products, is_for_all = coupon_coverage.scope(
        project=project, account=account, product_stripe_ids=requested_products
    )
    values: dict[str, Any] = {
        "name": request.name,
        "percent_off": request.percent_off,
        "amount_off": request.amount_off,
        "currency": request.currency,
        "duration": request.duration,
        "duration_in_months": request.duration_in_months,
        "max_redemptions": request.max_redemptions,
        "product_stripe_ids": products,
        "metadata": request.metadata,
    }
    fingerprint = {
        **values,
        "percent_off": str(request.percent_off),
        "redeem_by": str(request.redeem_by),
    }
    fingerprint["product_stripe_ids"] = requested_products
    key = request_dedup.request_key(idempotency_key, "coupon", fingerprint)
    rows = Coupon.objects.for_project(project)
    row = request_dedup.find_earlier(
        Coupon, project_id=project.pk, key=key, is_named=bool(idempotency_key), at=at
    ) or rows.create(
        account=account,
        request_key=key,
        redeem_by=to_whole_second(request.redeem_by),
        all_products=is_for_all,
        **values,
    )
    values["product_stripe_ids"] = row.product_stripe_ids
    params = coupons.new(NewCoupon(**values, redeem_by=to_unix_seconds(row.redeem_by)))
    intents.create_object(row, operation="coupon.create", params=params, at=at)
    sync.now(account=row.account, kind=ObjectKind.COUPON, stripe_id=row.stripe_id or "", at=at)
    return coupon_selectors.get(project=project, coupon_id=row.pk)


def change(
    *,
    coupon: Coupon,
    actor: str,
    at: datetime,
    name: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Coupon:
    """Change name or metadata; None leaves a value. Raises StripeRefused, StripeUnavailable."""
    values = {"name": name, "metadata": metadata}
    changes = {key: value for key, value in values.items() if value is not None}
    record_audit(coupon, action="coupon.change", changes=changes, actor=actor, at=at)
    if metadata is not None:
        changes["metadata"] = {**dict.fromkeys(coupon.metadata, ""), **metadata}
    for row in _all_versions(coupon):
        request_change(row, operation="coupon.update", params=changes, at=at)
    return coupon_selectors.get(project=coupon.project, coupon_id=coupon.pk)


def delete(*, coupon: Coupon, actor: str, at: datetime) -> None:
    """Delete the coupon at Stripe and close its promotion codes; existing discounts stay."""
    record_audit(coupon, action="coupon.delete", changes={}, actor=actor, at=at)
    for row in _all_versions(coupon):
        request_change(row, operation="coupon.delete", params={}, at=at)
    with transaction.atomic():
        catalog_events.close_codes(coupon=coupon, at=at)


def _all_versions(coupon: Coupon) -> list[Coupon]:
    """One row for each coupon that Stripe still has of this one, the newest last."""
    earlier = coupon.others.filter(stripe_id__isnull=False, deleted_at=None)
    return [*earlier.select_related("account"), coupon]


def _find_product_stripe_ids(project: Project, ids: Sequence[str]) -> list[str]:
    products = catalog.products(project=project).in_bulk(list(ids))
    for index, product_id in enumerate(ids):
        if product_id not in products:
            raise Invalid("No product with this id.", field=f"products/{index}")
    return sorted({products[product_id].stripe_id or "" for product_id in ids})
