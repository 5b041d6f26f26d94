"""Products and prices: create and change them at Stripe and here.

Stripe owns name, description, amount and whether a product or price is on sale: we ask Stripe, then
store Stripe's answer. Features, credits and policies of a product are ours alone.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.catalog import (
    catalog_events,
    product_credits,
    product_features,
    product_policies,
    stripe_meters,
)
from billing.catalog.catalog_requests import PriceRequest, ProductChangeRequest, ProductRequest
from billing.catalog.selectors import catalog
from billing.errors import NotOnSale
from billing.models import Price, Product
from billing.models.price import PriceType
from billing.models.sync_object import ObjectKind
from billing.outbound import intents, request_dedup
from billing.stripe import prices, products
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.sync import service as sync
from common.ids import new_id
from events.audit import audit_trail as audit
from projects.models import Project


def create_product(
    *, project: Project, request: ProductRequest, idempotency_key: str, actor: str, at: datetime
) -> Product:
    """Create a product here and at Stripe. Raises Invalid for an unknown feature or a wrong value.

    After StripeUnavailable the same request resumes the work.
    """
    account = stripe_accounts.account_for(project)
    features = product_features.resolve(project=project, features=request.features)
    content = [
        request.name,
        request.description,
        [(entitlement.feature, entitlement.value) for entitlement in request.features],
        request.metadata,
        request.own_values,
    ]
    key = request_dedup.request_key(idempotency_key, "product", *content)
    with transaction.atomic():
        rows = Product.objects.for_project(project)
        earlier = request_dedup.find_earlier(
            Product, project_id=project.pk, key=key, is_named=bool(idempotency_key), at=at
        )
        row = earlier or rows.create(
            account=account,
            name=request.name,
            description=request.description,
            metadata=request.metadata,
            request_key=key,
            **request.own_values,
        )
        product_features.replace(product=row, features=features, actor=actor, at=at)
    _create_product_at_stripe(row, at=at)
    return catalog.product(project=project, product_id=row.pk)


def change_product(
    *,
    product: Product,
    request: ProductChangeRequest,
    actor: str,
    at: datetime,
    reason: str = "",
) -> Product:
    """Change a product; ``active=False`` takes it off sale.

    The audit entry is written before Stripe is asked. Raises Invalid for an unknown feature or a
    wrong value, StripeRefused, StripeUnavailable.
    """
    features = (
        None
        if request.features is None
        else product_features.resolve(project=product.project, features=request.features)
    )
    changes = request.stripe_values
    if changes:
        _audit(product, "product.change", changes, actor=actor, reason=reason, at=at)
        if "metadata" in changes:
            changes["metadata"] = _metadata_update(product.metadata, changes["metadata"])
        _change_at_stripe(product, ObjectKind.PRODUCT, changes, at=at)
    if features is not None:
        product_features.replace(
            product=product, features=features, actor=actor, reason=reason, at=at
        )
    if request.custom_price is not None:
        _set_custom_price(product, request.custom_price, actor=actor, reason=reason, at=at)
    if request.credits is not None:
        product_credits.replace(
            product=product, credits=request.credits, actor=actor, reason=reason, at=at
        )
    product_policies.replace(
        product=product,
        refund_policy=request.refund_policy,
        dispute_policy=request.dispute_policy,
        renewal_policy=request.renewal_policy,
        actor=actor,
        reason=reason,
        at=at,
    )
    return catalog.product(project=product.project, product_id=product.pk)


def create_price(
    *, product: Product, request: PriceRequest, idempotency_key: str, at: datetime
) -> Price:
    """Create a price of the product here and at Stripe.

    Raises MeterNotBillable, and NotOnSale for an archived product. After StripeUnavailable the same
    request resumes the work.
    """
    meter = request.meter
    if meter is not None:
        stripe_meters.check(meter=meter)
    if not product.active:
        raise NotOnSale("Put the product on sale first: PATCH it with active true.")
    values = {
        "currency": request.money.currency,
        "unit_amount": request.money.amount,
        "interval": request.interval,
        "interval_count": request.interval_count,
        "nickname": request.nickname,
        "metadata": request.metadata,
    }
    content = values if meter is None else {**values, "meter": meter.pk}
    key = request_dedup.request_key(idempotency_key, "price", product.pk, content)
    rows = Price.objects.for_project(product.project_id)
    earlier = request_dedup.find_earlier(
        Price, project_id=product.project_id, key=key, is_named=bool(idempotency_key), at=at
    )
    row = earlier or rows.create(
        account=product.account,
        product=product,
        type=PriceType.RECURRING if request.interval else PriceType.ONE_TIME,
        meter=meter,
        request_key=key,
        **values,
    )
    _create_price_at_stripe(row, at=at)
    return row


def set_price_active(
    *, price: Price, active: bool, actor: str, at: datetime, reason: str = ""
) -> Price:
    """Put the price on sale or take it off sale; existing subscriptions keep it."""
    _audit(price, "price.change", {"active": active}, actor=actor, reason=reason, at=at)
    _change_at_stripe(price, ObjectKind.PRICE, {"active": active}, at=at)
    return catalog.price(project=price.project, price_id=price.pk)


def _create_product_at_stripe(row: Product, *, at: datetime) -> None:
    intents.create_object(
        row,
        operation="product.create",
        params=products.new(name=row.name, description=row.description, metadata=row.metadata),
        at=at,
    )


def _create_price_at_stripe(row: Price, *, at: datetime) -> None:
    meter_stripe_id = ""
    if row.meter is not None:
        stripe_meter = stripe_meters.ensure(meter=row.meter, account=row.account, at=at)
        meter_stripe_id = stripe_meter.stripe_id
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
    intents.create_object(row, operation="price.create", params=params, at=at)


def _audit(
    row: Product | Price,
    action: str,
    changes: dict[str, Any],
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
        before={field: getattr(row, field) for field in changes},
        after=changes,
        at=at,
    )


def _set_custom_price(
    product: Product, custom_price: bool, *, actor: str, reason: str, at: datetime
) -> None:
    """Change a value that Stripe does not have."""
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        if product.custom_price != custom_price:
            changes = {"custom_price": custom_price}
            _audit(product, "product.change", changes, actor=actor, reason=reason, at=at)
            with catalog_events.recorded(product, at=at):
                product.custom_price = custom_price
                product.save(update_fields=["custom_price", "updated_at"])


def _change_at_stripe(
    row: Product | Price, kind: ObjectKind, changes: dict[str, Any], *, at: datetime
) -> None:
    """Change the object at Stripe and store its new state, also if Stripe no longer has it."""
    assert row.stripe_id is not None
    try:
        intents.change_object(
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
        raise StripeRefused("It was deleted at Stripe. Create another one.") from missing
    sync.now(account=row.account, kind=kind, stripe_id=row.stripe_id, at=at)


def _metadata_update(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """The metadata parameter that replaces ``old`` by ``new``: an empty value removes a key."""
    return {**dict.fromkeys(old, ""), **new}
