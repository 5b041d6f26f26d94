"""Promotion codes: our row first, then Stripe's code.

In a shared Stripe account a code at Stripe names its project, because Stripe keeps one active code
of a text in an account: no project can take a text from another, or learn that it is taken. The
tenant and its buyers know the code as the tenant wrote it. It follows its coupon when that is made
again (``billing.catalog.coupon_coverage``).
"""

import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import stripe_customers
from billing.catalog import coupon_coverage
from billing.catalog.discount_writes import ask, exchange, record, refuse_past, seconds
from billing.catalog.selectors import coupons
from billing.errors import DiscountRefused, PromotionCodeExists
from billing.models import Coupon, PromotionCode
from billing.models.sync_object import Kind
from billing.outbound import intents, request_dedup
from billing.stripe import promotion_codes
from billing.sync import service as sync
from projects.customers import service as customers
from projects.keys.selectors import projects
from projects.models import Customer, Project

UPDATE = "promotion_code.update"
LONGEST = 400
"""Characters of a code, so that a project's name for itself fits beside it: Stripe takes 500."""
MADE_UP = 8
"""Characters of a code that the tenant leaves to us: 41 bits."""
ALPHABET = string.ascii_uppercase + string.digits
MOVED = ("stripe_id", "coupon_stripe_id", "times_redeemed")
"""What a code and the one that takes its place exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTerms:
    """What buyers type, and who may; an empty ``code`` is made up."""

    code: str = ""
    user_id: str = ""
    max_redemptions: int | None = None
    expires_at: datetime | None = None
    first_time_transaction: bool = False
    minimum_amount: int | None = None
    minimum_amount_currency: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def create(
    *, coupon: Coupon, terms: CodeTerms, idempotency_key: str, at: datetime
) -> PromotionCode:
    """A new code for a coupon, known to Stripe. Raises DiscountRefused for a coupon that is over,
    PromotionCodeExists for a text that an active code of the project has.

    After StripeUnavailable the same request finishes what this one began.
    """
    refuse_past(terms.expires_at, field="expires_at", at=at)
    if not coupon.valid:
        raise DiscountRefused("The coupon is no longer valid.")
    row = _begin(coupon, terms, idempotency_key, at)
    _make(row, coupon=coupon, at=at)
    return coupons.code(project=coupon.project, code_id=row.pk)


def set_active(*, code: PromotionCode, active: bool, actor: str, at: datetime) -> PromotionCode:
    """Let the code work, or not; one that is used up or expired stays closed (StripeRefused)."""
    changes = {"active": active}
    record(code, action="promotion_code.change", asked=changes, actor=actor, at=at)
    code = follow(code=code, products=(), at=at)
    if active:
        _refuse_same(code.project, code.code, code.customer, besides=code.pk)
    else:
        for earlier in code.others.filter(active=True, stripe_id__isnull=False):
            ask(earlier, operation=UPDATE, params=changes, at=at)
    ask(code, operation=UPDATE, params=changes, at=at)
    return coupons.code(project=code.project, code_id=code.pk)


def follow(*, code: PromotionCode, products: Collection[str], at: datetime) -> PromotionCode:
    """The code as it leads to a coupon that Stripe can apply to these products (Stripe's ids).

    Raises as :func:`coupon_coverage.cover`.
    """
    if not code.account.is_shared:
        return code
    coupon = coupon_coverage.cover(coupon=code.coupon, products=products, at=at)
    if not code.coupon_stripe_id:
        sync.now(account=code.account, kind=Kind.PROMOTION_CODE, stripe_id=_id(code), at=at)
        code = coupons.code(project=code.project, code_id=code.pk)
    if code.coupon_stripe_id == coupon.stripe_id or not code.active or coupon.deleted_at:
        return code
    if code.max_redemptions is not None:  # what is left is counted once nobody can use it
        ask(code, operation=UPDATE, params={"active": False}, at=at)
    coming = _coming(code, coupon)
    _make(coming, coupon=coupon, at=at)
    _take_over(code, coming, at=at)
    sync.now(account=code.account, kind=Kind.PROMOTION_CODE, stripe_id=_id(code), at=at)
    return coupons.code(project=code.project, code_id=code.pk)


def _begin(coupon: Coupon, terms: CodeTerms, idempotency_key: str, at: datetime) -> PromotionCode:
    """The row of this request, made now or by an earlier try of it."""
    buyer = None
    if terms.user_id:
        customer = customers.ensure(project=coupon.project, user_id=terms.user_id, at=at)
        buyer = stripe_customers.ensure(customer=customer, account=coupon.account, at=at).customer
    values: dict[str, Any] = {
        "max_redemptions": terms.max_redemptions,
        "first_time_transaction": terms.first_time_transaction,
        "minimum_amount": terms.minimum_amount,
        "minimum_amount_currency": terms.minimum_amount_currency,
        "metadata": terms.metadata,
    }
    told = {**values, "code": terms.code, "expires_at": str(terms.expires_at)}
    told["user_id"] = terms.user_id
    key = request_dedup.request_key(idempotency_key, "promotion_code", coupon.pk, told)
    rows = PromotionCode.objects.for_project(coupon.project_id)
    with transaction.atomic():
        projects.lock(project_id=coupon.project_id)
        row = request_dedup.begun(rows, key=key, is_named=bool(idempotency_key), at=at)
        if row is not None:
            return row
        _refuse_same(coupon.project, terms.code, buyer)
        return rows.create(
            account=coupon.account,
            coupon=coupon,
            code=terms.code or "".join(secrets.choice(ALPHABET) for _ in range(MADE_UP)),
            customer=buyer,
            expires_at=terms.expires_at,
            request_key=key,
            **values,
        )


def _refuse_same(project: Project, text: str, buyer: Customer | None, besides: str = "") -> None:
    rows = coupons.reads_the_same(project=project, text=text, buyer=buyer)
    if text and rows.exclude(pk=besides).exists():
        raise PromotionCodeExists("Close that one first, or choose another text.")


def _make(row: PromotionCode, *, coupon: Coupon, at: datetime) -> None:
    """Have Stripe make the code, and store what it says."""
    buyer = None
    if row.customer is not None:
        buyer = stripe_customers.ensure(customer=row.customer, account=row.account, at=at)
    params = promotion_codes.new(
        code=_text_at_stripe(row),
        max_redemptions=row.max_redemptions,
        first_time_transaction=row.first_time_transaction,
        minimum_amount=row.minimum_amount,
        minimum_amount_currency=row.minimum_amount_currency,
        metadata=row.metadata,
        coupon_stripe_id=coupon.stripe_id or "",
        customer_stripe_id=(buyer.stripe_id or "") if buyer else "",
        expires_at=seconds(row.expires_at),
    )
    intents.make(row, operation="promotion_code.create", params=params, at=at)
    sync.now(account=row.account, kind=Kind.PROMOTION_CODE, stripe_id=_id(row), at=at)


def _coming(code: PromotionCode, coupon: Coupon) -> PromotionCode:
    """The row that asks for the next code at Stripe; that of an earlier try if there is one."""
    with transaction.atomic():
        code = coupons.lock(code)
        begun = code.others.filter(superseded_at__isnull=True).first()
        if begun is not None:
            return begun
        limits = [
            coupon_coverage.remaining(each.max_redemptions, each.redeemed)
            for each in (code, coupon)
            if code.max_redemptions is not None
        ]
        return PromotionCode.objects.for_project(code.project_id).create(
            account=code.account,
            original=code,
            coupon_id=code.coupon_id,
            code=code.code,
            customer_id=code.customer_id,
            max_redemptions=min((each for each in limits if each is not None), default=None),
            expires_at=code.expires_at,
            first_time_transaction=code.first_time_transaction,
            minimum_amount=code.minimum_amount,
            minimum_amount_currency=code.minimum_amount_currency,
            metadata=code.metadata,
        )


def _take_over(code: PromotionCode, coming: PromotionCode, *, at: datetime) -> None:
    """The tenant's row gets the new code, the other row keeps the earlier one; once."""
    with transaction.atomic():
        code = coupons.lock(code)
        coming = coupons.lock(coming)
        if coming.superseded_at is None:
            exchange(code, coming, names=MOVED)
            coming.superseded_at = at
            coming.save(update_fields=["superseded_at", "updated_at"])


def _text_at_stripe(row: PromotionCode) -> str:
    """In a shared account a text that no other project has and no earlier code of this one: with
    the project's id in front and the row's own at the end."""
    if not row.account.is_shared:
        return row.code
    project, own = (each.rpartition("_")[2] for each in (row.project_id, row.pk))
    return f"{project}-{row.code}-{own}"


def _id(code: PromotionCode) -> str:
    return code.stripe_id or ""
