"""Create the account, catalog and Stripe-side rows of the console's tenant."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from billing.models import (
    DriftReport,
    MissingObject,
    Price,
    Product,
    ProductFeature,
    ReconcileRun,
    Reconciliation,
    Rollout,
    RolloutMove,
    StripeAccount,
    StripeIntent,
    StripeMeter,
    Subscription,
)
from common import crypto
from common.ids import new_id
from common.models import BackOff
from entitlements.free_tier import service as free_tier
from entitlements.models import Feature, FreeTierEntry
from projects.models import Customer, Project
from usage.models import Meter, Record

DAY = timedelta(days=1)
IMPACT: dict[str, Any] = {
    "holders": 9,
    "looked_at": 9,
    "changed": 3,
    "features": [
        {"feature": "sso", "gain": 3, "lose": 0, "more": 0, "less": 0, "other": 0},
    ],
    "over_limit": [{"feature": "calls", "users": 1, "user_ids": ["ada"]}],
    "moves": 2,
    "refused": [{"code": "payment-overdue", "subscriptions": 1}],
    "bills": {"more": 2, "less": 0, "same": 0},
    "mrr": [{"currency": "usd", "before": 5800, "after": 7800, "difference": 2000}],
}


def create_free_feature(project: Project, name: str, number: int, now: datetime) -> FreeTierEntry:
    feature = Feature.objects.for_project(project).create(
        code=f"free-{number}", name=f"{name} free {number}", kind="limit"
    )
    return free_tier.set_feature(
        project=project,
        code=feature.code,
        value=1000 + number,
        reason=f"{name} asked for it.",
        actor="command",
        at=now,
    )


def create_account(project: Project, name: str) -> StripeAccount:
    account = StripeAccount(
        project=project,
        name=f"{name} Ltd",
        livemode=project.livemode,
        stripe_id=new_stripe_id("acct"),
        secret_key_last_four="c4fe",
    )
    account.secret_key = crypto.encrypt("sk_test_sealed_c4fe", context=account.key_context)
    account.save()
    return account


def create_rollout(product: Product, subscription: Subscription, name: str, number: int) -> Rollout:
    """A plan that was applied, with one subscription that it could not move."""
    plan = Rollout.objects.for_project(product.project_id).create(
        product=product,
        catalog_version=number,
        status=("done", "running", "planned")[number % 3],
        is_plan=True,
        terms={"refund_policy": "keep"},
        figures=IMPACT,
        started_by="operator:ada",
        reason=f"{name} asked for it.",
        total=9,
        looked_at=9,
    )
    RolloutMove.objects.for_project(product.project_id).create(
        rollout=plan,
        subscription=subscription,
        status="refused",
        code="payment-overdue",
        detail=f"{name} has to pay first.",
    )
    return plan


def create_missing_object(product: Product, name: str, now: datetime) -> MissingObject:
    return MissingObject.objects.for_project(product.project).create(
        account=product.account,
        kind="product",
        stripe_id=new_stripe_id("prod"),
        our_id=product.pk,
        reason="too_many",
        state="waiting",
        decided_by=name,
        found_at=now,
    )


def create_drift(product: Product, name: str, now: datetime) -> tuple[Reconciliation, DriftReport]:
    """A reconciliation that is over, and a difference that it has reported."""
    row = Reconciliation.objects.create(
        purpose=new_id("rec"),
        account=product.account,
        project=product.project,
        kinds=["product"],
        reason=name,
        started_by=name,
        started_at=now,
        finished_at=now,
        state="finished",
        ended_by=name,
    )
    ReconcileRun.objects.create(
        purpose=row.purpose,
        account=product.account,
        step="product",
        phase="failed",
        started_at=now,
        touched_at=now,
        next_try_at=now,
        finished_at=now,
        last_error=name,
    )
    report = DriftReport.objects.for_project(product.project).create(
        account=product.account,
        run=row,
        kind="product",
        object_key=new_stripe_id("prod"),
        our_id=product.pk,
        drift_class="stale",
        state="reported",
        changes=[
            {"field": "name", "ours": None, "stripe": None, "redacted": True},
            {"field": name, "ours": name, "stripe": name, "redacted": False},
        ],
        note=name,
        decided_by=name,
        first_found_at=now,
        last_found_at=now,
    )
    return row, report


def create_intent(product: Product, name: str, number: int) -> StripeIntent:
    BackOff.objects.create(
        queue="customer_copies",
        owner=product.project_id,
        subject=new_id("cus"),
        failures=12,
        code="stripe-refused",
        last_error="StripeRefused: No.",
        parked_at=timezone.now(),
    )
    return StripeIntent.objects.for_project(product.project_id).create(
        account=product.account,
        operation="product.update",
        purpose=f"product.update {number}",
        subject=product.pk,
        target=str(product.stripe_id),
        params={"name": name},
        state=("parked", "unknown", "done")[number % 3],
        last_error=f"StripeFailed: {name} broke.",
    )


def create_stripe_meter(
    account: StripeAccount, customer: Customer, name: str, number: int, now: datetime
) -> StripeMeter:
    """A meter with a record that Stripe refused."""
    meter = Meter.objects.for_project(customer.project_id).create(
        code=f"calls-{number}", name=name, aggregation="sum", is_forwarded=True
    )
    Record.objects.for_project(customer.project_id).create(
        id=new_id("use"),
        customer=customer,
        meter=meter,
        value=7,
        occurred_at=now,
        recorded_at=now,
        forwarding="refused",
        forwarding_error=f"Stripe says: {name} is not known.",
    )
    return StripeMeter.objects.for_project(customer.project_id).create(
        account=account, meter=meter, stripe_id=new_stripe_id("mtr"), event_name=meter.pk
    )


def create_catalog(
    project: Project, account: StripeAccount, features: list[Feature], name: str
) -> tuple[Product, Price]:
    product = Product.objects.for_project(project).create(
        account=account,
        name=f"{name} Pro",
        description=f"{name}, for teams",
        stripe_id=new_stripe_id("prod"),
        metadata={"colour": name},
    )
    values: list[Any] = [True, 3]
    for feature, value in zip(features, values, strict=False):
        ProductFeature.objects.for_project(project).create(
            product=product, feature=feature, value=value
        )
    price = Price.objects.for_project(project).create(
        account=account,
        product=product,
        nickname=f"{name} monthly",
        type="recurring",
        currency="usd",
        unit_amount=2900,
        interval="month",
        stripe_id=new_stripe_id("price"),
    )
    return product, price


def new_stripe_id(prefix: str) -> str:
    return f"{prefix}_{new_id('x')[-16:]}"
