"""Keep the discounts of a shared Stripe account within the products of their project.

A coupon without products applies to all products of its Stripe account, and Stripe cannot change
the products of a coupon. In a shared account a coupon therefore always names its products. A coupon
for all products of the project is created again at Stripe when an order contains a product that the
coupon does not name. Our row then gets the new Stripe coupon; a second row keeps the earlier one,
whose holders keep their discounts (``docs/discounts.md``).
"""

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import transaction

from billing.catalog import catalog_events, discount_writes
from billing.catalog.selectors import catalog
from billing.catalog.selectors import coupons as coupon_selectors
from billing.errors import DiscountRefused, ProductRequired
from billing.models import Coupon, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.stripe import coupons
from billing.stripe.coupons import NewCoupon
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.fields import Fields
from billing.sync import service as sync
from common.errors import DomainError
from projects.models import Project

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3
"""How often one call creates the coupon again before it gives up."""
BATCH_SIZE = 100
"""Coupons per run of :func:`confine_due`."""
SWAPPED_FIELDS = ("stripe_id", "product_stripe_ids", "times_redeemed", "valid")
"""Fields that a coupon and its successor swap."""


def scope(
    *, project: Project, account: StripeAccount, product_stripe_ids: Collection[str]
) -> tuple[list[str], bool]:
    """The products (Stripe's ids) that a new coupon names, and whether it is for all products.

    Empty ``product_stripe_ids`` ask for all products. Raises ProductRequired for all products of a
    project without products in a shared account.
    """
    if product_stripe_ids or not account.is_shared:
        return sorted(product_stripe_ids), not product_stripe_ids
    return _all_product_stripe_ids(project, account), True


def covers_products(coupon: Coupon, products: Collection[str]) -> bool:
    """Whether Stripe applies the coupon to all of these products (Stripe's ids)."""
    if not coupon.account.is_shared or not coupon.is_for_all:
        return True
    return bool(coupon.product_stripe_ids) and set(products) <= set(coupon.product_stripe_ids)


def cover_products(*, coupon: Coupon, products: Collection[str], at: datetime) -> Coupon:
    """Make the coupon apply to these products (Stripe's ids), by a new Stripe coupon if needed.

    Raises DiscountRefused for a used-up coupon, StripeRefused, StripeUnavailable; after the last
    the same call resumes the work.
    """
    for _ in range(MAX_ATTEMPTS):
        if covers_products(coupon, products):
            break
        successor = _find_or_create_successor(coupon, products, at)
        params = _params(successor)
        intents.create_object(successor, operation="coupon.create", params=params, at=at)
        coupon = _swap_stripe_coupons(coupon, successor, at=at)
        sync.now(
            account=coupon.account, kind=ObjectKind.COUPON, stripe_id=str(coupon.stripe_id), at=at
        )
        _delete_superseded(coupon, at=at)
    return coupon_selectors.reload(project_id=coupon.project_id, coupon_id=coupon.pk)


def confine_due(*, at: datetime, limit: int = BATCH_SIZE) -> int:
    """Limit coupons of shared accounts that name no product; returns how many were examined.

    Such coupons are older than the limit. A project without products is skipped: no page of a
    shared account accepts typed codes. An error of one coupon is logged.
    """
    rows = coupon_selectors.unconfined(limit=limit)
    for coupon in rows:
        try:
            if coupon.original is not None:
                _delete_superseded(coupon.original, at=at)
            else:
                products = _all_product_stripe_ids(coupon.project, coupon.account)
                cover_products(coupon=coupon, products=products, at=at)
        except DomainError as error:
            log.warning("coupon_is_not_confined", coupon=coupon.pk, error=error.code)
    return len(rows)


def remaining_redemptions(row_limit: int | None, redeemed: int) -> int | None:
    """Remaining redemptions; None without a limit. Raises DiscountRefused if there are none."""
    if row_limit is None:
        return None
    if redeemed >= row_limit:
        raise DiscountRefused("Its redemption limit is reached.")
    return row_limit - redeemed


def _all_product_stripe_ids(project: Project, account: StripeAccount) -> list[str]:
    """Stripe's ids of all products of the project in this account. Raises ProductRequired."""
    rows = catalog.products(project=project).filter(account=account)
    stripe_ids = sorted(str(stripe_id) for stripe_id in rows.values_list("stripe_id", flat=True))
    if not stripe_ids:
        raise ProductRequired("POST /products first.")
    return stripe_ids


def _find_or_create_successor(coupon: Coupon, products: Collection[str], at: datetime) -> Coupon:
    """The row of the next Stripe coupon, created now or by an earlier attempt."""
    if coupon.max_redemptions is not None:
        sync.now(
            account=coupon.account, kind=ObjectKind.COUPON, stripe_id=str(coupon.stripe_id), at=at
        )
    product_stripe_ids = {*_all_product_stripe_ids(coupon.project, coupon.account), *products}
    with transaction.atomic():
        coupon = coupon_selectors.lock(coupon)
        earlier = coupon.others.filter(superseded_at__isnull=True).first()
        if earlier is not None:
            return earlier
        return Coupon.objects.for_project(coupon.project_id).create(
            account=coupon.account,
            original=coupon,
            name=coupon.name,
            percent_off=coupon.percent_off,
            amount_off=coupon.amount_off,
            currency=coupon.currency,
            duration=coupon.duration,
            duration_in_months=coupon.duration_in_months,
            max_redemptions=remaining_redemptions(coupon.max_redemptions, coupon.redeemed),
            redeem_by=coupon.redeem_by,
            product_stripe_ids=sorted(product_stripe_ids),
            metadata=coupon.metadata,
        )


def _params(successor: Coupon) -> Fields:
    return coupons.new(
        NewCoupon(
            name=successor.name,
            percent_off=successor.percent_off,
            amount_off=successor.amount_off,
            currency=successor.currency,
            duration=successor.duration,
            duration_in_months=successor.duration_in_months,
            max_redemptions=successor.max_redemptions,
            redeem_by=discount_writes.to_unix_seconds(successor.redeem_by),
            product_stripe_ids=successor.product_stripe_ids,
            metadata=successor.metadata,
        )
    )


def _swap_stripe_coupons(coupon: Coupon, successor: Coupon, *, at: datetime) -> Coupon:
    """Give the tenant's row the new Stripe coupon and the successor row the old one; only once."""
    with transaction.atomic():
        coupon = coupon_selectors.lock(coupon)
        successor = coupon_selectors.lock(successor)
        if successor.superseded_at is None:
            with catalog_events.recorded(coupon, at=at):
                discount_writes.swap_values(coupon, successor, names=SWAPPED_FIELDS)
                coupon.all_products = True
                coupon.save(update_fields=["all_products", "updated_at"])
                successor.superseded_at = at
                successor.save(update_fields=["superseded_at", "updated_at"])
    return coupon


def _delete_superseded(coupon: Coupon, *, at: datetime) -> None:
    """Delete superseded coupons at Stripe that apply to all projects or could exceed the limit.

    Existing discounts stay. Promotion codes move to the new coupon when they are used next.
    """
    for earlier in coupon_selectors.superseded(coupon):
        target = str(earlier.stripe_id)
        try:
            intents.change_object(
                project_id=earlier.project_id,
                account=earlier.account,
                operation="coupon.delete",
                subject=earlier.pk,
                target=target,
                params={},
                request="superseded",
                at=at,
            )
        except StripeObjectMissing:
            log.info("coupon_was_gone", coupon=earlier.pk)
        sync.now(account=earlier.account, kind=ObjectKind.COUPON, stripe_id=target, at=at)
