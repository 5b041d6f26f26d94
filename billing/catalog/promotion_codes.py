"""Promotion codes: our row is created first, then Stripe's code.

Stripe allows one active code per text and account. In a shared account the text at Stripe therefore
contains the project, so that no project can block a text of another or learn of it. The tenant and
its buyers see the text as the tenant wrote it. A code moves to the new coupon when its coupon is
created again (``billing.catalog.coupon_coverage``).
"""

import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import stripe_customers
from billing.catalog import catalog_events, coupon_coverage
from billing.catalog.discount_writes import (
    record_audit,
    refuse_past,
    request_change,
    swap_values,
    to_unix_seconds,
    to_whole_second,
)
from billing.catalog.selectors import coupons
from billing.errors import DiscountRefused, PromotionCodeExists
from billing.models import Coupon, PromotionCode
from billing.models.sync_object import ObjectKind
from billing.outbound import intents, request_dedup
from billing.stripe import promotion_codes
from billing.stripe.promotion_codes import NewPromotionCode
from billing.sync import service as sync
from projects.customers import service as customers
from projects.keys.selectors import projects
from projects.models import Customer, Project

UPDATE = "promotion_code.update"
MAX_CODE_LENGTH = 400
"""Characters of a code: with the ids that a shared account adds it fits into Stripe's 500."""
GENERATED_LENGTH = 8
"""Characters of a generated code: 41 bits."""
ALPHABET = string.ascii_uppercase + string.digits
SWAPPED_FIELDS = ("stripe_id", "coupon_stripe_id", "times_redeemed")
"""Fields that a code and its successor swap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionCodeRequest:
    """A promotion code to create; an empty ``code`` is generated, an empty ``user_id`` is anyone.
    ``minimum_amount`` is in minor units."""

    code: str = ""
    user_id: str = ""
    max_redemptions: int | None = None
    expires_at: datetime | None = None
    first_time_transaction: bool = False
    minimum_amount: int | None = None
    minimum_amount_currency: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def create(
    *, coupon: Coupon, request: PromotionCodeRequest, idempotency_key: str, at: datetime
) -> PromotionCode:
    """Create a code for a coupon here and at Stripe.

    Raises DiscountRefused for a coupon that is no longer valid, PromotionCodeExists for the text of
    an active code. After StripeUnavailable the same request resumes the work.
    """
    refuse_past(request.expires_at, field="expires_at", at=at)
    if not coupon.valid:
        raise DiscountRefused("The coupon is no longer valid.")
    row = _find_or_create_row(coupon, request, idempotency_key, at)
    _create_at_stripe(row, coupon=coupon, at=at)
    return coupons.code(project=coupon.project, code_id=row.pk)


def set_active(*, code: PromotionCode, active: bool, actor: str, at: datetime) -> PromotionCode:
    """Open or close the code. Raises StripeRefused for one that is used up or expired."""
    changes = {"active": active}
    record_audit(code, action="promotion_code.change", changes=changes, actor=actor, at=at)
    code = follow_coupon(code=code, products=(), at=at)
    if active:
        _refuse_same_text(code.project, code.code, code.customer, except_id=code.pk)
    else:
        for earlier in code.others.filter(active=True, stripe_id__isnull=False):
            request_change(earlier, operation=UPDATE, params=changes, at=at)
    request_change(code, operation=UPDATE, params=changes, at=at)
    return coupons.code(project=code.project, code_id=code.pk)


def follow_coupon(*, code: PromotionCode, products: Collection[str], at: datetime) -> PromotionCode:
    """The code as it leads to a coupon that Stripe can apply to these products (Stripe's ids).

    Raises as :func:`coupon_coverage.cover_products`.
    """
    if not code.account.is_shared:
        return code
    coupon = coupon_coverage.cover_products(coupon=code.coupon, products=products, at=at)
    if not code.coupon_stripe_id:
        sync.now(
            account=code.account, kind=ObjectKind.PROMOTION_CODE, stripe_id=_stripe_id(code), at=at
        )
        code = coupons.code(project=code.project, code_id=code.pk)
    if code.coupon_stripe_id == coupon.stripe_id or not code.active or coupon.deleted_at:
        return code
    if code.max_redemptions is not None:  # count the remaining uses while the code is closed
        request_change(code, operation=UPDATE, params={"active": False}, at=at)
    successor = _find_or_create_successor(code, coupon)
    _create_at_stripe(successor, coupon=coupon, at=at)
    _swap_stripe_codes(code, successor, at=at)
    sync.now(
        account=code.account, kind=ObjectKind.PROMOTION_CODE, stripe_id=_stripe_id(code), at=at
    )
    return coupons.code(project=code.project, code_id=code.pk)


def _find_or_create_row(
    coupon: Coupon, request: PromotionCodeRequest, idempotency_key: str, at: datetime
) -> PromotionCode:
    """The row of this request, created now or by an earlier attempt."""
    buyer = None
    if request.user_id:
        customer = customers.ensure(project=coupon.project, user_id=request.user_id, at=at)
        buyer = stripe_customers.ensure(customer=customer, account=coupon.account, at=at).customer
    values: dict[str, Any] = {
        "max_redemptions": request.max_redemptions,
        "first_time_transaction": request.first_time_transaction,
        "minimum_amount": request.minimum_amount,
        "minimum_amount_currency": request.minimum_amount_currency,
        "metadata": request.metadata,
    }
    fingerprint = {**values, "code": request.code, "expires_at": str(request.expires_at)}
    fingerprint["user_id"] = request.user_id
    key = request_dedup.request_key(idempotency_key, "promotion_code", coupon.pk, fingerprint)
    rows = PromotionCode.objects.for_project(coupon.project_id)
    with transaction.atomic():
        projects.lock(project_id=coupon.project_id)
        row = request_dedup.find_earlier(
            PromotionCode,
            project_id=coupon.project_id,
            key=key,
            is_named=bool(idempotency_key),
            at=at,
        )
        if row is not None:
            return row
        _refuse_same_text(coupon.project, request.code, buyer)
        return rows.create(
            account=coupon.account,
            coupon=coupon,
            code=request.code or "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_LENGTH)),
            customer=buyer,
            expires_at=to_whole_second(request.expires_at),
            request_key=key,
            **values,
        )


def _refuse_same_text(
    project: Project, text: str, buyer: Customer | None, except_id: str = ""
) -> None:
    rows = coupons.matching_codes(project=project, text=text, buyer=buyer)
    if text and rows.exclude(pk=except_id).exists():
        raise PromotionCodeExists("Deactivate that one first, or choose another text.")


def _create_at_stripe(row: PromotionCode, *, coupon: Coupon, at: datetime) -> None:
    """Create the code at Stripe and store Stripe's answer."""
    buyer = None
    if row.customer is not None:
        buyer = stripe_customers.ensure(customer=row.customer, account=row.account, at=at)
    new_code = NewPromotionCode(
        code=_text_at_stripe(row),
        max_redemptions=row.max_redemptions,
        first_time_transaction=row.first_time_transaction,
        minimum_amount=row.minimum_amount,
        minimum_amount_currency=row.minimum_amount_currency,
        metadata=row.metadata,
        coupon_stripe_id=coupon.stripe_id or "",
        customer_stripe_id=(buyer.stripe_id or "") if buyer else "",
        expires_at=to_unix_seconds(row.expires_at),
    )
    params = promotion_codes.new(new_code)
    intents.create_object(row, operation="promotion_code.create", params=params, at=at)
    sync.now(account=row.account, kind=ObjectKind.PROMOTION_CODE, stripe_id=_stripe_id(row), at=at)


def _find_or_create_successor(code: PromotionCode, coupon: Coupon) -> PromotionCode:
    """The row of the next Stripe code, created now or by an earlier attempt."""
    with transaction.atomic():
        code = coupons.lock(code)
        earlier = code.others.filter(superseded_at__isnull=True).first()
        if earlier is not None:
            return earlier
        limits = [
            coupon_coverage.remaining_redemptions(row.max_redemptions, row.redeemed)
            for row in (code, coupon)
            if code.max_redemptions is not None
        ]
        return PromotionCode.objects.for_project(code.project_id).create(
            account=code.account,
            original=code,
            coupon_id=code.coupon_id,
            code=code.code,
            customer_id=code.customer_id,
            max_redemptions=min((limit for limit in limits if limit is not None), default=None),
            expires_at=code.expires_at,
            first_time_transaction=code.first_time_transaction,
            minimum_amount=code.minimum_amount,
            minimum_amount_currency=code.minimum_amount_currency,
            metadata=code.metadata,
        )


def _swap_stripe_codes(code: PromotionCode, successor: PromotionCode, *, at: datetime) -> None:
    """Give the tenant's row the new Stripe code and the successor row the old one; only once."""
    with transaction.atomic():
        customer = catalog_events.lock_customer(code)
        code = coupons.lock(code)
        successor = coupons.lock(successor)
        if successor.superseded_at is None:
            with catalog_events.recorded(code, customer=customer, at=at):
                swap_values(code, successor, names=SWAPPED_FIELDS)
                successor.superseded_at = at
                successor.save(update_fields=["superseded_at", "updated_at"])


def _text_at_stripe(row: PromotionCode) -> str:
    """The code's text at Stripe. In a shared account it is unique: project id, text, row id."""
    if not row.account.is_shared:
        return row.code
    project, own = (key.rpartition("_")[2] for key in (row.project_id, row.pk))
    return f"{project}-{row.code}-{own}"


def _stripe_id(code: PromotionCode) -> str:
    return code.stripe_id or ""
