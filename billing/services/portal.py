"""Send a user to Stripe's portal, as the project has set it up.

Settings are ours, and nothing is sent to Stripe when they change. What they come to, together with
the prices that are on sale, is made at Stripe when a user first needs it, and used from then on.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from billing.errors import PortalNotAvailable, SubscriptionEnded
from billing.models import StripeAccount, Subscription
from billing.models.portal import Cancellation, PortalConfiguration, PortalSettings
from billing.selectors import catalog, portal, subscriptions
from billing.selectors.portal import Obstacle
from billing.services import intents, return_urls, stripe_accounts
from billing.stripe import portal as stripe_portal
from billing.stripe.fields import Fields
from common.errors import Invalid
from events.services import audit
from projects.models import Customer, Project
from projects.selectors import customers, projects

MODES = {Cancellation.PERIOD_END: "at_period_end", Cancellation.NOW: "immediately"}
"""Stripe's words."""
CHANGEABLE = (
    "headline",
    "cancellation",
    "plan_changes",
    "products",
    "payment_methods",
    "invoices",
    "default_return_url",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One thing for the user to do there. ``type`` is Stripe's word; ids are ours."""

    type: str
    product: str = ""
    price: str = ""
    quantity: int | None = None


def obstacles(*, project: Project, user_id: str) -> list[Obstacle]:
    """Why this user cannot be sent to the portal; nothing when they can."""
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    return portal.obstacles(project=project, account=account, customer=customer)


def configure(
    *, project: Project, changes: dict[str, Any], actor: str, at: datetime
) -> PortalSettings:
    """The project's settings with these fields replaced.

    Raises RedirectRefused for a return address, NotFound for a product, that is not the project's.
    """
    if url := changes.get("default_return_url"):
        return_urls.check(project=project, url=url, field="default_return_url")
    for product_id in changes.get("products", ()):
        catalog.product(project=project, product_id=product_id)
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = portal.settings_of(project)
        before = {name: getattr(row, name) for name in changes if name in CHANGEABLE}
        for name in before:
            setattr(row, name, changes[name])
        row.save()
        audit.record(
            actor=actor,
            action="portal.configure",
            subject=row.pk,
            project_id=project.pk,
            before=before,
            after={name: changes[name] for name in before},
            at=at,
        )
    return row


def open_session(
    *,
    project: Project,
    user_id: str,
    return_url: str,
    flow: Flow | None,
    request: str,
    at: datetime,
) -> str:
    """A link for this user, good for a few minutes. Once per ``request``.

    Raises PortalNotAvailable with the reasons, RedirectRefused, NotFound for what the flow names,
    StripeRefused when the portal does not offer what the flow is about, StripeUnavailable.
    """
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    found = portal.obstacles(project=project, account=account, customer=customer)
    if found or customer is None:
        raise PortalNotAvailable(
            "reasons says why; GET /portal/eligibility tells beforehand.",
            reasons=[each.value for each in found],
        )
    said = portal.settings_of(project)
    back = return_url or said.default_return_url
    if back:
        return_urls.check(project=project, url=back, field="return_url")
    buyer = portal.buyer(customer=customer, account=account)
    assert buyer is not None  # has bought
    assert buyer.stripe_id is not None
    data = _flow_data(project, customer, said, flow, back) if flow is not None else None
    made = intents.change(
        project_id=project.pk,
        account=account,
        operation=stripe_portal.CREATE_SESSION,
        subject=buyer.pk,
        target=buyer.stripe_id,
        params=stripe_portal.session(
            customer=buyer.stripe_id,
            configuration=_configuration(project, account, said, at=at),
            return_url=back,
            flow=data,
        ),
        request=request,
        at=at,
    )
    return str(made["url"])


def _configuration(
    project: Project, account: StripeAccount, said: PortalSettings, *, at: datetime
) -> str:
    """Stripe's id of the portal that holds what the settings come to now; made if need be."""
    params = _content(project, account, said)
    told = json.dumps(params, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(told.encode()).hexdigest()
    rows = PortalConfiguration.objects.for_project(project)
    same = rows.filter(account=account, digest=digest).select_related("account")
    row = same.first()
    if row is None:
        try:
            with transaction.atomic():
                row = rows.create(account=account, digest=digest)
        except IntegrityError:
            row = same.get()
    if not row.stripe_id:
        intents.make(row, operation=stripe_portal.CREATE_CONFIGURATION, params=params, at=at)
    return row.stripe_id or ""


def _content(project: Project, account: StripeAccount, said: PortalSettings) -> Fields:
    products = []
    if said.plan_changes:
        products = portal.offered(project=project, account=account, products=said.products)
    return stripe_portal.configuration(
        headline=said.headline,
        cancels=MODES.get(Cancellation(said.cancellation), ""),
        offers=[
            stripe_portal.Offer(
                product=each.stripe_id or "",
                prices=[price.stripe_id or "" for price in each.portal_prices],  # type: ignore[attr-defined]  # selectors.portal.offered
            )
            for each in products
        ],
        payment_methods=said.payment_methods,
        invoices=said.invoices,
        default_return_url=said.default_return_url,
        takes_codes=not account.is_shared,
    )


def _flow_data(
    project: Project, customer: Customer, said: PortalSettings, flow: Flow, back: str
) -> Fields:
    """Stripe's words for the flow. Raises Invalid for what the settings do not offer."""
    offered = {
        "payment_method_update": said.payment_methods,
        "subscription_cancel": said.cancellation != Cancellation.NEVER,
        "subscription_update": said.plan_changes,
        "subscription_update_confirm": said.plan_changes,
    }
    if not offered[flow.type]:
        raise Invalid("The portal's configuration does not offer this.", field="flow/type")
    if flow.type == "payment_method_update":
        return stripe_portal.flow(flow.type, return_url=back)
    row = subscriptions.of_product(project=project, user_id=customer.user_id, product=flow.product)
    if row.has_ended or not row.stripe_id:
        raise SubscriptionEnded("Open a new checkout to subscribe again.")
    target: dict[str, Any] = {"subscription": row.stripe_id}
    if flow.type == "subscription_update_confirm":
        target["items"] = [_item(project, row, flow)]
    return stripe_portal.flow(flow.type, return_url=back, **target)


def _item(project: Project, row: Subscription, flow: Flow) -> Fields:
    """What the subscription's item for the product is to become."""
    item = next(
        each
        for each in row.items.all()
        if each.price is not None and each.price.product_id == flow.product
    )
    price = catalog.price(project=project, price_id=flow.price) if flow.price else item.price
    assert price is not None
    quantity = {} if price.is_metered else {"quantity": flow.quantity or item.quantity}
    return {"id": item.stripe_id, "price": price.stripe_id, **quantity}
