"""Create a tenant with rows for every page of the console."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from billing.models import (
    Checkout,
    DriftPolicy,
    DriftReport,
    Invoice,
    MissingObject,
    Payment,
    Price,
    Product,
    Reconciliation,
    Refund,
    Rollout,
    StripeAccount,
    StripeCustomer,
    StripeEndpoint,
    StripeIntent,
    StripeMeter,
    Subscription,
    SyncObject,
)
from common import chore_pauses, crypto
from common.ids import new_id
from delivery.models import (
    InboundRefusal,
    InboundSettings,
    MailSettings,
    MailSuppression,
    Notification,
    WebhookDelivery,
    WebhookEndpoint,
    WorkflowSignal,
)
from entitlements.credits import credit_grants
from entitlements.models import CreditGrant, Feature, FreeTierEntry, Grant, PermissionMap
from entitlements.resolution.facts import Reason
from entitlements.snapshots import signing_keys
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects import representation
from projects.keys import api_keys
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.scopes import ALL_SCOPES
from projects.models import ApiKey, App, Customer, PlatformKey, Project
from tests.console.world_catalog import (
    DAY,
    create_account,
    create_catalog,
    create_drift,
    create_free_feature,
    create_intent,
    create_missing_object,
    create_rollout,
    create_stripe_meter,
    new_stripe_id,
)
from tests.console.world_events import create_event, create_held_entry
from tests.console.world_mail import create_mail_settings, create_notification, create_suppression
from tests.console.world_purchases import create_purchase
from tests.console.world_signals import create_signal
from tests.console.world_webhooks import create_delivery, create_endpoint
from tests.factories.entitlements import draft_fact, grant, state
from tests.factories.projects import AppFactory, CustomerFactory, ProjectFactory
from webhooks.models import InboundEvent


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
    drift: DriftReport
    reconciliation: Reconciliation
    drift_policy: DriftPolicy
    stripe_meter: StripeMeter
    rollout: Rollout
    mail_settings: MailSettings
    notification: Notification
    suppression: MailSuppression
    permission_map: PermissionMap
    inbound_settings: InboundSettings
    signal: WorkflowSignal
    webhook_endpoint: WebhookEndpoint
    webhook_delivery: WebhookDelivery


def build(*, size: int = 1, name: str = "Acme", now: datetime | None = None) -> World:
    """Make the tenant; its names and texts all begin with ``name``."""
    now = now or timezone.now()
    project = ProjectFactory.create(name=name)
    account = create_account(project, name)
    endpoint = StripeEndpoint(account=account, token=new_id("tok"))
    endpoint.secrets = [crypto.encrypt("whsec_sealed_test", context=endpoint.secret_context)]
    endpoint.save()
    features = [
        Feature.objects.for_project(project).create(
            code=f"feature-{number}", name=f"{name} {number}", kind=("boolean", "limit")[number % 2]
        )
        for number in range(max(size, 2))
    ]
    product, price = create_catalog(project, account, features, name)
    key = app = None
    for number in range(size):
        app = AppFactory.create(project=project, name=f"{name} app {number}")
        request = ApiKeyRequest(name=f"{name} key {number}", scopes=ALL_SCOPES)
        key, _ = api_keys.issue(project=project, request=request, actor="command", at=now)
        platform_key, _ = api_keys.issue_platform(name=f"{name} {number}", actor="command", at=now)
        signing_keys.rotate(actor="command", at=now)
    customers = [
        CustomerFactory.create(project=project, name=name, metadata={"plan": name})
        for _ in range(size)
    ]
    customer = customers[-1]
    purchases = [
        create_purchase(customer, account, price, name, now, number) for number in range(size)
    ]
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
        draft_fact(features[0], starts_at=now - DAY, reason=Reason.ENTITLED),
        draft_fact(features[1], 3, starts_at=now - DAY, reason=Reason.ENTITLED),
        source=purchases[-1][0].pk,
        at=now,
    )
    free = [create_free_feature(project, name, number, now) for number in range(size)]
    events = [create_event(endpoint, account, project, now, number) for number in range(size)]
    for number in range(size):
        create_held_entry(name, now, number)
        refusal = InboundRefusal(name=f"{project.pk} {number}", first_at=now, last_at=now)
        refusal.save()
    for number in range(size):
        outbox.record(
            project_id=project.pk,
            event_type=EventType.CUSTOMER_UPDATED,
            subject=customer.pk,
            customer_id=customer.pk,
            data={**representation.customer(customer), "name": f"{name} {number}"},
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
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    drifts = [create_drift(product, name, now) for _ in range(size)]
    hooks = [create_endpoint(project, name, now) for _ in range(size)]
    deliveries = [create_delivery(hooks[-1], name, number, now) for number in range(size)]
    assert app is not None
    assert key is not None
    subscription, invoice, payment, refund, checkout = purchases[-1]
    stripe_customer = StripeCustomer.objects.for_project(project).create(
        account=account,
        customer=customer,
        stripe_id=new_stripe_id("cus"),
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
        reconciliation=drifts[-1][0],
        drift=drifts[-1][1],
        drift_policy=DriftPolicy.objects.get_or_create(id="stale")[0],
        missing_object=[create_missing_object(product, name, now) for _ in range(size)][-1],
        intent=[create_intent(product, name, number) for number in range(size)][-1],
        stripe_meter=[create_stripe_meter(account, customer, name, n, now) for n in range(size)][
            -1
        ],
        mail_settings=create_mail_settings(project, name),
        notification=[create_notification(customer, name, n, now) for n in range(size)][-1],
        permission_map=PermissionMap.objects.for_project(project).create(
            permissions={features[0].code: [f"{name} use"]}
        ),
        inbound_settings=InboundSettings.objects.for_project(project).create(),
        suppression=[create_suppression(customer, n, now) for n in range(size)][-1],
        signal=[create_signal(project, name, n, now) for n in range(size)][-1],
        webhook_endpoint=hooks[-1],
        webhook_delivery=deliveries[-1],
        rollout=[
            create_rollout(product, purchases[number][0], name, number) for number in range(size)
        ][-1],
    )
