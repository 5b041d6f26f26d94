"""Keep the discounts of a shared Stripe account within the products of their project.

A coupon without products takes something off everything in its Stripe account, and Stripe never
changes what a coupon applies to. In an account that several projects share, a coupon therefore
always names its products, and one for all of the project's products is made again when an order
holds a product that it does not know yet. Our row stays: it takes the new coupon over, and another
row keeps the earlier one, whose discounts its holders keep (``docs/discounts.md``).
"""

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import transaction

from billing.catalog import discount_writes
from billing.catalog.selectors import catalog
from billing.catalog.selectors import coupons as coupon_selectors
from billing.errors import DiscountRefused, ProductRequired
from billing.models import Coupon, StripeAccount
from billing.models.sync_object import Kind
from billing.outbound import intents
from billing.stripe import coupons
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.fields import Fields
from billing.sync import service as sync
from common.errors import DomainError
from projects.models import Project

log = structlog.get_logger(__name__)

TRIES = 3
"""How often one request makes the coupon again before it leaves that to the next one."""
RUN = 100
"""Coupons that one run of :func:`confine_due` looks at."""
MOVED = ("stripe_id", "product_stripe_ids", "times_redeemed", "valid")
"""What a coupon and the one that takes its place exchange."""


def scope(
    *, project: Project, account: StripeAccount, wanted: Collection[str]
) -> tuple[list[str], bool]:
    """Stripe's ids of the products that a new coupon names, and whether it is for all products.

    ``wanted`` are Stripe's ids too; empty for all. Raises ProductRequired when it is for all
    products of a project that has none, in a shared account.
    """
    if wanted or not account.is_shared:
        return sorted(wanted), not wanted
    return _every_product(project, account), True


def covers(coupon: Coupon, products: Collection[str]) -> bool:
    """Whether Stripe takes off these products (Stripe's ids) what the coupon promises."""
    if not coupon.account.is_shared or not coupon.is_for_all:
        return True
    return bool(coupon.product_stripe_ids) and set(products) <= set(coupon.product_stripe_ids)


def cover(*, coupon: Coupon, products: Collection[str], at: datetime) -> Coupon:
    """The coupon as Stripe can apply it to these products, made again there if need be.

    Raises DiscountRefused for one that is used up, StripeRefused, StripeUnavailable; after the
    last the same call finishes what this one began.
    """
    for _ in range(TRIES):
        if covers(coupon, products):
            break
        coming = _coming(coupon, products, at)
        params = _params(coming)
        intents.make(coming, operation="coupon.create", params=params, at=at)
        coupon = _take_over(coupon, coming, at=at)
        sync.now(account=coupon.account, kind=Kind.COUPON, stripe_id=str(coupon.stripe_id), at=at)
        _retire(coupon, at=at)
    return coupon_selectors.original(project_id=coupon.project_id, coupon_id=coupon.pk)


def confine_due(*, at: datetime, limit: int = RUN) -> int:
    """Limit coupons of shared accounts that name no product yet; how many were looked at.

    Those were made before coupons were limited. A project without a product is left for later: no
    page of a shared account takes typed codes. An error stays with its coupon.
    """
    found = coupon_selectors.unconfined(limit=limit)
    for coupon in found:
        try:
            if coupon.original is not None:
                _retire(coupon.original, at=at)
            else:
                products = _every_product(coupon.project, coupon.account)
                cover(coupon=coupon, products=products, at=at)
        except DomainError as error:
            log.warning("coupon_is_not_confined", coupon=coupon.pk, error=error.code)
    return len(found)


def remaining(row_limit: int | None, redeemed: int) -> int | None:
    """How often it can still be used; None without a limit. Raises DiscountRefused for never."""
    if row_limit is None:
        return None
    if redeemed >= row_limit:
        raise DiscountRefused("It has been used as often as it may be.")
    return row_limit - redeemed


def _every_product(project: Project, account: StripeAccount) -> list[str]:
    """Stripe's ids of all products of the project in this account. Raises ProductRequired."""
    rows = catalog.products(project=project).filter(account=account)
    found = sorted(str(each) for each in rows.values_list("stripe_id", flat=True))
    if not found:
        raise ProductRequired("POST /products first.")
    return found


def _coming(coupon: Coupon, products: Collection[str], at: datetime) -> Coupon:
    """The row that asks for the next coupon at Stripe; that of an earlier try if there is one."""
    if coupon.max_redemptions is not None:
        sync.now(account=coupon.account, kind=Kind.COUPON, stripe_id=str(coupon.stripe_id), at=at)
    named = {*_every_product(coupon.project, coupon.account), *products}
    with transaction.atomic():
        coupon = coupon_selectors.lock(coupon)
        begun = coupon.others.filter(superseded_at__isnull=True).first()
        if begun is not None:
            return begun
        return Coupon.objects.for_project(coupon.project_id).create(
            account=coupon.account,
            original=coupon,
            name=coupon.name,
            percent_off=coupon.percent_off,
            amount_off=coupon.amount_off,
            currency=coupon.currency,
            duration=coupon.duration,
            duration_in_months=coupon.duration_in_months,
            max_redemptions=remaining(coupon.max_redemptions, coupon.redeemed),
            redeem_by=coupon.redeem_by,
            product_stripe_ids=sorted(named),
            metadata=coupon.metadata,
        )


def _params(coming: Coupon) -> Fields:
    return coupons.new(
        name=coming.name,
        percent_off=coming.percent_off,
        amount_off=coming.amount_off,
        currency=coming.currency,
        duration=coming.duration,
        duration_in_months=coming.duration_in_months,
        max_redemptions=coming.max_redemptions,
        redeem_by=discount_writes.seconds(coming.redeem_by),
        product_stripe_ids=coming.product_stripe_ids,
        metadata=coming.metadata,
    )


def _take_over(coupon: Coupon, coming: Coupon, *, at: datetime) -> Coupon:
    """The tenant's row gets the new coupon, the other row keeps the earlier one; once."""
    with transaction.atomic():
        coupon = coupon_selectors.lock(coupon)
        coming = coupon_selectors.lock(coming)
        if coming.superseded_at is None:
            discount_writes.exchange(coupon, coming, names=MOVED)
            coupon.all_products = True
            coupon.save(update_fields=["all_products", "updated_at"])
            coming.superseded_at = at
            coming.save(update_fields=["superseded_at", "updated_at"])
    return coupon


def _retire(coupon: Coupon, *, at: datetime) -> None:
    """Delete earlier coupons at Stripe that hold in every shop, or could be used beyond the limit.

    Whoever has the discount of one keeps it; codes follow to the new coupon when they are used.
    """
    for earlier in coupon_selectors.to_retire(coupon):
        target = str(earlier.stripe_id)
        try:
            intents.change(
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
        sync.now(account=earlier.account, kind=Kind.COUPON, stripe_id=target, at=at)
