"""Promotion codes. In a project's own account, codes created elsewhere are mirrored too."""

from datetime import datetime

from django.db.models import F
from django.db.models.functions import Coalesce

from billing.catalog.mapping import catalog_mapper
from billing.models import Coupon, PromotionCode, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import promotion_codes as stripe_promotion_codes
from billing.stripe.snapshots import PromotionCodeSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner


def _plan(
    account: StripeAccount, owner: Owner, snapshot: PromotionCodeSnapshot
) -> RowPlan[PromotionCode]:
    row = catalog_mapper.find_or_build_row(PromotionCode, account, owner, snapshot)
    coupon_id = row.coupon_id or _coupon_id(account, owner, snapshot)
    buyer = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "coupon_id": coupon_id,
            "coupon_stripe_id": snapshot.coupon_stripe_id,
            "customer_id": buyer.customer_id if buyer else None,
            "times_redeemed": snapshot.times_redeemed,
            "expires_at": snapshot.expires_at,
            "first_time_transaction": snapshot.first_time_transaction,
            "minimum_amount": snapshot.minimum_amount,
            "minimum_amount_currency": snapshot.minimum_amount_currency,
            "metadata": snapshot.metadata,
            **_owned_values(account, row, snapshot),
        },
        needs=None if coupon_id else (ObjectKind.COUPON.value, snapshot.coupon_stripe_id),
    )


def _owned_values(
    account: StripeAccount, row: PromotionCode, snapshot: PromotionCodeSnapshot
) -> Values:
    """Values that depend on the account's owner. In a shared account our row keeps text and limit,
    and a code stays open while its coupon at Stripe is superseded: it moves to the new coupon when
    it is used next."""
    if not account.is_shared:
        return {
            "code": snapshot.code,
            "max_redemptions": snapshot.max_redemptions,
            "active": snapshot.active,
        }
    is_behind = row.original_id is None and snapshot.coupon_stripe_id != row.coupon.stripe_id
    return {"active": row.active if is_behind else snapshot.active}


def _coupon_id(account: StripeAccount, owner: Owner, snapshot: PromotionCodeSnapshot) -> str | None:
    return (
        Coupon.objects.for_project(owner.project_id)
        .filter(account=account, stripe_id=snapshot.coupon_stripe_id)
        .annotate(shown=Coalesce(F("original_id"), F("id")))
        .values_list("shown", flat=True)
        .first()
    )


def _gone(row: PromotionCode, at: datetime) -> Values:
    return {"active": False}


MAPPER: Mapper[PromotionCodeSnapshot, PromotionCode] = catalog_mapper.build_mapper(
    model=PromotionCode, plan=_plan, gone=_gone
)

MIRRORED = Mirrored(
    ObjectKind.PROMOTION_CODE,
    stripe_promotion_codes.retrieve,
    stripe_promotion_codes.iterate,
    MAPPER,
    kinds.never,
)
