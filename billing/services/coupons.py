"""Discounts that a project gives: our row first, then Stripe's coupon or promotion code.

What a coupon takes off never changes; a name, metadata and whether a code works do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.errors import DiscountRefused
from billing.models import Coupon, PromotionCode
from billing.models.sync_object import Kind
from billing.selectors import catalog
from billing.selectors import coupons as stored
from billing.services import intents, making, stripe_accounts, stripe_customers, sync
from billing.stripe import coupons, promotion_codes
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from common.errors import Invalid
from common.ids import new_id
from events.services import audit
from projects.models import Project
from projects.services import customers


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTerms:
    """What buyers type, and who may; an empty ``code`` is made up by Stripe."""

    code: str = ""
    user_id: str = ""
    max_redemptions: int | None = None
    expires_at: datetime | None = None
    first_time_transaction: bool = False
    minimum_amount: int | None = None
    minimum_amount_currency: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def create(*, project: Project, terms: Terms, idempotency_key: str, at: datetime) -> Coupon:
    """A new coupon, known to Stripe. Raises Invalid for a product that is not there.

    After StripeUnavailable the same request finishes what this one began.
    """
    _refuse_past(terms.redeem_by, "redeem_by", at)
    account = stripe_accounts.account_for(project)
    products = _products(project, terms.products)
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
    key = making.request_key(idempotency_key, "coupon", told)
    rows = Coupon.objects.for_project(project)
    row = making.begun(rows, key=key, is_named=bool(idempotency_key), at=at) or rows.create(
        account=account, request_key=key, redeem_by=terms.redeem_by, **values
    )
    params = coupons.new(**values, redeem_by=_seconds(row.redeem_by))
    intents.make(row, operation="coupon.create", params=params, at=at)
    sync.now(account=row.account, kind=Kind.COUPON, stripe_id=row.stripe_id or "", at=at)
    return stored.get(project=project, coupon_id=row.pk)


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
    _audit(coupon, "coupon.change", changes, actor=actor, at=at)
    if metadata is not None:
        changes["metadata"] = {**dict.fromkeys(coupon.metadata, ""), **metadata}
    _ask(coupon, Kind.COUPON, "coupon.update", changes, at=at)
    return stored.get(project=coupon.project, coupon_id=coupon.pk)


def delete(*, coupon: Coupon, actor: str, at: datetime) -> None:
    """Nobody can use it from now on; whoever has its discount keeps it."""
    _audit(coupon, "coupon.delete", {}, actor=actor, at=at)
    _ask(coupon, Kind.COUPON, "coupon.delete", {}, at=at)


def create_code(
    *, coupon: Coupon, terms: CodeTerms, idempotency_key: str, at: datetime
) -> PromotionCode:
    """A new code for a coupon, known to Stripe. Raises DiscountRefused for a coupon that is over.

    After StripeUnavailable the same request finishes what this one began.
    """
    _refuse_past(terms.expires_at, "expires_at", at)
    if not coupon.valid:
        raise DiscountRefused("The coupon is no longer valid.")
    buyer = None
    if terms.user_id:
        customer = customers.ensure(project=coupon.project, user_id=terms.user_id, at=at)
        buyer = stripe_customers.ensure(customer=customer, account=coupon.account, at=at)
    values: dict[str, Any] = {
        "code": terms.code,
        "max_redemptions": terms.max_redemptions,
        "first_time_transaction": terms.first_time_transaction,
        "minimum_amount": terms.minimum_amount,
        "minimum_amount_currency": terms.minimum_amount_currency,
        "metadata": terms.metadata,
    }
    told = {**values, "expires_at": str(terms.expires_at), "user_id": terms.user_id}
    key = making.request_key(idempotency_key, "promotion_code", coupon.pk, told)
    rows = PromotionCode.objects.for_project(coupon.project_id)
    row = making.begun(rows, key=key, is_named=bool(idempotency_key), at=at) or rows.create(
        account=coupon.account,
        coupon=coupon,
        customer=buyer.customer if buyer else None,
        expires_at=terms.expires_at,
        request_key=key,
        **values,
    )
    params = promotion_codes.new(
        **values,
        coupon_stripe_id=coupon.stripe_id or "",
        customer_stripe_id=(buyer.stripe_id or "") if buyer else "",
        expires_at=_seconds(row.expires_at),
    )
    intents.make(row, operation="promotion_code.create", params=params, at=at)
    sync.now(account=row.account, kind=Kind.PROMOTION_CODE, stripe_id=row.stripe_id or "", at=at)
    return stored.code(project=coupon.project, code_id=row.pk)


def set_code_active(
    *, code: PromotionCode, active: bool, actor: str, at: datetime
) -> PromotionCode:
    """Let the code work, or not; one that is used up or expired stays closed (StripeRefused)."""
    changes = {"active": active}
    _audit(code, "promotion_code.change", changes, actor=actor, at=at)
    _ask(code, Kind.PROMOTION_CODE, "promotion_code.update", changes, at=at)
    return stored.code(project=code.project, code_id=code.pk)


def _products(project: Project, ids: Sequence[str]) -> list[str]:
    known = catalog.products(project=project).in_bulk(list(ids))
    for index, product_id in enumerate(ids):
        if product_id not in known:
            raise Invalid("No product with this id.", field=f"products/{index}")
    return sorted({known[product_id].stripe_id or "" for product_id in ids})


def _refuse_past(moment: datetime | None, field: str, at: datetime) -> None:
    if moment is not None and moment <= at:
        raise Invalid("Send a time to come.", field=field)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _ask(
    row: Coupon | PromotionCode, kind: Kind, operation: str, params: Fields, *, at: datetime
) -> None:
    """Ask Stripe, and store what it then says, also when it says that the object is gone."""
    target = row.stripe_id or ""
    try:
        intents.change(
            project_id=row.project_id,
            account=row.account,
            operation=operation,
            subject=row.pk,
            target=target,
            params=params,
            request=new_id("req"),
            at=at,
        )
    except StripeObjectMissing as missing:
        sync.now(account=row.account, kind=kind, stripe_id=target, at=at)
        raise StripeRefused("It was deleted at Stripe. Make another one.") from missing
    sync.now(account=row.account, kind=kind, stripe_id=target, at=at)


def _audit(
    row: Coupon | PromotionCode, action: str, asked: dict[str, Any], *, actor: str, at: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=row.pk,
        project_id=row.project_id,
        before={name: getattr(row, name) for name in asked},
        after=asked,
        at=at,
    )
