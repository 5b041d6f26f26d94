"""Create a tenant with rows for every page of the console."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from billing.models import (
    Cart,
    CartLine,
    Checkout,
    CheckoutLine,
    CreditNote,
    Dispute,
    EarlyFraudWarning,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    MissingObject,
    Payment,
    Price,
    Product,
    ProductFeature,
    Refund,
    Rollout,
    RolloutMove,
    StripeAccount,
    StripeCustomer,
    StripeEndpoint,
    StripeIntent,
    StripeMeter,
    Subscription,
    SubscriptionItem,
    SyncObject,
)
from common import crypto
from common.ids import new_id
from common.models import BackOff
from entitlements.credits import credit_grants
from entitlements.free_tier import service as free_tier
from entitlements.models import CreditGrant, Feature, FreeTierEntry, Grant
from entitlements.resolution.facts import Reason
from entitlements.snapshots import signing_keys
from events.catalog import EventType
from events.services import audit, outbox
from projects.keys import api_keys
from projects.keys.scopes import ALL_SCOPES
from projects.models import ApiKey, App, Customer, PlatformKey, Project
from tests.factories.entitlements import claim, grant, state
from tests.factories.projects import AppFactory, CustomerFactory, ProjectFactory
from usage.models import Meter, Record
from webhooks.models import InboundEvent

DAY = timedelta(days=1)
FIGURES: dict[str, Any] = {
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


@dataclass(frozen=True)
class World:
    """One of each; there are ``size`` of everything that is listed."""

    project: Project
    customer: Customer
    app: App
    key: ApiKey
    platform_key: PlatformKey
    feature: Feature
    product: Product
    price: Price
    account: StripeAccount
    endpoint: StripeEndpoint
    subscription: Subscription
    payment: Payment
    invoice: Invoice
    checkout: Checkout
    refund: Refund
    stripe_customer: StripeCustomer
    grant: Grant
    free_tier: FreeTierEntry
    credits: CreditGrant
    sync_object: SyncObject
    event: InboundEvent
    intent: StripeIntent
    missing_object: MissingObject
    stripe_meter: StripeMeter
    rollout: Rollout


def build(*, size: int = 1, name: str = "Acme", now: datetime | None = None) -> World:
    """Make the tenant; its names and texts all begin with ``name``."""
    now = now or timezone.now()
    project = ProjectFactory.create(name=name)
    account = _account(project, name)
    endpoint = StripeEndpoint(account=account, token=new_id("tok"))
    endpoint.secrets = [crypto.encrypt("whsec_sealed_test", context=endpoint.secret_context)]
    endpoint.save()
    features = [
        Feature.objects.for_project(project).create(
            code=f"feature-{number}", name=f"{name} {number}", kind=("boolean", "limit")[number % 2]
        )
        for number in range(max(size, 2))
    ]
    product, price = _catalog(project, account, features, name)
    key = app = None
    for number in range(size):
        app = AppFactory.create(project=project, name=f"{name} app {number}")
        key, _ = api_keys.issue(
            project=project, name=f"{name} key {number}", scopes=ALL_SCOPES, actor="command", at=now
        )
        platform_key, _ = api_keys.issue_platform(name=f"{name} {number}", actor="command", at=now)
        signing_keys.rotate(actor="command", at=now)
    customers = [
        CustomerFactory.create(project=project, name=name, metadata={"plan": name})
        for _ in range(size)
    ]
    customer = customers[-1]
    bought = [_buy(customer, account, price, name, now, number) for number in range(size)]
    grants = [
        grant(customer, (features[1], 5 + number), at=now, reason=f"{name} asked for it.")
        for number in range(size)
    ]
    credits = [
        credit_grants.give_by_hand(
            project=project,
            user_id=customer.user_id,
            amount=100 + number,
            reason=f"{name} asked for it.",
            actor="command",
            at=now,
        )
        for number in range(size)
    ]
    state(
        customer,
        claim(features[0], starts_at=now - DAY, reason=Reason.ENTITLED),
        claim(features[1], 3, starts_at=now - DAY, reason=Reason.ENTITLED),
        source=bought[-1][0].pk,
        at=now,
    )
    free = [_free(project, name, number, now) for number in range(size)]
    events = [_event(endpoint, account, project, now, number) for number in range(size)]
    for number in range(size):
        outbox.record(
            project_id=project.pk,
            event_type=EventType.CUSTOMER_UPDATED,
            subject=customer.pk,
            customer_id=customer.pk,
            data={"name": name, "number": number},
            at=now,
        )
        audit.record(
            actor="operator:ada",
            action="customer.note",
            subject=customer.pk,
            project_id=project.pk,
            reason=f"{name} called.",
            at=now,
        )
    assert app is not None
    assert key is not None
    subscription, invoice, payment, refund, checkout = bought[-1]
    stripe_customer = StripeCustomer.objects.for_project(project).create(
        account=account,
        customer=customer,
        stripe_id=_stripe_id("cus"),
        name=name,
        currency="usd",
        balance=-500,
        synced_at=now,
    )
    assert events[-1].sync is not None
    return World(
        project=project,
        customer=customer,
        app=app,
        key=key,
        platform_key=platform_key,
        feature=features[0],
        product=product,
        price=price,
        account=account,
        endpoint=endpoint,
        subscription=subscription,
        payment=payment,
        invoice=invoice,
        checkout=checkout,
        refund=refund,
        stripe_customer=stripe_customer,
        grant=grants[-1],
        free_tier=free[-1],
        credits=credits[-1],
        sync_object=events[-1].sync,
        event=events[-1],
        missing_object=[_missing(product, name, now) for _ in range(size)][-1],
        intent=[_intent(product, name, number) for number in range(size)][-1],
        stripe_meter=[_stripe_meter(account, customer, name, n, now) for n in range(size)][-1],
        rollout=[_rollout(product, bought[number][0], name, number) for number in range(size)][-1],
    )


def _free(project: Project, name: str, number: int, now: datetime) -> FreeTierEntry:
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


def _account(project: Project, name: str) -> StripeAccount:
    account = StripeAccount(
        project=project,
        name=f"{name} Ltd",
        livemode=project.livemode,
        stripe_id=_stripe_id("acct"),
        secret_key_last_four="c4fe",
    )
    account.secret_key = crypto.encrypt("sk_test_sealed_c4fe", context=account.key_context)
    account.save()
    return account


def _rollout(product: Product, subscription: Subscription, name: str, number: int) -> Rollout:
    """A plan that was applied, with one subscription that it could not move."""
    plan = Rollout.objects.for_project(product.project_id).create(
        product=product,
        catalog_version=number,
        status=("done", "running", "planned")[number % 3],
        is_plan=True,
        terms={"refund_policy": "keep"},
        figures=FIGURES,
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


def _missing(product: Product, name: str, now: datetime) -> MissingObject:
    return MissingObject.objects.for_project(product.project).create(
        account=product.account,
        kind="product",
        stripe_id=_stripe_id("prod"),
        our_id=product.pk,
        reason="too_many",
        state="waiting",
        decided_by=name,
        found_at=now,
    )


def _intent(product: Product, name: str, number: int) -> StripeIntent:
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


def _stripe_meter(
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
        account=account, meter=meter, stripe_id=_stripe_id("mtr"), event_name=meter.pk
    )


def _catalog(
    project: Project, account: StripeAccount, features: list[Feature], name: str
) -> tuple[Product, Price]:
    product = Product.objects.for_project(project).create(
        account=account,
        name=f"{name} Pro",
        description=f"{name}, for teams",
        stripe_id=_stripe_id("prod"),
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
        stripe_id=_stripe_id("price"),
    )
    return product, price


def _buy(
    customer: Customer,
    account: StripeAccount,
    price: Price,
    name: str,
    now: datetime,
    number: int,
) -> tuple[Subscription, Invoice, Payment, Refund, Checkout]:
    """One subscription with all that hangs on it, one checkout, one refunded payment."""
    project = customer.project
    ours = {"account": account, "customer": customer, "synced_at": now}
    subscription = Subscription.objects.for_project(project).create(
        **ours,
        stripe_id=_stripe_id("sub"),
        status=("active", "trialing", "past_due", "canceled")[number % 4],
        started_at=now - 20 * DAY,
        metadata={"seller": name},
    )
    SubscriptionItem.objects.for_project(project).create(
        subscription=subscription,
        stripe_id=_stripe_id("si"),
        price=price,
        price_stripe_id=price.stripe_id or "",
        quantity=number + 1,
        period_start=now - 20 * DAY,
        period_end=now + 10 * DAY,
    )
    invoice = Invoice.objects.for_project(project).create(
        **ours,
        stripe_id=_stripe_id("in"),
        subscription=subscription,
        subscription_stripe_id=subscription.stripe_id or "",
        number=f"A-{number:04}",
        status="paid",
        billing_reason="subscription_create",
        currency="usd",
        subtotal=2900,
        total=2900,
        amount_due=2900,
        amount_paid=2900,
        hosted_url="https://invoice.example.com/1",
        issued_at=now - 20 * DAY,
        paid_at=now - 20 * DAY,
    )
    InvoiceLine.objects.for_project(project).create(
        invoice=invoice,
        stripe_id=_stripe_id("il"),
        description=f"{name} Pro",
        price=price,
        quantity=1,
        amount=2900,
        currency="usd",
        period_start=now - 20 * DAY,
        period_end=now + 10 * DAY,
    )
    cart = Cart.objects.for_project(project).create(
        customer=customer,
        currency="usd",
        metadata={"seller": name},
        expires_at=now + 20 * DAY,
    )
    CartLine.objects.for_project(project).create(cart=cart, price=price, quantity=number + 1)
    checkout = Checkout.objects.for_project(project).create(
        **ours,
        cart=cart,
        stripe_id=_stripe_id("cs_test"),
        type="subscription",
        status="complete",
        payment_status="paid",
        success_url="https://app.example.com/paid",
        currency="usd",
        amount_total=2900,
        subscription_stripe_id=subscription.stripe_id or "",
        metadata={"seller": name},
        completed_at=now - 20 * DAY,
    )
    CheckoutLine.objects.for_project(project).create(checkout=checkout, price=price)
    payment = Payment.objects.for_project(project).create(
        **ours,
        stripe_id=_stripe_id("pi"),
        status="partially_refunded",
        stripe_status="succeeded",
        currency="usd",
        amount=2900,
        amount_received=2900,
        amount_refunded=900,
        paid_at=now - DAY,
        metadata={"seller": name},
    )
    Dispute.objects.for_project(project).create(
        account=account,
        stripe_id=_stripe_id("du"),
        payment=payment,
        status=("needs_response", "won", "lost", "warning_needs_response")[number % 4],
        currency="usd",
        amount=2000,
        reason="fraudulent",
        evidence_due_by=now + 7 * DAY,
        opened_at=now - DAY / 4,
    )
    EarlyFraudWarning.objects.for_project(project).create(
        account=account,
        stripe_id=_stripe_id("issfr"),
        payment=payment,
        fraud_type="made_with_stolen_card",
        actionable=number % 2 == 0,
        warned_at=now - DAY / 3,
    )
    InvoicePayment.objects.for_project(project).create(
        invoice=invoice,
        stripe_id=_stripe_id("inpay"),
        payment=payment,
        payment_stripe_id=payment.stripe_id or "",
        status="paid",
        currency="usd",
        amount_requested=2900,
        amount_paid=2900,
    )
    CreditNote.objects.for_project(project).create(
        account=account,
        stripe_id=_stripe_id("cn"),
        invoice=invoice,
        number=f"{name[:50]}-CN-{number}",
        status="issued",
        currency="usd",
        amount=900,
        issued_at=now - DAY / 2,
    )
    refund = Refund.objects.for_project(project).create(
        account=account,
        stripe_id=_stripe_id("re"),
        payment=payment,
        status="succeeded",
        currency="usd",
        amount=900,
        reason="requested_by_customer",
        refunded_at=now - DAY / 2,
        synced_at=now,
    )
    return subscription, invoice, payment, refund, checkout


STATES: list[dict[str, Any]] = [
    {"requested": 1, "applied": 1},
    {"requested": 2, "applied": 0, "attempts": 1, "last_error": "StripeUnavailable: no answer"},
    {"requested": 1, "applied": 0, "attempts": 5, "last_error": "DependencyMissing: waits"},
    {"requested": 1, "applied": 1},
]
"""Applied, waiting, parked, foreign: by the event's number."""


def _event(
    endpoint: StripeEndpoint,
    account: StripeAccount,
    project: Project,
    now: datetime,
    number: int,
) -> InboundEvent:
    stripe_id = _stripe_id("sub")
    kind = number % 4
    sync = SyncObject.objects.create(
        account=account,
        kind="subscription",
        stripe_id=stripe_id,
        project=project if kind != 3 else None,
        parked_at=now if kind == 2 else None,
        foreign_at=now if kind == 3 else None,
        **STATES[kind],
    )
    event_id = _stripe_id("evt")
    body = {
        "id": event_id,
        "object": "event",
        "type": "customer.subscription.updated",
        "livemode": False,
        "created": int(now.timestamp()),
        "data": {"object": {"id": stripe_id, "object": "subscription"}},
    }
    return InboundEvent.objects.create(
        endpoint=endpoint,
        event_id=event_id,
        type="customer.subscription.updated",
        stripe_object_id=stripe_id,
        body=json.dumps(body).encode(),
        sync=sync,
        request_number=1,
        received_at=now - timedelta(hours=number % 20),
        last_received_at=now,
    )


def _stripe_id(prefix: str) -> str:
    return f"{prefix}_{new_id('x')[-16:]}"
