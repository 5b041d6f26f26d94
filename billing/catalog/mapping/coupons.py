"""Coupons. In a project's own account, coupons that were created elsewhere are mirrored too."""

from datetime import datetime

from billing.catalog.mapping import catalog_mapper
from billing.models import Coupon, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import coupons as stripe_coupons
from billing.stripe.snapshots import CouponSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors.owners import Owner


def _plan(account: StripeAccount, owner: Owner, snapshot: CouponSnapshot) -> RowPlan[Coupon]:
    """In a shared account our row keeps the limit of uses: a coupon that was created again has
    only the remaining uses at Stripe."""
    limit = {} if account.is_shared else {"max_redemptions": snapshot.max_redemptions}
    return RowPlan(
        row=catalog_mapper.find_or_build_row(Coupon, account, owner, snapshot),
        values={
            "stripe_id": snapshot.stripe_id,
            "name": snapshot.name,
            "percent_off": snapshot.percent_off,
            "amount_off": snapshot.amount_off,
            "currency": snapshot.currency,
            "duration": snapshot.duration,
            "duration_in_months": snapshot.duration_in_months,
            "times_redeemed": snapshot.times_redeemed,
            "redeem_by": snapshot.redeem_by,
            "valid": snapshot.valid,
            "product_stripe_ids": list(snapshot.product_stripe_ids),
            "metadata": snapshot.metadata,
            "deleted_at": None,
            **limit,
        },
    )


def _gone(row: Coupon, at: datetime) -> Values:
    """A deleted coupon cannot be redeemed any more; existing discounts stay."""
    return {"valid": False, "deleted_at": row.deleted_at or at}


MAPPER: Mapper[CouponSnapshot, Coupon] = catalog_mapper.build_mapper(
    model=Coupon, plan=_plan, gone=_gone
)

MIRRORED = Mirrored(
    ObjectKind.COUPON,
    stripe_coupons.retrieve,
    stripe_coupons.iterate,
    MAPPER,
    kinds.always,
)
