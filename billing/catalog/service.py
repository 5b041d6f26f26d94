"""What a project sells: products, their prices, and what each product entitles to.

Stripe owns name, description, price and whether something is on sale: we ask Stripe, then store
what Stripe says. What a product entitles to, and its policies, are ours alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.catalog import product_credits, product_features, product_policies, stripe_meters
from billing.catalog.product_credits import NO_CREDITS, Credits
from billing.catalog.product_features import Entitlement
from billing.catalog.selectors import catalog
from billing.errors import NotOnSale
from billing.models import Price, Product
from billing.models.price import PriceType
from billing.models.product import DisputePolicy, RefundPolicy, RenewalPolicy
from billing.models.sync_object import Kind
from billing.outbound import intents, request_dedup
from billing.stripe import prices, products
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.sync import service as sync
from common.ids import new_id
from common.money import Money
from events.services import audit
from projects.models import Project
from usage.models import Meter


def create_product(
    *,
    project: Project,
    name: str,
    description: str,
    features: Sequence[Entitlement],
    metadata: dict[str, str],
    idempotency_key: str,
    actor: str,
    at: datetime,
    refund_policy: str = RefundPolicy.REVOKE,
    dispute_policy: str = DisputePolicy.HOLD,
    renewal_policy: str = RenewalPolicy.PAID,
    custom_price: bool = False,
    credits: Credits = NO_CREDITS,
) -> Product:
    """A new product, known to Stripe. Raises Invalid for a feature or value that does not fit.

    After StripeUnavailable the same request finishes what this one began.
    """
    account = stripe_accounts.account_for(project)
    wanted = product_features.resolve(project=project, features=features)
    said = [(each.feature, each.value) for each in features]
    ours = {
        "refund_policy": refund_policy,
        "dispute_policy": dispute_policy,
        "renewal_policy": renewal_policy,
        "custom_price": custom_price,
        **credits.columns,
    }
    content = [name, description, said, metadata, ours]
    key = request_dedup.request_key(idempotency_key, "product", *content)
    with transaction.atomic():
        rows = Product.objects.for_project(project)
        row = request_dedup.begun(
            rows, key=key, is_named=bool(idempotency_key), at=at
        ) or rows.create(
            account=account,
            name=name,
            description=description,
            metadata=metadata,
            request_key=key,
            **ours,
        )
        product_features.replace(product=row, wanted=wanted, actor=actor, at=at)
    _make_product(row, at=at)
    return catalog.product(project=project, product_id=row.pk)


def change_product(
    *,
    product: Product,
    actor: str,
    at: datetime,
    name: str | None = None,
    description: str | None = None,
    active: bool | None = None,
    metadata: dict[str, str] | None = None,
    features: Sequence[Entitlement] | None = None,
    refund_policy: str | None = None,
    dispute_policy: str | None = None,
    renewal_policy: str | None = None,
    custom_price: bool | None = None,
    credits: Credits | None = None,
    reason: str = "",
) -> Product:
    """Change what is given; ``active=False`` takes the product off sale.

    What is asked for stands in the audit trail before Stripe hears of it.
    """
    wanted = (
        None
        if features is None
        else product_features.resolve(project=product.project, features=features)
    )
    asked: dict[str, Any] = {
        "name": name,
        "description": description,
        "active": active,
        "metadata": metadata,
    }
    changes = {field: value for field, value in asked.items() if value is not None}
    if changes:
        _audit(product, "product.change", changes, actor=actor, reason=reason, at=at)
        if "metadata" in changes:
            changes["metadata"] = _replacing(product.metadata, changes["metadata"])
        _change(product, Kind.PRODUCT, changes, at=at)
    if wanted is not None:
        product_features.replace(product=product, wanted=wanted, actor=actor, reason=reason, at=at)
    if custom_price is not None:
        _set_custom_price(product, custom_price, actor=actor, reason=reason, at=at)
    if credits is not None:
        product_credits.replace(product=product, wanted=credits, actor=actor, reason=reason, at=at)
    product_policies.replace(
        product=product,
        refund_policy=refund_policy,
        dispute_policy=dispute_policy,
        renewal_policy=renewal_policy,
        actor=actor,
        reason=reason,
        at=at,
    )
    return catalog.product(project=product.project, product_id=product.pk)


def create_price(
    *,
    product: Product,
    money: Money,
    interval: str,
    interval_count: int,
    nickname: str,
    metadata: dict[str, str],
    idempotency_key: str,
    at: datetime,
    meter: Meter | None = None,
) -> Price:
    """A new price of the product, known to Stripe; without an interval it is paid once, with a
    meter it bills what that counts. Raises MeterNotBillable.

    After StripeUnavailable the same request finishes what this one began.
    """
    if meter is not None:
        stripe_meters.check(meter=meter)
    if not product.active:
        raise NotOnSale("Put the product on sale first: PATCH it with active true.")
    terms = {
        "currency": money.currency,
        "unit_amount": money.amount,
        "interval": interval,
        "interval_count": interval_count,
        "nickname": nickname,
        "metadata": metadata,
    }
    said = terms if meter is None else {**terms, "meter": meter.pk}
    key = request_dedup.request_key(idempotency_key, "price", product.pk, said)
    rows = Price.objects.for_project(product.project_id)
    row = request_dedup.begun(rows, key=key, is_named=bool(idempotency_key), at=at) or rows.create(
        account=product.account,
        product=product,
        type=PriceType.RECURRING if interval else PriceType.ONE_TIME,
        meter=meter,
        request_key=key,
        **terms,
    )
    _make_price(row, at=at)
    return row


def set_price_active(
    *, price: Price, active: bool, actor: str, at: datetime, reason: str = ""
) -> Price:
    """Put the price on sale or take it off; who pays it already goes on paying it."""
    _audit(price, "price.change", {"active": active}, actor=actor, reason=reason, at=at)
    _change(price, Kind.PRICE, {"active": active}, at=at)
    return catalog.price(project=price.project, price_id=price.pk)


def _make_product(row: Product, *, at: datetime) -> None:
    intents.make(
        row,
        operation="product.create",
        params=products.new(name=row.name, description=row.description, metadata=row.metadata),
        at=at,
    )


def _make_price(row: Price, *, at: datetime) -> None:
    meter_stripe_id = ""
    if row.meter is not None:
        known = stripe_meters.ensure(meter=row.meter, account=row.account, at=at)
        meter_stripe_id = known.stripe_id
    params = prices.new(
        product_stripe_id=row.product.stripe_id or "",
        currency=row.currency,
        unit_amount=row.unit_amount,
        interval=row.interval,
        interval_count=row.interval_count,
        nickname=row.nickname,
        metadata=row.metadata,
        meter_stripe_id=meter_stripe_id,
    )
    intents.make(row, operation="price.create", params=params, at=at)


def _audit(
    row: Product | Price,
    action: str,
    asked: dict[str, Any],
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=row.pk,
        project_id=row.project_id,
        reason=reason,
        before={field: getattr(row, field) for field in asked},
        after=asked,
        at=at,
    )


def _set_custom_price(
    product: Product, custom_price: bool, *, actor: str, reason: str, at: datetime
) -> None:
    """Ours alone; Stripe does not hear of it."""
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        if product.custom_price != custom_price:
            asked = {"custom_price": custom_price}
            _audit(product, "product.change", asked, actor=actor, reason=reason, at=at)
            product.custom_price = custom_price
            product.save(update_fields=["custom_price", "updated_at"])


def _change(row: Product | Price, kind: Kind, changes: dict[str, Any], *, at: datetime) -> None:
    """Ask Stripe, and store what it then says, also when it says that the object is gone."""
    assert row.stripe_id is not None
    try:
        intents.change(
            project_id=row.project_id,
            account=row.account,
            operation=f"{kind}.update",
            subject=row.pk,
            target=row.stripe_id,
            params=changes,
            request=new_id("req"),
            at=at,
        )
    except StripeObjectMissing as missing:
        sync.now(account=row.account, kind=kind, stripe_id=row.stripe_id, at=at)
        raise StripeRefused("It was deleted at Stripe. Make another one.") from missing
    sync.now(account=row.account, kind=kind, stripe_id=row.stripe_id, at=at)


def _replacing(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """As Stripe wants it told: an empty value unsets a key."""
    return {**dict.fromkeys(old, ""), **new}
