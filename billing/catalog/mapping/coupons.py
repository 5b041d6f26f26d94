"""Coupons. In a project's own account, coupons that were created elsewhere are mirrored too."""

from datetime import datetime

from billing.models import Coupon, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import coupons as stripe_coupons
from billing.stripe.snapshots import CouponSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from projects.models import Customer


def _row(account: StripeAccount, snapshot: CouponSnapshot) -> Coupon | None:
    return owners.claimed_row(
        Coupon, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )


def _owner(account: StripeAccount, snapshot: CouponSnapshot) -> Owner | None:
    row = _row(account, snapshot)
    project_id = row.project_id if row is not None else account.project_id
    return Owner(project_id) if project_id is not None else None


def _plan(account: StripeAccount, owner: Owner, snapshot: CouponSnapshot) -> RowPlan[Coupon]:
    """In a shared account our row keeps the limit of uses: a coupon that was created again has
    only the remaining uses at Stripe."""
    limit = {} if account.is_shared else {"max_redemptions": snapshot.max_redemptions}
    return RowPlan(
        row=_row(account, snapshot) or Coupon(project_id=owner.project_id, account=account),
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


def _carry_out(planned: RowPlan[Coupon], customer: Customer | None, at: datetime) -> None:
    planned.write(at=at)


def _no_customer(row: Coupon) -> None:
    return None


MAPPER: Mapper[CouponSnapshot, Coupon] = Mapper(
    model=Coupon,
    owner=_owner,
    plan=_plan,
    gone=_gone,
    carry_out=_carry_out,
    customer_id=_no_customer,
)

MIRRORED = Mirrored(
    ObjectKind.COUPON,
    stripe_coupons.retrieve,
    stripe_coupons.iterate,
    MAPPER,
    kinds.always,
)
